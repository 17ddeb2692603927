"""The moat side: lists, and stores made with the program under test."""
import os
import shutil
import subprocess

from measure import Failed
from peers import images_of


class Moat:
    def __init__(self, build, work, log):
        self.program, self.server = build + "/bin/moat", build + "/bin/moatd"
        self.work, self.log = work, log

    def exists(self):
        return os.path.exists(self.program)

    def run(self, *args):
        p = subprocess.run([self.program, *args], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        if p.returncode:
            raise Failed(f"moat {' '.join(args)}: exit {p.returncode}, see {self.work}/programs.log")

    def key(self):
        path = self.work + "/bench.key"
        if not os.path.exists(path):
            self.run("key", "new", "--out", path, "--no-passphrase")
        return path

    def write_list(self, name, images, registry=None):
        """A list of images: from a registry, or from their layouts under docker.io names."""
        path = f"{self.work}/{name}.yaml"
        with open(path, "w") as f:
            f.write(f"set: {name}\nversion: \"1\"\nplatforms: [linux/amd64, linux/arm64]\nimages:\n")
            for image in images:
                if registry:
                    f.write(f"  - {registry}/{image.repo}:{image.tag}\n")
                else:
                    tag = image.top["annotations"]["org.opencontainers.image.ref.name"]
                    f.write(f"  - {{name: docker.io/{image.repo}:{image.tag}, from: \"oci:{image.layout}:{tag}\"}}\n")
            if registry:
                f.write(f"registries:\n  {registry}: {{plain-http: true}}\n")
        return path

    def lock(self, name, images, registry=None):
        lock = f"{self.work}/{name}.lock"
        if os.path.exists(lock):
            os.remove(lock)
        self.run("pin", "--list", self.write_list(name, images, registry), "--lock", lock)
        return lock

    def store(self, name, layouts):
        """A sealed store of whole layouts (name -> path), made anew."""
        store = f"{self.work}/store-{name}"
        shutil.rmtree(store, ignore_errors=True)
        images = [i for n, layout in layouts.items() for i in images_of(layout, n)]
        lock = self.lock(name, images)
        self.run("pull", "--lock", lock, "--store", store)
        self.run("seal", "--lock", lock, "--store", store, "--key", self.key())
        return store
