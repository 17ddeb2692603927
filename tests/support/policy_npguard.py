#!/usr/bin/env python3
"""policy_npguard.py CASES: compare `moat policy map` with np-guard's published connectivity of each case.

np-guard has no IPv6, lists lines of its ingress analysis (left out here), and writes more ranges than it has answers, so
ranges of one workload with the same ports are joined on both sides. Where np-guard takes what the API server refuses, or
does not know that policies do not bind pods on their node's network, the manifests are mended in a copy (MENDED).
"""
import ipaddress
import os
import re
import subprocess
import sys
import tempfile

PROTOCOLS = ("TCP", "UDP", "SCTP")
# A pod selector of an AdminNetworkPolicy needs a namespaceSelector; np-guard takes none for every namespace.
EVERY_NAMESPACE = (r"(?m)^( *)podSelector:", r"\1namespaceSelector: {}\n\1podSelector:")
POD_NETWORK = (r'"hostNetwork": true', '"hostNetwork": false')
MENDED = {
    "example_pods_w_same_owner_and_labels_gap_anp_good": ("anp.yaml", EVERY_NAMESPACE),
    "exposure_test_with_anp_16": ("policies.yaml", EVERY_NAMESPACE),
    "semanticDiff-same-topologies-new2": ("bank_pod_list.json", POD_NETWORK),
    "semanticDiff-same-topologies-new3": ("bank_pod_list.json", POD_NETWORK),
    "semanticDiff-same-topologies-old2": ("bank_pod_list.json", POD_NETWORK),
    "semanticDiff-same-topologies-old3": ("bank_pod_list.json", POD_NETWORK),
}
FULL = frozenset((p, 1, 65535) for p in PROTOCOLS)


def ports_of(text):
    """ "TCP 80,443 UDP 53" or "SCTP 9003,TCP 8080", "all" -> a set of (protocol, low, high)"""
    if text in ("all", "All Connections"):
        return FULL
    if text in ("none", "No Connections"):
        return frozenset()
    found, protocol = set(), None
    for word in text.replace(",", " ").split():
        if word in PROTOCOLS:
            protocol = word
            continue
        low, _, high = word.partition("-")
        found.add((protocol, int(low), int(high or low)))
    return frozenset(found)


def range_of(end):
    """ "10.0.0.0-10.0.0.255[External]" -> (first, last) or None; of IPv6: ()"""
    text = end.replace("[External]", "")
    if "/" in text or text.startswith("{"):
        return None
    first, _, last = text.partition("-")
    if ":" in first:
        return ()
    return tuple(int(ipaddress.ip_address(a)) for a in (first, last))


def joined(ranges):
    out = []
    for first, last in sorted(ranges):
        if out and first <= out[-1][1] + 1:
            out[-1][1] = max(out[-1][1], last)
        else:
            out.append([first, last])
    return tuple(map(tuple, out))


def read(lines):
    """Lines -> {(source, destination): ports}, with ("out", ranges) for what is outside."""
    pairs, outside = {}, {}
    for line in lines:
        ends, _, text = line.partition(" : ")
        src, _, dst = ends.partition(" => ")
        if not dst or "{ingress-controller}" in line:
            continue
        for end, key in ((src, (None, dst)), (dst, (src, None))):
            r = range_of(end)
            if r is not None:
                if r:
                    outside.setdefault((key, ports_of(text)), []).append(r)
                break
        else:
            pairs[src, dst] = ports_of(text)
    for (key, ports), ranges in outside.items():
        pairs[key, joined(ranges)] = ports
    return pairs


def expected(case):
    for name in ("expected_connlist.txt", "expected_exposure.txt"):
        path = os.path.join(case, name)
        if os.path.exists(path):
            with open(path) as f:
                yield name, f.read().split("\n\n")[0].splitlines()


def mend(case, folder):
    """The paths of a case's manifests, one of them perhaps a changed copy in the folder."""
    manifests = os.path.join(case, "manifests")
    name, (pattern, text) = MENDED.get(os.path.basename(case), (None, (None, None)))
    if not name:
        return [manifests]
    with open(os.path.join(manifests, name)) as f:
        changed, count = re.subn(pattern, text, f.read())
    if not count:
        sys.exit(f"{case}/{name}: nothing to mend")
    with open(os.path.join(folder, name), "w") as f:
        f.write(changed)
    return [os.path.join(folder, name)] + [os.path.join(manifests, n) for n in os.listdir(manifests) if n != name]


def compare(case):
    """How many files there are, how many differ."""
    files = list(expected(case))
    if not files:
        return 0, 0
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(["moat", "policy", "map", "--quiet", "--ipblock-pods", "never", *mend(case, folder)],
                             capture_output=True, text=True, timeout=60)
    if run.returncode:
        print(f"{case}: {run.stderr}")
        return len(files), len(files)
    has, differing = read(run.stdout.splitlines()), 0
    for name, lines in files:
        want = read(lines)
        if has != want:
            differing += 1
            for key in sorted(set(has) | set(want), key=str):
                if has.get(key) != want.get(key):
                    print(f"{case}/{name}: {key}: {sorted(has.get(key, []))}, np-guard: {sorted(want.get(key, []))}")
    return len(files), differing


def main():
    cases = sys.argv[1]
    count = other = 0
    for name in sorted(os.listdir(cases)):
        files, differing = compare(os.path.join(cases, name))
        count += files
        other += differing
    print(f"{count} files, {other} differ")
    sys.exit(0 if count and not other else 1)


if __name__ == "__main__":
    main()
