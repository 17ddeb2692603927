#!/usr/bin/env bash
# `moat policy eval` gives the verdicts of the engines themselves: published cases, and random worlds against a slow
# evaluator that shares nothing with it.
. "$(dirname "$0")/../support/lib.sh"
. "$SUPPORT/worlds.sh"

DATA=$SOURCE/tests/data/policy
cd "$T" || exit

# engine_of CASE: as options
engine_of() {
	case $(sed -n 's/^engine\t//p' "$1/case.tsv") in
	calico) echo --engine calico ;;
	cilium) echo --engine cilium ;;
	*) echo --engine api ;;
	esac
}

step 'what Calico, Cilium and kube-network-policies decided'
for case in "$DATA"/policy-engines/[0-9]* "$DATA"/engines-own/[0-9]*; do
	# shellcheck disable=SC2046 # two words
	must moat policy eval "$case/manifests" --probes "$case/expected.tsv" $(engine_of "$case")
	sed '/^#/d' "$case/expected.tsv" >want
	same_file out want
done

step 'policies of one priority'
case=$DATA/engines-own/17-api-equal-priority
must moat policy map "$case/manifests" --from shop/front --to shop/cart
out_has '^shop/front\[Pod\] => shop/cart\[Pod\] : unknown all \(policies of one priority that decide otherwise\)'

step 'a label that is there twice'
must_fail 1 moat policy eval "$DATA/engines-own/18-api-label-twice/manifests" --probes - --decode strict </dev/null
err_has 'policy.yaml:5: .*the key "app" is there twice'
{
	printf 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels:\n'
	seq -f '    l%g: x' 1001
} >labels.yaml
must_fail 1 moat policy eval labels.yaml --probes - </dev/null
err_has 'labels.yaml:6: .*more than 1000 labels'

step 'foot-guns and recipes, whether or not blocks may match pods'
for case in "$DATA"/footguns/* "$DATA"/recipes/*; do
	must moat policy eval "$case/manifests" --probes "$case/probes.tsv"
	must moat policy eval "$case/manifests" --probes "$case/probes.tsv" --ipblock-pods never --quiet
done

step 'what is dropped, ignored or refused is said'
must moat policy eval "$DATA/footguns/07-typo-matchLabel/manifests" --probes "$DATA/footguns/07-typo-matchLabel/probes.tsv"
err_has 'policy.yaml:11: NetworkPolicy a: "matchLabel" is no field here and is dropped; "matchLabels" is'
must_fail 1 moat policy eval "$DATA/footguns/07-typo-matchLabel/manifests" --decode strict \
	--probes "$DATA/footguns/07-typo-matchLabel/probes.tsv"
err_has 'policy.yaml:11: at spec.ingress\[0\].from\[0\].podSelector.matchLabel: NetworkPolicy prod/a: unknown field "matchLabel"'

step 'a verdict that the file does not have'
case=$DATA/footguns/26-good-baseline
sed '0,/\tallow/s//\tdeny/' "$case/probes.tsv" >other.tsv
must_fail 10 moat policy eval "$case/manifests" --probes other.tsv
err_has '^moat: other.tsv:[0-9]+: .* verdict is allow, and the file states deny$'
err_has '1 of [0-9]+ probes have another verdict than other.tsv states'
cut -f1-4 other.tsv >bare.tsv
must moat policy eval "$case/manifests" --probes bare.tsv --json
json_is 'length > 20 and all(.verdict and .egress and .ingress)'

step 'lines that are none'
printf 'prod/web\tprod/api\tTCP\n' >bad.tsv
must_fail 2 moat policy eval "$case/manifests" --probes bad.tsv
err_has 'bad.tsv:1: a probe is src, dst, protocol, port'
printf 'prod/web\tprod/none\tTCP\t80\n' >bad.tsv
must_fail 2 moat policy eval "$case/manifests" --probes bad.tsv
err_has 'bad.tsv:1: "prod/none" is no end'
must_fail 2 moat policy eval --probes bare.tsv
must_fail 2 moat policy eval "$case/manifests"
must_fail 1 moat policy eval "$case/manifests" --probes none.tsv
must_fail 1 moat policy eval none --probes bare.tsv

step 'manifests that the API server refuses'
while IFS=$'\t' read -r name want; do
	must_fail 1 moat policy eval "$DATA/netpol-npguard/bad/$name/manifests" --probes - </dev/null
	err_has "$want"
done <<-'END'
	np_bad_path_test_1	is there twice
	np_bad_path_test_2	endPort needs a port that is a number
	bad_netpols-subdir2	is no value of a label|is no key of a label
	bad_netpols-subdir3	ipBlock stands alone
	bad_path_namespace_with_same_name	is there twice
	anp_bad_path_test_1	has the same priority as
	anp_bad_path_test_2	1001 is not between 0 and 1000
	anp_bad_path_test_3	is there twice
	anp_bad_path_test_5	a subject has exactly one of its fields
	anp_bad_path_test_7	a peer has exactly one of its fields
	anp_bad_path_test_8	a port has exactly one of its fields
	anp_bad_path_test_12	is no action
	anp_bad_path_test_15	"from" needs at least one peer
	anp_bad_path_test_16	a peer has exactly one of its fields
	anp_bad_path_test_18	is no action
	anp_test_with_empty_port_range	the end of a range is behind its start
	banp_bad_path_test_3	"subject" is missing
	banp_bad_path_test_8	is no action
	banp_bad_path_test_15	is no block of addresses
	malformed-pod-example-2	a list is needed here
END

step 'what Cilium, Calico and the definition of ClusterNetworkPolicy refuse'
while IFS=$'\t' read -r kind spec want; do
	case $kind in
	Cilium*) group=cilium.io/v2 ;;
	Cluster*) group=policy.networking.k8s.io/v1beta1 ;;
	*) group=projectcalico.org/v3 ;;
	esac
	printf 'apiVersion: %s\nkind: %s\nmetadata: {name: a}\nspec: %s\n' "$group" "$kind" "$spec" >refused.yaml
	must_fail 1 moat policy eval refused.yaml --probes - </dev/null
	err_has "refused.yaml:4: .*$want"
done <<-'END'
	CiliumNetworkPolicy	{endpointSelector: {}, ingress: [], egress: []}	a policy without a rule
	CiliumNetworkPolicy	{endpointSelector: {}, ingress: [{fromRequires: [{}]}]}	has no fromRequires
	CiliumNetworkPolicy	{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: [80]}]}]}]}	a port has a "port"
	CiliumNetworkPolicy	{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: "080"}]}]}]}	is no port
	ClusterNetworkPolicy	{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [10.1.2.3/8]}]}]}	in its plain form
	ClusterNetworkPolicy	{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [10.0.0.0/8, 10.0.0.0/8]}]}]}	is there twice
	NetworkPolicy	{ingress: [{action: allow}]}	is no action
	NetworkPolicy	{ingress: [{action: Allow, source: {notNets: ["::/0"]}}]}	in notNets is refused
	NetworkPolicy	{ingress: [{action: Allow, source: {selector: "has (x)"}}]}	an operator is needed
END
printf '%s\n' 'apiVersion: projectcalico.org/v3' 'kind: NetworkPolicy' 'metadata: {name: a}' \
	'spec: {ingress: [{action: Allow, protocol: TCP, destination: {ports: ["90-99"]}}]}' >range.yaml
must moat policy eval range.yaml --probes - --engine calico </dev/null
err_has 'range.yaml:4: .*"90-99" is the name of a port for Calico: a range has a colon'

step 'manifests that are partly read'
must moat policy eval "$DATA/netpol-npguard/bad/bad_netpols-subdir6/manifests" --probes - </dev/null
must moat policy eval "$DATA/netpol-npguard/bad/bad_yamls/manifests" --probes - </dev/null
err_has 'bad_yamls/manifests/.*:[0-9]+: no Kubernetes object, left out'

step 'random worlds'
for ((seed = 1; seed <= ${MOAT_SOAK:-10}; seed++)); do
	for engine in api match calico cilium; do
		random_world "$seed" "$engine"
		must moat policy eval world.json --probes probes.tsv "${JUDGED_AS[@]}"
		same_file out probes.tsv
	done
done
