"""The life of a set beside pushes and collection, for gc_soak.py: an operator that imports, activates, goes back,
switches off and removes versions in any order, and nodes that read all the while. Each answer must be of one version, and
of one that was active at some moment between the request and the answer, never one before what that node saw already."""
import json
import os
import random
import subprocess
import threading
import time

from hammer import TAGS, STALE_S, Wrong, check

REPO, NAME, KIND = "docker.io/gen/app", "life", "application/vnd.oci.image.manifest.v1+json"
TURNS_MIN = 60  # so that each verb has its turn, however fast the others are
DONE, ABSENT, UNTRUSTED, DENIED = 0, 1, 3, 7


class Operator(threading.Thread):
    """media: a folder with layout-N and medium-N of each version. count: as of gc_soak.py."""

    def __init__(self, store, media, key, count, rnd):
        super().__init__()
        self.store, self.media, self.key, self.count, self.rnd = store, media, key, count, rnd
        self.versions = sorted(name.split("-")[1] for name in os.listdir(media) if name.startswith("medium-"))
        self.stop, self.error, self.turns = threading.Event(), None, 0
        self.history = [[time.monotonic(), float("inf"), "none"]]
        self.removed = []  # (version, from, to)
        self.held, self.active = self.look()

    def moat(self, verb, *args):
        done = subprocess.run(["moat", verb, "--store", self.store, *args], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def look(self):
        status, out, err = self.moat("list", "--all-versions", "--json")
        if status != DONE:
            raise Wrong(f"list: {status} {err}")
        rows = [r for r in json.loads(out) if r["set"] == NAME]
        return {r["version"] for r in rows}, next((r["version"] for r in rows if r["active"]), "none")

    def turn(self):
        """A command, the statuses it may have, and what is held and active when it is done."""
        rnd, held = self.rnd, sorted(self.held)
        version = rnd.choice(self.versions)
        older = ["--allow-older", "--yes"] if rnd.random() < 0.6 else []
        verb = rnd.choice(("import", "activate", "activate", "rollback", "rollback", "deactivate", "remove"))
        some = version if version in held else rnd.choice(held or self.versions)
        if verb == "import":
            now = ["--activate"] if rnd.random() < 0.3 else []
            return (verb, "--key", self.key, *now, *older, f"{self.media}/medium-{version}"), \
                (DONE,) if older else (DONE, UNTRUSTED), self.held | {version}, version if now else self.active
        if verb == "activate":
            return (verb, *older, f"{NAME}:{some}"), \
                (DONE,) if older and held else (DONE, ABSENT, UNTRUSTED), self.held, some
        if verb == "rollback":
            to = ["--to", some] if rnd.random() < 0.3 else []
            return (verb, *to, NAME), (DONE, ABSENT), self.held, some if to else None
        if verb == "deactivate":
            return (verb, NAME), (DONE,) if self.active != "none" else (ABSENT,), self.held, "none"
        may = (ABSENT,) if not held else (DENIED,) if some == self.active else (DONE,)
        return (verb, "--yes", f"{NAME}:{some}"), may, self.held - {some}, self.active

    def act(self):
        command, may, held, active = self.turn()
        begun, before = time.monotonic(), (self.held, self.active)
        status, _, err = self.moat(*command)
        self.held, self.active = self.look()
        ended = time.monotonic()
        if status not in may:
            raise Wrong(f"{' '.join(command)}: {status}, not {may}: {err}")
        want = (held, active if active else self.active) if status == DONE else before
        if (self.held, self.active) != want:
            raise Wrong(f"{' '.join(command)}: {status}, and {(self.held, self.active)} is there, not {want}")
        if self.active != before[1]:
            self.history[-1][1] = ended + STALE_S
            self.history.append([begun, float("inf"), self.active])
        self.removed += [(v, begun, ended) for v in before[0] - self.held]
        self.count(command[0] if status == DONE else command[0] + " refused")

    def run(self):
        try:
            while not self.stop.is_set() or self.turns < TURNS_MIN:
                self.act()
                self.turns += 1
                time.sleep(self.rnd.random() * 0.3)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
        self.stop.set()


class Node(threading.Thread):
    """Reads by tag until the operator stops; seen has (asked, answered, version)."""

    def __init__(self, conn, ask, operator):
        super().__init__()
        self.conn, self.ask, self.operator = conn, ask, operator
        self.seen, self.misses, self.error = [], [], None
        self.version_of = {self.config_of(v): v for v in operator.versions}

    def config_of(self, version):
        folder = f"{self.operator.media}/layout-{version}"
        with open(f"{folder}/index.json", encoding="utf-8") as file:
            manifest = json.load(file)["manifests"][0]["digest"]
        with open(f"{folder}/blobs/sha256/{manifest.split(':')[1]}", encoding="utf-8") as file:
            return json.load(file)["config"]["digest"]

    def get(self, path):
        asked = time.monotonic()
        status, _, body = self.ask(self.conn, "GET", f"/v2/{REPO}/{path}", headers={"Accept": KIND})
        if status not in (200, 404):
            raise Wrong(f"{path}: {status} {body[:200]}")
        return asked, time.monotonic(), body if status == 200 else None

    def tags(self):
        asked, answered, body = self.get("tags/list")
        tags = sorted(json.loads(body)["tags"] or []) if body else []
        for version in self.operator.versions:
            if tags == sorted(TAGS + ["only-" + version]):
                self.seen.append((asked, answered, version))
                return
        if tags:
            raise Wrong(f"a list of two versions: {tags}")
        self.seen.append((asked, answered, "none"))

    def manifest(self, tag):
        asked, answered, body = self.get("manifests/" + tag)
        if not body:
            self.seen.append((asked, answered, "none"))
            return
        config = json.loads(body)["config"]["digest"]
        version = self.version_of[config]
        self.seen.append((asked, answered, version))
        _, read, body = self.get("blobs/" + config)
        if not body:
                        self.misses.append((version, asked, read))
        elif json.loads(body)["config"]["Labels"]["generation"] != version:
            raise Wrong(f"{config} has the bytes of another one")

    def run(self):
        try:
            while not self.operator.stop.is_set():
                self.tags()
                for tag in TAGS:
                    self.manifest(tag)
                    time.sleep(0.005)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def judge(self):
        """What a pull began with may go only when its version was removed meanwhile."""
        if self.error:
            raise self.error
        check(self, self.operator.history)
        for version, asked, read in self.misses:
            if not any(v == version and begun < read and ended > asked for v, begun, ended in self.operator.removed):
                raise Wrong(f"a blob of version {version} was gone though that was never removed")
