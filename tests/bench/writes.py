"""The writing half: pushes, tags, and what starting on a large store costs. Every subject begins
with an empty folder; what was written before is flushed first, so that nobody pays for another's
pages."""
import json
import os
import shutil

from cases import Case, fresh
from measure import Failed, cpu_s, memory_mib
from sizes import BY_API, BY_SKOPEO, TLS_REQUESTS

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
REPO = "bench/pushed"


class Writes(Case):
    def subjects(self, measure, certificate=None):
        return {s.name: (lambda s=s: self.on_empty(s, measure)) for s in self.lab.writers(certificate)}

    def on_empty(self, server, measure):
        os.makedirs(fresh(server.data))
        os.sync()
        try:
            with server:
                return measure(server)
        finally:
            shutil.rmtree(server.data, ignore_errors=True)

    def spent(self, server, work):
        """work()'s figures with the server's CPU and peak beside them."""
        before = cpu_s(server.pid)
        r = work()
        return {**r, "cpu_s": cpu_s(server.pid) - before, "peak_rss_mib": memory_mib(server.pid, "VmHWM")}


class Push(Writes):
    """One large blob; durable when the PUT is answered."""
    name = "push"

    def groups(self):
        for chunked in (False, True):
            yield self.lab.size.push(chunked), self.subjects(lambda s, c=chunked: self.push(s, c))

    def push(self, server, chunked):
        lab, mib = self.lab, self.lab.size.push_mib
        path, digest = lab.random_file(mib)
        flags = ("--chunk", lab.size.chunk_mib) if chunked else ()
        r = self.spent(server, lambda: lab.tools.load("push", "--port", server.port, *flags, REPO, path, digest))
        return {"wall_s": r["wall_s"], "mib_per_s": mib / r["wall_s"], "cpu_s": r["cpu_s"],
                "cpu_s_per_gib": r["cpu_s"] / mib * 1024, "peak_rss_mib": r["peak_rss_mib"],
                "client_cpu_s": r["client_cpu_s"], "errors": r["errors"]}


class Catalog(Writes):
    """Many images that share layers, by a client that keeps its connection and mounts."""
    name = "catalog"
    images = ("catalog",)

    def groups(self):
        yield self.lab.size.catalog_in(BY_API), self.subjects(self.by_api)

    def plan(self):
        path, have = self.lab.work + "/push.plan", {}
        with open(path, "w") as f:
            for image in self.lab.catalog():
                for desc, names, blobs in image.manifests():
                    for digest in (b["digest"] for b in blobs):
                        f.write(f"blob {image.repo} {digest} {image.file(digest)} {have.get(digest, '-')}\n")
                        have.setdefault(digest, image.repo)
                    f.write(f"manifest {image.repo} {names[-1]} {image.file(desc['digest'])} {desc['mediaType']}\n")
        return path

    def by_api(self, server, *flags):
        plan = self.plan()
        r = self.spent(server, lambda: self.lab.tools.load("plan", "--port", server.port, *flags, plan))
        return {k: r[k] for k in ("wall_s", "cpu_s", "peak_rss_mib", "client_cpu_s", "errors")}


class CatalogTls(Catalog):
    name = "catalog-tls"
    most_rounds = 2

    def groups(self):
        for how in TLS_REQUESTS:
            yield (self.lab.size.catalog_in(BY_API, f", {how}"),
                   self.subjects(lambda s, f=how.flags(): self.by_api(s, *f), how.certificate))


class CatalogSkopeo(Writes):
    """The same by skopeo, which opens a connection a request and is most of the wall."""
    name = "catalog-skopeo"
    images = ("catalog",)
    most_rounds = 2

    def groups(self):
        yield self.lab.size.catalog_in(BY_SKOPEO), self.subjects(self.by_skopeo)

    def by_skopeo(self, server):
        lab, source = self.lab, self.lab.catalog_dirs()
        before = cpu_s(server.pid)
        r = lab.tools.spent("skopeo", "--insecure-policy", "sync", "--src", "dir", "--dest", "docker",
                            "--dest-tls-verify=false", source, f"127.0.0.1:{server.port}/library")
        return {"wall_s": r["wall_s"], "cpu_s": cpu_s(server.pid) - before,
                "peak_rss_mib": memory_mib(server.pid, "VmHWM"), "client_cpu_s": r["cpu_s"]}


class Tagging(Writes):
    """Writes of a few hundred bytes that each have to be durable, and the list of them all."""

    def manifest_file(self, server, annotation):
        """Its one blob is pushed; the manifest's text is in a file."""
        path, digest = self.lab.random_file(1)
        tls = ("--tls",) if server.tls else ()
        self.lab.tools.load("push", "--port", server.port, *tls, REPO, path, digest)
        blob = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": 1 << 20}
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": [blob], "annotations": {"bench": annotation},
                "config": {**blob, "mediaType": "application/vnd.oci.image.config.v1+json"}}
        with open(self.lab.work + "/manifest.json", "w") as f:
            json.dump(body, f)
        return f.name

    def put(self, server, count, annotation, *flags):
        manifest = self.manifest_file(server, annotation)
        return self.spent(server, lambda: self.lab.tools.load(
            "tags", "--port", server.port, "--conns", self.lab.size.tag_conns, "--count", count,
            *flags, f"/v2/{REPO}/manifests/t@@@@@@@@", MANIFEST, manifest, strict=False))


class Tags(Tagging):
    name = "tags"
    LISTS = 200

    def groups(self):
        """Lists are read from the servers that have just taken the tags, so both are one subject."""
        listed = {}
        size = self.lab.size
        yield size.tags_put(), self.subjects(lambda s: self.tags(s, listed))
        yield size.tags_list(), {s.name: (lambda s=s: self.taken(listed, s)) for s in self.lab.writers()}

    def tags(self, server, listed):
        r = self.puts(server)
        listed[server.name] = self.list(server)
        return r

    def puts(self, server, *flags):
        r = self.put(server, self.lab.size.tags, "one manifest", *flags)
        self.check(server, self.list_path())
        return {"puts_per_s": r["rps"], "p50_us": r["p50_us"], "p99_us": r["p99_us"], "errors": r["errors"],
                "cpu_s_per_10k": r["cpu_s"] / self.lab.size.tags * 10000, "peak_rss_mib": r["peak_rss_mib"],
                "client_cpu_s": r["client_cpu_s"]}

    def list_path(self):
        return f"/v2/{REPO}/tags/list?n={self.lab.size.tags}"

    def list(self, server):
        r = self.spent(server, lambda: self.lab.tools.load(
            "list", "--port", server.port, "--count", self.LISTS, self.list_path()))
        return {"p50_ms": r["p50_us"] / 1000, "p99_ms": r["p99_us"] / 1000,
                "cpu_ms_each": r["cpu_s"] / self.LISTS * 1000, "bytes": r["bytes"], "errors": r["errors"]}

    def check(self, server, path):
        c = server.connection(timeout=60)
        c.request("GET", path)
        tags = json.loads(c.getresponse().read())["tags"]
        c.close()
        if len(tags) != self.lab.size.tags:
            raise Failed(f"{server.name} lists {len(tags)} of {self.lab.size.tags} tags")

    @staticmethod
    def taken(listed, server):
        if server.name not in listed:
            raise Failed("no tags to list")
        return listed[server.name]


class TagsTls(Tags):
    """Connections are few, or as many as puts."""
    name = "tags-tls"
    most_rounds = 2

    def groups(self):
        for how in TLS_REQUESTS:
            yield (self.lab.size.tags_put(f", {how}"),
                   self.subjects(lambda s, f=how.flags(): self.puts(s, *f), how.certificate))


class Start(Tagging):
    """Start to the first 200 of moatd with many different manifests in its store, which its own API
    has filled. What the peers need is in the case `idle`: they read nothing at their start."""
    name = "start"

    def groups(self):
        ours = [s for s in self.lab.writers() if s.name == "moatd"]
        yield self.lab.size.start(), {s.name: (lambda s=s: self.start(s)) for s in ours}

    def fill(self, server):
        """Once a run; how many manifests were taken a second, {} when they are there already."""
        server.data = server.store = f"{self.lab.work}/many-manifests"
        if os.path.exists(server.data):
            return {}
        os.makedirs(server.data)
        with server:
            r = self.put(server, self.lab.size.manifests, "manifest @@@@@@@@")
        if r["errors"]:
            raise Failed(f"{r['errors']} of {self.lab.size.manifests} manifests were refused")
        return {"fill_puts_per_s": r["rps"], "fill_cpu_s_per_10k": r["cpu_s"] / self.lab.size.manifests * 10000,
                "fill_peak_rss_mib": r["peak_rss_mib"]}

    def start(self, server):
        filled = self.fill(server)
        first = sorted(self.lab.tools.load("first", "--port", server.port, "--", *server.command())["first_ms"]
                       for _ in range(9))
        with server:
            rss = memory_mib(server.pid, "VmRSS")
        return {"first_200_ms": first[4], "slowest_first_200_ms": first[-1], "rss_mib": rss, **filled}


WRITES = [Push, Catalog, CatalogTls, CatalogSkopeo, Tags, TagsTls, Start]
