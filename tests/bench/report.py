"""Medians, ratios and aims as Markdown. A ratio is the median of the rounds' own ratios: what
disturbed one round disturbed both of its sides."""
from statistics import median

from sizes import BY_API, ECDSA, FRESH, KEPT, TLS_REQUESTS, Tls, blob, manifest


class Results:
    """group -> subject -> metric -> one number a round"""

    def __init__(self):
        self.groups = {}
        self.failures = []

    def failed(self, group, subject, why):
        self.failures.append(f"{group}, {subject}: {why}")

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

    def between(self, metric, subject, group, other):
        """One subject's figure in a group over that in another group of the same round."""
        pairs = zip(self.values(group, subject, metric), self.values(other, subject, metric))
        quotients = [a / b for a, b in pairs if b]
        return median(quotients) if quotients else None

    def total(self, group, metric, subject):
        return sum(self.values(group, subject, metric)) if self.values(group, subject, metric) else None

    def worst(self, metric, subject):
        """The largest figure of a subject over all groups."""
        found = [max(v[subject][metric]) for v in self.groups.values() if metric in v.get(subject, {})]
        return max(found) if found else None


def ratio(group, metric, subject, other):
    return lambda r: r.ratio(group, metric, subject, other)


def figure(group, metric, subject):
    return lambda r: r.median(group, subject, metric)


def tool_aims():
    inside = "catalog into the inside store"
    yield f"{inside}: wall, moat / skopeo sync", ratio(inside, "wall_s", "moat", "skopeo sync"), "<=", 0.08
    for up in ("docker-registry", "nginx"):
        for image, metric, aim in (("catalog", "cpu_s", 0.2), ("catalog", "wall_s", 0.25), ("big", "cpu_s", 0.6)):
            group = f"pull {image} from {up}"
            yield f"{group}: {metric[:-2]}, moat / skopeo copy", ratio(group, metric, "moat", "skopeo copy"), "<=", aim
    yield "peak RSS of moat over all runs, MiB", lambda r: r.worst("rss_mib", "moat"), "<=", 48


def manifest_aims():
    for how in (KEPT, FRESH):
        for conns in (1, 64, 512):
            for method in ("GET", "HEAD"):
                group = manifest(method, how, conns)
                yield f"{group}: rps, moatd / nginx", ratio(group, "rps", "moatd", "nginx"), ">=", 1.0
                if conns == 512:
                    yield f"{group}: p99, moatd / nginx", ratio(group, "p99_us", "moatd", "nginx"), "<=", 1.0
    for how in TLS_REQUESTS:
        group = manifest("GET", how, 64)
        yield f"{group}: rps, moatd / nginx", ratio(group, "rps", "moatd", "nginx"), ">=", 1.0


def blob_aims():
    for how in (KEPT, Tls(ECDSA)):
        for conns in (1, 8, 64):
            group = blob(how, conns)
            yield f"{group}: GiB/s, moatd / nginx", ratio(group, "gib_per_s", "moatd", "nginx"), ">=", 1.0
            yield (f"{group}: CPU per GiB, moatd / nginx",
                   ratio(group, "cpu_s_per_gib", "moatd", "nginx"), "<=", 1.05)


def push_aims(size):
    """docker-registry took 3.5 CPU-s for a GiB when the aim was set, so 2.0 is 0.57 of it."""
    whole, chunks = size.push(False), size.push(True)
    yield f"{whole}: CPU-s per GiB of moatd", figure(whole, "cpu_s_per_gib", "moatd"), "<=", 2.0
    yield (f"{whole}: CPU, moatd / docker-registry",
           ratio(whole, "cpu_s", "moatd", "docker-registry"), "<=", 2.0 / 3.5)
    for metric in ("wall_s", "cpu_s"):
        yield (f"push of {size.push_mib} MiB: {metric[:-2]} of moatd, in chunks / in one PUT",
               lambda r, m=metric: r.between(m, "moatd", chunks, whole), "<=", 1.1)


def write_aims(size):
    catalog, put, listed = size.catalog_in(BY_API), size.tags_put(), size.tags_list()
    yield from push_aims(size)
    yield (f"{catalog}: CPU, moatd / docker-registry",
           ratio(catalog, "cpu_s", "moatd", "docker-registry"), "<=", 0.16)
    yield f"{put}: puts/s of moatd", figure(put, "puts_per_s", "moatd"), ">=", 2000
    yield f"{put}: errors of moatd", lambda r: r.total(put, "errors", "moatd"), "<=", 0
    yield f"{listed}: p50 of moatd, ms", figure(listed, "p50_ms", "moatd"), "<=", 1.0


def serve_aims(size):
    few, many, idle = (size.storm(size.nodes, "debian"), size.storm(size.many_nodes, "catalog"),
                       "idle, with the catalog in the store")
    yield f"{few}: CPU, moatd / docker-registry", ratio(few, "cpu_s", "moatd", "docker-registry"), "<=", 0.45
    yield f"{few}: peak RSS of moatd, MiB", figure(few, "peak_rss_mib", "moatd"), "<=", 32
    yield f"{many}: peak RSS of moatd, MiB", figure(many, "peak_rss_mib", "moatd"), "<=", 48
    yield f"{many}: errors of moatd", lambda r: r.total(many, "errors", "moatd"), "<=", 0
    yield "idle RSS of moatd, MiB", figure(idle, "rss_mib", "moatd"), "<=", 8
    yield "first 200 of moatd after its start, ms", figure(idle, "first_200_ms", "moatd"), "<=", 10
    yield f"{size.start()}: first 200, ms", figure(size.start(), "first_200_ms", "moatd"), "<=", 10


def collect_aims(size):
    """By the current release of distribution where it could be built, else by Debian's."""
    for repos, images in size.collected:
        for what, aim in (("mark", 0.05), ("all", 0.35)):
            title = f"{size.collect(repos, images)}: {what}"
            for metric in ("wall_s", "cpu_s"):
                yield (f"{title}, {metric}, moatd / distribution", lambda r, t=title, m=metric: next(
                    (x for x in (r.ratio(t, m, "moatd", p) for p in ("distribution", "docker-registry")) if x is not None),
                    None), "<=", aim)


def pulls_aims(size):
    for repos, images in size.collected:
        title = f"{size.collect(repos, images)}: pulls meanwhile"
        yield f"{title}, of the idle rate", figure(title, "of_idle", "moatd"), ">=", 0.9


def set_aims(size):
    """Flat: a set of a hundred times as many images may cost a quarter more."""
    few, many = (size.switch(n) for n in size.set_images)
    for title in few, many:
        yield f"{title}, of a commit of one row", figure(title, "of_a_commit", "moat"), "<=", 3
    yield (f"{many}, of that of {size.set_images[0]}, each by the commits beside it",
           lambda r: r.between("of_a_commit", "moat", many, few), "<=", 1.25)
    yield f"{size.activate()}, ms", figure(size.activate(), "wall_ms", "moat"), "<=", 150
    for what, aim in (("a store", 100), ("media", 500), ("locks", 500)):
        yield f"{size.diff(what)}, ms", figure(size.diff(what), "wall_ms", "moat"), "<=", aim


def size_aims(size):
    most = size.stored(size.stores[-1])
    yield f"{most}: resolving a tag, p99, us", figure(most, "resolve_p99_us", "moatd"), "<=", 1000
    yield f"{most}: a page of 100 tags, p99, us", figure(most, "page_p99_us", "moatd"), "<=", 5000
    yield f"{most}: first 200, ms", figure(most, "first_200_ms", "moatd"), "<=", 20
    yield (f"{size.scrub()}: bytes per CPU second, moat / openssl dgst",
           ratio(size.scrub(), "mib_per_cpu_s", "moat", "openssl dgst"), ">=", 0.9)


def aims(size):
    """(what, figure of the results, "<=" or ">=", aim)"""
    yield from tool_aims()
    yield from manifest_aims()
    yield from blob_aims()
    yield from write_aims(size)
    yield from serve_aims(size)
    yield from collect_aims(size)
    yield from pulls_aims(size)
    yield from set_aims(size)
    yield from size_aims(size)
    yield "errors of moatd in any case", lambda r: r.worst("errors", "moatd"), "<=", 0
    yield "figures in which moatd is not ahead of distribution", behind_count, "<=", 0


MORE_IS_BETTER = ("rps", "gib_per_s", "mib_per_s", "puts_per_s")
NO_RACE = ("gib", "bytes", "errors", "client_cpu_s", "binary_mib")


def behind(results, peer="distribution"):
    """(group, metric, ratio) of every figure in which moatd is not ahead of the peer; None: they never met."""
    found, met = [], False
    for group, subjects in results.groups.items():
        for metric in subjects.get("moatd", {}):
            r = results.ratio(group, metric, "moatd", peer)
            if r is None or metric in NO_RACE:
                continue
            met = True
            if r <= 1 if metric in MORE_IS_BETTER else r >= 1:
                found.append((group, metric, r))
    return found if met else None


def behind_count(results):
    found = behind(results)
    return None if found is None else len(found)


NOTES = """\
- A ratio is the median of the rounds' own ratios; subjects take turns within a round.
- Every push is durable when it is answered: docker-registry and distribution flush each file, moatd flushes the
  blob and commits several requests together. nginx takes no pushes.
- TLS is 1.3 with X25519, AES-128-GCM and, of each kind, one certificate for all. Every server gives tickets; in the
  rows named "tickets" each connection (in a storm: each node) resumes by the last it was given, in the others none does.
- distribution is 3.1.2, built from its Go module; it and docker-registry serve the same folder.
- zot is not here: the Go module proxy does not serve its module.
- Collection: distribution and docker-registry work on one folder, `registry garbage-collect --delete-untagged`; `moat gc
  --grace 0 --now` marks, condemns and removes in one run. Each round and subject gets a copy of what was filled.
- The transaction of a switch is what lies between its BEGIN and its COMMIT, a one-row commit is beside it in turns.
- What spreads little and takes a minute (skopeo sync) is measured in two rounds at most."""


def number(x):
    if x is None:
        return ""
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.3g}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def aims_table(results, size):
    rows = []
    for what, of, sign, aim in aims(size):
        got = of(results)
        if got is not None:
            ok = got <= aim if sign == "<=" else got >= aim
            rows.append([what, f"{sign} {number(aim)}", number(got), "met" if ok else "**short**"])
    return table(["figure", "aim", "reached", ""], rows) if rows else []


def behind_table(results):
    rows = [[group, metric, number(r)] for group, metric, r in behind(results) or []]
    if not rows:
        return []
    head = ["group", "figure", "moatd / distribution"]
    return ["", "## Where moatd is not ahead of distribution", ""] + table(head, rows)


def failures(results):
    if not results.failures:
        return []
    return ["", "## Not measured", ""] + [f"- {f}" for f in results.failures]


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


def sizes_table(results, size):
    """Cost against size: the stores side by side."""
    titles = {n: size.stored(n) for n in size.stores if size.stored(n) in results.groups}
    metrics = dict.fromkeys(m for t in titles.values() for m in results.groups[t]["moatd"])
    rows = [[m] + [number(results.median(t, "moatd", m)) for t in titles.values()] for m in metrics]
    head = ["median", *(f"{n:,}" for n in titles)]
    return ["\n### What things cost as a store grows, by manifests and tags\n"] + table(head, rows) if titles else []


def markdown(results, size, about):
    lines = ["# Benchmark results", "", *about, "", "## Aims", ""]
    lines += aims_table(results, size) + behind_table(results) + failures(results)
    lines += ["", "## How it was measured", "", NOTES, "", "## Figures"]
    stores = [size.stored(n) for n in size.stores]
    for title, subjects in results.groups.items():
        lines += group_table(results, title, subjects) if title not in stores else []
    lines += sizes_table(results, size)
    return "\n".join(lines) + "\n"
