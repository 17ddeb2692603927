#!/usr/bin/env python3
"""A zstd:chunked image, for tests: clients of Debian 12 read such images, but hang when they write one.

usage: chunked.py LAYOUT TAG FILES BYTES

LAYOUT becomes an OCI layout: one layer of FILES files of BYTES random bytes each.  Every file is a zstd
frame of its own, and the layer's table of contents tells where; a client that has none of them asks for
as many ranges, and a gap behind each keeps it from asking for neighbours as one.  Frames hold raw
blocks: nothing is compressed, and no library is needed.  Prints the sums of the files, as sha256sum does.
"""
import hashlib
import io
import json
import os
import struct
import sys
import tarfile

LAYOUT, TAG, FILES, BYTES = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
BLOCK = 128 * 1024
GAP = 2048  # podman 5 merges what is up to 1024 bytes apart
CRFS = 1  # the only kind of table there is


def frame(data):
    """RFC 8878: magic, single segment with four bytes of size, raw blocks."""
    out = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data))
    for at in range(0, max(len(data), 1), BLOCK):
        part = data[at:at + BLOCK]
        last = at + BLOCK >= len(data)
        out += struct.pack("<I", len(part) << 3 | last)[:3] + part
    return out


def skippable(data):
    return b"\x50\x2a\x4d\x18" + struct.pack("<I", len(data)) + data


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def put(data, **more):
    with open(f"{LAYOUT}/blobs/sha256/{hashlib.sha256(data).hexdigest()}", "wb") as f:
        f.write(data)
    return {"digest": digest(data), "size": len(data), **more}


def layer():
    """The tar, the same in frames, and the entries of its table of contents."""
    plain, chunked, entries = io.BytesIO(), io.BytesIO(), []
    for i in range(FILES):
        content = os.urandom(BYTES)
        print(f"{hashlib.sha256(content).hexdigest()}  file-{i:04}")
        info = tarfile.TarInfo(f"file-{i:04}")
        info.size = BYTES
        header = info.tobuf(tarfile.USTAR_FORMAT)
        padding = b"\0" * (-BYTES % 512)
        plain.write(header + content + padding)
        chunked.write(frame(header))
        entries.append({
            "type": "reg", "name": info.name, "mode": 0o644, "size": BYTES, "uid": 0, "gid": 0,
            "modtime": "1970-01-01T00:00:00Z", "digest": digest(content), "offset": chunked.tell(),
            "endOffset": chunked.tell() + len(frame(content))})
        chunked.write(frame(content) + skippable(bytes(GAP)))
        if padding:
            chunked.write(frame(padding))
    plain.write(b"\0" * 1024)
    chunked.write(frame(b"\0" * 1024))
    return plain.getvalue(), chunked, entries


def main():
    os.makedirs(f"{LAYOUT}/blobs/sha256")
    plain, chunked, entries = layer()
    table = json.dumps({"version": 1, "entries": entries}).encode()
    packed = frame(table)
    at = chunked.tell() + 8
    chunked.write(skippable(packed))
    chunked.write(skippable(struct.pack("<QQQQ", at, len(packed), len(table), CRFS) + b"GnUlInUx"))
    part = put(chunked.getvalue(), mediaType="application/vnd.oci.image.layer.v1.tar+zstd", annotations={
        f"{prefix}.zstd-chunked.{key}": value for prefix in ("io.containers", "io.github.containers")
        for key, value in (("manifest-checksum", digest(packed)),
                           ("manifest-position", f"{at}:{len(packed)}:{len(table)}:{CRFS}"))})
    config = put(json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {
        "type": "layers", "diff_ids": [digest(plain)]}}).encode(),
        mediaType="application/vnd.oci.image.config.v1+json")
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = put(json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config,
                               "layers": [part]}).encode(),
                   mediaType=kind, annotations={"org.opencontainers.image.ref.name": TAG})
    with open(f"{LAYOUT}/index.json", "w") as f:
        json.dump({"schemaVersion": 2, "manifests": [manifest]}, f)
    with open(f"{LAYOUT}/oci-layout", "w") as f:
        f.write('{"imageLayoutVersion": "1.0.0"}')


main()
