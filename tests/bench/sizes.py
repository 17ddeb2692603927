"""How much is measured, and the titles that follow from it: cases and aims use the same ones."""
from typing import NamedTuple


class Sizes:
    def __init__(self, quick):
        self.seconds = 1 if quick else 2            # of a closed loop
        self.push_mib = 64 if quick else 1024
        self.chunk_mib = 8
        self.catalog = 20 if quick else 300         # images
        self.tags = 500 if quick else 10000
        self.tag_conns = 16
        self.manifests = 2000 if quick else 100000  # in the store that is started on
        self.nodes, self.many_nodes = (20, 50) if quick else (200, 1000)
        # repositories, images in each
        self.collected = ((20, 10), (1, 200)) if quick else ((300, 10), (1, 3000))
        self.set_images = (100, 1000) if quick else (100, 10000)
        self.stores = (1000, 10000) if quick else (10000, 100000, 1000000)     # manifests, each with a tag
        self.storms = ((self.nodes, "debian"), (self.nodes, "many"), (self.many_nodes, "catalog"))

    def storm(self, nodes, image, over=""):
        return f"storm of {nodes:,} nodes, {'a 15 MiB image' if image == 'catalog' else image}{over}"

    def collect(self, repos, images):
        return f"collection, {repos:,} {'repositories' if repos > 1 else 'repository'} of {images:,} images"

    def switch(self, images):
        return f"switch to a set of {images:,} images: the transaction"

    def activate(self):
        return f"moat activate of {self.set_images[-1]:,} images"

    def diff(self, what):
        return f"moat diff of two sets of {self.set_images[-1]:,} images: {what}"

    @staticmethod
    def month(n, images):
        return f"release {n} of {images:,} images of the catalog"

    @staticmethod
    def scrub():
        return "scrub of the catalog"

    @staticmethod
    def stored(manifests):
        return f"a store of {manifests:,} manifests and tags"

    def audited(self, what):
        return f"cost of the audit log: {what}"

    def push(self, chunked):
        return f"push of {self.push_mib} MiB, {f'PATCH of {self.chunk_mib} MiB each' if chunked else 'POST and PUT'}"

    def catalog_in(self, how, over=""):
        return f"push of {self.catalog} images by {how}{over}"

    def tags_put(self, over=""):
        return f"put {self.tags:,} tags, {self.tag_conns} connections{over}"

    def tags_list(self):
        return f"list {self.tags:,} tags"

    def start(self):
        return f"start with {self.manifests:,} manifests in the store"


def manifest(method, how, conns):
    return f"manifest {method}, {how}, {conns}"


def blob(how, conns):
    return f"blob GET of 256 MiB, {how}, {conns}"


KEPT, FRESH = "kept alive", "new connection each"
ECDSA, RSA = "ECDSA P-256", "RSA-2048"


class Tls(NamedTuple):
    """How a client talks over TLS 1.3. Servers always give tickets; only a client with `tickets` resumes by them."""
    certificate: str
    fresh: bool = False     # a connection a request
    tickets: bool = False

    def __str__(self):
        return f"TLS {self.certificate}, {FRESH if self.fresh else KEPT}{', tickets' if self.tickets else ''}"

    def flags(self):
        return ("--tls", *(("--close",) if self.fresh else ()), *(("--resume",) if self.tickets else ()))


CERTIFICATES = (ECDSA, RSA)
TLS_REQUESTS = [Tls(c, fresh, tickets) for c in CERTIFICATES
                for fresh, tickets in ((False, False), (True, False), (True, True))]
TLS_NODES = [Tls(c, tickets=t) for c in CERTIFICATES for t in (False, True)]     # of three connections each
BY_API, BY_SKOPEO = "an API client with mounts", "skopeo sync"
