#!/usr/bin/env python3
"""usage: power.py disk FOLDER LOG MIB
          power.py cuts LOG MIB COUNT IMAGE

disk mounts a file system at FOLDER, by FUSE and until it is unmounted, with a file `disk` of MIB MiB for a loop device,
and a file `mark`. It writes to LOG what is written to the disk, when the disk is told to flush, and each line that is
written to `mark`: what a program was told is done by then.

cuts plays LOG back. It makes IMAGE as the disk may be found after the power failed, at COUNT moments behind the mark
"begin": all up to that moment, or, every second time, all up to the last flush and any of the pages written since.
For each it prints a line, "MARK KIND RECORD", MARK being the last one by then, and waits for a line on stdin.
MOAT_SOAK_SEED plays the same again.
"""
import os
import random
import struct
import sys

HEAD = struct.Struct("<cQI")  # kind, where, length of what follows
WRITE, FLUSH, MARK = b"w", b"f", b"m"
PAGE = 4096


def disk(folder, log, size):
    import fusepy as fuse

    files = {"/": 0o40700, "/disk": 0o100600, "/mark": 0o100600}
    pages = {}
    out = open(log, "wb")

    def record(kind, at, data=b""):
        out.write(HEAD.pack(kind, at, len(data)) + data)
        out.flush()

    class Disk(fuse.Operations):
        def getattr(self, path, fh=None):
            if path not in files:
                raise fuse.FuseOSError(2)
            return {"st_mode": files[path], "st_nlink": 1, "st_uid": 0, "st_gid": 0,
                    "st_size": size if path == "/disk" else 0}

        def readdir(self, path, fh):
            return [".", "..", "disk", "mark"]

        def truncate(self, path, length, fh=None):
            return 0

        def read(self, path, length, at, fh):
            length = max(0, min(length, size - at))
            first = at // PAGE
            found = b"".join(pages.get(n, bytes(PAGE)) for n in range(first, (at + length + PAGE - 1) // PAGE))
            return found[at - first * PAGE:][:length]

        def write(self, path, data, at, fh):
            if path == "/mark":
                record(MARK, 0, data.strip())
                return len(data)
            record(WRITE, at, data)
            put(pages, at, data)
            return len(data)

        def fsync(self, path, datasync, fh):
            if path == "/disk":
                record(FLUSH, 0)
            return 0

    fuse.FUSE(Disk(), folder, foreground=True, nothreads=True, max_write=131072, big_writes=True, direct_io=False)
    out.close()


def put(pages, at, data, under={}):
    """Write into pages of PAGE bytes; under: what shows where there is none yet."""
    done = 0
    while done < len(data):
        n, begin = divmod(at + done, PAGE)
        piece = data[done:done + PAGE - begin]
        if len(piece) == PAGE:
            pages[n] = piece
        else:
            old = pages.get(n) or under.get(n) or bytes(PAGE)
            pages[n] = old[:begin] + piece + old[begin + len(piece):]
        done += len(piece)


def read_log(log):
    with open(log, "rb") as file:
        while head := file.read(HEAD.size):
            kind, at, length = HEAD.unpack(head)
            yield kind, at, file.read(length)


def make_image(path, size, *layers):
    """A new file each time: a mount namespace that was made meanwhile (ip netns exec) may hold the file system of the one
    before, whose journal still writes to its own."""
    with open(path + ".new", "wb") as out:
        out.truncate(size)
        for pages in layers:
            for n, page in pages.items():
                out.seek(n * PAGE)
                out.write(page)
    os.replace(path + ".new", path)


def cuts(log, size, count, image):
    rnd = random.Random(os.environ.get("MOAT_SOAK_SEED", "1"))
    records = list(read_log(log))
    begin = next(i for i, r in enumerate(records) if r[0] == MARK and r[2] == b"begin")
    moments = sorted(rnd.choices(range(begin + 1, len(records) + 1), k=count))
    durable, pending, mark, turn, done = {}, [], "", 0, 0
    for i, (kind, at, data) in enumerate(records + [(b"", 0, b"")]):
        while turn < count and moments[turn] == i:
            turn += 1
            unordered = turn % 2 == 0
            lost = {}
            for where, piece in pending:
                if not unordered:
                    put(lost, where, piece, durable)
                    continue
                for begin in range(0, len(piece), PAGE):
                    if rnd.random() < 0.5:
                        put(lost, where + begin, piece[begin:begin + PAGE], durable)
            make_image(image, size, durable, lost)
            print(mark, "unordered" if unordered else "prefix", i, flush=True)
            if not sys.stdin.readline():
                return
        if kind == WRITE:
            pending.append((at, data))
        elif kind == MARK:
            mark = data.decode()
        elif kind == FLUSH:
            for where, piece in pending:
                put(durable, where, piece)
            pending = []


if sys.argv[1] == "disk":
    disk(sys.argv[2], sys.argv[3], int(sys.argv[4]) << 20)
else:
    cuts(sys.argv[2], int(sys.argv[3]) << 20, int(sys.argv[4]), sys.argv[5])
