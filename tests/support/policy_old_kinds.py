#!/usr/bin/env python3
"""policy_old_kinds.py WORLD: a world of policy_worlds.py with its ClusterNetworkPolicies as AdminNetworkPolicy and, the
first of the Baseline tier, as BaselineAdminNetworkPolicy; what those do not know is left out. Prints it.
"""
import json
import sys


def port(p):
    (proto, bound), = p.items()
    if proto == "destinationNamedPort":
        return None
    bound = bound["destinationPort"]
    if "number" in bound:
        return {"portNumber": {"protocol": proto.upper(), "port": bound["number"]}}
    return {"portRange": {"protocol": proto.upper(), **bound["range"]}}


def pods(x):
    if "pods" in x:
        x["pods"].setdefault("namespaceSelector", {})
    return x


def rules(old, word, baseline):
    for rule in old:
        action = {"Accept": "Allow"}.get(rule["action"], rule["action"])
        out = {"action": "Deny" if baseline and action == "Pass" else action, word: [pods(p) for p in rule[word]]}
        ports = [q for q in map(port, rule.get("protocols", [])) if q]
        if ports:
            out["ports"] = ports
        yield out


def main():
    world, baselines = json.load(open(sys.argv[1])), 0
    for o in list(world["items"]):
        if o["kind"] != "ClusterNetworkPolicy":
            continue
        spec = o["spec"]
        baseline = spec.pop("tier") == "Baseline"
        baselines += baseline
        if baseline and baselines > 1:
            world["items"].remove(o)
            continue
        o["apiVersion"] = "policy.networking.k8s.io/v1alpha1"
        o["kind"] = "BaselineAdminNetworkPolicy" if baseline else "AdminNetworkPolicy"
        if baseline:
            o["metadata"]["name"] = "default"
            del spec["priority"]
        pods(spec["subject"])
        for key, word in (("ingress", "from"), ("egress", "to")):
            if key in spec:
                spec[key] = list(rules(spec[key], word, baseline))
    json.dump(world, sys.stdout)


main()
