#!/usr/bin/env python3
"""Signs a variant of an image by a sigstore bundle and pushes both, for tests.

bundle.py REGISTRY REPO KEY ROW    REGISTRY is HOST:PORT without TLS; prints the image's digest
bundle.py --rows                   ROW COSIGN MOAT a line: does cosign, does moat take it?

The image is that of the tag `base` in REPO with one annotation more, so each row has a subject of
its own; it gets ROW as its tag.  KEY is a P-256 private key that openssl reads.
"""
import base64
import hashlib
import json
import subprocess
import sys
import urllib.request

V3 = "application/vnd.dev.sigstore.bundle.v0.3+json"
OLD = "application/vnd.dev.sigstore.bundle+json;version=0."
IN_TOTO = "application/vnd.in-toto+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"

# What cosign 3.1.3 says of each (flow 40 asks it), and what moat says.
ROWS = """
plain               yes yes
url-alphabet        yes yes
empty-key           yes yes
hint-of-another     yes yes
keyid-of-ssh        yes yes
keyid-of-the-hint   no  yes
keyid-of-nothing    no  yes
two-subjects        yes yes
subject-twice       yes yes
subject-of-another  no  no
subject-none        no  no
proto-names         yes yes
proto-names-inside  yes yes
proto-name-wrong    no  no
both-names          no  no
type-old-inside     yes yes
type-old            yes yes
type-0.2            no  no
type-0.1            no  no
statement-0.1       yes yes
statement-0.2       yes no
predicate-other     yes no
payload-type        no  no
payload-of-another  no  no
two-signatures      no  no
unknown-field       no  yes
listed-by-config    yes yes
listed-as-word      yes yes
key-of-another      no  no
"""


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Registry:
    def __init__(self, host, repo):
        self.base = f"http://{host}/v2/{repo}"

    def ask(self, method, path, data=None, **headers):
        names = {k.replace("_", "-"): v for k, v in headers.items()}
        url = path if path.startswith("http") else self.base + path
        request = urllib.request.Request(url, data, names, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.headers, answer.read()

    def push_blob(self, data):
        headers, _ = self.ask("POST", "/blobs/uploads/")
        place = headers["Location"]
        if place.startswith("/"):
            place = self.base.split("/v2/")[0] + place
        place += ("&" if "?" in place else "?") + "digest=" + sha256(data)
        self.ask("PUT", place, data, Content_Type="application/octet-stream")
        return {"digest": sha256(data), "size": len(data)}

    def push_manifest(self, value, tag=None):
        data = compact(value)
        self.ask("PUT", f"/manifests/{tag or sha256(data)}", data, Content_Type=value["mediaType"])
        return {"mediaType": value["mediaType"], "digest": sha256(data), "size": len(data)}


class Key:
    def __init__(self, path):
        self.path = path
        self.der = self.openssl("pkey", "-in", path, "-pubout", "-outform", "DER")

    @staticmethod
    def openssl(*words, data=None):
        return subprocess.run(["openssl", *words], input=data, check=True, capture_output=True).stdout

    @classmethod
    def new(cls, path):
        cls.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
        return cls(path)

    def sign(self, data):
        return self.openssl("dgst", "-sha256", "-sign", self.path, data=data)

    def hint(self):
        return base64.b64encode(hashlib.sha256(self.der).digest()).decode()

    def ssh(self):
        """The fingerprint that ssh-keygen -l prints: the point is the end of the DER form."""
        def field(data):
            return len(data).to_bytes(4, "big") + data
        blob = field(b"ecdsa-sha2-nistp256") + field(b"nistp256") + field(self.der[-65:])
        return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def b64(data, row):
    if row == "url-alphabet":
        return base64.urlsafe_b64encode(data).decode().rstrip("=")
    return base64.b64encode(data).decode()


def statement_of(row, digest):
    subject, other = {"digest": {"sha256": digest[7:]}}, {"digest": {"sha256": "0" * 64}}
    subjects = {
        "two-subjects": [other, subject],
        "subject-twice": [subject, subject],
        "subject-of-another": [other],
        "subject-none": [],
    }
    value = {
        "_type": "https://in-toto.io/Statement/" + {"statement-0.1": "v0.1", "statement-0.2": "v0.2"}.get(row, "v1"),
        "subject": subjects.get(row, [subject]),
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    }
    if row == "predicate-other":
        value["predicateType"] = "https://slsa.dev/provenance/v1"
    if row == "unknown-field":
        value["moat"] = "no field of a statement"
    if row == "proto-names-inside":
        value["predicate_type"] = value.pop("predicateType")
    return compact(value)


def signature_of(row, key, signed):
    value = {"sig": b64(key.sign(signed), row)}
    ids = {"keyid-of-ssh": key.ssh(), "keyid-of-the-hint": key.hint(), "keyid-of-nothing": "release"}
    if row in ids:
        value["keyid"] = ids[row]
    return value


def bundle_of(row, key, digest):
    statement = statement_of(row, digest)
    kind = "text/plain" if row == "payload-type" else IN_TOTO
    signature = signature_of(row, key, f"DSSEv1 {len(kind)} {kind} {len(statement)} ".encode() + statement)
    if row == "payload-of-another":
        statement = statement.replace(b"{}", b"{ }")
    types = {"type-old-inside": OLD + "3", "type-old": OLD + "3", "type-0.2": OLD + "2", "type-0.1": OLD + "1"}
    hints = {"empty-key": {}, "hint-of-another": {"hint": "anybody"}}
    value = {
        "mediaType": types.get(row, V3),
        "verificationMaterial": {"publicKey": hints.get(row, {"hint": key.hint()})},
        "dsseEnvelope": {
            "payload": b64(statement, row),
            "payloadType": kind,
            "signatures": [signature, signature] if row == "two-signatures" else [signature],
        },
    }
    if row == "both-names":
        value["media_type"] = V3
    if row == "proto-names":
        value = {
            "media_type": value["mediaType"],
            "verification_material": {"public_key": value["verificationMaterial"]["publicKey"]},
            "dsse_envelope": value["dsseEnvelope"],
        }
    if row == "proto-name-wrong":  # in the .proto, too, this one is payloadType
        value["dsseEnvelope"]["payload_type"] = value["dsseEnvelope"].pop("payloadType")
    return compact(value)


def referrer_of(row, config, layer, subject):
    kind = {"type-old": OLD + "3", "type-0.2": OLD + "2", "type-0.1": OLD + "1"}.get(row, V3)
    value = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "signature" if row == "listed-as-word" else kind,
        "config": dict(mediaType=EMPTY, **config),
        "layers": [dict(mediaType=kind, **layer)],
        "subject": subject,
    }
    if row == "listed-by-config":
        del value["artifactType"]
        value["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json"
    return value


def main():
    if sys.argv[1:] == ["--rows"]:
        print(ROWS.strip())
        return
    host, repo, key_file, row = sys.argv[1:]
    if row not in ROWS.split():
        raise SystemExit(f"no row {row}")
    registry = Registry(host, repo)
    key = Key.new(key_file + ".other") if row == "key-of-another" else Key(key_file)
    image = json.loads(registry.ask("GET", "/manifests/base", Accept=MANIFEST)[1])
    subject = registry.push_manifest(dict(image, mediaType=MANIFEST, annotations={"row": row}), row)
    layer = registry.push_blob(bundle_of(row, key, subject["digest"]))
    registry.push_manifest(referrer_of(row, registry.push_blob(b"{}"), layer, subject))
    print(subject["digest"])


main()
