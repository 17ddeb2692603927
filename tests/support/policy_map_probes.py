#!/usr/bin/env python3
"""policy_map_probes.py MAP.json PROBES.tsv: does a map (`moat policy map --all --json`) say of each probe what its line
states? Probes of host, remote-node and kube-apiserver, and of a pod to itself, are in no map."""
import bisect
import collections
import ipaddress
import json
import sys


def has(ports, protocol, port):
    """Is the port in "all", "none" or "TCP 80,443 UDP 53"?"""
    if ports in ("all", "none"):
        return ports == "all"
    at = None
    for word in ports.replace(",", " ").split():
        if word.isalpha():
            at = word
            continue
        low, _, high = word.partition("-")
        if at == protocol and int(low) <= port <= int(high or low):
            return True
    return False


def key_of(end):
    """The name of a pod; (family, first) and the last address of a range."""
    if "/" in end:
        return end.partition("[")[0], None
    first, last = (ipaddress.ip_address(a) for a in end.split("-"))
    return (first.version, int(first)), int(last)


class Map:
    def __init__(self, pairs):
        self.pods = {}
        self.ranges = collections.defaultdict(list)
        for pair in pairs:
            (src, src_last), (dst, dst_last) = key_of(pair["src"]), key_of(pair["dst"])
            if src_last is not None:
                self.ranges[dst, "from"].append((src, src_last, pair))
            elif dst_last is not None:
                self.ranges[src, "to"].append((dst, dst_last, pair))
            else:
                self.pods[src, dst] = pair
        for ranges in self.ranges.values():
            ranges.sort(key=lambda r: r[0])

    def outside(self, pod, way, address):
        a = ipaddress.ip_address(address)
        ranges = self.ranges[pod, way]
        first, last, pair = ranges[bisect.bisect([r[0] for r in ranges], (a.version, int(a))) - 1]
        assert first[0] == a.version and first[1] <= int(a) <= last
        return pair

    def find(self, src, dst):
        if src.startswith("ext:"):
            return self.outside(dst, "from", src[4:])
        if dst.startswith("ext:"):
            return self.outside(src, "to", dst[4:])
        return self.pods[src, dst]


def main():
    with open(sys.argv[1]) as f:
        pairs = Map(json.load(f))
    asked = other = 0
    with open(sys.argv[2]) as f:
        for line in f:
            if line.startswith("#"):
                continue
            src, dst, protocol, port, verdict = line.rstrip("\n").split("\t")[:5]
            named = [end for end in (src, dst) if "/" in end]
            if not named or any("/" not in end and not end.startswith("ext:") for end in (src, dst)) or src == dst:
                continue
            pair = pairs.find(src, dst)
            is_ = ("allow" if has(pair["allow"], protocol, int(port)) else
                   "unknown" if has(pair["unknown"], protocol, int(port)) else "deny")
            assert (pair["unknown"] != "none") == (pair["reasons"] != ""), pair
            asked += 1
            if is_ != verdict:
                other += 1
                print(f"{line.rstrip()}: the map says {is_}")
    print(f"{asked} probes, {other} differ")
    sys.exit(0 if asked and not other else 1)


if __name__ == "__main__":
    main()
