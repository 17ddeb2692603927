#!/usr/bin/env python3
"""many.py FOLDER IMAGES ATTACHED: an OCI layout of small images, each with artifacts about it; the same every time.

An image is named i0, i1 ...; its blobs are its own but for a layer that a hundred share.
"""
import hashlib
import json
import os
import sys

folder, images, attached = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
os.makedirs(folder + "/blobs/sha256", exist_ok=True)


def put(content, media_type):
    digest = hashlib.sha256(content).hexdigest()
    with open(f"{folder}/blobs/sha256/{digest}", "wb") as out:
        out.write(content)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(content)}


def put_json(value, media_type):
    return put(json.dumps(value).encode(), media_type)


name = os.path.basename(folder)
empty = put(b"{}", "application/vnd.oci.empty.v1+json")
items = []
for i in range(images):
    layers = [put(f"layer {n}".encode() * 20, "application/vnd.oci.image.layer.v1.tar+gzip")
              for n in (i // 100, f"{name} {i}")]
    config = put_json({"architecture": "amd64", "os": "linux", "rootfs": {
        "type": "layers", "diff_ids": [x["digest"] for x in layers]}}, "application/vnd.oci.image.config.v1+json")
    image = put_json({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}, MANIFEST)
    items.append(image | {"annotations": {"org.opencontainers.image.ref.name": f"i{i}"}})
    for n in range(attached):
        kind = f"application/vnd.example.paper{n}"
        paper = put(f"{name} {i} {n}".encode(), "text/plain")
        items.append(put_json({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": empty,
                               "layers": [paper], "subject": image}, MANIFEST) | {"artifactType": kind})
with open(folder + "/index.json", "w", encoding="ascii") as out:
    json.dump({"schemaVersion": 2, "mediaType": INDEX, "manifests": items}, out)
with open(folder + "/oci-layout", "w", encoding="ascii") as out:
    out.write('{"imageLayoutVersion":"1.0.0"}')
