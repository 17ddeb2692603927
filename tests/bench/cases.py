"""What is measured. A case yields subjects that take turns in every round; measuring a subject
returns {metric: number}. Metrics end in their unit."""
import os
import shutil

from measure import Failed, available_mib, cpu_s, memory_mib
from peers import DockerRegistry, images_of
from sizes import ECDSA, FRESH, KEPT, TLS_NODES, TLS_REQUESTS, Tls, blob, manifest

GIB = 1 << 30


class Case:
    name = ""           # what --only selects
    images = ()         # what it needs of the images that `images` makes
    most_rounds = 99    # for what takes minutes and spreads little

    def __init__(self, lab):
        self.lab = lab

    def groups(self):
        """(title, {subject: function}) pairs; the subjects of a group are compared."""
        raise NotImplementedError


def fresh(path):
    shutil.rmtree(path, ignore_errors=True)
    return path


class Pull(Case):
    """Images from an upstream into a store or a layout that is empty."""
    name = "pull"
    images = ("debian", "multi", "big", "catalog")

    def groups(self):
        lab = self.lab
        for upstream in (lab.registry, lab.nginx):
            for image in ("debian", "multi", "big", "catalog"):
                subjects = {"skopeo copy": lambda u=upstream, i=image: self.skopeo_copy(u, i),
                            "moat": lambda u=upstream, i=image: self.moat(u, i),
                            "moat pin": lambda u=upstream, i=image: self.pin(u, i)}
                if image == "catalog" and upstream is lab.nginx:     # a minute, whatever serves it
                    subjects["skopeo sync"] = lambda u=upstream: self.skopeo_sync(u)
                yield f"pull {image} from {upstream.name}", subjects

    def timed(self, upstream, *command):
        with upstream:
            before = cpu_s(upstream.pid)
            r = self.lab.tools.spent(*command)
            r["upstream_cpu_s"] = cpu_s(upstream.pid) - before
        return r

    def images(self, image):
        return list(images_of(self.lab.layouts[image], image))

    def names(self, upstream, image):
        return [f"127.0.0.1:{upstream.port}/{i.repo}:{i.tag}" for i in self.images(image)]

    def skopeo_copy(self, upstream, image):
        out = fresh(self.lab.work + "/out")
        script = self.lab.work + "/copy.sh"
        with open(script, "w") as f:
            f.write("set -e\n")
            for i, ref in enumerate(self.names(upstream, image)):
                f.write(f"skopeo --insecure-policy copy -q --all --src-tls-verify=false docker://{ref} oci:{out}:v{i}\n")
        r = self.timed(upstream, "sh", script)
        shutil.rmtree(out)
        return r

    def skopeo_sync(self, upstream):
        out = fresh(self.lab.work + "/out")
        source = self.lab.work + "/sync.yaml"
        with open(source, "w") as f:
            f.write(f"127.0.0.1:{upstream.port}:\n  tls-verify: false\n  images:\n")
            for i in self.images("catalog"):
                f.write(f"    {i.repo}: [{i.tag}]\n")
        os.makedirs(out)
        r = self.timed(upstream, "skopeo", "--insecure-policy", "sync", "--src", "yaml", "--dest", "dir", source, out)
        shutil.rmtree(out)
        return r

    def moat(self, upstream, image):
        out = fresh(self.lab.work + "/out")
        with upstream:
            lock = self.lab.moat.lock("pull", self.images(image), f"127.0.0.1:{upstream.port}")
        r = self.timed(upstream, self.lab.moat.program, "pull", "--lock", lock, "--store", out)
        shutil.rmtree(out)
        return r

    def pin(self, upstream, image):
        path = self.lab.moat.write_list("pin", self.images(image), f"127.0.0.1:{upstream.port}")
        lock = fresh_file(self.lab.work + "/pin.lock")
        return self.timed(upstream, self.lab.moat.program, "pin", "--list", path, "--lock", lock)


def fresh_file(path):
    if os.path.exists(path):
        os.remove(path)
    return path


class Inside(Case):
    """The catalog from the store outside to the server inside."""
    name = "inside"
    images = ("catalog", "big")

    def groups(self):
        yield "catalog into the inside store", {"skopeo sync": self.skopeo, "moat": lambda: self.moat("catalog")}
        yield "1 GiB into the inside store", {"moat": lambda: self.moat("big")}

    def skopeo(self):
        server = DockerRegistry(self.lab.work, fresh(self.lab.work + "/inside"))
        os.makedirs(server.data)
        with server:
            r = self.lab.tools.spent("skopeo", "--insecure-policy", "sync", "--src", "dir", "--dest", "docker",
                                     "--dest-tls-verify=false", self.lab.images + "/catalog-dir",
                                     f"127.0.0.1:{server.port}/library")
            r["cpu_s"] += cpu_s(server.pid)
            r["rss_mib"] = max(r["rss_mib"], memory_mib(server.pid, "VmHWM"))
        shutil.rmtree(server.data)
        return r

    def moat(self, image):
        lab = self.lab
        medium, inside = fresh(lab.work + "/medium"), fresh(lab.work + "/inside")
        out = lab.tools.spent(lab.moat.program, "export", "--store", lab.stores[image], "--to", medium)
        into = lab.tools.spent(lab.moat.program, "import", "--activate", "--store", inside, "--key",
                               lab.moat.key()[:-4] + ".pub", medium)
        shutil.rmtree(medium)
        shutil.rmtree(inside)
        r = {"wall_s": out["wall_s"] + into["wall_s"], "cpu_s": out["cpu_s"] + into["cpu_s"],
             "rss_mib": max(out["rss_mib"], into["rss_mib"])}
        for what, part in (("export", out), ("import", into)):
            r.update({f"{what}_{k}": v for k, v in part.items()})
        return r


class Reads(Case):
    """A closed loop on one path, on servers that are warm."""

    def loop(self, server, path, conns, *flags):
        lab = self.lab
        with server:
            lab.tools.load("get", "--port", server.port, "--conns", conns, "--seconds", 1, *flags, path, strict=False)
            before = cpu_s(server.pid)
            r = lab.tools.load("get", "--port", server.port, "--conns", conns, "--seconds", lab.size.seconds,
                               *flags, path, strict=False)
            r["server_cpu_s"] = cpu_s(server.pid) - before
            r["rss_mib"] = memory_mib(server.pid, "VmHWM")
        return r

    def subjects(self, measure, servers=None):
        return {s.name: (lambda s=s: measure(s)) for s in servers or self.lab.readers()}

    def image(self, name):
        return next(images_of(self.lab.layouts[name], name))


    def manifest(self, server, conns, flags):
        r = self.loop(server, server.manifest_path(self.image("debian")), conns, *flags)
        cpu = r["server_cpu_s"] / max(r["requests"], 1) * 10000
        return {"rps": r["rps"], "p50_us": r["p50_us"], "p99_us": r["p99_us"], "errors": r["errors"],
                "cpu_s_per_10k": cpu, "rss_mib": r["rss_mib"]}

    def blob(self, server, conns, flags):
        image = self.image("big")
        digest = image.load(image.top)["layers"][0]["digest"]
        r = self.loop(server, server.blob_path(image, digest), conns, *flags)
        gib = r["bytes"] / GIB
        if not gib:
            raise Failed(f"no byte in {r['wall_s']:.0f} s")
        return {"gib_per_s": gib / r["wall_s"], "first_byte_p99_us": r["first_p99_us"], "errors": r["errors"],
                "cpu_s_per_gib": r["server_cpu_s"] / gib, "rss_mib": r["rss_mib"]}


class Manifest(Reads):
    name = "manifest"
    images = ("debian",)

    def groups(self):
        for method, flags in (("GET", ()), ("HEAD", ("--head",))):
            for how, more in ((KEPT, ()), (FRESH, ("--close",))):
                for conns in (1, 64, 512):
                    yield (manifest(method, how, conns),
                           self.subjects(lambda s, c=conns, f=flags + more: self.manifest(s, c, f)))


class Blob(Reads):
    name = "blob"
    images = ("big",)

    def groups(self):
        for conns, how, flags in ((1, KEPT, ()), (8, KEPT, ()), (64, KEPT, ()), (512, KEPT, ()),
                                  (64, FRESH, ("--close",))):
            yield blob(how, conns), self.subjects(lambda s, c=conns, f=flags: self.blob(s, c, f))


class GetTls(Reads):
    """The same key, version, group and cipher for all; no server has kernel TLS. What a blob costs does
    not depend on the certificate."""
    name = "get-tls"
    images = ("debian", "big")

    def groups(self):
        lab, kept = self.lab, Tls(ECDSA)
        for conns in (1, 8, 64):
            yield blob(kept, conns), self.subjects(lambda s, c=conns: self.blob(s, c, kept.flags()),
                                                   lab.readers(ECDSA))
        for how in TLS_REQUESTS:
            yield manifest("GET", how, 64), self.subjects(lambda s, f=how.flags(): self.manifest(s, 64, f),
                                                          lab.readers(how.certificate))


class Storm(Reads):
    """Many nodes at once; the server is started for each storm, so its peak is this storm's."""
    name = "storm"
    images = ("debian", "many", "catalog")
    GO_NODE_MIB = 18        # what a registry in Go takes for the three streams of a node

    def groups(self):
        size = self.lab.size
        for nodes, image in size.storms:
            yield size.storm(nodes, image), self.subjects(lambda s, n=nodes, i=image: self.storm(s, n, i))

    def plan(self, server, image):
        path = f"{self.lab.work}/plan"
        body = image.load(image.top)
        with open(path, "w") as f:
            f.write(f"HEAD {server.manifest_path(image)}\n")
            f.write(f"GET {server.manifest_path(image, image.top['digest'])}\n")
            f.write(f"GET {server.blob_path(image, body['config']['digest'])}\n\n")
            for layer in body["layers"]:
                f.write(f"GET {server.blob_path(image, layer['digest'])}\n")
        return path

    def storm(self, server, nodes, name, *flags):
        lab = self.lab
        if isinstance(server, DockerRegistry) and available_mib() < nodes * self.GO_NODE_MIB:
            raise Failed(f"this machine has no memory for {server.name} and {nodes} nodes")
        with server:
            r = lab.tools.load("storm", "--port", server.port, "--conns", nodes, *flags,
                               self.plan(server, self.image(name)), strict=False)
            cpu, peak = cpu_s(server.pid), memory_mib(server.pid, "VmHWM")
        return {"wall_s": r["wall_s"], "cpu_s": cpu, "peak_rss_mib": peak, "gib": r["bytes"] / GIB,
                "node_p50_s": r["node_p50_s"], "node_p99_s": r["node_p99_s"], "node_max_s": r["node_max_s"],
                "errors": r["errors"]}


class StormTls(Storm):
    """The storm whose connections weigh most with all certificates and tickets, the larger images once."""
    name = "storm-tls"
    most_rounds = 2

    def groups(self):
        size = self.lab.size
        for nodes, image in size.storms:
            for how in TLS_NODES if image == "catalog" else TLS_NODES[:1]:
                yield (size.storm(nodes, image, f", {how}"),
                       self.subjects(lambda s, n=nodes, i=image, f=how.flags(): self.storm(s, n, i, *f),
                                     self.lab.readers(how.certificate)))


class Idle(Reads):
    """A server with the catalog in its store, before anybody has asked for anything."""
    name = "idle"
    images = ("catalog",)

    def groups(self):
        yield "idle, with the catalog in the store", self.subjects(self.idle)

    def idle(self, server):
        lab = self.lab
        first = sorted(lab.tools.load("first", "--port", server.port, "--", *server.command())["first_ms"]
                       for _ in range(9))
        with server:
            rss, pss = memory_mib(server.pid, "VmRSS"), memory_mib(server.pid, "Pss")
        binary = os.path.getsize(shutil.which(server.command()[0]))
        return {"first_200_ms": first[4], "slowest_first_200_ms": first[-1], "rss_mib": rss, "pss_mib": pss,
                "binary_mib": binary / (1 << 20)}


READS = [Manifest, Blob, GetTls, Storm, StormTls, Idle]
TOOL = [Pull, Inside]
