"""The servers that are compared. All serve the same images under the same names on loopback:
library/debian:latest and so on, and library/comp-NNN:v1 for the catalog."""
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time

from measure import Failed

HERE = os.path.dirname(os.path.abspath(__file__))
REF = "org.opencontainers.image.ref.name"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Image:
    """One tagged image of a layout: its manifests (children first) and their blobs."""

    def __init__(self, layout, desc, repo, tag):
        self.layout, self.repo, self.tag, self.top = layout, repo, tag, desc

    def file(self, digest):
        return f"{self.layout}/blobs/{digest.replace(':', '/')}"

    def load(self, desc):
        return json.load(open(self.file(desc["digest"])))

    def manifests(self):
        """(descriptor, names it is served under, descriptors of its blobs)"""
        body = self.load(self.top)
        for child in body.get("manifests", []):
            yield child, [child["digest"]], self.blobs(self.load(child))
        yield self.top, [self.top["digest"], self.tag], self.blobs(body)

    @staticmethod
    def blobs(body):
        return [body["config"]] + body["layers"] if "layers" in body else []


def images_of(layout, name):
    """The images of a layout, under the names that every server gives them."""
    for desc in json.load(open(layout + "/index.json"))["manifests"]:
        tag = desc["annotations"][REF]
        if name == "catalog":
            yield Image(layout, desc, "library/" + tag, "v1")
        else:
            yield Image(layout, desc, "library/" + name, tag)


class Server:
    """A program that serves the images; started, measured and stopped by its pid."""

    query = ""      # what a node adds to a path

    def __init__(self, name, work, tls=None):
        """tls: files of the certificate and of its key."""
        self.name, self.work, self.tls, self.port, self.process = name, work, tls, free_port(), None
        self.program = name

    def present(self):
        return self.program is not None and shutil.which(self.program) is not None

    def command(self):
        raise NotImplementedError

    def start(self):
        log = open(f"{self.work}/{self.name}.log", "ab")
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{self.name} did not start, see {self.work}/{self.name}.log")
            time.sleep(0.01)
        return self

    def answers(self):
        try:
            c = self.connection()
            c.request("GET", "/v2/")
            return c.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False

    def connection(self, timeout=2):
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=trusting)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    @property
    def pid(self):
        return self.process.pid

    def manifest_path(self, image, ref=None):
        return f"/v2/{image.repo}/manifests/{ref or image.tag}{self.query}"

    def blob_path(self, image, digest):
        return f"/v2/{image.repo}/blobs/{digest}{self.query}"


class DockerRegistry(Server):
    """Debian's docker-registry on a folder. One folder is filled once and kept; others are new."""

    def __init__(self, work, data, tls=None, name="docker-registry"):
        super().__init__(name, work, tls)
        self.data = data

    def config(self):
        http = {"addr": f"127.0.0.1:{self.port}"}
        if self.tls:
            http["tls"] = {"certificate": self.tls[0], "key": self.tls[1]}
        return {"version": 0.1, "log": {"level": "error", "accesslog": {"disabled": True}},
                "storage": {"cache": {"blobdescriptor": "inmemory"},
                            "filesystem": {"rootdirectory": self.data},
                            "maintenance": {"uploadpurging": {"enabled": False}}},
                "http": http}

    def command(self):
        path = f"{self.work}/{self.name}-{self.port}.yml"
        with open(path, "w") as f:
            json.dump(self.config(), f)
        return [self.program, "serve", path]

    def fill(self, layouts):
        """Push the images that are not there yet through the API."""
        os.makedirs(self.data, exist_ok=True)
        missing = [n for n in layouts if not os.path.exists(f"{self.data}/.filled-{n}")]
        if not missing:
            return
        with self:
            pushed = {}
            for name in missing:
                for image in images_of(layouts[name], name):
                    push(self.port, image, pushed)
                open(f"{self.data}/.filled-{name}", "w").close()


class Distribution(DockerRegistry):
    """The current release of the same program, built from its pinned source where Go is present."""
    built = None        # its path; "": it can not be built

    def __init__(self, work, data, tls=None):
        super().__init__(work, data, tls, "distribution")
        if Distribution.built is None:
            Distribution.built = self.build()
        self.program = Distribution.built or None
        os.environ["OTEL_TRACES_EXPORTER"] = "none"     # else it looks for a collector

    @staticmethod
    def build():
        script = f"set -e; . '{HERE}/../support/go.sh'; go_tool distribution"
        p = subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        return p.stdout.decode().strip() if p.returncode == 0 else ""

    def config(self):
        return {**super().config(), "tags": {"maxtags": 1000000}}     # it lists 1,000 by default


def request(conn, method, path, body=b"", headers={}):
    conn.request(method, path, body, {"Content-Length": str(os.fstat(body.fileno()).st_size
                                      if hasattr(body, "fileno") else len(body)), **headers})
    r = conn.getresponse()
    text = r.read()
    if r.status not in (201, 202):
        raise Failed(f"{method} {path}: {r.status} {text[:200]}")
    return r


def push(port, image, pushed):
    """pushed: digest -> a repository that has it, for mounts."""
    conn = http.client.HTTPConnection("127.0.0.1", port)
    for desc, names, blobs in image.manifests():
        for blob in blobs:
            digest = blob["digest"]
            uploads, mount = f"/v2/{image.repo}/blobs/uploads/", ""
            if digest in pushed:
                mount = f"?mount={digest}&from={pushed[digest]}"
            r = request(conn, "POST", uploads + mount)
            if r.status == 202:
                where = r.getheader("Location").split(f":{port}", 1)[-1]
                with open(image.file(digest), "rb") as f:
                    request(conn, "PUT", f"{where}&digest={digest}", f)
            pushed[digest] = image.repo
        for name in names:
            with open(image.file(desc["digest"]), "rb") as f:
                request(conn, "PUT", f"/v2/{image.repo}/manifests/{name}", f.read(),
                        {"Content-Type": desc["mediaType"]})
    conn.close()


class Nginx(Server):
    """A tree of files named as the URLs are: what a read-only registry can cost at least."""

    def __init__(self, work, data, tls=None):
        super().__init__("nginx", work, tls)
        self.data, self.headers = data, []
        self.files = f"{work}/nginx-{self.port}"

    def fill(self, layouts):
        shutil.rmtree(self.data, ignore_errors=True)
        for name, layout in layouts.items():
            for image in images_of(layout, name):
                base = f"{self.data}/v2/{image.repo}"
                os.makedirs(base + "/manifests")
                os.makedirs(base + "/blobs")
                for desc, names, blobs in image.manifests():
                    for ref in names:
                        os.link(image.file(desc["digest"]), f"{base}/manifests/{ref}")
                        self.headers.append((f"/v2/{image.repo}/manifests/{ref}", desc))
                    for digest in {b["digest"] for b in blobs}:
                        if not os.path.exists(f"{base}/blobs/{digest}"):
                            os.link(image.file(digest), f"{base}/blobs/{digest}")

    def write_config(self, headers):
        kinds = "".join(f'"{uri}" "{d["mediaType"]}";\n' for uri, d in headers)
        digests = "".join(f'"{uri}" "{d["digest"]}";\n' for uri, d in headers)
        tls = "" if not self.tls else f"""ssl_certificate {self.tls[0]}; ssl_certificate_key {self.tls[1]};
ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;"""
        temp = "".join(f"{x}_temp_path {self.work}/nginx-temp;\n"
                       for x in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(f"{self.files}.conf", "w") as f:
            f.write(f"""daemon off; user root; worker_processes 2; worker_rlimit_nofile 16384;
pid {self.files}.pid; error_log {self.files}.err;
events {{ worker_connections 8192; }}
http {{
{temp}
access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000000; types {{}}
open_file_cache max=20000 inactive=600s; open_file_cache_valid 600s;
map_hash_max_size 65536; map_hash_bucket_size 256; types_hash_max_size 4096;
map $uri $kind {{ default "application/octet-stream"; {kinds} }}
map $uri $digest {{ default ""; {digests} }}
server {{
listen 127.0.0.1:{self.port} {"ssl " if self.tls else ""}backlog=4096; {tls} root {self.data}; default_type "";
location = /v2/ {{ default_type application/json; return 200 '{{}}'; }}
location ~ /manifests/ {{ add_header Content-Type $kind; add_header Docker-Content-Digest $digest; }}
location / {{ default_type application/octet-stream; }}
}}
}}
""")

    def command(self):
        return ["nginx", "-p", self.work, "-c", f"{self.files}.conf"]


class Moatd(Server):
    """On a store that was imported, or with push on a folder that may be empty."""
    query = "?ns=docker.io"

    def __init__(self, work, program, store, tls=None, push=False):
        super().__init__("moatd", work, tls)
        self.program, self.store, self.data, self.push = program, store, store, push

    def command(self):
        flags = ["--push"] if self.push else []
        flags += ["--tls-cert", self.tls[0], "--tls-key", self.tls[1]] if self.tls else []
        return [self.program, "--store", self.store, "--listen", f"127.0.0.1:{self.port}",
                "--access-log", "off", *flags]
