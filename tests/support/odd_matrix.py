"""A registry in which each repository answers one request oddly, for 48-odd-upstreams: IP PORT READY CASES.

A case is a request (manifest, blob, referrers, list, signature) and how it is answered.  CASES gets a line
each: its name, and `carried`, or `refused` for what moat-pin(1) says that moat refuses."""
import hashlib, http.server, json, re, sys

IP, PORT, READY, CASES = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ERROR = b'{"errors":[{"code":"UNSUPPORTED","message":"no such route"}]}'
BLOBS, CASE = {}, {}


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob(data, kind, **more):
    BLOBS[sha(data)] = data
    return {"mediaType": kind, "digest": sha(data), "size": len(data), **more}


def case(name, want="carried", ask=None, status=200, body=None, kind=None, edit=None, raw=None, **headers):
    config = blob(json.dumps({"os": "linux", "architecture": "amd64", "case": name, "config": {},
                              "rootfs": {"type": "layers", "diff_ids": [sha(name.encode())]}}).encode(), CONFIG)
    value = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [blob(name.encode(), LAYER)]}
    if edit:
        value = edit(value)
    data = raw(value) if raw else json.dumps(value).encode()
    CASE[name] = {"want": want, "ask": ask, "status": status, "body": body, "kind": kind, "data": data,
                  "headers": {k.replace("_", "-"): v for k, v in headers.items()}}


def without(*keys):
    return lambda value: {k: v for k, v in value.items() if k not in keys}


def plus(**more):
    return lambda value: {**value, **more}


def manifests():
    silent = without("mediaType")
    case("plain")
    for i, kind in enumerate((DOCKER, "application/octet-stream", "text/plain; charset=utf-8", "", "application/json",
                              MANIFEST + "; charset=utf-8")):
        case(f"m-type-{i}", ask="manifest", kind=kind)
        case(f"m-silent-{i}", ask="manifest", kind=kind, edit=silent)
    case("m-no-digest", ask="manifest", Docker_Content_Digest=None)
    case("m-wrong-digest", "refused", ask="manifest", Docker_Content_Digest=sha(b"x"))
    case("m-no-length", ask="manifest", Content_Length=None)
    case("m-warning", ask="manifest", Warning='299 - "old"', ETag="x", Cache_Control="no-store")
    case("m-no-schema", edit=without("schemaVersion"))
    case("m-null-annotations", edit=plus(annotations=None))
    case("m-null-annotation", edit=plus(annotations={"a": None}))
    case("m-null-subject", edit=plus(subject=None))
    case("m-word", edit=plus(artifactType="vuln-scan"))
    case("m-empty-word", edit=plus(artifactType=""))
    case("m-fields", edit=plus(custom={"a": [1, {"b": None}]}, other=1.5))
    case("m-spaces", raw=lambda v: b"\n " + json.dumps(v, indent=7).encode() + b"\n\n")
    case("m-urls", edit=lambda v: {**v, "layers": [{**v["layers"][0], "urls": ["https://x.invalid/y"]}]})
    case("m-layer-type", edit=lambda v: {**v, "layers": [{**v["layers"][0], "mediaType": "text/plain; charset=utf-8"}]})
    case("m-layer-word", edit=lambda v: {**v, "layers": [{**v["layers"][0], "mediaType": "layer"}]})
    case("m-layer-annotations", edit=lambda v: {**v, "layers": [{**v["layers"][0], "annotations": {"a": "\u00e9"}}]})
    case("m-null-layers", edit=plus(layers=None))
    case("m-no-layers", edit=without("layers"))
    case("m-twice", "refused", raw=lambda v: json.dumps(v).encode()[:-1] + b',"schemaVersion":2}')
    case("m-case", "refused", edit=plus(Layers=[]))
    case("m-both", "refused", edit=plus(manifests=[]))
    case("m-size", "refused", edit=lambda v: {**v, "layers": [{**v["layers"][0], "size": 1}]})
    case("m-not-json", "refused", raw=lambda v: b"<html>")


def blobs():
    case("b-no-length", ask="blob", Content_Length=None)
    case("b-type", ask="blob", kind="text/html")
    case("b-no-type", ask="blob", kind="")
    case("b-digest", ask="blob", Docker_Content_Digest=None)
    case("b-ranges", ask="blob", Accept_Ranges="none")
    case("b-203", ask="blob", status=203)
    case("b-other", "refused", ask="blob", body=b"other bytes")
    case("b-gone", "refused", ask="blob", status=404, body=b"")


def questions():
    index = b'{"schemaVersion":2,"mediaType":"%s","manifests":%%s}' % INDEX.encode()
    bodies = {"html": ("text/html", b"<!DOCTYPE html>"), "error": ("application/json", ERROR), "empty": ("", b""),
              "null": (INDEX, index % b"null"), "none": (INDEX, index % b"[]"), "bare": (INDEX, b"{}"),
              "json": ("application/json", index % b"[]"), "absent": (INDEX, b'{"schemaVersion":2}')}
    for ask in ("referrers", "list", "signature"):
        for status in (204, 400, 401, 404, 405, 406, 410, 414, 415, 422, 501):
            case(f"{ask[0]}-{status}", ask=ask, status=status, body=b"" if status == 204 else ERROR)
        for name, (kind, body) in bodies.items():
            if ask != "signature" or b"manifests" not in body and kind != INDEX:
                case(f"{ask[0]}-{name}", ask=ask, kind=kind, body=body)
        case(f"{ask[0]}-html404", ask=ask, status=404, kind="text/html", body=b"<html>")
        case(f"{ask[0]}-denied", "refused", ask=ask, status=403, body=ERROR)
        case(f"{ask[0]}-login", "refused", ask=ask, status=401, body=ERROR, WWW_Authenticate="Negotiate")
    for ask in ("referrers", "list"):
        case(f"{ask[0]}-broken", "refused", ask=ask, kind=INDEX, body=index % b"[5]")
        case(f"{ask[0]}-cut", "refused", ask=ask, kind=INDEX, body=b'{"manifests":[')
    case("l-self", ask="list", body=None)
    case("s-image", ask="signature", body=None)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body, kind, headers=None):
        headers = {"Content-Type": kind or None, "Content-Length": str(len(body)), **(headers or {})}
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        if headers["Content-Length"] is None:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        found = re.fullmatch(r"/v2/([^/]+)/(manifests|blobs|referrers)/([^/?]+)", self.path)
        if not found or found[1] not in CASE:
            return self.answer(200 if self.path == "/v2/" else 404, b"{}", "application/json")
        this, what, ref = CASE[found[1]], found[2], found[3]
        ask = {"blobs": "blob", "referrers": "referrers"}.get(what)
        if what == "manifests":
            ask = "manifest" if ref == "1" or ref.startswith("sha256:") else "signature" if "." in ref else "list"
        body, kind = self.ordinary(this, ask, ref)
        odd = this["ask"] == ask
        if odd:
            status, headers = this["status"], this["headers"]
            kind = kind if this["kind"] is None else this["kind"]
            body = body if this["body"] is None else this["body"]
            if this["body"] is None and ask in ("list", "signature"):
                body, kind = this["data"], MANIFEST
        else:
            status, headers = 404 if body is None else 200, {}
        digest = {"Docker-Content-Digest": sha(body)} if ask == "manifest" and body is not None else {}
        return self.answer(status, body or b"", kind, {**digest, **headers})

    def ordinary(self, this, ask, ref):
        if ask == "manifest":
            return (this["data"] if ref in ("1", sha(this["data"])) else None), MANIFEST
        if ask == "blob":
            return BLOBS.get(ref), "application/octet-stream"
        return None, "application/json"


manifests()
blobs()
questions()
with open(CASES, "w", encoding="utf-8") as out:
    for name in CASE:
        out.write(f"{name} {CASE[name]['want']}\n")
server = http.server.ThreadingHTTPServer((IP, PORT), Handler)
with open(READY, "w", encoding="utf-8") as ready:
    ready.write("up\n")
server.serve_forever()
