#!/usr/bin/env python3
"""usage: crowd.py idle N URL                    N connections that ask once and stay; the server goes on answering
       crowd.py storm N URL REPO TAG          N nodes pull one image at the same moment, three layers at a time
       crowd.py answers N URL REPO TAG SECONDS
           N clients pull, push as alice:secret and try wrong passwords, each as fast as it can: no request
           stays without its answer

URL is http://HOST:PORT or https. Every answer is checked. Prints one line; exit status 1 when anything went
wrong."""
import asyncio
import base64
import hashlib
import json
import os
import random
import resource
import ssl
import sys
import time

SCHEME, AT = sys.argv[3].split("://")
HOST, PORT = AT.rsplit(":", 1)
TLS = ssl.create_default_context() if SCHEME == "https" else None
PATIENCE = 60       # seconds for one answer: a bound, not a measure
BODIES = [os.urandom(300000) for _ in range(16)]    # pushed again and again, so that the store does not grow


async def receive(stream, path, status=200):
    reader, _ = stream
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(f"HTTP/1.1 {status} ".encode()):
        raise AssertionError(f"{path}: {head[:40]}")
    length = int([l for l in head.decode().split("\r\n") if l.lower().startswith("content-length:")][0].split()[1])
    h, body, left = hashlib.sha256(), b"", length
    while left:
        part = await reader.read(min(left, 1 << 20))
        if not part:
            raise AssertionError(f"{path}: cut off, {left} bytes are missing")
        h.update(part)
        left -= len(part)
        if length < 1 << 20:
            body += part
    return body, "sha256:" + h.hexdigest()


async def ask(stream, path, check=None):
    stream[1].write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    body, digest = await receive(stream, path)
    if check and check != digest:
        raise AssertionError(f"{path}: other bytes")
    return body


async def connect():
    return await asyncio.open_connection(HOST, int(PORT), limit=1 << 20, ssl=TLS)


async def idle(n):
    streams = []
    for i in range(0, n, 500):
        streams += await asyncio.gather(*(connect() for _ in range(min(500, n - i))))
    await asyncio.gather(*(ask(s, "/healthz") for s in streams))
    start = time.time()
    for _ in range(100):
        await ask(await connect(), "/healthz")
    waited = time.time() - start
    await asyncio.gather(*(ask(s, "/healthz") for s in streams))
    print(f"{n} idle connections, each answered before and after; 100 new ones took {waited:.2f} s")


async def node(repo, tag):
    stream = await connect()
    manifest = json.loads(await ask(stream, f"/v2/{repo}/manifests/{tag}"))
    blobs = [manifest["config"]["digest"]] + [l["digest"] for l in manifest["layers"]]

    async def worker():
        own = await connect()
        while blobs:
            d = blobs.pop()
            await ask(own, f"/v2/{repo}/blobs/{d}", d)
        own[1].close()

    await asyncio.gather(*(worker() for _ in range(3)))
    stream[1].close()


async def storm(n, repo, tag):
    start = time.time()
    await asyncio.gather(*(node(repo, tag) for _ in range(n)))
    print(f"{n} nodes pulled {repo}:{tag} in {time.time() - start:.1f} s")


def login(password):
    return "Authorization: Basic " + base64.b64encode(f"alice:{password}".encode()).decode() + "\r\n"


async def push(stream):
    body = random.choice(BODIES)
    path = f"/v2/team/crowd/blobs/uploads/?digest=sha256:{hashlib.sha256(body).hexdigest()}"
    stream[1].write(f"POST {path} HTTP/1.1\r\nHost: x\r\n{login('secret')}Content-Length: {len(body)}\r\n\r\n".encode())
    stream[1].write(body)
    await stream[1].drain()
    await receive(stream, path, 201)


async def guess(stream):
    wrong = login(str(random.random()))
    stream[1].write(f"GET /v2/ HTTP/1.1\r\nHost: x\r\n{wrong}\r\n".encode())
    await receive(stream, "/v2/", 401)


async def pipeline(stream, path):
    stream[1].write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 8)
    for _ in range(8):
        await receive(stream, path)


async def client(repo, tag, manifest, until, done):
    """Connections of a few requests each, until the time is up; counts in `done`."""
    layers = [l["digest"] for l in manifest["layers"]]
    while time.time() < until:
        stream = await asyncio.wait_for(connect(), PATIENCE)
        for _ in range(random.randrange(1, 8)):
            layer = random.choice(layers)
            name, work = random.choice([
                ("pulls", lambda: ask(stream, f"/v2/{repo}/blobs/{layer}", layer)),
                ("pushes", lambda: push(stream)),
                ("guesses", lambda: guess(stream)),
                ("manifests", lambda: pipeline(stream, f"/v2/{repo}/manifests/{tag}"))])
            try:
                await asyncio.wait_for(work(), PATIENCE)
            except asyncio.TimeoutError:
                raise AssertionError(f"{name}: no answer in {PATIENCE} s") from None
            done[name] = done.get(name, 0) + 1
        stream[1].close()


async def answers(n, repo, tag, seconds):
    done, until = {}, time.time() + seconds
    manifest = json.loads(await ask(await connect(), f"/v2/{repo}/manifests/{tag}"))
    await asyncio.gather(*(client(repo, tag, manifest, until, done) for _ in range(n)))
    print(f"{n} clients in {seconds:g} s, each request answered:", " ".join(f"{k}={v}" for k, v in sorted(done.items())))


soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
count = int(sys.argv[2])
if sys.argv[1] == "idle":
    asyncio.run(idle(count))
elif sys.argv[1] == "storm":
    asyncio.run(storm(count, sys.argv[4], sys.argv[5]))
else:
    asyncio.run(answers(count, sys.argv[4], sys.argv[5], float(sys.argv[6])))
