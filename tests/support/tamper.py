#!/usr/bin/env python3
"""Damages or forges a volume, for tests: tamper.py VOLUME HOW [ARGUMENTS] [--fix-toc]

flip NAME              one bit in the middle of an entry
resize NAME N          N bytes more or less
drop NAME              no such entry
duplicate NAME         the entry twice
add-file NAME          an extra file
add-blob TEXT          an extra blob under its right name
add-symlink NAME TO    and add-hardlink NAME TO, add-device NAME
unsign                 without signatures, in index.json too

Headers stay as moat writes them, but for the fields that have to differ.  With --fix-toc the table
of contents is made to agree with what the volume holds then, as an attacker would do.
"""
import hashlib
import json
import re
import sys

BLOCK = 512
TOC = "moat/toc.json"
FILE, HARDLINK, SYMLINK, DEVICE = b"0", b"1", b"2", b"3"


class Entry:
    """A ustar header, whose unknown fields are kept, and the bytes after it."""

    def __init__(self, header, data):
        self.header, self.data = header, data
        self.name = header[:100].rstrip(b"\0").decode()

    def like(self, name, data=b"", kind=FILE, target=""):
        """A new entry with the owner, mode and time of this one."""
        header = bytearray(self.header)
        header[0:100] = name.encode().ljust(100, b"\0")
        header[156:157] = kind
        header[157:257] = target.encode().ljust(100, b"\0")
        return Entry(bytes(header), data)

    def with_data(self, data):
        return Entry(self.header, data)

    def bytes(self):
        header = bytearray(self.header)
        header[124:135] = b"%011o" % len(self.data)
        header[148:156] = b" " * 8
        header[148:155] = b"%06o\0" % sum(header)
        return bytes(header) + self.data + b"\0" * (-len(self.data) % BLOCK)


def read(path):
    raw, at, entries = open(path, "rb").read(), 0, []
    while any(raw[at:at + BLOCK]):
        header = raw[at:at + BLOCK]
        size = int(header[124:135], 8)
        entries.append(Entry(header, raw[at + BLOCK:at + BLOCK + size]))
        at += BLOCK + size + -size % BLOCK
    return entries, raw[at:]


def flip(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:]


def resize(data, by):
    return data[:by] if by < 0 else data + b"\0" * by


def unsign(entries):
    held = {e.name: e.data for e in entries}
    index = json.loads(held["index.json"])
    signatures = [d for d in index["manifests"]
                  if d.get("annotations", {}).get("vnd.moat.role") == "signature"]
    index["manifests"] = [d for d in index["manifests"] if d not in signatures]
    gone = {"blobs/" + d["digest"].replace(":", "/") for d in signatures}
    text = json.dumps(index, separators=(",", ":")).encode()
    return [e.with_data(text) if e.name == "index.json" else e
            for e in entries if e.name not in gone]


def fix_toc(entries):
    """The old table's lines with new sizes and digests, in the order of the entries."""
    old = next(e for e in entries if e.name == TOC).data.decode()
    sample = re.search(r'^\{"name":"index.json".*\}', old, re.M).group()
    lines = dict((m.group(1), m.group()) for m in re.finditer(r'^\{"name":"([^"]+)".*\}', old, re.M))

    def line(entry):
        text = lines.get(entry.name, sample.replace("index.json", entry.name))
        text = re.sub(r'"size":\d+', f'"size":{len(entry.data)}', text)
        return re.sub(r'"sha256":"(sha256:)?[0-9a-f]+"', lambda m: '"sha256":"%s%s"' % (
            m.group(1) or "", hashlib.sha256(entry.data).hexdigest()), text)
    before, after = old[:old.index('{"name"')], old[old.rindex('}', 0, old.rindex(']')) + 1:]
    text = before + ",\n".join(line(e) for e in entries if e.name != TOC) + after
    return [e.with_data(text.encode()) if e.name == TOC else e for e in entries]


def change(entries, how, args):
    def edited(edit):
        if args[0] not in {e.name for e in entries}:
            sys.exit(f"tamper.py: no entry {args[0]}")
        return [new for e in entries for new in (edit(e) if e.name == args[0] else [e])]

    def with_extra(*entry, **more):  # before the table of contents, which must stay last
        return entries[:-1] + [entries[0].like(*entry, **more)] + entries[-1:]

    if how == "flip":
        return edited(lambda e: [e.with_data(flip(e.data))])
    if how == "resize":
        return edited(lambda e: [e.with_data(resize(e.data, int(args[1])))])
    if how == "drop":
        return edited(lambda e: [])
    if how == "duplicate":
        return edited(lambda e: [e, e])
    if how == "add-file":
        return with_extra(args[0], b"evil")
    if how == "add-blob":
        data = args[0].encode()
        return with_extra("blobs/sha256/" + hashlib.sha256(data).hexdigest(), data)
    if how == "add-symlink":
        return with_extra(args[0], kind=SYMLINK, target=args[1])
    if how == "add-hardlink":
        return with_extra(args[0], kind=HARDLINK, target=args[1])
    if how == "add-device":
        return with_extra(args[0], kind=DEVICE)
    if how == "unsign":
        return fix_toc(unsign(entries))
    sys.exit(f"tamper.py: how is '{how}'?")


arguments = [a for a in sys.argv[1:] if a != "--fix-toc"]
path, how = arguments[:2]
entries, end = read(path)
entries = change(entries, how, arguments[2:])
if "--fix-toc" in sys.argv:
    entries = fix_toc(entries)
with open(path, "wb") as volume:
    volume.write(b"".join(e.bytes() for e in entries) + end)
