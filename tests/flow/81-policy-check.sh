#!/usr/bin/env bash
# `moat policy check` finds in each foot-gun what is in it and nothing else, and says nothing of a good policy.
. "$(dirname "$0")/../support/lib.sh"

DATA=$SOURCE/tests/data/policy
cd "$T" || exit

step 'each foot-gun gives its findings and no others'
for case in "$DATA"/footguns/* "$DATA"/footguns-own/*; do
	wanted=$(sed -n 's/^expected-findings\t//p' "$case/case.tsv" | tr , '\n' | sort | paste -sd,)
	[ "$wanted" != '(none)' ] || wanted=
	must_fail "$([ -z "$wanted" ] && echo 0 || echo 10)" moat policy check "$case/manifests" --json
	same "$(jq -r '[.[].rule] | unique | join(",")' out)" "$wanted" "$case"
done

step 'recipes have no errors'
for case in "$DATA"/recipes/*; do
	must moat policy check "$case/manifests" --severity error
	[ ! -s out ] || _fail "findings in $case"
done

step 'what is said'
must_fail 10 moat policy check "$DATA/footguns/01-or-two-elements/manifests"
out_has 'policy.yaml:11: warning: NetworkPolicy prod/a: the namespaceSelector of line 10 selects monitoring/prom; the podSelector of line 11, an item of its own, selects prod/web; .*\[peer-or-suspect\]$'
err_has '1 findings, of severity "warning" or above'
must_fail 10 moat policy check "$DATA/footguns/14-subject-typo/manifests"
out_has 'no pod has app=dbb, is app=db meant\?'
out_has 'no policy isolates db of prod'
must_fail 10 moat policy check "$DATA/footguns/12-deny-egress-no-dns/manifests"
out_has 'policy.yaml:8: warning: NetworkPolicy prod/deny: .* cannot reach the cluster.s DNS: prod/api, prod/db; '
must_fail 10 moat policy check "$DATA/footguns/20-ns-name-label/manifests"
out_has 'no namespace has name=monitoring, is kubernetes.io/metadata.name=monitoring meant|sets kubernetes.io/metadata.name, and not "name"'

step 'severity'
must moat policy check "$DATA/footguns/26-good-baseline/manifests"
must_fail 10 moat policy check "$DATA/footguns/26-good-baseline/manifests" --severity note
out_has 'note: Namespace dev: no policy of dev isolates for egress: dev/tool; .*\[no-default-deny-egress\]$'
must moat policy check "$DATA/footguns/01-or-two-elements/manifests" --severity error
must_fail 2 moat policy check "$DATA/footguns/01-or-two-elements/manifests" --severity bad

step 'SARIF'
must_fail 10 moat policy check "$DATA/footguns/14-subject-typo/manifests" --sarif
json_is '.version == "2.1.0" and (.runs | length) == 1 and (.runs[0].results | length) == 2'
json_is '.runs[0] | [.results[].ruleId] == [.tool.driver.rules[.results[].ruleIndex].id]'
json_is 'all(.runs[0].results[]; (.level | IN("note", "warning", "error")) and .message.text and
	(.locations[0].physicalLocation | (.artifactLocation.uri | endswith("policy.yaml")) and .region.startLine >= 1))'
json_is '.runs[0].tool.driver.rules | (map(.id) | unique | length) == length and all(.shortDescription.text and .help.text)'
cp -r "$DATA/footguns/14-subject-typo/manifests" 'a b%c'
must_fail 10 moat policy check 'a b%c' --sarif
json_is '.runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri == "a%20b%25c/policy.yaml"'
must moat policy check "$DATA/footguns/26-good-baseline/manifests" --sarif
json_is '.runs[0].results == []'

step 'a reason for what is allowed'
must_fail 10 moat policy check "$DATA/footguns/26-good-baseline/manifests" --require-justification --json
same "$(jq -r '[.[] | "\(.rule) \(.name)"] | join(",")' out)" \
	'justification-missing dns,justification-missing web-api,justification-missing api-web'
mkdir reasons
sed 's#^  namespace: prod#&\n  annotations: {moat.local/justification: "ticket 7"}#' \
	"$DATA/footguns/26-good-baseline/manifests/policy.yaml" >reasons/policy.yaml
cp "$DATA/footguns/26-good-baseline/manifests/world.yaml" reasons/
must moat policy check reasons --require-justification
sed -i 's/"ticket 7"/""/' reasons/policy.yaml
must_fail 10 moat policy check reasons --require-justification

step 'connections on which engines, or a strict decoder, disagree'
must moat policy check --engines "$DATA/footguns/26-good-baseline/manifests"
[ ! -s out ] || _fail 'a difference in the good baseline'
must_fail 10 moat policy check --engines "$DATA/footguns/07-typo-matchLabel/manifests"
out_has '^dev/tool => prod/db : api none \| calico none \| cilium none \| strict all$'
out_has '^ext:0.0.0.0 => prod/db : api none \| .* strict all$'
! grep 'prod/api => prod/db' out || _fail 'a pair that does not differ'
err_has '5 pairs of ends have other connections'
must_fail 10 moat policy check --engines "$DATA/footguns-own/07-types-without-egress/manifests"
out_has '^prod/db => prod/web : api all \| calico all \| cilium none \| strict all$'
must_fail 10 moat policy check --engines "$DATA/footguns-own/29-host-bits/manifests"
out_has '^prod/web => prod/db : api none; unknown all \| '
must_fail 2 moat policy check --engines --sarif "$DATA/footguns/26-good-baseline/manifests"
for case in "$DATA"/policy-engines/[0-9]*; do
	must_fail '(0|1|10)' moat policy check --engines "$case/manifests"
done

step 'the table of rules is in the manual'
must moat policy check --rules --json
jq -r '.[] | ".It Cm \(.rule) Pq \(.severity)\n\(.what[:1] | ascii_upcase)\(.what[1:])."' out >want
sed -n '/RULES:/,/^\.El/p' "$SOURCE/docs/man/moat-policy.1" | sed '1d;$d' >is
same_file is want
must moat policy check --rules
out_has '^policy-shadowed +warning +'

step 'notes'
mkdir notes
cp "$DATA/footguns/26-good-baseline/manifests/world.yaml" notes/
cat >notes/policy.yaml <<-'END'
	apiVersion: v1
	kind: Namespace
	metadata: {name: empty, labels: {name: empty, use: none}}
	---
	apiVersion: v1
	kind: Namespace
	metadata: {name: jobs, labels: {name: jobs}}
	---
	apiVersion: v1
	kind: Pod
	metadata: {name: job, namespace: jobs}
	---
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {name: a, namespace: prod}
	spec:
	  podSelector: &all {}
	  ingress:
	  - from:
	    - namespaceSelector: {matchLabels: {use: none}}
	    - namespaceSelector: {matchLabels: {name: jobs}}
	    - podSelector: *all
	---
	apiVersion: policy.networking.k8s.io/v1alpha2
	kind: ClusterNetworkPolicy
	metadata: {name: c, namespace: prod}
	spec: {tier: Admin, priority: 1, subject: {namespaces: {}}}
END
must_fail 10 moat policy check notes --severity note
out_has 'policy.yaml:20: note: .* the namespaces that this selects have no pods here; .*\[peer-namespace-empty\]$'
out_has 'policy.yaml:21: note: .*\[namespace-name-label\]$'
out_has 'note: .*\[yaml-alias\]$'
out_has 'warning: ClusterNetworkPolicy prod/c: metadata.namespace says nothing .*\[no-effect\]$'
cp out notes.out
must_fail 10 moat policy check notes
same "$(grep -c . out)" 1 'only what has no effect is more than a note'

step 'each rule has a case'
must_fail 10 moat policy check "$DATA/footguns/26-good-baseline/manifests" --require-justification --severity note
cat out notes.out >seen
must_fail 10 moat policy check "$DATA/netpol-npguard/cases/anp_and_banp_using_networks_and_nodes_test/manifests" --engine calico --severity error
out_has 'Calico 3.32 does not enforce this kind; .*\[refused-by-engine\]$'
cat out >>seen
for case in "$DATA"/footguns*/* "$DATA"/policy-engines/[0-9]*; do
	for engine in api calico cilium; do
		must_fail '(0|10)' moat policy check "$case/manifests" --severity note --engine "$engine"
		cat out >>seen
	done
done
grep -oE '\[[a-z-]+\]$' seen | tr -d '[]' | sort -u >is
moat policy check --rules --json | jq -r '.[].rule' | sort >want
same_file is want

step 'what cannot be read'
must_fail 1 moat policy check none
must_fail 2 moat policy check
must_fail 2 moat policy check --rules "$DATA"
must_fail 1 moat policy check "$DATA/netpol-npguard/bad/np_bad_path_test_2/manifests"
err_has 'endPort needs a port that is a number'
for case in "$DATA"/netpol-npguard/*/*/manifests; do
	must_fail '(0|1|10)' moat policy check "$case" --severity note
done
