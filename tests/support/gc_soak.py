#!/usr/bin/env python3
"""usage: gc_soak.py EVENTS URL WINDOW STORE MEDIA KEY

Clients that push as docker, containerd and oras do, beside a collection that takes all it may: each asks by HEAD
for the blobs of an image, mounts or uploads what is not there, refers to all of them within WINDOW seconds, and
reads the whole image back. Tags are moved, dropped and deleted meanwhile, so most of what is pushed becomes garbage
that the next client wants again: layers come from a small pool. A registry that said that a blob is here must take
the manifest, and give back what it took. Meanwhile an operator gives the set of MEDIA an eventful life in STORE
(set_life.py). Prints what was done; exit status 1 at the first wrong answer."""
import hashlib
import http.client
import json
import os
import random
import sys
import threading
import time

import set_life

TYPE = "application/vnd.oci.image.manifest.v1+json"
THREADS, POOL, NODES = 6, 300, 2
failures, counts, lock = [], {}, threading.Lock()
events, seed = int(sys.argv[1]), int(os.environ.get("MOAT_SOAK_SEED", "1"))
url, window = sys.argv[2], float(sys.argv[3])
layers = [random.Random(f"{seed}/{i}").randbytes(200 + 7 * i) for i in range(POOL)]


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def count(what):
    """Count an event. False: there were enough."""
    with lock:
        counts[what] = counts.get(what, 0) + 1
        return sum(counts.values()) < events


def connect():
    scheme, at = url.split("://")
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    return kind(at, timeout=60)


def ask(conn, method, path, body=None, headers={}):
    conn.request(method, path, body=body, headers=headers)
    r = conn.getresponse()
    return r.status, dict((k.lower(), v) for k, v in r.getheaders()), r.read()


def need(got, want, what):
    if got not in (want if isinstance(want, tuple) else (want,)):
        raise AssertionError(f"{what}: {got}, not {want}")


def bring(conn, rnd, repo, data):
    """One blob into a repository, as a client brings it. Returns when it was first known to be there."""
    d = digest(data)
    status = ask(conn, "HEAD", f"/v2/{repo}/blobs/{d}")[0]
    need(status, (200, 404), "HEAD blob")
    count("head")
    if status == 200:
        return
    if rnd.random() < 0.5:
        status = ask(conn, "POST", f"/v2/{repo}/blobs/uploads/?mount={d}&from=team/r{rnd.randrange(THREADS)}", b"")[0]
        need(status, (201, 202), "mount")
        count("mount")
        if status == 201:
            return
    need(ask(conn, "POST", f"/v2/{repo}/blobs/uploads/?digest={d}", data)[0], 201, "upload")
    count("upload")


def push(conn, rnd, repo, tag):
    """Returns the manifest and its blobs, or None when this machine was too slow for the window."""
    began = time.monotonic()
    parts = [json.dumps({"seed": rnd.randrange(POOL)}).encode()] + rnd.sample(layers, rnd.randrange(1, 4))
    for data in parts:
        bring(conn, rnd, repo, data)
    time.sleep(rnd.random() * 0.1)
    described = [{"mediaType": "application/octet-stream", "digest": digest(p), "size": len(p)} for p in parts]
    manifest = json.dumps({"schemaVersion": 2, "mediaType": TYPE, "config": described[0],
                           "layers": described[1:]}).encode()
    name = tag or digest(manifest)
    status, _, body = ask(conn, "PUT", f"/v2/{repo}/manifests/{name}", manifest, {"Content-Type": TYPE})
    if status != 201 and time.monotonic() - began > window:
        count("late")
        return None
    need(status, 201, f"PUT manifest ({body[:300]})")
    count("push")
    return manifest, parts, time.monotonic()


def pull(conn, repo, manifest, parts):
    status, _, body = ask(conn, "GET", f"/v2/{repo}/manifests/{digest(manifest)}", headers={"Accept": TYPE})
    need((status, body == manifest), (((200, True)),), "GET manifest")
    for data in parts:
        status, _, body = ask(conn, "GET", f"/v2/{repo}/blobs/{digest(data)}")
        need((status, body == data), (((200, True)),), "GET blob")
    count("pull")


def drop(conn, rnd, repo, tag, manifest):
    name = tag if rnd.random() < 0.7 else digest(manifest)
    need(ask(conn, "DELETE", f"/v2/{repo}/manifests/{name}")[0], (202, 404), "DELETE")
    count("delete")


def client(number):
    rnd, conn, tags = random.Random(f"{seed}/client/{number}"), connect(), {}
    repo = f"team/r{number}"
    try:
        while not failures and not operator.error and count("turn"):
            tag = f"t{rnd.randrange(8)}"
            untagged = rnd.random() < 0.2
            pushed = push(conn, rnd, repo, None if untagged else tag)
            if not pushed:
                continue
            manifest, parts, at = pushed
            if not untagged:
                # Only this client writes here: what a tag of its own names is whole as long as it is there.
                tags = {t: m for t, m in tags.items() if digest(m[0]) != digest(manifest)}
                tags[tag] = (manifest, parts)
            if not untagged or time.monotonic() - at < window:
                pull(conn, repo, manifest, parts)
            if tags and rnd.random() < 0.5:
                pull(conn, repo, *tags[rnd.choice(sorted(tags))])
            if tags and rnd.random() < 0.4:
                gone = rnd.choice(sorted(tags))
                drop(conn, rnd, repo, gone, tags.pop(gone)[0])
    except Exception as e:  # noqa: BLE001
        failures.append(f"client {number}: {type(e).__name__}: {e}")


operator = set_life.Operator(*sys.argv[4:7], count, random.Random(f"{seed}/operator"))
nodes = [set_life.Node(connect(), ask, operator) for _ in range(NODES)]
threads = [threading.Thread(target=client, args=(n,)) for n in range(THREADS)]
for t in [operator, *nodes, *threads]:
    t.start()
for t in threads:
    t.join()
operator.stop.set()
operator.join()
if operator.error:
    failures.append(f"operator: {operator.error}")
for node in nodes:
    node.join()
    try:
        node.judge()
    except Exception as e:  # noqa: BLE001
        failures.append(f"node: {type(e).__name__}: {e}")
print(json.dumps({**counts, "switches": len(operator.history) - 1, "answers": sum(len(n.seen) for n in nodes)}))
for f in failures:
    print("FAILED:", f)
sys.exit(bool(failures))
