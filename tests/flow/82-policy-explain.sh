#!/usr/bin/env bash
# `moat policy explain` says why, and never another verdict than `moat policy eval`.
. "$(dirname "$0")/../support/lib.sh"
. "$SUPPORT/worlds.sh"

DATA=$SOURCE/tests/data/policy
cd "$T" || exit
cp -r "$DATA/footguns/26-good-baseline/manifests" good

step 'an allowed connection: the rules of both sides'
must moat policy explain prod/web prod/api TCP/9090 good
out_has '^prod/web -> prod/api TCP/9090: allow$'
out_has 'selected by NetworkPolicy prod/deny, tier NetworkPolicy \(good/policy.yaml:1\)'
out_has 'good/policy.yaml:30: rule 1 of NetworkPolicy prod/web-api allows it: namespace=prod and app=api, ports TCP 9090'
out_has 'good/policy.yaml:40: rule 1 of NetworkPolicy prod/api-web allows it: namespace=prod and app=web, ports TCP 9090'

step 'a denied one: what isolates, and what comes nearest'
must moat policy explain prod/web prod/api TCP/80 good
out_has 'good/policy.yaml:1: NetworkPolicy prod/deny isolates it, and no rule allows it'
out_has 'nearest: good/policy.yaml:30: rule 1 of NetworkPolicy prod/web-api: the port would have to be one of TCP 9090$'
must moat policy explain prod/web prod/db TCP/9090 good
out_has 'nearest: good/policy.yaml:30: rule 1 of NetworkPolicy prod/web-api: prod/db would need app=api \(it has app=db\)$'
must moat policy explain prod/web prod/web TCP/80 good
out_has 'a pod reaches itself'
must moat policy explain ext:203.0.113.7 prod/db TCP/80 good
out_has 'no policy binds it: it is no pod on the pod network'

step 'an unknown one: the reason'
cat >block.yaml <<'END_OF_BLOCK'
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: x, labels: {app: a}}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: x, labels: {app: b}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: x}
spec:
  podSelector: {matchLabels: {app: a}}
  policyTypes: [Egress]
  egress:
  - to: [{ipBlock: {cidr: 10.0.0.0/8}}]
END_OF_BLOCK
must moat policy explain x/a x/b TCP/80 block.yaml
out_has '^x/a -> x/b TCP/80: unknown$'
out_has 'block.yaml:16: rule 1 of NetworkPolicy x/p may match: 10.0.0.0/8, ports all \(a block over addresses of pods or nodes\)'

step 'a rule that comes nearest is one that would allow it: make good what it lacks'
must moat policy explain prod/web prod/db TCP/9090 good --json
json_is '.[0].sides[0].nearest[0] | .needs == "prod/db would need app=api (it has app=db)" and .port_matches and (.peer_matches | not)'
sed 's/app: db/app: api/' -i good/*.yaml
must moat policy explain prod/web prod/db TCP/9090 good --json
json_is '.[0].sides[0].verdict == "allow" and .[0].sides[0].nearest == []'

step 'what is no question'
must_fail 2 moat policy explain prod/web prod/api good
must_fail 2 moat policy explain prod/web prod/api TCP/80
must_fail 2 moat policy explain prod/web prod/api 80 good
err_has '"80" is no port: TCP/5432'
must_fail 2 moat policy explain prod/web prod/none TCP/80 good
err_has '^moat: "prod/none" is no end'
printf 'prod/none\tprod/web\tTCP\t80\n' >bad.tsv
must_fail 2 moat policy explain --probes bad.tsv good
err_has 'bad.tsv:1: "prod/none" is no end'

# explained: the three verdicts of each line, as eval prints them
explained() {
	jq -r '.[] | [.src, .dst, .protocol, .port, .verdict, .sides[].verdict] | @tsv' "$T/out"
}

step 'the verdicts of eval, on published cases and random worlds'
for case in "$DATA"/footguns/* "$DATA"/recipes/* "$DATA"/policy-engines/[0-9]*; do
	engine=$(sed -n 's/^engine\t//p' "$case"/*.tsv)
	case $engine in calico | cilium) ;; *) engine=api ;; esac
	probes=$case/probes.tsv
	[ -e "$probes" ] || probes=$case/expected.tsv
	cut -f1-4 "$probes" >asked.tsv
	must moat policy eval "$case/manifests" --probes asked.tsv --engine "$engine"
	cp out want
	must moat policy explain "$case/manifests" --probes asked.tsv --engine "$engine" --json
	explained >is
	same_file is want
done
for ((seed = 1; seed <= ${MOAT_SOAK:-6}; seed++)); do
	for engine in api match calico cilium; do
		random_world "$seed" "$engine"
		must moat policy explain world.json --probes probes.tsv --json "${JUDGED_AS[@]}"
		explained >is
		same_file is probes.tsv
		# The step that decides says what the verdict says.
		json_is 'all(.[].sides[] | select(.verdict == "deny"); .steps[-1].action == "deny")'
		json_is 'all(.[].sides[] | select(.verdict == "allow" and .steps != []); .steps[-1].action | IN("allow", "pass"))'
	done
done
