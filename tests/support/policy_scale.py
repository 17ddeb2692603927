#!/usr/bin/env python3
"""policy_scale.py NAMESPACES WORKLOADS PODS POLICIES BLOCKS FOLDER: a cluster as `kubectl get -o json` prints it.

Workloads are spread over the namespaces, each with labels of its own and PODS / WORKLOADS replicas. Three of four
namespaces have a policy that denies all and one that lets all of it resolve names. Then come BLOCKS policies that speak of
outside addresses, IPv4 and IPv6, and pairs that let a workload reach another of its namespace.
"""
import json
import os
import random
import sys

PORTS = [80, 443, 8080, 8443, 9090, 5432, 6379]


def meta(name, ns=None, **more):
    return {"name": name, **({"namespace": ns} if ns else {}), **more}


def namespace(i):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta(f"ns-{i}", labels={"team": f"t{i % 20}"})}


def pod(w, ns, replica, number):
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": meta(f"app-{w}-5d9c7b-{replica:05x}", f"ns-{ns}",
                         labels={"app": f"app-{w}", "tier": ("web", "api", "db")[w % 3], "pod-template-hash": "5d9c7b"},
                         ownerReferences=[{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"app-{w}-5d9c7b",
                                           "uid": f"u-{w}", "controller": True}]),
        "spec": {"serviceAccountName": "default", "nodeName": f"node-{number % 50}", "containers": [
            {"name": "main", "image": f"registry.example/app-{w}:1",
             "ports": [{"name": "http", "containerPort": PORTS[w % len(PORTS)]}],
             "env": [{"name": "A", "value": "b"}],
             "resources": {"limits": {"memory": "128Mi"}, "requests": {"cpu": "100m"}}}]},
        "status": {"phase": "Running", "podIP": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"},
    }


def policy(name, ns, spec):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta(name, f"ns-{ns}"), "spec": spec}


def deny_all(ns):
    return policy("deny-all", ns, {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})


def dns(ns):
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ns-0"}}}
    return policy("dns", ns, {"podSelector": {}, "policyTypes": ["Egress"], "egress": [
        {"to": [peer], "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]}]})


def app(w):
    return {"matchLabels": {"app": f"app-{w}"}}


def blocks(r, i, w, ns):
    v4 = f"{20 + r.randrange(200)}.{r.randrange(256)}.0.0/16"
    peers = [{"ipBlock": {"cidr": v4, "except": [v4.replace(".0.0/16", f".{r.randrange(256)}.0/24")]}},
             {"ipBlock": {"cidr": f"2001:db8:{i:x}::/48"}}]
    return policy(f"outside-{i}", ns, {"podSelector": app(w), "policyTypes": ["Ingress", "Egress"],
                                       "egress": [{"to": peers, "ports": [{"port": 443}]}],
                                       "ingress": [{"from": peers[:1], "ports": [{"port": "http"}]}]})


def between(i, workloads, namespaces):
    """Two policies, one at either end, let a workload, or its tier in namespaces of a team, reach another."""
    r = random.Random(i // 2)
    src = r.randrange(workloads)
    dst = (src + namespaces * r.randrange(1, 4)) % workloads
    port = {"port": r.choice(["http", *PORTS])}
    ends = [{"podSelector": app(w)} for w in (src, dst)]
    if r.random() < 0.3:
        ends[0] = {"podSelector": {"matchLabels": {"tier": ("web", "api", "db")[src % 3]}},
                   "namespaceSelector": {"matchLabels": {"team": f"t{src % namespaces % 20}"}}}
    if i % 2:
        return policy(f"in-{i}", dst % namespaces, {"podSelector": app(dst), "policyTypes": ["Ingress"],
                                                    "ingress": [{"from": [ends[0]], "ports": [port]}]})
    ports = [port, {"port": 9999, "protocol": "SCTP"}]
    return policy(f"out-{i}", src % namespaces, {"podSelector": app(src), "policyTypes": ["Egress"],
                                                 "egress": [{"to": [ends[1]], "ports": ports}]})


def main():
    namespaces, workloads, pods, policies, with_blocks = map(int, sys.argv[1:6])
    r = random.Random(1)
    objects = [namespace(i) for i in range(namespaces)]
    objects += [pod(i % workloads, i % workloads % namespaces, i // workloads, i) for i in range(pods)]
    rules = [make(i) for i in range(namespaces) if i % 4 for make in (deny_all, dns)][:policies]
    for i in range(policies - len(rules)):
        w = r.randrange(workloads)
        rules.append(blocks(r, i, w, w % namespaces) if i < with_blocks else between(i, workloads, namespaces))
    for name, items in (("pods.json", objects), ("policies.json", rules)):
        with open(os.path.join(sys.argv[6], name), "w") as f:
            json.dump({"apiVersion": "v1", "kind": "List", "items": items}, f, indent=4)


if __name__ == "__main__":
    main()
