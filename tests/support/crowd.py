#!/usr/bin/env python3
"""usage: crowd.py idle N HOST:PORT           N connections that ask once and stay; the server goes on answering
       crowd.py storm N HOST:PORT REPO TAG    N nodes pull one image at the same moment, three layers at a time

Every answer is checked. Prints one line; exit status 1 when anything went wrong."""
import asyncio
import hashlib
import json
import resource
import sys
import time

HOST, PORT = sys.argv[3].rsplit(":", 1)


async def ask(stream, path, check=None):
    reader, writer = stream
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
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
    if check and check != "sha256:" + h.hexdigest():
        raise AssertionError(f"{path}: other bytes")
    return body


async def connect():
    return await asyncio.open_connection(HOST, int(PORT), limit=1 << 20)


async def idle(n):
    streams = []
    for i in range(0, n, 500):
        streams += await asyncio.gather(*(connect() for _ in range(min(500, n - i))))
    await asyncio.gather(*(ask(s, "/v2/") for s in streams))
    start = time.time()
    for _ in range(100):
        await ask(await connect(), "/v2/")
    waited = time.time() - start
    await asyncio.gather(*(ask(s, "/v2/") for s in streams))
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


soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
count = int(sys.argv[2])
asyncio.run(idle(count) if sys.argv[1] == "idle" else storm(count, sys.argv[4], sys.argv[5]))
