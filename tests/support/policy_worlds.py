#!/usr/bin/env python3
"""policy_worlds.py SEED ENGINE FOLDER: a random world with policies, and the verdict of every connection in it.

Writes FOLDER/world.json and FOLDER/probes.tsv. The verdicts come from the slowest evaluator there is: each probe by
itself, each rule read as the text of the API has it, nothing shared with moat. ENGINE: api (blocks never match pods),
match (the API's text, blocks match pods), calico, cilium.
"""
import ipaddress
import json
import random
import sys

KEYS = {"app": ["a", "b", "c"], "tier": ["x", "y"], "env": ["p", "q"]}
PROTOS = ["TCP", "UDP", "SCTP"]
PORTS = [80, 81, 443, 8080, 9000]
NAMES = ["http", "admin"]


def labels(r):
    return {k: r.choice(v) for k, v in KEYS.items() if r.random() < 0.6}


def selector(r, depth=0.5):
    s = {}
    if r.random() < depth:
        k = r.choice(list(KEYS))
        s["matchLabels"] = {k: r.choice(KEYS[k])}
    if r.random() < depth * 0.6:
        k, op = r.choice(list(KEYS)), r.choice(["In", "NotIn", "Exists", "DoesNotExist"])
        x = {"key": k, "operator": op}
        if "In" in op:
            x["values"] = r.sample(KEYS[k], r.randint(1, 2))
        s["matchExpressions"] = [x]
    return s


def matches(s, have):
    for k, v in (s.get("matchLabels") or {}).items():
        if have.get(k) != v:
            return False
    for x in s.get("matchExpressions") or []:
        k, op = x["key"], x["operator"]
        if op == "In" and (k not in have or have[k] not in x["values"]):
            return False
        if op == "NotIn" and k in have and have[k] in x["values"]:
            return False
        if op == "Exists" and k not in have or op == "DoesNotExist" and k in have:
            return False
    return True


# --- making -------------------------------------------------------------------------------------------

def block(r):
    base = r.choice(["10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "0.0.0.0/0", "203.0.113.0/24", "10.1.1.2/32"])
    b = {"cidr": base}
    inner = {"10.0.0.0/8": ["10.1.0.0/16"], "0.0.0.0/0": ["10.0.0.0/8", "203.0.113.8/29"],
             "203.0.113.0/24": ["203.0.113.8/29", "203.0.113.128/25"]}
    if base in inner and r.random() < 0.5:
        b["except"] = r.sample(inner[base], 1)
    return b


def np_port(r):
    p = {}
    if r.random() < 0.7:
        p["protocol"] = r.choice(PROTOS)
    kind = r.random()
    if kind < 0.5:
        p["port"] = r.choice(PORTS)
        if r.random() < 0.3:
            p["endPort"] = p["port"] + r.choice([0, 1, 1000])
    elif kind < 0.75:
        p["port"] = r.choice(NAMES)
    return p


def np_peer(r):
    kind = r.random()
    if kind < 0.3:
        return {"ipBlock": block(r)}
    if kind < 0.55:
        return {"podSelector": selector(r)}
    if kind < 0.8:
        return {"namespaceSelector": selector(r)}
    return {"namespaceSelector": selector(r), "podSelector": selector(r)}


def np_rule(r, word):
    rule = {}
    if r.random() < 0.8:
        rule[word] = [np_peer(r) for _ in range(r.randint(0, 2))]
    if r.random() < 0.7:
        rule["ports"] = [np_port(r) for _ in range(r.randint(0, 2))]
    return rule


def network_policy(r, i, spaces):
    spec = {"podSelector": selector(r, 0.7)}
    if r.random() < 0.6:
        spec["policyTypes"] = r.choice([["Ingress"], ["Egress"], ["Ingress", "Egress"], []])
    for key, word in (("ingress", "from"), ("egress", "to")):
        if r.random() < 0.6:
            spec[key] = [np_rule(r, word) for _ in range(r.randint(0, 2))]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": f"n{i}", "namespace": r.choice(spaces)}, "spec": spec}


def cnp_peer(r, egress):
    kind = r.random()
    if egress and kind < 0.3:
        return {"networks": [block(r)["cidr"] for _ in range(r.randint(1, 2))][:1]}
    if kind < 0.65:
        return {"namespaces": selector(r)}
    pods = {"podSelector": selector(r)}
    if r.random() < 0.6:
        pods["namespaceSelector"] = selector(r)
    return {"pods": pods}


def cnp_proto(r):
    if r.random() < 0.2:
        return {"destinationNamedPort": r.choice(NAMES)}
    low = r.choice(PORTS)
    port = {"number": low} if r.random() < 0.6 else {"range": {"start": low, "end": low + r.choice([1, 1000])}}
    return {r.choice(PROTOS).lower(): {"destinationPort": port}}


def cluster_policy(r, i, priority):
    tier = r.choice(["Admin", "Baseline"])
    spec = {"tier": tier, "priority": priority,
            "subject": {"namespaces": selector(r)} if r.random() < 0.5 else {"pods": {"podSelector": selector(r)}}}
    for key, word in (("ingress", "from"), ("egress", "to")):
        if r.random() < 0.7:
            spec[key] = []
            for _ in range(r.randint(0, 3)):
                rule = {"action": r.choice(["Accept", "Deny", "Pass"]), word: [cnp_peer(r, key == "egress")]}
                if r.random() < 0.5:
                    rule["protocols"] = [cnp_proto(r) for _ in range(r.randint(1, 2))]
                spec[key].append(rule)
    return {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
            "metadata": {"name": f"c{i}"}, "spec": spec}


def make(r):
    spaces = [f"s{i}" for i in range(r.randint(2, 4))]
    items = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": s, "labels": labels(r)}} for s in spaces]
    for i in range(r.randint(4, 8)):
        ports = [{"name": n, "containerPort": r.choice(PORTS), "protocol": r.choice(PROTOS)}
                 for n in NAMES if r.random() < 0.6]
        items.append({"apiVersion": "v1", "kind": "Pod",
                      "metadata": {"name": f"p{i}", "namespace": r.choice(spaces), "labels": labels(r)},
                      "spec": {"containers": [{"name": "c", "image": "i", "ports": ports}]},
                      "status": {"podIP": f"10.{r.randint(1, 2)}.{r.randint(1, 2)}.{i + 1}"}})
    items += [network_policy(r, i, spaces) for i in range(r.randint(0, 5))]
    priorities = r.sample(range(1000), 8)
    items += [cluster_policy(r, i, priorities[i]) for i in range(r.randint(0, 5))]
    r.shuffle(items)
    return {"apiVersion": "v1", "kind": "List", "items": items}


# --- judging ------------------------------------------------------------------------------------------

class Judge:
    def __init__(self, world, engine):
        self.engine = engine
        self.spaces = {}
        self.pods, self.nps, self.cnps = [], [], []
        for o in world["items"]:
            kind, meta = o["kind"], o["metadata"]
            if kind == "Namespace":
                self.spaces[meta["name"]] = dict(meta["labels"], **{"kubernetes.io/metadata.name": meta["name"]})
            elif kind == "Pod":
                self.pods.append({"ns": meta["namespace"], "name": meta["name"], "labels": meta["labels"],
                                  "ip": o["status"]["podIP"],
                                  "ports": o["spec"]["containers"][0]["ports"]})
            elif kind == "NetworkPolicy":
                self.nps.append(o)
            else:
                self.cnps.append(o)

    def in_block(self, other, cidr, out=()):
        if "ns" in other and self.engine in ("api", "cilium"):
            return False
        ip = ipaddress.ip_address(other["ip"])
        return ip in ipaddress.ip_network(cidr) and not any(ip in ipaddress.ip_network(x) for x in out)

    def np_peer(self, ns, peer, other):
        if "ipBlock" in peer:
            return self.in_block(other, peer["ipBlock"]["cidr"], peer["ipBlock"].get("except") or [])
        if "ns" not in other:
            return False
        if "namespaceSelector" in peer:
            if not matches(peer["namespaceSelector"], self.spaces[other["ns"]]):
                return False
        elif other["ns"] != ns:
            return False
        return matches(peer.get("podSelector") or {}, other["labels"])

    def named(self, dst, name, proto, port, any_proto=False):
        return any(p["name"] == name and p["containerPort"] == port and p["protocol"] == proto
                   for p in dst.get("ports", []))

    def np_port(self, p, dst, proto, port):
        if p.get("protocol", "TCP") != proto:
            return False
        if "port" not in p:
            return True
        if isinstance(p["port"], str):
            return self.named(dst, p["port"], proto, port)
        return p["port"] <= port <= p.get("endPort", p["port"])

    def np_side(self, me, other, ingress, dst, proto, port):
        """None: not isolated; else allowed."""
        isolated, allowed = False, False
        key, word = ("ingress", "from") if ingress else ("egress", "to")
        for o in self.nps:
            spec = o["spec"]
            if o["metadata"]["namespace"] != me["ns"] or not matches(spec["podSelector"], me["labels"]):
                continue
            types = spec.get("policyTypes") or (["Ingress"] + (["Egress"] if spec.get("egress") else []))
            listed = key.capitalize() in types
            if not listed and not (self.engine == "cilium" and spec.get(key)):
                continue
            isolated = True
            for rule in spec.get(key) or []:
                peers, ports = rule.get(word), rule.get("ports")
                if peers and not any(self.np_peer(me["ns"], p, other) for p in peers):
                    continue
                if ports and not any(self.np_port(p, dst, proto, port) for p in ports):
                    continue
                allowed = True
        return allowed if isolated else None

    def cnp_peer(self, peer, other):
        if "networks" in peer:
            return any(self.in_block(other, n) for n in peer["networks"])
        if "ns" not in other:
            return False
        if "namespaces" in peer:
            return matches(peer["namespaces"], self.spaces[other["ns"]])
        pods = peer["pods"]
        return (matches(pods.get("namespaceSelector") or {}, self.spaces[other["ns"]])
                and matches(pods.get("podSelector") or {}, other["labels"]))

    def cnp_proto(self, p, dst, proto, port):
        if "destinationNamedPort" in p:
            return self.named(dst, p["destinationNamedPort"], proto, port)
        spec = p.get(proto.lower())
        if spec is None:
            return False
        where = spec["destinationPort"]
        if "number" in where:
            return where["number"] == port
        return where["range"]["start"] <= port <= where["range"]["end"]

    def cnp_tier(self, tier, me, other, ingress, dst, proto, port):
        """Accept, Deny, or None."""
        key, word = ("ingress", "from") if ingress else ("egress", "to")
        for o in sorted(self.cnps, key=lambda o: o["spec"]["priority"]):
            spec = o["spec"]
            if spec["tier"] != tier or not self.cnp_peer(spec["subject"], me):
                continue
            for rule in spec.get(key) or []:
                if not any(self.cnp_peer(p, other) for p in rule[word]):
                    continue
                if rule.get("protocols") and not any(self.cnp_proto(p, dst, proto, port) for p in rule["protocols"]):
                    continue
                return None if rule["action"] == "Pass" else rule["action"]
        return None

    def side(self, me, other, ingress, dst, proto, port):
        if "ns" not in me:
            return True
        if me is other:
            return True
        first = self.cnp_tier("Admin", me, other, ingress, dst, proto, port)
        if first:
            return first == "Accept"
        middle = self.np_side(me, other, ingress, dst, proto, port)
        if middle or (middle is False and self.engine != "cilium"):
            return middle
        last = self.cnp_tier("Baseline", me, other, ingress, dst, proto, port)
        if last:
            return last == "Accept"
        return middle is None


def main():
    seed, engine, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    r = random.Random(seed)
    world = make(r)
    judge = Judge(world, engine)
    ends = judge.pods + [{"ip": ip} for ip in ("203.0.113.9", "203.0.113.200", "10.1.1.200", "198.51.100.1", "2001:db8::1")]
    word = lambda yes: "allow" if yes else "deny"
    name = lambda e: f'{e["ns"]}/{e["name"]}' if "ns" in e else "ext:" + e["ip"]
    with open(folder + "/world.json", "w") as f:
        json.dump(world, f)
    with open(folder + "/probes.tsv", "w") as f:
        for src in ends:
            for dst in ends:
                if "ns" not in src and "ns" not in dst:
                    continue
                for proto in PROTOS:
                    for port in PORTS + [1080, 65535]:
                        out = judge.side(src, dst, False, dst, proto, port)
                        into = judge.side(dst, src, True, dst, proto, port)
                        print(name(src), name(dst), proto, port, word(out and into), word(out), word(into),
                              sep="\t", file=f)


main()
