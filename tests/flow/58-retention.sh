#!/usr/bin/env bash
# Versions of a set that no rule keeps go with the collection; what is active and what a rollback goes to never do.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
# one VERSION: a medium of a set of one image whose bytes differ by the version, accepted and activated
one() {
	[ -d "$T/layout-$1" ] || {
		cp -r "$FIXTURES/tiny" "$T/layout-$1"
		umoci config --image "$T/layout-$1:tiny" --config.label "is=$1"
	}
	write_list platform "{name: \"docker.io/library/tiny:1\", from: \"oci:$T/layout-$1:tiny\"}"
	rm -f "$LOCK"
	pin
	pull
	seal --version "$1"
	export_to "$T/$1" "platform:$1"
	import "$T/$1"
}
collect() { must moat gc --store "$IN" --grace 0 "$@"; }
# versions: those that are accepted, newest first; "*" behind the active one
versions() { moat list --store "$IN" --all-versions --json | jq -r 'map(.version + (if .active then "*" else "" end)) | join(" ")'; }
# goers: those that the last gc --json says go
goers() { jq -r '[.sets[] | select(.goes) | .version] | sort | join(" ")' "$T/out"; }
for v in 1 2 3 4 5; do one "$v"; done
same "$(versions)" '5* 4 3 2 1'

step 'without a rule nothing goes'
collect --json
json_is '.versions == 0 and .keepVersions == 0 and .keepDays == 0 and .condemned.blobs == 0'
same "$(versions)" '5* 4 3 2 1'

step 'a dry run says which would go, with their bytes, and saves nothing'
collect --dry-run --keep-versions 3 --save --json
err_has 'a dry run saves nothing'
json_is '.versions == 2 and .keepVersions == 3 and .unused.bytes > 0'
json_is '([.sets[] | select(.goes) | .onlyBytes] | add) <= .unused.bytes and ([.sets[] | select(.goes) | .onlyBytes] | min) > 0'
same "$(goers)" '1 2'
unused=$(jq -c .unused "$T/out")
absent "$IN/gc.json"
same "$(versions)" '5* 4 3 2 1'
collect --dry-run --keep-versions 3
out_has '2 versions of sets would go: .moat gc. keeps of each set the 3 newest versions, what is active and what a rollback goes to'

step 'what a rollback goes to stays, however old; so does what either rule keeps'
must moat rollback --store "$IN" platform --to 2
same "$(versions)" '5 4 3 2* 1'
collect --dry-run --keep-versions 1 --json # of 2 a rollback goes to what was before 2 at first: 1
same "$(goers)" '3 4'
collect --dry-run --keep-versions 1 --keep-days 1 --json
json_is '.versions == 0'
must moat activate --store "$IN" platform:5
same "$(versions)" '5* 4 3 2 1'
collect --dry-run --keep-versions 1 --json # back to 2
same "$(goers)" '1 3 4'

step 'nothing is removed, and no rule saved, when a lock or a listing cannot be read'
echo '{"items": []}' >"$T/none.json"
must_fail 1 moat gc --store "$IN" --grace 0 --keep-versions 1 --save --in-use "$T/none.json"
must_fail 1 moat gc --store "$IN" --grace 0 --keep-versions 1 --save --lock "$T/no.lock"
must_fail 2 moat gc --store "$IN" --keep-versions 0
must_fail 2 moat gc --store "$IN" --keep-days 0
must_fail 2 moat gc --store "$IN" --keep-all --keep-days 3
absent "$IN/gc.json"
same "$(versions)" '5* 4 3 2 1'

step 'the rule, saved: they go with what they alone held, and the log says which'
must moat rollback --store "$IN" platform # to 2 again
must moat activate --store "$IN" platform:4
must moat activate --store "$IN" platform:5
collect --dry-run --keep-versions 3 --json
unused_now=$(jq -c .unused "$T/out")
same "$unused_now" "$unused"
collect --keep-versions 3 --save --json
json_is '.versions == 2 and .condemned.blobs > 0 and .removed.blobs == .condemned.blobs'
same "$(jq -c .condemned "$T/out")" "$unused"
same "$(goers)" '1 2'
same "$(versions)" '5* 4 3'
must moat verify --store "$IN"
must moat log --store "$IN" --action remove --json
same "$(jq -r '[.[] | .version + " " + .result] | join(", ")' "$T/out")" '2 begun, 1 begun, 2 allowed, 1 allowed'
must moat log --store "$IN" --action gc --last 2 --json
same "$(jq -r '[.[].result] | join(" ")' "$T/out")" 'begun allowed'
must moat log verify --store "$IN"

step 'the rule holds for later runs, is shown, and outlives the database'
must moat list --store "$IN" --sets
out_has 'moat gc. keeps of each set the 3 newest versions, what is active and what a rollback goes to'
must moat list --store "$IN" --json
json_is '.rules == {keepVersions: 3, keepDays: 0}'
rm -f "$IN"/meta/moat.db*
one 6
same "$(versions)" '6* 5 4 3'
must moat gc --store "$IN" --json
same "$(goers)" 3
same "$(versions)" '6* 5 4'

step 'a removed version is not let in by accident, and its medium brings it back'
must_fail 3 moat import --store "$IN" --key "$PUB" "$T/2"
must moat import --store "$IN" --key "$PUB" --allow-older --yes "$T/2"
same "$(versions)" '2 6* 5 4'
must moat gc --store "$IN" --json
same "$(goers)" 2

step 'the newest stays though nothing is active'
must moat deactivate --store "$IN" platform
collect --keep-versions 1 --json
same "$(versions)" '6'
collect --keep-all --save --json
json_is '.keepVersions == 0 and .versions == 0'
must moat list --store "$IN" --sets
if grep -q 'moat gc' "$T/out"; then _fail 'a rule is still shown'; fi
must moat list --store "$IN" --json
json_is '.rules == {keepVersions: 0, keepDays: 0}'
