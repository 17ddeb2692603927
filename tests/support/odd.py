"""A registry of odd images, each in a repository of its own, for the flow tests: IP PORT READY LOG."""
import hashlib, http.server, json, os, re, sys

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
IP, PORT, READY, LOG = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
BLOBS, MANIFESTS, REFERRERS = {}, {}, {}


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def pack(value):
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()


def blob(value, kind=LAYER, **more):
    data = pack(value)
    BLOBS[sha(data)] = data
    return {"mediaType": kind, "digest": sha(data), "size": len(data), **more}


def put(repo, tag, value, kind=MANIFEST):
    data = pack(value)
    for ref in (sha(data), tag):
        if ref:
            MANIFESTS[repo, ref] = (kind, data)
    return {"mediaType": kind, "digest": sha(data), "size": len(data)}


def image(repo, layers=None):
    config = blob({"os": "linux", "architecture": "amd64", "repo": repo}, CONFIG)
    layers = [blob(repo.encode())] if layers is None else layers
    return put(repo, "1", {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})


def attach(repo, subject, kind):
    body = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": blob({}, EMPTY),
            "layers": [blob(kind.encode(), "text/plain")], "subject": subject}
    return {**put(repo, None, body), "artifactType": kind}


def contents():
    image("plain")
    image("denied")
    there = image("dangling")
    nothing = {"mediaType": MANIFEST, "digest": sha(b"nothing"), "size": 7, "artifactType": "scan"}
    REFERRERS[there["digest"]] = [nothing]
    there = image("typed")
    REFERRERS[there["digest"]] = [attach("typed", there, "text/spdx"), attach("typed", there, "other")]
    there = image("mistyped")
    REFERRERS[there["digest"]] = [{**attach("mistyped", there, "text/spdx"), "mediaType": "application/spdx+json"}]
    there = image("blobtyped")
    REFERRERS[there["digest"]] = [blob(b"an SBOM", "application/spdx+json", artifactType="text/spdx")]
    address = f"http://{IP}:{PORT}/elsewhere/layer"
    layer = {"digest": sha(b"far away"), "size": 8}
    image("foreign", [{"mediaType": FOREIGN, "digest": sha(b"windows"), "size": 7, "urls": ["https://x.invalid/"]}])
    image("urls", [{"mediaType": LAYER, **layer, "urls": [address]}, blob(b"near", urls=["https://x.invalid/"])])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        with open(LOG, "a", encoding="utf-8") as log:
            log.write(f"{self.command} {self.path} {'authorization' if 'Authorization' in self.headers else ''}\n")
        if self.path == "/elsewhere/layer":
            return self.answer(200, b"far away", "application/octet-stream")
        found = re.fullmatch(r"/v2/(.+)/(manifests|blobs|referrers)/([^/?]+)", self.path)
        if not found:
            return self.answer(200 if self.path == "/v2/" else 404, b"{}")
        repo, what, ref = found.groups()
        if what == "referrers":
            if repo == "denied":
                return self.answer(403, pack({"errors": [{"code": "DENIED"}]}))
            return self.answer(200, pack({"schemaVersion": 2, "manifests": REFERRERS.get(ref, [])}), INDEX)
        if what == "blobs":
            return self.answer(200 if ref in BLOBS else 404, BLOBS.get(ref, b""), "application/octet-stream")
        if repo == "plain" and os.path.exists("skip-plain"):
            return self.answer(404)
        kind, data = MANIFESTS.get((repo, ref), ("text/plain", b""))
        return self.answer(200 if data else 404, data, kind)


os.chdir(os.path.dirname(LOG))
contents()
server = http.server.ThreadingHTTPServer((IP, PORT), Handler)
with open(READY, "w", encoding="utf-8") as ready:
    ready.write("up\n")
server.serve_forever()
