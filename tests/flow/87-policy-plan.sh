#!/usr/bin/env bash
# `moat policy plan`: orders of changes, and where there is none; the states between are judged by eval.
. "$(dirname "$0")/../support/lib.sh"

cd "$T" || exit
policy() { # policy NAME SPEC
	printf '{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "%s", "namespace": "x"}, "spec": %s}\n' "$1" "$2"
}
for app in web db other; do
	printf '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "%s", "namespace": "x", "labels": {"app": "%s"}}}\n' $app $app
done >world.json
state() { # state DIR: a new one with the pods
	rm -rf "$1"
	mkdir "$1"
	cp world.json "$1"
}
into='{"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"ports": [{"port": PORT}]}]}'
from='{"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"], "egress": [{"ports": [{"port": PORT}]}]}'

step 'nothing to do'
state old
policy a "${into/PORT/80}" >old/a.json
cp -r old new
must moat policy plan old new
[ ! -s out ] || _fail 'something printed'
sed -i 's/"name": "a"/"labels": {"b": "c"}, "name": "a"/' new/a.json
must moat policy plan old new
[ ! -s out ] || _fail 'a label of a policy decides nothing'

step 'web is shut before db opens'
state old
state new
policy a "${into/PORT/2}" >old/a.json
policy b "${from/PORT/1}" >old/b.json
policy a "${into/PORT/1}" >new/a.json
policy b "${from/PORT/3}" >new/b.json
must moat policy plan old new
same_file out <(printf '%s\n' '1. update NetworkPolicy x/b (new/b.json:1)' '2. update NetworkPolicy x/a (new/a.json:1)')
state between
cp old/a.json new/b.json between/
printf 'x/web\tx/db\tTCP\t1\tdeny\n' >probes.tsv
must moat policy eval --probes probes.tsv between
cp new/a.json old/b.json between/
must_fail 10 moat policy eval --probes probes.tsv between

step 'a new wall stands before the old one falls'
state old
state new
policy z "${into/PORT/80}" >old/z.json
policy a "${into/PORT/80}" >new/a.json
for how in '' --available; do
	must moat policy plan old new $how
	same_file out <(printf '%s\n' '1. create NetworkPolicy x/a (new/a.json:1)' '2. delete NetworkPolicy x/z (old/z.json:1)')
done

step 'the door is made before the wall'
state old
state new
policy a '{"podSelector": {"matchLabels": {"app": "db"}}}' >new/a.json
policy b "${into/PORT/80}" >new/b.json
must moat policy plan old new
has_line out '1. create NetworkPolicy x/a'
must moat policy plan old new --available
same_file out <(printf '%s\n' '1. create NetworkPolicy x/b (new/b.json:1)' '2. create NetworkPolicy x/a (new/a.json:1)')

step 'no order of single steps'
state old
state new
policy a "${into/PORT/2}" >old/a.json
policy b "${from/PORT/1}" >old/b.json
policy a "${into/PORT/1}" >new/a.json
policy b "${from/PORT/2}" >new/b.json
must_fail 10 moat policy plan old new --to steps
out_has '^   opens x/web to x/db on TCP [12] \(pairs: 1\)$'
err_has 'no order of single steps opens nothing that both deny; .* cannot change two objects at once'
has_line steps/apply.sh '# step 1 leaves a state that should not be'
must_fail 10 moat policy plan old new --json
jq -e '.good == false and .searched and .states == 2 and .steps[0].faults == 1' out >jq.out || _fail 'JSON'
state old
state new
policy a "${into/PORT/80}" >new/a.json
policy b "${into/PORT/81}" >new/b.json
must_fail 10 moat policy plan old new --available
out_has '^   loses .* to x/db on TCP 8[01] '

step 'unknown is open, and is closed with --available'
state old
state new
block='{"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}'
policy a "${into/PORT/80}" >old/a.json
policy a "$block" >new/a.json
policy b "${into/PORT/80}" >new/b.json
must moat policy plan old new --ipblock-pods unknown --available
has_line out '1. create NetworkPolicy x/b'

step 'manifests and a script, whatever the names'
state old
state new
odd="o'd; touch pwned #\$(touch pwned)/../y"
policy gone "${into/PORT/80}" >old/gone.json
policy "-f" "${into/PORT/81}" >>old/gone.json
policy "$odd" "${into/PORT/80}" >new/odd.json
printf '%s\n' 'apiVersion: v1' 'kind: List' 'items:' '- apiVersion: networking.k8s.io/v1' '  kind: NetworkPolicy' \
	'  metadata: {name: two, namespace: x, resourceVersion: "7", uid: u}' \
	'  spec: {podSelector: {}, policyTypes: [Ingress]}' '  status: {}' >new/list.yaml
must moat policy plan old new --to steps2
mkdir bin
# shellcheck disable=SC2016
printf '%s\n' '#!/bin/sh' 'printf "<%s>" "$@" >>../calls; echo >>../calls' >bin/kubectl
chmod +x bin/kubectl
PATH=$T/bin:$PATH must steps2/apply.sh
[ -z "$(find . -name pwned)" ] || _fail 'a name was run'
sort calls >sorted
has_line sorted '<create><--namespace><x><-f><0[12]-create-x-o_d__touch_pwned____touch_pwned__.._y.yaml>'
has_line sorted '<delete><--namespace><x><--><NetworkPolicy.v1.networking.k8s.io><-f>'
[ "$(wc -l <calls)" = 4 ] || _fail 'calls'
jq -e '.metadata == {name: "two", namespace: "x"} and .kind == "NetworkPolicy" and (has("status") | not)' steps2/*-two.yaml >jq.out ||
	_fail 'what a server added was kept'
state applied
cp steps2/*.yaml applied/
must moat policy diff new applied
must_fail 1 moat policy plan old new --to steps2
err_has 'steps2 is not empty'

step 'what is no pair of states'
must_fail 2 moat policy plan old
must_fail 1 moat policy plan old none
