"""Reading every blob of a store again, beside the digests of the same files by openssl. All of them are in the page
cache: what is compared is processor time."""
import glob

from cases import Case


class Scrub(Case):
    name = "scrub"
    images = ("catalog",)

    def groups(self):
        yield self.lab.size.scrub(), {"openssl dgst": self.openssl, "moat": self.scrub}

    def files(self):
        return sorted(glob.glob(self.lab.stores["catalog"] + "/blobs/sha256/*"))

    def bytes(self):
        """Read, so that they are in the page cache."""
        total = 0
        for path in self.files():
            with open(path, "rb") as f:
                while part := f.read(1 << 20):
                    total += len(part)
        return total

    def rate(self, *command):
        size = self.bytes()
        r = self.lab.tools.spent(*command)
        return {"mib_per_cpu_s": size / (1 << 20) / r["cpu_s"], "wall_s": r["wall_s"], "cpu_s": r["cpu_s"],
                "peak_rss_mib": r["rss_mib"]}

    def openssl(self):
        return self.rate("openssl", "dgst", "-sha256", *self.files())

    def scrub(self):
        return self.rate(self.lab.moat.program, "scrub", "--store", self.lab.stores["catalog"])
