#!/usr/bin/env python3
"""usage: objects.py SOURCE-DIR BUILD-DIR [--figures]
What the linker sees of registry/, storage/ and mirror-tool/, tables of functions included:

  rings    no object files that need each other, however long the way round
  state    no variable at file scope that changes, but for those of objects.txt
  exports  no function for other files that no other file uses, but for those of objects.txt

--figures prints what HACKING.md's table says: files, needs within and between folders.
"""
import collections
import glob
import os
import subprocess
import sys

ROOMS = ("registry", "storage", "mirror-tool")
MUTABLE = (".bss", ".data", ".tbss", ".tdata")


class Object:
    def __init__(self, path, name):
        self.path, self.name = path, name
        self.functions, self.variables, self.needs = set(), set(), set()
        self.defined = set()


def source_name(path, build):
    """registry/CMakeFiles/moat_registry.dir/http/conn.c.o -> registry/http/conn.c"""
    parts = os.path.relpath(path, build).split(os.sep)
    at = parts.index("CMakeFiles")
    return "/".join(parts[:at] + parts[at + 2:])[:-2]


def read(path, build):
    o = Object(path, source_name(path, build))
    text = subprocess.run(["nm", "--format=sysv", path], capture_output=True, text=True,
                          check=True).stdout
    for line in text.splitlines():
        cells = [c.strip() for c in line.split("|")]
        if len(cells) != 7:
            continue
        name, kind, section = cells[0], cells[2], cells[6]
        if kind == "U":
            o.needs.add(name)
            continue
        if kind.isupper() and kind not in "NVW":
            o.defined.add(name)
            if kind == "T":
                o.functions.add(name)
        if section.startswith(MUTABLE) and not section.startswith(".data.rel.ro"):
            if kind in "bBdDcC" and not name.startswith((".", "__")):
                o.variables.add(name.split(".")[0])
    return o


def read_all(source, build):
    found = []
    for room in ROOMS:
        found += glob.glob(f"{build}/{room}/**/*.c.o", recursive=True)
    # An object of a source that moved away stays in an old build folder.
    found = [p for p in sorted(found) if os.path.exists(f"{source}/{source_name(p, build)}")]
    return [read(p, build) for p in found]


def edges_of(objects):
    home = {name: o for o in objects for name in o.defined}
    return {o.name: sorted({home[n].name for n in o.needs if n in home} - {o.name})
            for o in objects}


def rings_of(edges):
    """Strongly connected components of more than one file (Tarjan, without recursion)."""
    index, low, on, stack, rings = {}, {}, set(), [], []
    for start in edges:
        if start in index:
            continue
        work = [(start, iter(edges[start]))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on.add(start)
        while work:
            node, rest = work[-1]
            for to in rest:
                if to not in index:
                    index[to] = low[to] = len(index)
                    stack.append(to)
                    on.add(to)
                    work.append((to, iter(edges[to])))
                    break
                if to in on:
                    low[node] = min(low[node], index[to])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    ring = []
                    while True:
                        ring.append(stack.pop())
                        on.discard(ring[-1])
                        if ring[-1] == node:
                            break
                    if len(ring) > 1:
                        rings.append(sorted(ring))
    return rings


def ring_lines(ring, edges, objects):
    needs = {o.name: o.needs for o in objects}
    defined = {o.name: o.defined for o in objects}
    for a in ring:
        for b in edges[a]:
            if b in ring:
                yield f"    {a} needs {', '.join(sorted(needs[a] & defined[b]))} of {b}"


def exceptions(source):
    """Lines "KIND FILE NAME reason" -> {(kind, file, name)}; each must have its reason."""
    out = {}
    with open(f"{source}/tests/static/objects.txt") as f:
        for number, line in enumerate(f, 1):
            words = line.split(None, 3)
            if not words or words[0].startswith("#"):
                continue
            if len(words) < 4:
                sys.exit(f"objects.txt:{number}: KIND FILE NAME and the reason")
            out[tuple(words[:3])] = False
    return out


def main():
    source, build = sys.argv[1:3]
    objects = read_all(source, build)
    if len(objects) < 100:
        sys.exit(f"objects.py: {len(objects)} object files under {build}: is it built?")
    if any("__asan_init" in o.needs or "__tsan_init" in o.needs for o in objects):
        print("skipped: a sanitizer adds symbols of its own")
        sys.exit(77)
    edges = edges_of(objects)
    if "--figures" in sys.argv:
        return figures(objects, edges)
    allowed, wrong = exceptions(source), []

    for ring in rings_of(edges):
        wrong += [f"ring of {len(ring)} files:", *ring_lines(ring, edges, objects)]

    def judge(kind, o, name, text):
        key = (kind, o.name, name)
        if key in allowed:
            allowed[key] = True
        else:
            wrong.append(f"{o.name}: {name}: {text}")

    used = collections.Counter(n for o in objects for n in o.needs)
    for o in objects:
        for name in sorted(o.variables):
            judge("state", o, name, "a variable at file scope that changes")
        for name in sorted(o.functions - {"main"}):
            if not used[name]:
                judge("export", o, name, "exported, and used by no other file but tests")
    wrong += [f"objects.txt: {' '.join(k)}: not so any more" for k, hit in allowed.items()
              if not hit]
    print("\n".join(wrong))
    sys.exit(bool(wrong))


def figures(objects, edges):
    folder = os.path.dirname
    files = collections.Counter(folder(o.name) for o in objects)
    ties = collections.Counter((folder(a), folder(b)) for a in edges for b in edges[a])
    between = sum(n for (a, b), n in ties.items() if a != b)
    print(f"{len(objects)} files in {len(files)} folders, {sum(ties.values())} needs, "
          f"{between} of them between folders, {len(rings_of(edges))} rings")
    for name in sorted(files):
        out = sum(n for (a, b), n in ties.items() if a == name != b)
        rooms = len({b for (a, b) in ties if a == name != b})
        print(f"{name:24} {files[name]:3} files, {ties[name, name]:3} needs within, "
              f"{out:3} of {rooms} other folders")


main()
