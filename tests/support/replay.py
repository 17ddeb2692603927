"""A registry, and a web server, of what a file holds: replay.py FILE IP PORT, or replay.py FILE layout DIR.

FILE is JSON: blobs {digest: text}, tags {"repository:tag": digest}, referrers {digest: [descriptor]}, files
{path: text}, layout {tag: digest}. It answers under any name, as a proxy is asked, so a fixture can
have hosts that are nowhere.
"""
import hashlib, http.server, json, os, re, sys, urllib.parse

with open(sys.argv[1], encoding="utf-8") as source:
    WORLD = json.load(source)
INDEX = "application/vnd.oci.image.index.v1+json"


def kind_of(digest):
    return json.loads(WORLD["blobs"][digest])["mediaType"]


def layout(folder):
    os.makedirs(f"{folder}/blobs/sha256")
    for digest, text in WORLD["blobs"].items():
        with open(f"{folder}/blobs/{digest.replace(':', '/')}", "w", encoding="utf-8") as out:
            out.write(text)
    entries = [{"mediaType": kind_of(digest), "digest": digest, "size": len(WORLD["blobs"][digest]),
                "annotations": {"org.opencontainers.image.ref.name": tag}} for tag, digest in WORLD["layout"].items()]
    for name, value in (("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                        ("index.json", {"schemaVersion": 2, "manifests": entries})):
        with open(f"{folder}/{name}", "w", encoding="utf-8") as out:
            json.dump(value, out)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, text="{}", kind="application/json"):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        if path in WORLD["files"]:
            return self.answer(200, WORLD["files"][path], "application/octet-stream")
        found = re.fullmatch(r"/v2/(.+)/(manifests|blobs|referrers)/([^/]+)", path)
        if not found:
            return self.answer(200 if path == "/v2/" else 404)
        repo, what, ref = found.groups()
        if what == "referrers":
            return self.answer(200, json.dumps({"schemaVersion": 2, "mediaType": INDEX,
                                                "manifests": WORLD["referrers"].get(ref, [])}), INDEX)
        digest = ref if ":" in ref else WORLD["tags"].get(f"{repo}:{ref}")
        if digest not in WORLD["blobs"]:
            return self.answer(404)
        return self.answer(200, WORLD["blobs"][digest],
                           kind_of(digest) if what == "manifests" else "application/octet-stream")


if sys.argv[2] == "layout":
    layout(sys.argv[3])
else:
    http.server.ThreadingHTTPServer((sys.argv[2], int(sys.argv[3])), Handler).serve_forever()
