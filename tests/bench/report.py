"""Medians, ratios and aims as Markdown. A ratio is the median of the rounds' own ratios: what
disturbed one round disturbed both of its sides."""
from statistics import median


class Results:
    """group -> subject -> metric -> one number a round"""

    def __init__(self):
        self.groups = {}

    def add(self, group, subject, metrics):
        of = self.groups.setdefault(group, {}).setdefault(subject, {})
        for name, value in metrics.items():
            of.setdefault(name, []).append(value)

    def values(self, group, subject, metric):
        return self.groups.get(group, {}).get(subject, {}).get(metric, [])

    def median(self, group, subject, metric):
        v = self.values(group, subject, metric)
        return median(v) if v else None

    def ratio(self, group, metric, subject, other):
        pairs = zip(self.values(group, subject, metric), self.values(group, other, metric))
        quotients = [a / b for a, b in pairs if b]
        return median(quotients) if quotients else None

    def worst(self, metric, subject):
        """The largest figure of a subject over all groups."""
        found = [max(v[subject][metric]) for v in self.groups.values() if metric in v.get(subject, {})]
        return max(found) if found else None


def ratio(group, metric, subject, other):
    return lambda r: r.ratio(group, metric, subject, other)


def figure(group, metric, subject):
    return lambda r: r.median(group, subject, metric)


def each(group, conns, make):
    return [(f"{group}, {n}", make(f"{group}, {n}")) for n in conns]


def aims(nodes):
    """(what, figure of the results, "<=" or ">=", aim)"""
    inside, storm = "catalog into the inside store", f"storm of {nodes} nodes, debian"
    yield "catalog into the inside store: wall, moat / skopeo sync", ratio(inside, "wall_s", "moat", "skopeo sync"), "<=", 0.08
    for up in ("docker-registry", "nginx"):
        for image, metric, aim in (("catalog", "cpu_s", 0.2), ("catalog", "wall_s", 0.25), ("big", "cpu_s", 0.6)):
            group = f"pull {image} from {up}"
            yield f"{group}: {metric[:-2]}, moat / skopeo copy", ratio(group, metric, "moat", "skopeo copy"), "<=", aim
    for n in (64, 512):
        group = f"manifest GET, kept alive, {n}"
        yield f"{group}: rps, moatd / nginx", ratio(group, "rps", "moatd", "nginx"), ">=", 1.0
        yield f"{group}: rps, moatd / docker-registry", ratio(group, "rps", "moatd", "docker-registry"), ">=", 40
    for n in (1, 64, 512):
        group = f"blob GET of 256 MiB, kept alive, {n}"
        yield f"{group}: CPU per GiB, moatd / nginx", ratio(group, "cpu_s_per_gib", "moatd", "nginx"), "<=", 1.1
    yield f"{storm}: CPU, moatd / docker-registry", ratio(storm, "cpu_s", "moatd", "docker-registry"), "<=", 0.45
    yield f"{storm}: peak RSS of moatd, MiB", figure(storm, "peak_rss_mib", "moatd"), "<=", 32
    yield "peak RSS of moat over all runs, MiB", lambda r: r.worst("rss_mib", "moat"), "<=", 48
    idle = "idle, with the catalog in the store"
    yield "idle RSS of moatd, MiB", figure(idle, "rss_mib", "moatd"), "<=", 8
    yield "first 200 of moatd after its start, ms", figure(idle, "first_200_ms", "moatd"), "<=", 10


def number(x):
    if x is None:
        return ""
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.3g}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def aims_table(results, nodes):
    rows = []
    for what, of, sign, aim in aims(nodes):
        got = of(results)
        if got is not None:
            ok = got <= aim if sign == "<=" else got >= aim
            rows.append([what, f"{sign} {number(aim)}", number(got), "yes" if ok else "**no**"])
    return table(["figure", "aim", "reached", ""], rows) if rows else []


def group_table(results, title, subjects):
    ours = next((s for s in ("moatd", "moat") if s in subjects), None)
    others = [s for s in subjects if s != ours]
    rows = []
    metrics = dict.fromkeys(m for of in subjects.values() for m in of)
    for metric in metrics:
        row = [metric] + [number(results.median(title, s, metric)) for s in subjects]
        if ours:
            row += [number(results.ratio(title, metric, ours, s)) for s in others]
        rows.append(row)
    head = ["median", *subjects] + ([f"{ours} / {s}" for s in others] if ours else [])
    return [f"\n### {title}\n"] + table(head, rows)


def markdown(results, nodes, about):
    lines = ["# Benchmark results", "", *about, "", "## Aims", ""]
    lines += aims_table(results, nodes) + ["", "## Figures"]
    for title, subjects in results.groups.items():
        lines += group_table(results, title, subjects)
    return "\n".join(lines) + "\n"
