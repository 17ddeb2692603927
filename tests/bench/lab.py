"""What the cases measure with: images, servers, stores, and how much."""
import hashlib
import os
import shutil
import subprocess

from measure import Tools
from moat import Moat
from peers import Distribution, DockerRegistry, Moatd, Nginx, images_of
from sizes import Sizes


class Lab:
    def __init__(self, opt, work, cases):
        self.work, self.dir, self.images = work, opt.dir, opt.dir + "/images"
        self.size = Sizes(opt.quick)
        self.names = {c.name for c in cases}
        self.layouts = {n: f"{self.images}/{n}" for n in images_needed(cases)}
        self.tools = Tools(opt.build, work)
        self.moat = Moat(opt.build, work, self.tools.log)
        self.stores = {}
        self.certificate = self.make_certificate()
        self.registry = DockerRegistry(work, opt.dir + "/registry")
        self.distribution = Distribution(work, self.registry.data)
        self.distribution_tls = Distribution(work, self.registry.data, self.certificate)
        self.nginx = Nginx(work, opt.dir + "/static")
        self.nginx_tls = Nginx(work, self.nginx.data, self.certificate)
        self.store = opt.store

    def make_certificate(self):
        """One ECDSA P-256 certificate for all servers."""
        key, cert = self.work + "/tls.key", self.work + "/tls.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN=localhost"],
                       check=True, stdout=subprocess.DEVNULL, stderr=self.tools.log)
        return cert, key

    def fill(self):
        """distribution serves the same folder as docker-registry: its layout has not changed."""
        if self.registry.present():
            self.registry.fill(self.layouts)
        if self.layouts:
            self.nginx.fill(self.layouts)
            self.nginx_tls.write_config(self.nginx.headers)
        if "inside" in self.names and self.moat.exists():
            self.stores = {n: self.moat.store(n, {n: self.layouts[n]}) for n in ("catalog", "big")}
        reads = self.names & {"manifest", "blob", "tls", "storm", "idle"}
        if reads and self.moat.exists() and not self.store:
            self.store = self.moat.store("all", self.layouts)

    def readers(self):
        return present([self.registry, self.distribution, self.nginx] + self.ours(None))

    def tls_readers(self):
        return present([self.distribution_tls, self.nginx_tls] + self.ours(self.certificate))

    def ours(self, tls):
        return [Moatd(self.work, self.moat.server, self.store, tls)] if self.store else []

    def writers(self):
        """Servers that take pushes, each on a folder of its own that the case empties."""
        return present([DockerRegistry(self.work, self.work + "/pushed"),
                        Distribution(self.work, self.work + "/pushed"),
                        Moatd(self.work, self.moat.server, self.work + "/pushed", push=True)])

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
