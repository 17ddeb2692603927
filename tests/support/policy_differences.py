#!/usr/bin/env python3
"""policy_differences.py OLD NEW DIFF: does `moat policy diff --json` say what the verdicts of `moat policy eval` say?

OLD and NEW are what eval printed for the same probes of two worlds.
"""
import ipaddress
import json
import sys


def ports(text):
    """"TCP 80,443-500 UDP 53" -> [(protocol, first, last)]"""
    if text in ("all", "none"):
        return [(p, 1, 65535) for p in ("TCP", "UDP", "SCTP")] if text == "all" else []
    words, out = text.split(" "), []
    for proto, ranges in zip(words[::2], words[1::2]):
        for one in ranges.split(","):
            first, _, last = one.partition("-")
            out.append((proto, int(first), int(last or first)))
    return out


def is_end(name, end):
    if "[" in name:
        return name.rpartition("[")[0] == end
    if not end.startswith("ext:"):
        return False
    first, last = (ipaddress.ip_address(a) for a in name.split("-"))
    at = ipaddress.ip_address(end[4:])
    return at.version == first.version and first <= at <= last


def main():
    old, new = (open(name).read().splitlines() for name in sys.argv[1:3])
    rows = json.load(open(sys.argv[3]))["connections"]
    changes = 0
    for was, now in zip(old, new, strict=True):
        src, dst, proto, port, before = was.split("\t")[:5]
        after = now.split("\t")[4]
        found = [row for row in rows if is_end(row["src"], src) and is_end(row["dst"], dst)]
        said = [key for row in found for key in ("gained", "lost", "unknown")
                if any(p == proto and a <= int(port) <= b for p, a, b in ports(row[key]))]
        want = [] if before == after else [{"allow": "gained", "deny": "lost", "unknown": "unknown"}[after]]
        if said != want:
            sys.exit(f"{was} -> {after}: {said}")
        changes += before != after
    print(changes, "changes")


main()
