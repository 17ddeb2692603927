#!/usr/bin/env bash
# The keys of each verb's --json and the type of each, as moat-json(7) lists them: programs read them, so none is
# lost or changed; nor may the page have one that is never printed.
. "$(dirname "$0")/../support/lib.sh"
. "$SUPPORT/keys.sh"

fixture tiny
fixture multi
UP=$IP:5000
cd "$T" || exit
start server python3 "$SUPPORT/odd.py" "$IP" 5000 "$T/ready" "$T/odd.log"
wait_until 20 test -e ready
cp -r "$FIXTURES/tiny" layout
export MOAT_STORE=$T/outside

# nothing_printed STATUS VERB...: it fails, with an error and without a result
nothing_printed() {
	must_fail "$1" moat "${@:2}" --json
	[ ! -s "$T/out" ] || _fail "a result of what failed: $(cat "$T/out")"
	[ -s "$T/err" ] || _fail 'no error'
}

list() { printf 'set: platform\nregistries: {"%s": {plain-http: true}}\n%s\n' "$UP" "$1" >moat.yaml; }
platform="images:
- $UP/plain:1
- {name: '$UP/dangling:1', attachments: optional}
- {name: '$UP/typed:1', attachments: ['text/*']}
- {name: '$UP/gone:1', on-error: skip}
- {name: '$UP/foreign:1', foreign-layers: leave}
- {name: docker.io/library/tiny:1, from: 'oci:layout:tiny'}
- {name: docker.io/library/multi:1, from: 'oci:$FIXTURES/multi:multi', platforms: [linux/amd64]}
files:
- {url: 'http://$UP/elsewhere/layer', sha256: $(printf 'far away' | sha256), name: 'tool:1'}"

step 'each command has its section'
moat help | sed -n '/^commands:/,/^  help/p' | grep -oE '^  [a-z]+( [a-z]+)?( |$)' | grep -v help | sed 's/^ *//; s/ *$//' >verbs
[ "$(wc -l <verbs)" -gt 10 ] || _fail 'no commands found'
while read -r verb; do
	has_line "$SOURCE/docs/man/moat-json.7" "^\.Ss (.* )?$verb( |\$)"
done <verbs

step 'keys'
must moat key new --out moat.key --no-passphrase --json
shape 'key new'
nothing_printed 1 key new --out moat.key --no-passphrase
must moat key show moat.pub --json
shape 'key show'
json_is '.sets == ["*"]'
must moat key show moat.key --json
shape 'key show'
json_is '.sets == []'
must moat key show moat.pub moat.pub --json
same "$(wc -l <out)" 2
nothing_printed 1 key show none

step 'pin: written, as before, changed, failed'
list "images: [$UP/plain:1, $UP/denied:1]"
must_fail 7 moat pin --json
shape pin
json_is '.written == false and .pins == 1 and (.failed | length) == 1'
list "$platform"
must moat pin --json
shape pin
json_is '.written and .drift == [] and (.skipped | length) == 1 and .excuses > 1'
must moat pin --json
shape pin
json_is '.written == false and .failed == []'
cp moat.yaml before.yaml
touch skip-plain
sed -i "s#^- $UP/plain:1#- {name: '$UP/plain:1', on-error: skip}#" moat.yaml
must_fail 10 moat pin --json
shape pin
json_is '.written == false and (.drift | map(.kind) | index("skipped")) != null'
rm skip-plain
mv before.yaml moat.yaml
nothing_printed 1 pin --list none

step 'pull: failed, then all of it'
mv layout elsewhere
must_fail '[1-9]' moat pull --json
shape pull
json_is '(.failed | length) == 1 and (.foreign | length) == 1'
nothing_printed 4 seal --key moat.key
mv elsewhere layout
must moat pull --json
shape pull
json_is '.failed == []'
nothing_printed 1 pull --lock none

step 'what is in no set yet'
must moat list --json
shape list
json_is '.sets == [] and .images == [] and .files == [] and .conflicts == []'
must moat list --unsealed --json
shape list '{unsealed: ., sets: [], images: [], files: [], conflicts: [], rules: {keepVersions: 0, keepDays: 0}}'
must moat list --sets --json
json_is '. == []'
must moat show "$UP/plain:1" --json
shape 'show of a reference'
json_is '.set == "" and .version == "" and .active == false and .served'
must moat why "$UP/plain:1" --json
shape why
json_is '(.tags | length) == 1 and .uses == []'
nothing_printed 1 why ./none

step 'seal, export, verify'
must moat seal --key moat.key --json
shape seal
must moat seal --key moat.key --json
shape seal
json_is '.new == false and .signed == false'
must moat export --to medium --json
shape export
nothing_printed 1 export none --to medium2
must moat export --to - --json
tar -tf out >names
same "$(sed -n 1p names)" oci-layout 'a stream, and nothing else'
must moat verify --key moat.pub medium --json
shape 'verify of a medium'
must moat log --json
shape log
must moat log verify --json
shape 'log verify'
must moat key new --out stranger.key --no-passphrase
nothing_printed 3 verify --key stranger.pub medium
must moat verify --store outside --json
shape 'verify of a store'
json_is '.problems == 0'

step 'a medium by itself'
must moat list medium --json
shape list
json_is '.unsealed == [] and .conflicts == [] and .sets[0].accepted == 0'
must moat show --from medium platform --json
shape 'show of a set'
must moat show --from medium "$UP/typed:1" --json
shape 'show of a reference'
json_is '.served == false'

step 'import: refused, looked at, done'
nothing_printed 3 import --store inside --key stranger.pub medium
nothing_printed 4 import --store inside --key moat.pub --strict medium
nothing_printed 2 import --store inside --key moat.pub
must moat import --activate --store inside --key moat.pub --json medium
shape import
json_is '.active and .tags == [] and .changes.new > 0'
nothing_printed 1 activate platform:none
must moat activate platform --store inside --json
shape 'activate , rollback , deactivate'
json_is '.active and (.switched | not) and .generation == 1'
must moat activate platform --store inside --json --dry-run
shape 'activate , rollback , deactivate'
must moat import --activate --store inside --key moat.pub --json --dry-run medium
shape import

step 'another set takes a tag: both are told of'
export MOAT_STORE=$T/outside-tools
list "images: [{name: '$UP/plain:1', from: 'oci:layout:tiny'}]"
sed -i 's/^set: .*/set: tools/' moat.yaml
must moat pin --lock tools.lock
must moat pull --lock tools.lock
must moat seal --lock tools.lock --key moat.key
must moat export --to medium-tools
must moat seal --lock tools.lock --key moat.key --version 2 --json
must moat export tools:2 --since "tools:$(jq -r .created tools.lock | tr -d ':-')" --to medium-delta --json
shape export
must moat show tools:2 --key moat.pub --json
shape 'show of a set'
json_is '(.predecessors | length) == 1 and (.signatures | all(.verified))'
must moat show "$(jq -r '.predecessors[0].digest' out)" --json
shape 'show of a set'
json_is '.successors | map(.version) == ["2"]'
must moat verify --key moat.pub medium-delta --json
shape 'verify of a medium'
must moat need --to need.json --json
shape need
must moat receipt --to receipt.json --json
shape receipt
must moat backup copy.db --json
shape backup
nothing_printed 1 backup copy.db
cp -r "$MOAT_STORE" again
layer=$(jq -r '.layers[0].digest[7:]' layout/blobs/sha256/"$(jq -r '.manifests[0].digest[7:]' layout/index.json)")
rm "again/blobs/sha256/$layer"
must moat rebuild --yes --store again --json
shape rebuild
nothing_printed 2 rebuild --store again
must moat scrub --store again --older-than 30d --json
shape scrub
json_is '.blobs > 1 and .bad == 0' # none was read since the rebuild
nothing_printed 1 scrub --store none
export MOAT_STORE=$T/inside
nothing_printed 7 import --activate --key moat.pub medium-tools
nothing_printed 2 import --take platform --key moat.pub medium-tools
must moat import --key moat.pub --json medium-tools
shape import
json_is '(.active | not) and .needs == ["platform"] and .changes.new == 0'
nothing_printed 7 activate tools
must moat activate --take platform --json --dry-run tools
shape 'activate , rollback , deactivate'
json_is '.changes.taken == 1 and (.tags | length) == 1'
must moat import --activate --key moat.pub --take platform --json medium-tools
shape import
json_is '(.tags | length) == 1 and .changes.taken == 1'
must moat list --json
shape list
json_is '(.conflicts | length) == 1 and (.files | length) == 1'
must moat list --images --files --json
shape list '. + {sets: [], unsealed: []}'
must moat list --all-versions --json
shape 'list of all versions'
for alone in sets images files; do
	must moat list "--$alone" --json
	shape list "{sets: [], images: [], files: [], unsealed: [], conflicts: [], rules: {keepVersions: 0, keepDays: 0}} + {$alone: .}"
	json_is 'length > 0'
done
must moat show platform --json
shape 'show of a set'
json_is '(.conflicts | length) == 1 and (.excused | length) > 1 and (.attached | length) == 1'
must moat show moat.lock --json
shape 'show of a lock'
json_is '.counts.images == (.images | length)'
must moat show tools --json
shape 'show of a set'
json_is '.takes == ["platform"] and .expires == "" and .previous == "" and .files == []'
for ref in "$UP/plain:1" "$UP/typed:1" "$UP/foreign:1" tool:1 docker.io/library/tiny:1; do
	must moat show "$ref" --json
	shape 'show of a reference'
done
must moat why "$UP/plain:1" --json
shape why
json_is '(.uses | length) > 0 and (.sets | length) > 0 and .digests[0].state == "held"'
must moat extract platform --to extracted --json
shape extract
nothing_printed 1 extract platform --to extracted
must moat show docker.io/library/tiny --json
shape 'show of a repository'
nothing_printed 1 show stranger
nothing_printed 3 import --store fresh --key stranger.pub medium
nothing_printed 1 list --store none

step 'diff: what differs is a result, what fails has none'
must_fail 10 moat diff platform tools --json
shape diff
json_is '.added == [] and (.removed | length) > 1 and (.moved | length) == 1 and .counted'
must_fail 10 moat diff tools platform --json
shape diff
json_is '(.added | length) > 1 and .removed == []'
printf 'set: arm\nimages: [{name: "docker.io/library/multi:1", from: "oci:%s/multi:multi", platforms: [linux/arm64]}]\n' "$FIXTURES" >arm.yaml
must moat pin --list arm.yaml --lock arm.lock
must_fail 10 moat diff platform arm.lock --json
shape diff
json_is '.platforms == [{reference: "docker.io/library/multi:1", added: ["linux/arm64"], removed: ["linux/amd64"]}]'
must moat diff platform platform --json
shape diff
nothing_printed 1 diff platform none

step 'gc: looked at, done'
jq -n '{items: [{spec: {containers: [{image: "waits:1"}]}, status: {}}, {spec: {containers: [{image: ("runs@sha256:" + "1" * 64)}]}}]}' >pods.json
must moat gc --in-use pods.json --dry-run --json
shape gc
json_is '.dryRun and (.sets | length) == 2 and (.notHeld | length) == 1 and .unknown == ["waits:1"]'
must moat gc --orphans --json
shape gc
json_is '.dryRun == false and .condemned.blobs == 0'
nothing_printed 1 gc --lock none

step 'back, off and away'
nothing_printed 1 rollback platform
must moat rollback tools --to "$(moat list --sets --json | jq -r '.[] | select(.set == "tools").version')" --json
shape 'activate , rollback , deactivate'
must moat deactivate tools --json
shape 'activate , rollback , deactivate'
json_is '(.active | not) and .switched and .changes.owner == 1'
nothing_printed 2 remove tools:1
nothing_printed 1 remove --yes tools:1
must moat remove --json --yes "tools:$(moat list --sets --json | jq -r '.[] | select(.set == "tools").version')"
shape remove

step 'nodes and users'
must moat node config --runtime docker --server "http://$INSIDE" --json
shape 'node config'
for change in written unchanged; do
	must moat node config --runtime docker --server "http://$INSIDE" --write node --json
	shape 'node config --write'
	json_is "all(.change == \"$change\")"
done
nothing_printed 2 node config --runtime docker
(umask 077 && echo secret >password)
must moat user add alice --users users --password-file password --json
shape 'user add and user remove'
nothing_printed 1 user add alice --users users --password-file password
must moat user remove alice --users users --json
shape 'user add and user remove'

step 'network policies'
case=$SOURCE/tests/data/policy/footguns/26-good-baseline
must moat policy eval "$case/manifests" --probes "$case/probes.tsv" --json
shape 'policy eval'
must moat policy map "$case/manifests" --json
shape 'policy map'
nothing_printed 1 policy eval ./none --probes "$case/probes.tsv"

step 'a damaged store: a result, and problems on standard error'
chmod -R u+w inside
blob=$(find inside/blobs -type f | sort | head -n 1)
printf x >>"$blob"
must_fail 3 moat verify --store inside --json
shape 'verify of a store'
json_is '.problems > 0'
err_has '^S1'

sleep 1.1 # what was read in this second is not read again
printf x >>"inside/blobs/sha256/$layer" # one that an image and a set need
must_fail 3 moat scrub --store inside --json
shape scrub
json_is '.bad > 0 and (.found | length) == .bad and .blobs > 1'
must_fail '0|3' moat scrub --store inside --older-than 30d --repair-from store:inside --repair-from medium:medium-tools --json
shape scrub
json_is '(.repairs | length) == .bad and (.repairs | all(.answers[0].source == "store:inside"))'

step 'policies'
world=$SOURCE/tests/data/policy/footguns/26-good-baseline
must moat policy eval "$world/manifests" --probes "$world/probes.tsv" --json
shape 'policy eval'
must moat policy explain "$world/manifests" --probes "$world/probes.tsv" --json
shape 'policy explain'
printf 'allow prod/web prod/db TCP/5432\n' >assertions
must_fail 10 moat policy test assertions "$world/manifests" --json
shape 'policy test'
cp -r "$world/manifests" changed
sed -i 's/9090/9091/' changed/policy.yaml
for name in extra other; do
	printf '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "%s", "namespace": "dev"}}\n' $name >"$name.json"
done
mkdir before after
cp "$world"/manifests/* extra.json before/
cp changed/* other.json after/
must_fail 10 moat policy diff before after --json
shape 'policy diff'
must_fail 10 moat policy convert --engine calico "$SOURCE/tests/data/policy/netpol-npguard/cases/anp_demo/manifests" --json
shape 'policy convert'
must moat policy plan before after --json
shape 'policy plan'
echo 'deny dev/* prod/* TCP/5432' >assertions
must_fail 10 moat policy mutate --tests assertions "$world/manifests" --json
shape 'policy mutate'

step 'a map of policies, in its three forms'
cat >ways.yaml <<-'END'
	{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {app: a}}, spec: {containers: [{ports: [{containerPort: 80, hostPort: 8080}]}]}}
	---
	{apiVersion: v1, kind: Pod, metadata: {name: b}}
END
must moat policy map ways.yaml --json
shape 'policy map'
must moat policy map --from default/b --hops 1 ways.yaml --json
shape 'policy map --hops'
json_is 'length == 1 and .[0].step == 1 and .[0].certain'
must moat policy map --ways-in ways.yaml --json
shape 'policy map --ways-in'
nothing_printed 1 policy map none
nothing_printed 2 policy map --from default/none ways.yaml

step 'a list that fails on the way prints none of it'
rm -r inside/blobs/sha256
nothing_printed 3 list --store inside
must_fail 3 moat list --store inside
[ ! -s "$T/out" ] || _fail "a table of what failed: $(cat "$T/out")"

step 'policies'
policies=$SOURCE/tests/data/policy/footguns/14-subject-typo
must moat policy eval "$policies/manifests" --probes "$policies/probes.tsv" --json
shape 'policy eval'
nothing_printed 1 policy eval none --probes "$policies/probes.tsv"
must moat policy map "$policies/manifests" --json
shape 'policy map'
nothing_printed 1 policy map none
must_fail 10 moat policy check "$policies/manifests" --json
shape 'policy check'
nothing_printed 1 policy check none
must_fail 10 moat policy check --engines "$SOURCE/tests/data/policy/footguns/07-typo-matchLabel/manifests" --json
shape 'policy check --engines'
must moat policy check --rules --json
shape 'policy check --rules'

step 'no key of the page is left'
all_shapes_seen
