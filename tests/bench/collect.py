"""Collection: what nothing refers to any more, in stores that were filled alike. Every subject works on a copy of its
own filled folder, so that each round finds the same garbage; distribution is off meanwhile, as its manual asks. moatd
goes on: how many pulls it answers while `moat gc` works beside it is a row of its own."""
import hashlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from cases import Case, fresh
from measure import Failed
from peers import Moatd, request

TYPE = "application/vnd.oci.image.manifest.v1+json"
LAYERS = 4      # of an image, 2 KiB each; half are shared within the repository
TOGETHER = 30   # images that one connection pushes in their order
PULLERS = 8     # connections
IDLE_S = 1


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


def push_images(server, r, first, images, known):
    conn = http.client.HTTPConnection("127.0.0.1", server.port)
    for i in range(first, min(first + TOGETHER, images)):
        repo, name = f"bench/r{r}", f"{r}/{i}"
        parts = [blob(f"config {name}", 500)]
        parts += [blob(f"{name if n % 2 else r}/{n}", 2048) for n in range(LAYERS)]
        config, *layers = [upload(conn, server.port, repo, p, known) for p in parts]
        text = json.dumps({"schemaVersion": 2, "mediaType": TYPE, "config": config, "layers": layers})
        tag = f"t{i + 1 if i % 3 == 1 and i + 1 < images else i}"
        request(conn, "PUT", f"/v2/{repo}/manifests/{tag}", text.encode(), {"Content-Type": TYPE})
    conn.close()


def fill(server, repos, images):
    """Every third image loses its tag to the next one."""
    known = set()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda at: push_images(server, *at, images, known),
                      [(r, i) for r in range(repos) for i in range(0, images, TOGETHER)]))


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
            if "moatd" in folders:
                yield f"{title}: pulls meanwhile", {"moatd": lambda f=folders["moatd"]: self.pulls(f)}

    def filled(self, server, repos, images):
        """That of distribution and docker-registry is one, and kept as the images are; ours is new in each run."""
        ours = server.name == "moatd"
        folder = f"{self.lab.work if ours else self.lab.dir}/collect-{'moatd' if ours else 'registry'}-{repos}x{images}"
        if not os.path.exists(folder):
            server.data = folder + ".part"
            os.makedirs(fresh(server.data))
            if ours:
                server.store = server.data
            with server:
                fill(server, repos, images)
            os.rename(server.data, folder)
        return folder

    def copy(self, folder):
        work = fresh(self.lab.work + "/collecting")
        subprocess.run(["cp", "-a", folder, work], check=True)
        return work

    def collect(self, name, folder, what):
        work = self.copy(folder)
        try:
            dead = self.dead(folder)
            r = self.spent(name, work, what)
        finally:
            shutil.rmtree(work)
        return {"wall_s": r["wall_s"], "cpu_s": r["cpu_s"], "cpu_ms_per_1k_dead": r["cpu_s"] / dead * 1e6,
                "peak_rss_mib": r["rss_mib"]}

    def ours(self, work, *args):
        return [self.lab.moat.program, "gc", "--store", work, "--grace", "0", *args]

    def dead(self, folder):
        """Blobs that go: the same of all, as they were filled alike."""
        ours = self.lab.work + "/" + os.path.basename(folder).replace("registry", "moatd")
        out = subprocess.run(self.ours(ours, "--dry-run", "--json"), check=True, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=self.lab.tools.log).stdout
        return json.loads(out)["unused"]["blobs"]

    def spent(self, name, work, what):
        lab = self.lab
        if name == "moatd":
            return lab.tools.spent(*self.ours(work, "--dry-run" if what == "mark" else "--now"))
        config = f"{lab.work}/collect.yml"
        with open(config, "w") as f:
            json.dump({"version": 0.1, "storage": {"filesystem": {"rootdirectory": work}, "delete": {"enabled": True}},
                       "log": {"level": "error"}, "http": {"addr": "127.0.0.1:0"}}, f)
        program = next(s.program for s in lab.writers() if s.name == name)
        args = ["--dry-run"] if what == "mark" else []
        return lab.tools.spent(program, "garbage-collect", "--delete-untagged", *args, config)

    def pulls(self, folder):
        """Requests a second for a tagged manifest, idle and for as long as a collection takes."""
        work = self.copy(folder)
        try:
            with Moatd(self.lab.work, self.lab.moat.server, work, push=True) as server:
                self.pull(server, lambda: time.sleep(IDLE_S))
                os.sync()
                idle = self.pull(server, lambda: time.sleep(IDLE_S))
                r = {}
                busy = self.pull(server, lambda: r.update(
                    self.lab.tools.load("spent", "--", *self.ours(work, "--now"))))
        finally:
            shutil.rmtree(work)
        if r["status"] or busy["errors"]:
            raise Failed(f"moat gc: exit {r['status']}, {busy['errors']} failed pulls")
        return {"idle_rps": idle["rps"], "rps": busy["rps"], "of_idle": busy["rps"] / idle["rps"],
                "p99_us": busy["p99_us"], "gc_wall_s": r["wall_s"], "gc_cpu_s": r["cpu_s"], "errors": busy["errors"]}

    def pull(self, server, meanwhile):
        tools = self.lab.tools
        p = subprocess.Popen([tools.program, "get", "--port", str(server.port), "--conns", str(PULLERS), "--seconds", "60",
                              "/v2/bench/r0/manifests/t0"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=tools.log)
        try:
            meanwhile()
        finally:
            p.send_signal(signal.SIGTERM)
            out, _ = p.communicate(timeout=60)
        return json.loads(out)
