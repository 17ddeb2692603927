#!/usr/bin/env bash
# `moat policy diff`: what two states decide otherwise, against the verdicts of `moat policy eval` in each.
. "$(dirname "$0")/../support/lib.sh"

DATA=$SOURCE/tests/data/policy
cd "$T" || exit
cp -r "$DATA/footguns/26-good-baseline/manifests" old
cp -r old new

step 'nothing differs'
must moat policy diff old new
[ ! -s out ] || _fail 'something printed'

step 'a port, a policy, a workload'
sed -i 's/9090/9091/' new/policy.yaml
must_fail 10 moat policy diff old new
out_has '^prod/web\[Pod\] no longer reaches prod/api\[Pod\] on TCP 9090$'
err_has 'pairs that reach each other otherwise: 1; new workloads: 0; gone: 0'
cp old/* new/
sed -i 's/kind: NetworkPolicy/kind: Nothing/' new/policy.yaml
must_fail 10 moat policy diff old new
out_has '^prod/web\[Pod\] now reaches prod/db\[Pod\] on all$'
out_has '^0.0.0.0-255.255.255.255 now reaches prod/db\[Pod\] on all$'
out_has '^prod/db\[Pod\] now reaches ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff on all$'
must_fail 10 moat policy diff new old
out_has '^prod/web\[Pod\] no longer reaches prod/db\[Pod\] on all$'
cp old/* new/
echo '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "more", "namespace": "dev"}}' >new/more.json
must_fail 10 moat policy diff old new
same_file out <(echo 'dev/more[Pod] is new')
must_fail 10 moat policy diff new old
same_file out <(echo 'dev/more[Pod] is gone')

step 'pods of an owner have other names in each state'
pod() { # pod NAME APP
	printf '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "%s", "namespace": "x", "labels": {"app": "%s"},' "$1" "$2"
	printf '"ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "%s", "uid": "1", "controller": true}]}}\n' "$2"
}
policy='{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "x"}, "spec":
{"podSelector": {"matchLabels": {"app": "b"}}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "a"}}}], "ports": [{"port": PORT}]}]}}'
mkdir was is
for name in a-1:a a-2:a b-1:b; do pod "${name%:*}" "${name#*:}" >"was/$name.json"; done
for name in a-3:a a-4:a b-2:b; do pod "${name%:*}" "${name#*:}" >"is/$name.json"; done
echo "${policy/PORT/80}" >was/p.json
cp was/p.json is/p.json
must moat policy diff was is
echo "${policy/PORT/81}" >is/p.json
must_fail 10 moat policy diff was is
same_file out <(printf '%s\n' 'x/a[StatefulSet] now reaches x/b[StatefulSet] on TCP 81' \
	'x/a[StatefulSet] no longer reaches x/b[StatefulSet] on TCP 80')

step 'what is no pair of states'
must_fail 2 moat policy diff old
must_fail 2 moat policy diff old new new
must_fail 1 moat policy diff old none

step 'the verdicts of eval in random worlds'
for ((seed = 1; seed <= ${MOAT_SOAK:-6}; seed++)); do
	for engine in api match unknown calico cilium; do
		case $engine in
		api) set -- --ipblock-pods never ;;
		match | unknown) set -- --ipblock-pods "$engine" ;;
		*) set -- --engine "$engine" ;;
		esac
		"$SUPPORT/policy_worlds.py" "$seed" "${engine/unknown/api}" .
		cut -f1-4 probes.tsv >asked.tsv
		# Every second policy is gone, and of the others the first rule.
		jq '([.items[] | select(.spec.podSelector or .spec.subject)] | [.[range(0; length; 2)].metadata.name]) as $gone
			| .items |= map(select(.metadata.name as $n | $gone | index($n) | not))
			| del(.items[] | select(.kind != "Pod") | .spec.ingress?[0]?)' world.json >less.json
		must moat policy eval world.json --probes asked.tsv "$@"
		cp out before.tsv
		must moat policy eval less.json --probes asked.tsv "$@"
		cp out after.tsv
		moat policy diff world.json less.json "$@" --json >difference.json 2>err || has_line err 'reach each other otherwise'
		must "$SUPPORT/policy_differences.py" before.tsv after.tsv difference.json
	done
done
