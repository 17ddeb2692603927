#!/usr/bin/env python3
"""policy_mutants.py WORLD PROBES MUTANTS [OPTION...]: are the fates of `moat policy mutate --json` what eval says?

Each mutant is made of WORLD (a List as JSON) by taking its part out of the text, and judged by `moat policy eval` as a
world of its own. PROBES state the verdicts of WORLD and were the assertions of MUTANTS.
"""
import copy
import json
import re
import subprocess
import sys


def without(world, mutant):
    kind, name = mutant["policy"].split(" ")
    space, _, name = name.rpartition("/")
    world = copy.deepcopy(world)
    item = next(o for o in world["items"] if o["kind"] == kind and o["metadata"]["name"] == name
                and o["metadata"].get("namespace", "") == space)
    if not mutant["without"]:
        world["items"].remove(item)
        return world
    *path, last = [int(a[1:-1]) if a[0] == "[" else a for a in re.findall(r"\[\d+\]|[^.\[]+", mutant["without"])]
    for step in path:
        item = item[step]
    del item[last]
    return world


def main():
    world, probes, options = json.load(open(sys.argv[1])), sys.argv[2], sys.argv[4:]
    counts = {}
    for mutant in json.load(open(sys.argv[3]))["mutants"]:
        with open("mutant.json", "w") as file:
            json.dump(without(world, mutant), file)
        status = subprocess.run(["moat", "policy", "eval", "mutant.json", "--probes", probes, *options],
                                capture_output=True).returncode
        fate = mutant["fate"]
        want = {"refused": (1,), "same": (0,), "killed": (10,), "survived": (0,)}[fate]
        if status not in want:
            sys.exit(f"{mutant}: eval ends with {status}")
        counts[fate] = counts.get(fate, 0) + 1
    print(counts)


main()
