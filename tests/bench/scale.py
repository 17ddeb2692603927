"""What things cost as a store grows: one repository with as many manifests as tags, the rows and files made here, since
pushing a million takes too long. They are what pushes would have made, but for the time of a check."""
import hashlib
import os
import sqlite3

from measure import Failed, cpu_s, memory_mib
from cases import fresh
from writes import MANIFEST, REPO, Tagging

ASKED, PAGES, STARTS, PUT = 5000, 500, 5, 100
BATCH = 10000


def body(blob, number):
    return (f'{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":'
            f'"application/vnd.oci.image.config.v1+json","digest":"{blob}","size":{1 << 20}}},"layers":[],'
            f'"annotations":{{"bench":"{number}"}}}}').encode()


class Grow:
    """Adds manifests with their tags to a store into which one was pushed."""

    def __init__(self, store, config):
        self.blobs, self.config = store + "/blobs/sha256/", config
        self.db = sqlite3.connect(store + "/meta/moat.db", isolation_level=None)
        self.db.execute("PRAGMA synchronous = OFF")
        self.db.execute("PRAGMA foreign_keys = OFF")

    def one(self, number):
        text = body(self.config, number)
        digest = hashlib.sha256(text)
        with open(self.blobs + digest.hexdigest(), "xb") as f:
            f.write(text)
        return b"\x01" + digest.digest(), len(text)

    def rows(self, first, count):
        """Each is made of what the one before is, so that columns that come later are filled too."""
        repo, blob, when = self.db.execute("SELECT t.repo, e.blob, b.touched FROM tag t JOIN edge e USING (manifest) "
                                           "JOIN blob b ON b.id = e.manifest").fetchone()
        media, artifact = self.db.execute("SELECT media_type, artifact_type FROM manifest").fetchone()
        ids = range(first + 10, first + 10 + count)
        made = [self.one(n) for n in range(first, first + count)]
        run = self.db.executemany
        self.db.execute("BEGIN")
        run("INSERT INTO blob (id, digest, size, live, touched) VALUES (?, ?, ?, 1, ?)",
            ((i, d, n, when) for i, (d, n) in zip(ids, made)))
        run("INSERT INTO manifest (id, media_type, artifact_type) VALUES (?, ?, ?)", ((i, media, artifact) for i in ids))
        run("INSERT INTO edge VALUES (?, ?, 1)", ((i, blob) for i in ids))
        run("INSERT INTO link VALUES (?, ?)", ((repo, i) for i in ids))
        run("INSERT INTO tag VALUES (?, ?, ?)", ((repo, f"t{i - 10:08d}", i) for i in ids))
        self.db.execute("UPDATE names SET changed = changed + 1")
        self.db.execute("COMMIT")

    def all(self, count):
        for first in range(0, count, BATCH):
            self.rows(first, min(BATCH, count - first))
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.db.close()


class Scale(Tagging):
    name = "scale"

    def groups(self):
        ours = next((s for s in self.lab.writers() if s.name == "moatd"), None)
        for manifests in self.lab.size.stores if ours else ():
            yield self.lab.size.stored(manifests), {"moatd": lambda n=manifests: self.measure(ours, n)}

    def store(self, server, manifests):
        """Made once and kept as the images are: to make and to remove a million files takes minutes."""
        folder = f"{self.lab.dir}/stored-{manifests}"
        if not os.path.exists(folder):
            server.data = server.store = fresh(folder + ".part")
            os.makedirs(server.data)
            with server:
                self.put(server, 1, "the first", "--from", 99999999)
                _, config = self.lab.random_file(1)
            Grow(server.data, config).all(manifests)
            os.rename(server.data, folder)
        return folder

    def measure(self, server, manifests):
        folder = self.store(server, manifests)
        server.data = server.store = folder
        index = self.index(folder)
        starts = sorted(self.lab.tools.load("first", "--port", server.port, "--", *server.command())["first_ms"]
                        for _ in range(STARTS))
        with server:
            r = self.ask(server, manifests)
            puts = self.put(server, PUT, "one more", "--from", manifests)
        if puts["errors"]:
            raise Failed(f"{puts['errors']} of {PUT} puts failed")
        mark = self.lab.tools.spent(self.lab.moat.program, "gc", "--dry-run", "--store", folder)
        return {"first_200_ms": starts[STARTS // 2], **r, "put_p50_ms": puts["p50_us"] / 1000,
                "mark_cpu_s": mark["cpu_s"], "mark_rss_mib": mark["rss_mib"], **index,
                "database_mib": os.path.getsize(folder + "/meta/moat.db") / (1 << 20), "errors": r["errors"]}

    def index(self, folder):
        """What changed is shown in index.json by the next that opens the store for writing: any `moat gc`."""
        with sqlite3.connect(folder + "/meta/moat.db") as db:
            db.execute("UPDATE names SET changed = changed + 1")
        db.close()
        r = self.lab.tools.spent(self.lab.moat.program, "gc", "--store", folder, "--grace", "1h")
        return {"index_and_gc_cpu_s": r["cpu_s"], "index_mib": os.path.getsize(folder + "/index.json") / (1 << 20)}

    def ask(self, server, manifests):
        def load(count, path):
            self.lab.tools.load("list", "--port", server.port, "--count", count // 5, "--from", manifests, path)
            return self.lab.tools.load("list", "--port", server.port, "--count", count, "--from", manifests, path)

        before = cpu_s(server.pid)
        tag = load(ASKED, f"/v2/{REPO}/manifests/t@@@@@@@@")
        spent = cpu_s(server.pid) - before
        page = load(PAGES, f"/v2/{REPO}/tags/list?n=100&last=t@@@@@@@@")
        return {"resolve_p50_us": tag["p50_us"], "resolve_p99_us": tag["p99_us"],
                "resolve_cpu_us": spent / (ASKED + ASKED // 5) * 1e6,
                "page_p50_us": page["p50_us"], "page_p99_us": page["p99_us"],
                "rss_mib": memory_mib(server.pid, "VmRSS"), "errors": tag["errors"] + page["errors"]}
