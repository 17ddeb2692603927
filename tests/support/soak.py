#!/usr/bin/env python3
"""usage: soak.py SECONDS WRITER READER...

Clients of one store: some push, tag, mount and delete through WRITER (http://HOST:PORT or https), others read
what was pushed through every READER. Whatever a client was told is there must be there: each answer is
checked. Prints what was done; exit status 1 at the first wrong answer."""
import hashlib
import http.client
import json
import os
import random
import sys
import threading
import time

EMPTY = b"{}"
TYPE = "application/vnd.oci.image.manifest.v1+json"
failures, counts, lock = [], {}, threading.Lock()
known = []      # (repository, manifest digest, manifest, layer digest, layer): pushed, never deleted


def connect(url):
    scheme, at = url.split("://")
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    return kind(at, timeout=60)


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def count(what):
    with lock:
        counts[what] = counts.get(what, 0) + 1


def ask(conn, method, path, body=None, headers={}):
    conn.request(method, path, body=body, headers=headers)
    r = conn.getresponse()
    return r.status, dict((k.lower(), v) for k, v in r.getheaders()), r.read()


def need(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: {got}, not {want}")


def push_blob(conn, repo, data, chunks):
    d = digest(data)
    if chunks == 0:
        need(ask(conn, "POST", f"/v2/{repo}/blobs/uploads/?digest={d}", data)[0], 201, "POST blob")
        return d
    status, h, _ = ask(conn, "POST", f"/v2/{repo}/blobs/uploads/", b"")
    need(status, 202, "POST uploads")
    at, size = 0, max(1, len(data) // chunks)
    while at < len(data):
        part = data[at:at + size]
        status, h, _ = ask(conn, "PATCH", h["location"], part, {"Content-Range": f"{at}-{at + len(part) - 1}"})
        need(status, 202, "PATCH")
        at += len(part)
    need(ask(conn, "PUT", f"{h['location']}?digest={d}", b"")[0], 201, "PUT blob")
    return d


def push_image(conn, repo, rng, tag, before=lambda manifest_digest: None):
    layer = rng.randbytes(rng.choice([100, 5000, 200000, 1500000]))
    config = push_blob(conn, repo, EMPTY, 0)
    d = push_blob(conn, repo, layer, rng.choice([0, 0, 1, 3]))
    manifest = json.dumps({"schemaVersion": 2, "mediaType": TYPE,
                           "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
                           "layers": [{"mediaType": "application/octet-stream", "digest": d, "size": len(layer)}]}).encode()
    before(digest(manifest))
    status, h, body = ask(conn, "PUT", f"/v2/{repo}/manifests/{tag}", manifest, {"Content-Type": TYPE})
    need(status, 201, f"PUT manifest {body}")
    return digest(manifest), manifest, d, layer


def writer(address, number, until):
    rng, conn = random.Random(number), connect(address)
    repo, turn = f"soak/w{number}", 0
    while time.time() < until and not failures:
        turn += 1
        m, text, d, layer = push_image(conn, repo, rng, f"t{turn % 50}")
        need(ask(conn, "HEAD", f"/v2/{repo}/manifests/t{turn % 50}")[1].get("docker-content-digest"), m, "HEAD tag")
        count("pushed")
        if turn % 3 == 0:       # gone at once, and nobody else's
            need(ask(conn, "DELETE", f"/v2/{repo}/manifests/{m}")[0], 202, "DELETE manifest")
            need(ask(conn, "HEAD", f"/v2/{repo}/manifests/{m}")[0], 404, "HEAD of a deleted manifest")
            need(ask(conn, "DELETE", f"/v2/{repo}/blobs/{d}")[0], 202, "DELETE blob")
            need(ask(conn, "GET", f"/v2/{repo}/blobs/{d}")[0], 404, "GET of a deleted blob")
            count("deleted")
        else:
            need(ask(conn, "POST", f"/v2/soak/mounts/blobs/uploads/?mount={d}&from={repo}")[0], 201, "mount")
            with lock:
                known.append((repo, m, text, d, layer))
        if turn % 7 == 0:       # a client that leaves in the middle of its body
            status, h, _ = ask(conn, "POST", f"/v2/{repo}/blobs/uploads/", b"")
            conn.putrequest("PATCH", h["location"])
            conn.putheader("Content-Length", "1000000")
            conn.endheaders()
            conn.send(b"x" * 300000)
            conn.close()
            count("left")


def reader(address, number, until):
    rng, conn = random.Random(-number), connect(address)
    while time.time() < until and not failures:
        with lock:
            some = rng.choice(known) if known else None
        if not some:
            time.sleep(0.01)
            continue
        repo, m, text, d, layer = some
        status, h, body = ask(conn, "GET", f"/v2/{repo}/manifests/{m}")
        need((status, body), (200, text), "GET manifest")
        a = rng.randrange(len(layer))
        status, h, body = ask(conn, "GET", f"/v2/{repo}/blobs/{d}", headers={"Range": f"bytes={a}-"})
        need((status, body), (206, layer[a:]), "GET blob")
        need(ask(conn, "GET", f"/v2/soak/mounts/blobs/{d}")[2], layer, "GET mounted blob")
        count("read")


def run(work, *args):
    try:
        work(*args)
    except Exception as e:      # noqa: whatever it was, it is a failure
        failures.append(f"{work.__name__} {args[:2]}: {type(e).__name__}: {e}")


def main():
    seconds, to, readers = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
    until = time.time() + seconds
    threads = [threading.Thread(target=run, args=(writer, to, i, until)) for i in range(4)]
    threads += [threading.Thread(target=run, args=(reader, r, i, until)) for i, r in enumerate(readers * 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(" ".join(f"{k}={v}" for k, v in sorted(counts.items())))
    for f in failures:
        print(f)
    sys.exit(bool(failures) or not counts.get("read"))


if __name__ == "__main__":
    main()
