"""Sets of many images: what it takes to switch to one, and to tell what differs between two. Versions 1 and 2 differ in
every twentieth image; blobs are a few bytes, as it is the rows that count here."""
import json
import os
import subprocess

from cases import Case
from measure import Failed

EVERY = 20      # images of which one is another in version 2
SWITCHES = 15   # of a round, the median counts
VERBS = 5


class Sets(Case):
    def make(self, images):
        """Folder of two versions: store/ sealed, 1/ and 2/ their media, inside/ with both and 1 active, locks. Once a run."""
        folder = f"{self.lab.work}/sets-{images}"
        if not os.path.exists(folder + "/whole"):
            os.makedirs(folder)
            self.layouts(folder, images)
            for version in (1, 2):
                self.carry(folder, images, version)
            open(folder + "/whole", "w").close()
        return folder

    def layouts(self, folder, images):
        many = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support/many.py")
        for name, count in (("old", images), ("new", -(-images // EVERY))):
            subprocess.run(["python3", many, f"{folder}/{name}", str(count), "0"], check=True)

    def carry(self, folder, images, version):
        run, store, medium = self.lab.moat.run, folder + "/store", f"{folder}/{version}"
        lock, key = f"{folder}/{version}.lock", self.lab.moat.key()
        with open(f"{folder}/list.yaml", "w") as f:
            f.write(f"set: many\nversion: \"{version}\"\nplatforms: [linux/amd64]\nimages:\n")
            for i in range(images):
                new = version == 2 and i % EVERY == 0
                layout = f"oci:new:i{i // EVERY}" if new else f"oci:old:i{i}"
                f.write(f"  - {{name: 'docker.io/many/image-{i}:1', from: '{layout}'}}\n")
        run("pin", "--list", f"{folder}/list.yaml", "--lock", lock)
        run("pull", "--lock", lock, "--store", store)
        run("seal", "--lock", lock, "--store", store, "--key", key)
        run("export", "--store", store, "--to", medium, f"many:{version}")
        run("import", "--store", folder + "/inside", "--key", key[:-4] + ".pub", medium,
            *(["--activate"] if version == 1 else []))

    def median(self, count, *command, ok=(0,), before=()):
        """Of `count` runs; `before` undoes what the last one did."""
        runs = []
        for _ in range(count):
            if before:
                self.lab.moat.run(*before)
            runs.append(self.lab.tools.spent(*command, ok=ok))
        middle = sorted(runs, key=lambda r: r["wall_s"])[count // 2]
        return {"wall_ms": middle["wall_s"] * 1000, "cpu_ms": middle["cpu_s"] * 1000, "peak_rss_mib": middle["rss_mib"]}


class Activate(Sets):
    name = "activate"

    def groups(self):
        size = self.lab.size
        for images in size.set_images:
            yield size.switch(images), {"moat": lambda n=images: self.transaction(n)}
        yield size.activate(), {"moat": lambda: self.verb(size.set_images[-1])}

    def transaction(self, images):
        """In turns with a commit of one row on the same disk."""
        program = os.path.dirname(self.lab.tools.program) + "/switch"
        p = subprocess.run([program, self.make(images) + "/inside", "many", str(SWITCHES)], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=self.lab.tools.log)
        if p.returncode:
            raise Failed(f"switch: exit {p.returncode}")
        r = json.loads(p.stdout)
        return {**r, "of_a_commit": r["switch_ms"] / r["commit_ms"]}

    def verb(self, images):
        program, inside = self.lab.moat.program, self.make(images) + "/inside"
        self.lab.moat.run("activate", "--store", inside, "many")
        return self.median(VERBS, program, "activate", "--store", inside, "many:2",
                           before=("rollback", "--store", inside, "many"))


class Diff(Sets):
    name = "diff"

    def groups(self):
        for what in ("a store", "media", "locks"):
            yield self.lab.size.diff(what), {"moat": lambda w=what: self.diff(w)}

    def diff(self, what):
        folder = self.make(self.lab.size.set_images[-1])
        sides = {"a store": ("--store", folder + "/inside", "many:1", "many:2"),
                 "media": (f"medium:{folder}/1", f"medium:{folder}/2"),
                 "locks": (f"lock:{folder}/1.lock", f"lock:{folder}/2.lock")}[what]
        return self.median(VERBS, self.lab.moat.program, "diff", *sides, ok=(10,))
