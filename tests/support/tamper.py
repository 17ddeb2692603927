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

With --fix-toc the table of contents is made to agree with what the volume holds then, as an
attacker would do.
"""
import hashlib
import io
import json
import sys
import tarfile

TOC = "moat/toc.json"


def read(path):
    with tarfile.open(path) as tar:
        return [(info, tar.extractfile(info).read() if info.isfile() else b"") for info in tar]


def write(path, entries):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def entry(name, data=b"", kind=tarfile.REGTYPE, linkname=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, linkname, 0o644
    info.devmajor = info.devminor = 1
    return info, data


def flip(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:]


def resize(data, by):
    return data[:by] if by < 0 else data + b"\0" * by


def is_signature(descriptor):
    name = descriptor.get("annotations", {}).get("org.opencontainers.image.ref.name", "")
    subject = descriptor.get("annotations", {}).get("io.containerd.manifest.subject")
    kind = descriptor.get("artifactType", "")
    return name.endswith(".sig") or "sigstore" in kind or bool(subject)


def unsign(entries):
    by_name = {info.name: data for info, data in entries}
    index = json.loads(by_name["index.json"])
    signatures = [d for d in index["manifests"] if is_signature(d)]
    index["manifests"] = [d for d in index["manifests"] if not is_signature(d)]
    gone = {"blobs/" + d["digest"].replace(":", "/") for d in signatures}
    return [(info, json.dumps(index).encode() if info.name == "index.json" else data)
            for info, data in entries if info.name not in gone]


def fix_toc(entries):
    held = {info.name: data for info, data in entries}
    toc = json.loads(held[TOC])
    known = {line["name"] for line in toc["entries"]}
    for line in toc["entries"]:
        data = held.get(line["name"], b"")
        line["size"], line["sha256"] = len(data), hashlib.sha256(data).hexdigest()
    toc["entries"] += [{"name": info.name, "size": len(data),
                        "sha256": hashlib.sha256(data).hexdigest()}
                       for info, data in entries if info.name not in known | {TOC}]
    toc["entries"] = [line for line in toc["entries"] if line["name"] in held]
    lines = ",\n".join(json.dumps(line, separators=(",", ":")) for line in toc.pop("entries"))
    text = json.dumps(toc)[:-1] + ', "entries": [\n' + lines + "\n]}\n"
    return [(info, text.encode() if info.name == TOC else data) for info, data in entries]


def change(entries, how, args):
    def edited(edit):
        if args[0] not in {info.name for info, _ in entries}:
            sys.exit(f"tamper.py: no entry {args[0]}")
        return [pair for info, data in entries
                for pair in (edit(info, data) if info.name == args[0] else [(info, data)])]

    def with_extra(extra):  # before the table of contents, which must stay last
        return entries[:-1] + [extra] + entries[-1:]

    if how == "flip":
        return edited(lambda info, data: [(info, flip(data))])
    if how == "resize":
        return edited(lambda info, data: [(info, resize(data, int(args[1])))])
    if how == "drop":
        return edited(lambda info, data: [])
    if how == "duplicate":
        return edited(lambda info, data: [(info, data), (info, data)])
    if how == "add-file":
        return with_extra(entry(args[0], b"evil"))
    if how == "add-blob":
        data = args[0].encode()
        return with_extra(entry("blobs/sha256/" + hashlib.sha256(data).hexdigest(), data))
    if how == "add-symlink":
        return with_extra(entry(args[0], b"", tarfile.SYMTYPE, args[1]))
    if how == "add-hardlink":
        return with_extra(entry(args[0], b"", tarfile.LNKTYPE, args[1]))
    if how == "add-device":
        return with_extra(entry(args[0], b"", tarfile.CHRTYPE))
    if how == "unsign":
        return fix_toc(unsign(entries))
    sys.exit(f"tamper.py: how is '{how}'?")


arguments = [a for a in sys.argv[1:] if a != "--fix-toc"]
changed = change(read(arguments[0]), arguments[1], arguments[2:])
write(arguments[0], fix_toc(changed) if "--fix-toc" in sys.argv else changed)
