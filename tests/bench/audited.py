"""What the audit log costs a push. It cannot be switched off, so moatd is built of the commit that brought it and of the
one before, out of this checkout's history; without that there is nothing to compare."""
import os
import subprocess

from peers import Moatd
from writes import Push, Tags

BEFORE, SINCE = "98c9789", "ff58f32"    # without the log, with it


def build(lab, commit):
    """Path of its moatd, made once a machine; "" where the history or a tool is not there."""
    folder = f"{lab.dir}/moatd-{commit}"
    program, source = folder + "/build/bin/moatd", folder + "/source"
    if not os.path.exists(program):
        here = os.path.dirname(os.path.abspath(__file__))
        script = (f"set -e; rm -rf '{folder}'; mkdir -p '{source}'; git -C '{here}/../..' archive {commit} | tar -xC '{source}'; "
                  f"cd '{source}'; cmake -S . -B '{folder}/build' -G Ninja; "
                  f"nice ninja -C '{folder}/build' moatd")
        subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL, stdout=lab.tools.log, stderr=lab.tools.log)
    return program if os.path.exists(program) else ""


class Built(Moatd):
    def __init__(self, lab, name, program):
        super().__init__(lab.work, program, lab.work + "/pushed", push=True)
        self.name = name


class Audited(Push, Tags):
    name = "audit"
    most_rounds = 99

    def servers(self):
        lab = self.lab
        found = [Built(lab, "moatd", lab.moat.server)]
        for name, commit in (("with the log", SINCE), ("without", BEFORE)):
            if program := build(lab, commit):
                found.append(Built(lab, name, program))
        return found

    def groups(self):
        size, servers = self.lab.size, self.servers()
        yield size.audited(size.tags_put()), {s.name: (lambda s=s: self.on_empty(s, self.puts)) for s in servers}
        yield size.audited(size.push(False)), {
            s.name: (lambda s=s: self.on_empty(s, lambda server: self.push(server, False))) for s in servers}
