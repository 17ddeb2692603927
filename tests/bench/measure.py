"""What the kernel says about programs: CPU, memory, and the load generator's answers."""
import json
import os
import re
import subprocess

TICK = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A measured program failed: the run has no figure to show for it."""


class Tools:
    """The load generator, and where the measured programs write what they say."""

    def __init__(self, build, work):
        self.program, self.work = build + "/tests/bench/load", work
        self.log = open(work + "/programs.log", "ab")

    def load(self, mode, *args, strict=True):
        p = subprocess.run([self.program, mode, *map(str, args)], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=self.log)
        if not p.stdout or (strict and p.returncode):
            raise Failed(f"load {mode} {' '.join(map(str, args))}: {p.stdout.decode() or 'no answer'}")
        r = json.loads(p.stdout)
        if "--resume" in args and not r["resumed"]:
            raise Failed(f"load {mode}: no session was resumed")
        return r

    def spent(self, *command, ok=(0,)):
        """Wall, CPU and peak RSS of a command that must end with one of `ok`.  What was written before is
        flushed first, so that nobody pays for another's pages."""
        os.sync()
        self.log.write(f"# {' '.join(command)[:300]}\n".encode())
        self.log.flush()
        r = self.load("spent", "--", *command)
        if r.pop("status") not in ok:
            raise Failed(f"{' '.join(command)[:300]}: failed: {self.last_words()}")
        return r

    def last_words(self):
        with open(self.log.name, "rb") as f:
            return f.read().decode(errors="replace").strip().splitlines()[-1]


def children(pid):
    """pid and everything below it."""
    below = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parent = int(open(f"/proc/{name}/stat").read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            below.setdefault(parent, []).append(int(name))
    found = [pid]
    for p in found:
        found += below.get(p, [])
    return found


def cpu_s(pid):
    """CPU of a process tree so far, with that of the children it has waited for."""
    ticks = 0
    for p in children(pid):
        fields = open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()
        ticks += sum(int(x) for x in fields[11:15])
    return ticks / TICK


def memory_mib(pid, key):
    """VmRSS, VmHWM or Pss of a process tree, summed: shared pages count once a process."""
    kib = 0
    for p in children(pid):
        name = "smaps_rollup" if key == "Pss" else "status"
        kib += int(re.search(rf"^{key}:\s+(\d+)", open(f"/proc/{p}/{name}").read(), re.M)[1])
    return kib / 1024


def available_mib():
    return int(re.search(r"^MemAvailable:\s+(\d+)", open("/proc/meminfo").read(), re.M)[1]) / 1024
