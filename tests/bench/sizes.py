"""How much is measured, and the titles that follow from it: cases and aims use the same ones."""


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
        self.storms = ((self.nodes, "debian"), (self.nodes, "many"), (self.many_nodes, "catalog"))

    def storm(self, nodes, image):
        return f"storm of {nodes:,} nodes, {'a 15 MiB image' if image == 'catalog' else image}"

    def push(self, chunked):
        return f"push of {self.push_mib} MiB, {f'PATCH of {self.chunk_mib} MiB each' if chunked else 'POST and PUT'}"

    def catalog_in(self, how):
        return f"push of {self.catalog} images by {how}"

    def tags_put(self):
        return f"put {self.tags:,} tags, {self.tag_conns} connections"

    def tags_list(self):
        return f"list {self.tags:,} tags"

    def start(self):
        return f"start with {self.manifests:,} manifests in the store"


def manifest(method, how, conns):
    return f"manifest {method}, {how}, {conns}"


def blob(how, conns):
    return f"blob GET of 256 MiB, {how}, {conns}"


KEPT, FRESH = "kept alive", "new connection each"
TLS_KEPT, TLS_FRESH = "TLS, kept alive", "TLS, new connection each"
BY_API, BY_SKOPEO = "an API client with mounts", "skopeo sync"
