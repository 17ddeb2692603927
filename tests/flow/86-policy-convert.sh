#!/usr/bin/env bash
# `moat policy convert`: ClusterNetworkPolicies that decide as the old kinds did, proven before they are written.
. "$(dirname "$0")/../support/lib.sh"

DATA=$SOURCE/tests/data/policy
cd "$T" || exit

step 'one of each, word by word'
cat >old.yaml <<-'END'
	apiVersion: policy.networking.k8s.io/v1alpha1
	kind: AdminNetworkPolicy
	metadata: {name: first, labels: {"on": "yes", version: "1.10"}, annotations: {why: "a: b # c", kubectl.kubernetes.io/last-applied-configuration: "{}"}}
	spec:
	  priority: 7
	  subject: {namespaces: {matchLabels: {team: "010"}}}
	  ingress:
	  - name: "8080"
	    action: Allow
	    from: [{namespaces: {}}, {pods: {namespaceSelector: {matchExpressions: [{key: env, operator: NotIn, values: [prod, "null"]}]}, podSelector: {}}}]
	    ports: [{portNumber: {protocol: TCP, port: 80}}, {portRange: {protocol: UDP, start: 53, end: 54}}, {portRange: {protocol: SCTP, start: 9, end: 9}}]
	  - {action: Pass, from: [{namespaces: {}}]}
	  egress:
	  - {action: Deny, to: [{networks: [10.1.2.3/8, 10.0.0.0/8, "2001:DB8::/32"]}]}
	---
	apiVersion: policy.networking.k8s.io/v1alpha1
	kind: BaselineAdminNetworkPolicy
	metadata: {name: default}
	spec:
	  subject: {pods: {namespaceSelector: {}, podSelector: {matchExpressions: [{key: app, operator: Exists}]}}}
	  ingress: [{action: Deny, from: [{namespaces: {}}]}]
	---
	{apiVersion: v1, kind: ConfigMap, metadata: {name: other}, data: {a: "x\ny", "no": "0x1f"}}
END
cat >want <<-'END'
	apiVersion: policy.networking.k8s.io/v1beta1
	kind: ClusterNetworkPolicy
	metadata:
	  name: first
	  labels:
	    "on": "yes"
	    version: "1.10"
	  annotations:
	    why: "a: b # c"
	spec:
	  tier: Admin
	  priority: 7
	  subject:
	    namespaces:
	      matchLabels:
	        team: "010"
	  ingress:
	  - name: "8080"
	    action: Accept
	    from:
	    - namespaces: {}
	    - pods:
	        namespaceSelector:
	          matchExpressions:
	          - key: env
	            operator: NotIn
	            values:
	            - prod
	            - "null"
	        podSelector: {}
	    protocols:
	    - tcp:
	        destinationPort:
	          number: 80
	    - udp:
	        destinationPort:
	          range:
	            start: 53
	            end: 54
	    - sctp:
	        destinationPort:
	          number: 9
	  - action: Pass
	    from:
	    - namespaces: {}
	  egress:
	  - action: Deny
	    to:
	    - networks:
	      - "10.0.0.0/8"
	      - "2001:db8::/32"
	---
	apiVersion: policy.networking.k8s.io/v1beta1
	kind: ClusterNetworkPolicy
	metadata:
	  name: default
	spec:
	  tier: Baseline
	  priority: 1000
	  subject:
	    pods:
	      namespaceSelector: {}
	      podSelector:
	        matchExpressions:
	        - key: app
	          operator: Exists
	  ingress:
	  - action: Deny
	    from:
	    - namespaces: {}
END
must moat policy convert old.yaml
same_file out want
must moat policy convert --to new.yaml old.yaml
same_file new.yaml want
[ ! -s out ] || _fail 'printed as well'
must moat policy convert --all old.yaml
(
	cat want
	printf '%s\n' --- 'apiVersion: v1' 'kind: ConfigMap' metadata: '  name: other' data: '  a: "x\ny"' '  "no": "0x1f"'
) >both
same_file out both
must moat policy convert --api v1alpha2 --json old.yaml
json_is '.converted == 2 and .connections == []'
jq -r .manifests out >v1alpha2
same_file <(sed 's/v1alpha2/v1beta1/; $d' v1alpha2) want

step 'nothing to convert'
must moat policy convert new.yaml
err_has 'no AdminNetworkPolicy'
[ ! -s out ] || _fail 'something printed'
must moat policy convert --all new.yaml
same_file out want

step 'what differs is said, of pods made of the selectors where there are none'
rm new.yaml
must_fail 10 moat policy convert --engine calico --to new.yaml old.yaml
absent new.yaml
out_has '^moat-made-.* no longer reaches moat-made-.*'
err_has 'nothing is written: pairs that would reach each other otherwise: [1-9]'
must_fail 10 moat policy convert --engine calico --json old.yaml
json_is '.converted == 2 and .manifests == "" and (.connections | length) > 0'

step 'what has no equal is refused'
refused() { # refused SED-SCRIPT ERROR
	sed "$1" old.yaml >bad.yaml
	cmp -s old.yaml bad.yaml && _fail "nothing changed by $1"
	must_fail 1 moat policy convert --to new.yaml bad.yaml
	err_has "$2"
	absent new.yaml
}
refused 's/{portNumber: {protocol: TCP, port: 80}}/{namedPort: http}/' 'bad.yaml:11: .*a port by its name has no equal'
refused 's/{networks: .*\]}\]/{nodes: {}}]/' 'bad.yaml:14: .*nodes: .*has no equal'
refused 's/{networks: .*\]}\]/{domainNames: [a.example]}]/' 'bad.yaml:14: .*domainNames: .*has no equal'
refused 's/  subject: {namespaces.*/  subject: {}/' 'a subject has exactly one'
refused "s/\(  - {action: Pass.*\)/$(for ((i = 0; i < 25; i++)); do printf '%s' '\1\n'; done)/" 'more than 25 items'
refused 's/name: first/name: default/' 'the conversion:.*default: is there twice'
sed 's/name: first/name: second/' old.yaml | sed '/^---/,$d' >tie.yaml
must_fail 1 moat policy convert old.yaml tie.yaml
err_has 'second: has the same priority as first'
must moat policy convert tie.yaml --to new.yaml
must_fail 1 moat policy convert old.yaml new.yaml
err_has 'first and second would have the same tier and priority \(7\)'
sed -i 's/tier: Admin/tier: Baseline/; s/priority: 7/priority: 1000/' new.yaml
must_fail 1 moat policy convert old.yaml new.yaml
err_has 'same tier and priority \(1000\)'
must_fail 2 moat policy convert
must_fail 2 moat policy convert --api v1 old.yaml
must_fail 1 moat policy convert none.yaml

step 'a label called as the annotation that is left out'
sed 's/matchLabels: {team: "010"}/matchLabels: {kubectl.kubernetes.io\/last-applied-configuration: x}/' old.yaml >odd.yaml
must moat policy convert odd.yaml
out_has '^        kubectl.kubernetes.io/last-applied-configuration: x$'

step 'the cases of np-guard'
converted=0
for case in "$DATA"/netpol-npguard/cases/*/manifests; do
	grep -rqE 'kind: (Baseline)?AdminNetworkPolicy' "$case" || continue
	case ${case%/*} in
	*_using_networks_and_nodes_test | *_multiple_warnings | *_11_with_named_port)
		must_fail 1 moat policy convert "$case"
		err_has 'has no equal'
		continue
		;;
	*_gap_anp_good | *_anp_16)
		must_fail 1 moat policy convert "$case"
		err_has 'namespaceSelector" is missing'
		continue
		;;
	esac
	must moat policy convert --all "$case" --to new.yaml
	has_line new.yaml '^kind: ClusterNetworkPolicy'
	! grep -q AdminNetworkPolicy new.yaml || _fail "an old kind is left of $case"
	must moat policy map --all "$case"
	cp out before
	must moat policy map --all new.yaml
	same_file out before
	converted=$((converted + 1))
done
same $converted 37

step 'random worlds'
for ((seed = 1; seed <= ${MOAT_SOAK:-12}; seed++)); do
	for blocks in never match unknown; do
		"$SUPPORT/policy_worlds.py" "$seed" api .
		"$SUPPORT/policy_old_kinds.py" world.json >old.json
		must moat policy convert --all --ipblock-pods $blocks old.json --to new.yaml
		cut -f1-4 probes.tsv >asked.tsv
		must moat policy eval old.json --probes asked.tsv --ipblock-pods $blocks
		cp out before
		must moat policy eval new.yaml --probes asked.tsv --ipblock-pods $blocks
		same_file out before
	done
done
