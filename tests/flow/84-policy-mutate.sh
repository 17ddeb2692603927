#!/usr/bin/env bash
# `moat policy mutate`: what assertions would not notice. Each mutant is as `moat policy eval` judges it by itself.
. "$(dirname "$0")/../support/lib.sh"
. "$SUPPORT/worlds.sh"

DATA=$SOURCE/tests/data/policy
cd "$T" || exit
cp -r "$DATA/footguns/26-good-baseline/manifests" good

step 'few assertions: what they miss, and the lines that would not'
cat >few.txt <<'END'
allow prod/web prod/api TCP/9090
deny dev/* prod/db TCP/5432
END
cp few.txt more.txt
must_fail 10 moat policy mutate --tests few.txt good --write more.txt
out_has '^good/policy.yaml:40: NetworkPolicy prod/api-web without spec.ingress\[0\].from: dev/tool -> prod/api TCP/9090 was deny and is allow, and no assertion notices$'
out_has '^[0-9]+ of [0-9]+ mutants are noticed; [0-9]+ change no connection, [0-9]+ would be refused'
err_has 'mutants are not noticed by few.txt'
has_line more.txt '^allow prod/web prod/api TCP/9090$'
has_line more.txt '^deny dev/tool prod/api TCP/9090$'
must moat policy test more.txt good
must moat policy mutate --tests more.txt good --write more.txt
cp more.txt again.txt
must moat policy mutate --tests more.txt good --write again.txt
same_file more.txt again.txt
must moat policy mutate --tests more.txt good --json
json_is '.survived == 0 and .killed > 10 and .added == 0 and (.mutants | length) == .killed + .same + .refused + .moved'

step 'a key that is misspelt is a mutant'
sed 's/from:/form:/' good/policy.yaml >misspelt.yaml
cmp -s good/policy.yaml misspelt.yaml && _fail 'nothing misspelt'
mkdir other && cp good/* other/ && cp misspelt.yaml other/policy.yaml
must_fail 10 moat policy test more.txt other

step 'assertions that do not hold as things are'
echo 'deny prod/web prod/api TCP/9090' >wrong.txt
must_fail 10 moat policy mutate --tests wrong.txt good
err_has 'line 1 of the assertions does not hold as things are'
must_fail 2 moat policy mutate good
must_fail 2 moat policy mutate --tests few.txt
must_fail 1 moat policy mutate --tests absent.txt good

step 'an order of policies: not tried'
cat >order.yaml <<'END'
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: x, labels: {app: a}}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: p, namespace: x}
spec:
  order: 7
  selector: app == 'a'
  ingress:
  - action: Deny
END
echo 'deny ext:203.0.113.1 x/a TCP/1' >order.txt
must moat policy mutate --tests order.txt --engine calico order.yaml --json
json_is '.moved == 1 and (.mutants | map(select(.fate == "moved"))[0].without) == "spec.order"'

step 'a mutant asks for a label that nothing asked for before'
jq -n '[["s", "s"], ["b", "b"], ["c", "c"]] as $pods | {apiVersion: "v1", kind: "List", items: ([$pods[] |
	{apiVersion: "v1", kind: "Pod", metadata: {name: .[0], namespace: "x", labels: {odd: .[1]}}}] + [
	{apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: {name: "p", namespace: "x"}, spec:
		{podSelector: {}, policyTypes: ["Ingress"], ingress: [{}], egress: [{to: [{podSelector: {matchLabels: {odd: "b"}}}]}]}}])}' >world.json
printf 'x/%s\tx/b\tTCP\t80\tallow\n' s c >probes.tsv
moat policy mutate --tests probes.tsv world.json --json >mutants.json 2>err || grep -q 'not noticed' err
must "$SUPPORT/policy_mutants.py" world.json probes.tsv mutants.json
jq -e '.mutants[] | select(.without == "spec.policyTypes") | .fate == "survived" and .closed > 4' mutants.json

step 'each mutant of random worlds, judged by itself'
for ((seed = 1; seed <= ${MOAT_SOAK:-3}; seed++)); do
	for engine in api match calico cilium; do
		random_world "$seed" "$engine"
		moat policy mutate --tests probes.tsv world.json --json "${JUDGED_AS[@]}" >mutants.json 2>err || grep -q 'not noticed' err
		must "$SUPPORT/policy_mutants.py" world.json probes.tsv mutants.json "${JUDGED_AS[@]}"
	done
done
