#!/usr/bin/env python3
"""usage: hammer.py layout DIR GENERATION
          hammer.py run HOST:PORT REPO CLIENTS SWITCHES STORE

layout makes an OCI layout of one image, "gen", whose config names the generation.

run activates and rolls back the set "gen" (versions 1 and 2) SWITCHES times, while clients read on kept-alive
connections: the list of tags, manifests by tag, and the config of one. Each answer must be of one generation: one
that was active at some moment between the request and the answer, and never one before what this client saw already.
"""
import hashlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time

TAGS = [f"t{n}" for n in range(10)]
STALE_S = 0.002  # tags in the cache may be that much older than a commit (HACKING.md)


def layout(folder, generation):
    blobs = os.path.join(folder, "blobs", "sha256")
    os.makedirs(blobs)

    def put(data):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as file:
            file.write(data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    layer = put(b"\0" * 1024)
    config = put(json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": {"generation": generation}},
                             "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}).encode())
    kind = "application/vnd.oci.image."
    manifest = put(json.dumps({
        "schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
        "config": {"mediaType": kind + "config.v1+json", **config},
        "layers": [{"mediaType": kind + "layer.v1.tar", **layer}]}).encode())
    index = {"schemaVersion": 2, "manifests": [{
        "mediaType": kind + "manifest.v1+json", **manifest,
        "annotations": {"org.opencontainers.image.ref.name": "gen"}}]}
    for name, value in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(value, file)


class Wrong(Exception):
    pass


class Client(threading.Thread):
    """Reads until it is told to stop; seen has (asked, answered, generation)."""

    def __init__(self, address, repo, stop):
        super().__init__()
        self.address, self.repo, self.stop = address, repo, stop
        self.seen, self.error, self.configs = [], None, {}

    def get(self, path):
        asked = time.monotonic()
        self.http.request("GET", f"/v2/{self.repo}/{path}",
                          headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
        answer = self.http.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise Wrong(f"{path}: {answer.status} {body[:200]}")
        return asked, time.monotonic(), body

    def tags(self):
        asked, answered, body = self.get("tags/list")
        tags = sorted(json.loads(body)["tags"])
        for generation in ("1", "2"):
            if tags == sorted(TAGS + ["only-" + generation]):
                self.seen.append((asked, answered, generation))
                return
        raise Wrong(f"a list of two generations: {tags}")

    def manifest(self, tag):
        asked, answered, body = self.get("manifests/" + tag)
        digest = json.loads(body)["config"]["digest"]
        # What a pull began with stays readable.
        if digest not in self.configs or tag == TAGS[0]:
            config = json.loads(self.get("blobs/" + digest)[2])
            self.configs[digest] = config["config"]["Labels"]["generation"]
        self.seen.append((asked, answered, self.configs[digest]))

    def run(self):
        try:
            self.http = http.client.HTTPConnection(*self.address, timeout=60)
            while not self.stop.is_set():
                self.tags()
                for tag in TAGS:
                    self.manifest(tag)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error


def check(client, history):
    """history: of each generation in turn, (from, to, what): it may be seen between these."""
    at = 0
    for asked, answered, generation in client.seen:
        while at < len(history) and (history[at][2] != generation or history[at][1] < asked):
            at += 1
        if at == len(history) or history[at][0] > answered:
            raise Wrong(f"generation {generation} was answered when another one was active, or after a later one")


def run(where, repo, clients, switches, store):
    host, port = where.rsplit(":", 1)
    stop = threading.Event()
    readers = [Client((host, int(port)), repo, stop) for _ in range(clients)]
    history = [[time.monotonic(), float("inf"), "1"]]
    for reader in readers:
        reader.start()
    try:
        for n in range(switches):
            verb = ["rollback", "gen"] if n % 2 else ["activate", "gen:2"]
            begun = time.monotonic()
            subprocess.run(["moat", "--quiet", *verb[:1], "--store", store, verb[1]], check=True,
                           stdout=subprocess.DEVNULL)
            history[-1][1] = time.monotonic() + STALE_S
            history.append([begun, float("inf"), "1" if n % 2 else "2"])
            if any(reader.error for reader in readers):
                break
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    for reader in readers:
        if reader.error:
            raise reader.error
        check(reader, history)
    seen = sum(len(reader.seen) for reader in readers)
    changes = sum(a[2] != b[2] for reader in readers for a, b in zip(reader.seen, reader.seen[1:]))
    print(f"{switches} switches, {seen} answers, {changes} changes seen")
    if changes < switches:
        raise Wrong("the clients saw too few of the switches")


if __name__ == "__main__":
    if sys.argv[1] == "layout":
        layout(sys.argv[2], sys.argv[3])
    else:
        run(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6])
