"""Collection: what nothing refers to any more, in stores that were filled alike. Every subject works on a copy of its
own filled folder, so that each round finds the same garbage; distribution is off meanwhile, as its manual asks."""
import hashlib
import http.client
import json
import os
import shutil

from cases import Case, fresh
from peers import request

TYPE = "application/vnd.oci.image.manifest.v1+json"
LAYERS = 4      # of an image, 2 KiB each; half are shared within the repository


def blob(text, size):
    seed = hashlib.sha256(text.encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def upload(conn, port, repo, data, known):
    d = digest(data)
    if (repo, d) not in known:
        r = request(conn, "POST", f"/v2/{repo}/blobs/uploads/")
        where = r.getheader("Location").split(f":{port}", 1)[-1]
        request(conn, "PUT", f"{where}{'&' if '?' in where else '?'}digest={d}", data)
        known.add((repo, d))
    return {"mediaType": "application/octet-stream", "digest": d, "size": len(data)}


def fill(server, repos, images):
    """Every third image loses its tag to the next one."""
    known = set()
    conn = http.client.HTTPConnection("127.0.0.1", server.port)
    for r in range(repos):
        for i in range(images):
            repo, name = f"bench/r{r}", f"{r}/{i}"
            parts = [blob(f"config {name}", 500)]
            parts += [blob(f"{name if n % 2 else r}/{n}", 2048) for n in range(LAYERS)]
            config, *layers = [upload(conn, server.port, repo, p, known) for p in parts]
            text = json.dumps({"schemaVersion": 2, "mediaType": TYPE, "config": config, "layers": layers})
            tag = f"t{i + 1 if i % 3 == 1 and i + 1 < images else i}"
            request(conn, "PUT", f"/v2/{repo}/manifests/{tag}", text.encode(), {"Content-Type": TYPE})
    conn.close()


class Collect(Case):
    name = "collect"
    most_rounds = 3

    def groups(self):
        for repos, images in self.lab.size.collected:
            title = self.lab.size.collect(repos, images)
            folders = {s.name: self.filled(s, repos, images) for s in self.lab.writers()}
            for what in ("mark", "all"):
                yield f"{title}: {what}", {
                    name: (lambda n=name, f=folder, w=what: self.collect(n, f, w))
                    for name, folder in folders.items()}

    def filled(self, server, repos, images):
        folder = f"{self.lab.work}/collect-{server.name}-{repos}"
        if not os.path.exists(folder):
            server.data = folder
            os.makedirs(folder)
            if server.name == "moatd":
                server.store = folder
            with server:
                fill(server, repos, images)
        return folder

    def collect(self, name, folder, what):
        work = fresh(self.lab.work + "/collecting")
        shutil.copytree(folder, work, symlinks=True)
        try:
            return self.spent(name, work, what)
        finally:
            shutil.rmtree(work)

    def spent(self, name, work, what):
        lab = self.lab
        if name == "moatd":
            args = ["--dry-run"] if what == "mark" else ["--now"]
            r = lab.tools.spent(lab.moat.program, "gc", "--store", work, "--grace", "0", *args)
        else:
            config = f"{lab.work}/collect.yml"
            with open(config, "w") as f:
                json.dump({"version": 0.1, "storage": {"filesystem": {"rootdirectory": work}, "delete": {"enabled": True}},
                           "log": {"level": "error"}, "http": {"addr": "127.0.0.1:0"}}, f)
            program = next(s.program for s in lab.writers() if s.name == name)
            args = ["--dry-run"] if what == "mark" else []
            r = lab.tools.spent(program, "garbage-collect", "--delete-untagged", *args, config)
        return {"wall_s": r["wall_s"], "cpu_s": r["cpu_s"], "peak_rss_mib": r["rss_mib"]}
