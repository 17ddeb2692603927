#!/usr/bin/env python3
"""policy_hops.py MAP.json HOPS.json START STEPS: are these the steps from START over the pairs of a map
(`moat policy map --json`)? Found by relaxing every pair until nothing changes."""
import json
import sys


def relax(at, pairs, fixed, steps):
    """at[b] = at[a] + 1 over pairs a, b, but for what is fixed, up to so many steps."""
    while True:
        before = dict(at)
        for a, b in pairs:
            if b not in fixed and a in at and at[a] < steps and at.get(b, steps + 1) > at[a] + 1:
                at[b] = at[a] + 1
        if at == before:
            return


def main():
    with open(sys.argv[1]) as f:
        pairs = {(p["src"], p["dst"]): p for p in json.load(f) if "/" in p["src"] and "/" in p["dst"]}
    with open(sys.argv[2]) as f:
        hops = json.load(f)
    start, steps = sys.argv[3], int(sys.argv[4])
    at = {start: 0}
    relax(at, [k for k, p in pairs.items() if p["allow"] != "none"], {start}, steps)
    certain = set(at)
    relax(at, [k for k, p in pairs.items() if p["allow"] != "none" or p["unknown"] != "none"], certain, steps)
    want = sorted((step, end, end in certain) for end, step in at.items() if step)
    has = sorted((h["step"], h["dst"], h["certain"]) for h in hops)
    assert has == want, (has, want)
    for h in hops:
        assert at[h["src"]] == h["step"] - 1, h
        assert all(h[k] == pairs[h["src"], h["dst"]][k] for k in ("allow", "unknown", "reasons")), h


if __name__ == "__main__":
    main()
