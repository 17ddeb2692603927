"""A registry in which each repository answers one request oddly, for 48-odd-upstreams: IP OTHER READY CASES.

A case is a request (manifest, child, blob, tags, token, referrers, list, signature) and how it is answered.
CASES gets a line each: its name, `carried` or `refused` for what moat-pin(1) says that moat refuses, and the
request.  Redirects lead to /hop/N/..., which redirects N times more, here or on the host OTHER, whose port 5000
a list may name, and 5001 not."""
import gzip, hashlib, http.server, json, re, sys, threading

IP, OTHER, READY, CASES = sys.argv[1:]
HERE, THERE, UNKNOWN = (IP, 5000), (OTHER, 5000), (OTHER, 5001)
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ERROR = b'{"errors":[{"code":"UNSUPPORTED","message":"no such route"}]}'
ASKS = ("manifest", "child", "blob", "tags", "token", "referrers", "list", "signature")
BLOBS, CASE, SEEN, LOCK = {}, {}, {}, threading.Lock()
EMPTY = b'{"schemaVersion":2,"mediaType":"%s","manifests":[]}' % INDEX.encode()


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob(data, kind, **more):
    BLOBS[sha(data)] = data
    return {"mediaType": kind, "digest": sha(data), "size": len(data), **more}


def case(name, want="carried", ask=None, status=200, body=None, kind=None, edit=None, raw=None, times=None, cut=None,
         to=None, hops=0, coded=None, login=False, **headers):
    """times: how many requests of a client are answered so; cut: the bytes that are sent of a body; to: the prefix
    of a Location; coded: the bytes of the body to those that are sent; login: only with a token, which is no other
    host's business."""
    config = blob(json.dumps({"os": "linux", "architecture": "amd64", "case": name, "config": {},
                              "rootfs": {"type": "layers", "diff_ids": [sha(name.encode())]}}).encode(), CONFIG)
    value = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [blob(name.encode(), LAYER)]}
    if edit:
        value = edit(value)
    data = raw(value) if raw else json.dumps(value).encode()
    child = data if ask == "child" else None
    if child:
        part = {"mediaType": MANIFEST, "digest": sha(child), "size": len(child),
                "platform": {"os": "linux", "architecture": "amd64"}}
        data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [part]}).encode()
    CASE[name] = {"want": want, "ask": ask, "status": status, "body": body, "kind": kind, "data": data, "child": child,
                  "times": times, "cut": cut, "to": to, "hops": hops, "coded": coded, "login": login or ask == "token",
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


def failures():
    """Requests that fail once, or always."""
    for ask in ASKS:
        for status in (408, 429, 500, 502, 503, 504, 522):
            case(f"once-{ask}-{status}", ask=ask, status=status, body=ERROR, times=1)
        case(f"after-{ask}", ask=ask, status=503, body=ERROR, times=1, Retry_After="1")
        case(f"after-past-{ask}", ask=ask, status=429, body=ERROR, times=1, Retry_After="Fri, 01 Jan 1999 00:00:00 GMT")
        case(f"after-odd-{ask}", ask=ask, status=503, body=ERROR, times=1, Retry_After="soon")
        case(f"after-years-{ask}", "refused", ask=ask, status=503, body=ERROR, Retry_After="99999999")
        case(f"always-{ask}", "refused", ask=ask, status=503, body=ERROR)
        if ask != "child":
            case(f"cut-{ask}", ask=ask, cut=1, times=1)
            case(f"cut-chunked-{ask}", ask=ask, cut=1, times=1, Content_Length=None, Transfer_Encoding="chunked")
            case(f"closed-{ask}", ask=ask, cut=-1, times=1)
    case("resumed-blob", ask="blob", cut=3, times=3, Accept_Ranges="bytes")
    case("always-cut-blob", "refused", ask="blob", cut=1)
    for status in (402, 409, 418, 425, 451, 499, 505, 507):
        for ask in ("referrers", "list", "signature"):
            case(f"status-{ask}-{status}", "refused", ask=ask, status=status, body=ERROR)


def redirects():
    for ask in ASKS:
        for status in (301, 302, 303, 307, 308):
            case(f"to-{ask}-{status}", ask=ask, status=status, body=b"moved", to="")
        case(f"to-absolute-{ask}", ask=ask, status=307, to="http://%s:%d" % HERE)
        case(f"to-scheme-{ask}", ask=ask, status=307, to="//%s:%d" % HERE)
        case(f"to-there-{ask}", "refused" if ask == "token" else "carried", ask=ask, status=307, to="http://%s:%d" % THERE)
        case(f"to-unknown-{ask}", "refused", ask=ask, status=307, to="http://%s:%d" % UNKNOWN)
        case(f"login-{ask}", ask=ask, login=True)
        case(f"login-to-{ask}", ask=ask, status=307, to="", login=True)
        if ask != "token":
            case(f"login-there-{ask}", ask=ask, status=307, to="http://%s:%d" % THERE, login=True)
        case(f"hops-9-{ask}", ask=ask, status=307, to="", hops=8)
        case(f"hops-10-{ask}", ask=ask, status=307, to="", hops=9)
        case(f"hops-11-{ask}", "refused", ask=ask, status=307, to="", hops=10)
        case(f"nowhere-{ask}", "refused", ask=ask, status=307, Location=None)


def frames():
    """What surrounds a body."""
    packed = {"coded": lambda data: gzip.compress(data, mtime=0), "Content_Encoding": "gzip"}
    for ask in ASKS:
        case(f"zip-{ask}", ask=ask, **packed)
        case(f"zip-no-length-{ask}", ask=ask, Content_Length=None, **packed)
        case(f"identity-{ask}", ask=ask, Content_Encoding="identity")
        want = "refused" if ask == "blob" else "carried"
        case(f"206-{ask}", want, ask=ask, status=206)
        case(f"206-range-{ask}", want, ask=ask, status=206, Content_Range="bytes 0-0/1")
        case(f"length-word-{ask}", "refused", ask=ask, Content_Length="all")
        case(f"length-empty-{ask}", "refused", ask=ask, Content_Length="")
        if ask not in ("child", "list", "signature"):
            case(f"length-short-{ask}", "refused", ask=ask, Content_Length="1")
        case(f"length-chunked-{ask}", ask=ask, Content_Length="1", Transfer_Encoding="chunked")
        case(f"chunked-{ask}", ask=ask, Content_Length=None, Transfer_Encoding="chunked")
    gz = lambda v: {**v, "layers": [blob(gzip.compress(b"layer", mtime=0), LAYER)]}
    case("label-gzip", ask="blob", edit=gz, Content_Encoding=lambda data: "gzip" if data[:2] == b"\x1f\x8b" else None)
    case("label-layer-no-length", ask="blob", edit=gz, Content_Length=None,
         Content_Encoding=lambda data: "gzip" if data[:2] == b"\x1f\x8b" else None)
    for ask in ASKS:
        case(f"label-other-{ask}", ask=ask, Content_Encoding="aws-chunked")
    for name, value in (("word", "none"), ("empty", ""), ("md5", "md5:" + hashlib.md5(b"").hexdigest()),
                        ("sha1", "sha1:" + hashlib.sha1(b"").hexdigest()), ("upper", sha(b"x").upper())):
        case(f"digest-{name}", ask="manifest", Docker_Content_Digest=value)
    case("digest-wrong-sha512", "refused", ask="manifest", Docker_Content_Digest="sha512:" + hashlib.sha512(b"").hexdigest())
    case("digest-sha512", "refused", ask="manifest", Docker_Content_Digest=lambda data: "sha512:" + hashlib.sha512(data).hexdigest())
    for ask, kind in (("referrers", INDEX), ("tags", "application/json"), ("token", "application/json")):
        case(f"type-{ask}", ask=ask, kind=kind + "; charset=utf-8")
        case(f"type-upper-{ask}", ask=ask, kind=kind.upper())
        case(f"type-none-{ask}", ask=ask, kind="")
    case("type-upper-manifest", ask="manifest", kind=MANIFEST.upper())


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body, kind, headers=None, cut=None):
        headers = {"Content-Type": kind or None, "Content-Length": str(len(body)), **(headers or {})}
        chunked = "Transfer-Encoding" in headers
        if cut is not None or headers["Content-Length"] != str(len(body)) and not chunked:
            headers["Connection"] = "close"
            self.close_connection = True
        if cut == -1:
            return
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD" or status == 204:
            return
        if chunked:
            self.wfile.write(b"%x\r\n" % len(body))
            body += b"\r\n0\r\n\r\n"
        self.wfile.write(body[:cut])

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = re.fullmatch(r"(?:/hop/(\d+))?(/(?:token\?.*scope=repository(?::|%3A)|v2/)([^/?:%]+)(.*))", self.path)
        if self.path == "/v2/":
            return self.challenge() if "Authorization" not in self.headers else self.answer(200, b"{}", "application/json")
        if not path or path[3] not in CASE:
            return self.answer(404, b"{}", "application/json")
        this, hop, after = CASE[path[3]], path[1], path[4]
        if self.server.server_address != HERE and "Authorization" in self.headers:
            return self.answer(400, ERROR, "application/json")
        if hop and int(hop):
            return self.answer(this["status"], b"", "", {"Location": f"/hop/{int(hop) - 1}{path[2]}"})
        ask, ref = self.request_of(this, path[2], after)
        if self.wants_token(this, ask):
            return self.challenge(f',scope="repository:{path[3]}:pull"')
        body, kind = self.ordinary(this, ask, ref)
        digest = {"Docker-Content-Digest": sha(body)} if ask in ("manifest", "child") and body is not None else {}
        if hop or not self.is_odd(this, ask):
            return self.answer(404 if body is None else 200, body or b"", kind, digest)
        kind = kind if this["kind"] is None else this["kind"]
        body = body if this["body"] is None else this["body"]
        if this["body"] is None and body is None and this["status"] < 300:
            body, kind = (EMPTY, this["kind"] or INDEX) if ask == "referrers" else (this["data"], MANIFEST)
        headers = {k: v(body or b"") if callable(v) else v for k, v in {**digest, **this["headers"]}.items()}
        if this["to"] is not None:
            headers["Location"] = f"{this['to']}/hop/{this['hops']}{path[2]}"
        body = this["coded"](body or b"") if this["coded"] else body or b""
        return self.answer(this["status"], body, kind, headers, this["cut"])

    def challenge(self, scope=""):
        """Clients in Go look at the answer to /v2/ only."""
        realm = 'Bearer realm="http://%s:%d/token",service="odd"' % HERE
        self.answer(401, ERROR, "application/json", {"WWW-Authenticate": realm + scope})

    def request_of(self, this, path, after):
        what = re.match(r"/([a-z]+)/([^/?]+)", after)
        if path.startswith("/token?"):
            return "token", ""
        if this["child"] and what and what[2] == sha(this["child"]):
            return "child", what[2]
        if what and what[1] == "manifests" and (what[2] == "1" or what[2].startswith("sha256:")):
            return "manifest", what[2]
        if what and what[1] == "manifests":
            return ("signature" if "." in what[2] else "list"), what[2]
        return ({"blobs": "blob"}.get(what[1], what[1]), what[2]) if what else ("", "")

    def wants_token(self, this, ask):
        here = self.server.server_address == HERE
        return here and this["login"] and ask != "token" and self.headers["Authorization"] != "Bearer odd"

    def is_odd(self, this, ask):
        if this["ask"] != ask:
            return False
        key = (self.headers["User-Agent"].split("/")[0], self.command, self.path)
        with LOCK:
            SEEN[key] = SEEN.get(key, 0) + 1
        return this["times"] is None or SEEN[key] <= this["times"]

    def ordinary(self, this, ask, ref):
        if ask == "manifest":
            known = ref in ("1", sha(this["data"]))
            return (this["data"] if known else None), INDEX if this["child"] else MANIFEST
        if ask == "child":
            return this["child"], MANIFEST
        if ask == "blob":
            return BLOBS.get(ref), "application/octet-stream"
        if ask == "token":
            return b'{"token":"odd"}', "application/json"
        if ask == "tags":
            return b'{"name":"odd","tags":["1"]}', "application/json"
        return None, "application/json"


manifests()
blobs()
questions()
failures()
redirects()
frames()
with open(CASES, "w", encoding="utf-8") as out:
    for name in CASE:
        out.write(f"{name} {CASE[name]['want']} {CASE[name]['ask']}\n")
servers = [Server(address, Handler) for address in (HERE, THERE, UNKNOWN)]
with open(READY, "w", encoding="utf-8") as ready:
    ready.write("up\n")
for server in servers[1:]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
servers[0].serve_forever()
