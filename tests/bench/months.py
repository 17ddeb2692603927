"""Month two: successive releases of the catalog, and what each puts on the medium: all of it, what is new against the release
before, what a receipt from inside does not spare. Each drops a twentieth of its images and has as many others. With
MOAT_BENCH_HAULER=PROGRAM the archive that `hauler store save` makes of the same images stands beside them; without it that
column is missing. Bytes are the same in every round."""
import os

from cases import Case, fresh

RELEASES = 3
SHARE = 20      # one of so many images is another one


class Months(Case):
    name = "months"
    images = ("catalog",)
    most_rounds = 1

    def groups(self):
        self.folder = fresh(self.lab.work + "/months")
        self.releases = [self.release(n) for n in range(1, RELEASES + 1)]
        hauler = os.environ.get("MOAT_BENCH_HAULER")
        for n in range(1, RELEASES + 1):
            subjects = {"moat": lambda n=n: self.export(n, "all"),
                        "moat --since": lambda n=n: self.export(n, "since", "--since", f"months:{n - 1}"),
                        "moat --for": lambda n=n: self.export(n, "for", "--for", f"{self.folder}/receipt-{n}", "--receipt-key",
                                                              self.folder + "/inside/receipt.pub")}
            if n == 1:      # nothing is inside yet
                subjects = {"moat": subjects["moat"]}
            if hauler and self.lab.registry.present():
                subjects["hauler"] = lambda n=n: self.haul(hauler, n)
            yield self.lab.size.month(n, len(self.releases[0])), subjects

    def release(self, n):
        """The images of a release: a window that moves over the catalog."""
        catalog = self.lab.catalog()
        moves = max(1, len(catalog) // SHARE)
        count = len(catalog) - moves * (RELEASES - 1)
        return catalog[(n - 1) * moves:][:count]

    def seal(self, n):
        moat, key = self.lab.moat, self.lab.moat.key()
        if n > 1:
            moat.run("receipt", "--store", self.folder + "/inside", "--to", f"{self.folder}/receipt-{n}")
        lock = moat.lock("months", self.releases[n - 1])
        moat.run("pull", "--lock", lock, "--store", self.folder + "/outside")
        moat.run("seal", "--lock", lock, "--store", self.folder + "/outside", "--key", key, "--version", str(n))

    def export(self, n, how, *words):
        """Measured; the first medium of a release is what comes in, so that the next receipt is of it."""
        medium, sealed = f"{self.folder}/{n}-{how}", f"{self.folder}/sealed-{n}"
        if not os.path.exists(sealed):
            self.seal(n)
            open(sealed, "w").close()
        r = self.lab.tools.spent(self.lab.moat.program, "export", "--store", self.folder + "/outside", "--to", medium,
                                 f"months:{n}", *words)
        self.lab.moat.run("import", "--store", self.folder + "/inside", "--key", self.lab.moat.key()[:-4] + ".pub", medium)
        return {"medium_bytes": bytes_of(medium), "wall_s": r["wall_s"], "cpu_s": r["cpu_s"]}

    def haul(self, program, n):
        """A store of its own each time, as hauler saves all that a store has."""
        store, archive = fresh(f"{self.folder}/haul-{n}"), f"{self.folder}/haul-{n}.tar.zst"
        wanted = f"{self.folder}/haul-{n}.yaml"
        with self.lab.registry as server, open(wanted, "w") as f:
            f.write("apiVersion: content.hauler.cattle.io/v1\nkind: Images\nmetadata: {name: months}\nspec:\n  images:\n")
            for image in self.releases[n - 1]:
                f.write(f"    - name: 127.0.0.1:{server.port}/{image.repo}:{image.tag}\n")
            f.flush()
            filled = self.lab.tools.spent(program, "store", "sync", "--store", store, "--filename", wanted)
        saved = self.lab.tools.spent(program, "store", "save", "--store", store, "--filename", archive)
        return {"medium_bytes": os.path.getsize(archive), "wall_s": saved["wall_s"], "cpu_s": saved["cpu_s"],
                "sync_wall_s": filled["wall_s"]}


def bytes_of(folder):
    return sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder) if f.endswith(".tar"))
