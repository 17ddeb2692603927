"""What the cases measure with: images, servers, stores, and how much."""
import hashlib
import os
import shutil
import subprocess

from measure import Tools
from moat import Moat
from peers import Distribution, DockerRegistry, Moatd, Nginx, images_of
from sizes import CERTIFICATES, ECDSA, Sizes


class Lab:
    def __init__(self, opt, work, cases):
        self.work, self.dir, self.images = work, opt.dir, opt.dir + "/images"
        self.size = Sizes(opt.quick)
        self.names = {c.name for c in cases}
        self.layouts = {n: f"{self.images}/{n}" for n in images_needed(cases)}
        self.tools = Tools(opt.build, work)
        self.moat = Moat(opt.build, work, self.tools.log)
        self.stores = {}
        self.certificates = {None: None, **{kind: self.make_certificate(kind) for kind in CERTIFICATES}}
        self.peers = {kind: self.make_peers(tls) for kind, tls in self.certificates.items()}
        self.registry, _, self.nginx = self.peers[None]
        self.store = opt.store

    def make_certificate(self, kind):
        """The same for all servers: files of the certificate and of its key."""
        cert, key = (f"{self.work}/{kind.split()[0]}.{end}" for end in ("pem", "key"))
        new = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == ECDSA else ["rsa:2048"]
        subprocess.run(["openssl", "req", "-x509", "-newkey", *new, "-nodes", "-keyout", key, "-out", cert,
                        "-days", "30", "-subj", "/CN=localhost"],
                       check=True, stdout=subprocess.DEVNULL, stderr=self.tools.log)
        return cert, key

    def make_peers(self, tls):
        """Readers of the same folders, whatever they talk."""
        data = self.dir + "/registry"
        return [DockerRegistry(self.work, data, tls), Distribution(self.work, data, tls),
                Nginx(self.work, self.dir + "/static", tls)]

    def fill(self):
        """distribution serves the same folder as docker-registry: its layout has not changed."""
        if self.registry.present():
            self.registry.fill(self.layouts)
        if self.layouts:
            self.nginx.fill(self.layouts)
            for _, _, nginx in self.peers.values():
                nginx.write_config(self.nginx.headers)
        if self.names & {"inside", "scrub"} and self.moat.exists():
            self.stores = {n: self.moat.store(n, {n: self.layouts[n]}) for n in ("catalog", "big") if n in self.layouts}
        reads = self.names & {"manifest", "blob", "get-tls", "storm", "storm-tls", "idle"}
        if reads and self.moat.exists() and not self.store:
            self.store = self.moat.store("all", self.layouts)

    def readers(self, certificate=None):
        tls = self.certificates[certificate]
        ours = [Moatd(self.work, self.moat.server, self.store, tls)] if self.store else []
        return present(self.peers[certificate] + ours)

    def writers(self, certificate=None):
        """Servers that take pushes, each on a folder of its own that the case empties."""
        tls, data = self.certificates[certificate], self.work + "/pushed"
        return present([DockerRegistry(self.work, data, tls), Distribution(self.work, data, tls),
                        Moatd(self.work, self.moat.server, data, tls, push=True)])

    def random_file(self, mib):
        """(path, digest) of incompressible bytes, made once."""
        path = f"{self.dir}/random-{mib}"
        if not os.path.exists(path + ".digest"):
            digest = hashlib.sha256()
            with open(path, "wb") as f:
                for _ in range(mib):
                    digest.update(part := os.urandom(1 << 20))
                    f.write(part)
            with open(path + ".digest", "w") as f:
                f.write("sha256:" + digest.hexdigest())
        return path, open(path + ".digest").read()

    def catalog(self):
        return list(images_of(self.images + "/catalog", "catalog"))[:self.size.catalog]

    def catalog_dirs(self):
        """The catalog in skopeo's dir: form, as many images as are measured."""
        whole, part = self.images + "/catalog-dir", self.work + "/catalog-dir"
        names = sorted(os.listdir(whole))
        if len(names) <= self.size.catalog:
            return whole
        if not os.path.exists(part):
            for name in names[:self.size.catalog]:
                shutil.copytree(f"{whole}/{name}", f"{part}/{name}", copy_function=os.link)
        return part


def present(servers):
    return [s for s in servers if s.present()]


def images_needed(cases):
    return list(dict.fromkeys(n for c in cases for n in c.images))
