#!/usr/bin/env bash
# The database is made again by command: a sound one, a damaged one, one that was lost; not beside a process that has it
# open, nor without index.json. Nothing is deleted, and what is missing is said.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
fixture layered
BLOBS=blobs/sha256

UPSTREAM=docker.io write_list plat "{name: docker.io/library/a:1, from: \"oci:$FIXTURES/tiny:tiny\"}" \
	"{name: docker.io/library/b:1, from: \"oci:$FIXTURES/layered:layered\"}"
pin
pull
seal --version 1
must moat export plat:1 --store "$OUT" --to "$T/medium"
import "$T/medium"
moatd_start "$IN" --push
must curl -sf -o /dev/null -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' \
	--data '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}' \
	"http://$INSIDE/v2/team/app/manifests/v1"

served() {
	moatd_start "$IN"
	local ref
	for ref in library/a library/b; do
		same "$(curl -s -o /dev/null -w '%{http_code}' "http://$INSIDE/v2/$ref/manifests/1?ns=docker.io")" "$1" "$ref"
	done
	same "$(curl -s -o /dev/null -w '%{http_code}' "http://$INSIDE/v2/team/app/manifests/v1")" 200
	stop "$MOATD_PID"
}
asides() { find "$IN" -maxdepth 1 -name 'meta-*' | wc -l; }

step 'not without --yes, nor beside a process that has the store open'
must_fail 2 moat rebuild --store "$IN"
err_has '--yes is needed: what no file tells is lost'
must_fail 6 moat rebuild --yes --store "$IN"
err_has "process $MOATD_PID \(moatd\) has the store open"
stop "$MOATD_PID"
moatd_start "$IN"
must_fail 6 moat rebuild --yes --store "$IN"
err_has "process $MOATD_PID \(moatd\) has the store open"
stop "$MOATD_PID"
same "$(asides)" 0
must_fail 1 moat rebuild --yes --store "$T/none"

step 'a sound one comes back as it was'
must moat list --store "$IN" --json
mv "$T/out" "$T/before"
must moat rebuild --yes --store "$IN"
out_has 'made again: 1 set, 2 references of active ones, 1 other tag, [0-9]+ blobs$'
err_has 'database of before is .*/meta-[0-9]{8}T[0-9]{6}Z'
same "$(asides)" 1
must moat list --store "$IN" --json
same_file "$T/before" "$T/out"
clean
served 200

step 'damaged in its head, and in all of its pages'
printf 'no database at all, for sure' | dd of="$IN/meta/moat.db" conv=notrunc status=none
must_fail 3 moat verify --store "$IN"
must moat rebuild --yes --store "$IN" --json
json_is '.sets == 1 and .references == 2 and .tags == 1 and .missing == 0 and .incomplete == []'
clean
size=$(stat -c %s "$IN/meta/moat.db")
head -c $((size - 200)) /dev/urandom | dd of="$IN/meta/moat.db" bs=200 seek=1 conv=notrunc status=none
must moat rebuild --yes --store "$IN"
same "$(asides)" 3
must moat list --store "$IN" --json
same_file "$T/before" "$T/out"
clean
served 200

step 'lost: the same'
rm -r "$IN/meta"
must moat rebuild --yes --store "$IN" --json
json_is '.sets == 1 and .references == 2 and .tags == 1'
clean

step 'what is missing is said'
set=$(jq -r '.manifests[] | select(.annotations["vnd.moat.set.name"] == "plat") | .digest[7:]' "$IN/index.json")
manifest=$(jq -r '.manifests[0].digest[7:]' "$IN/$BLOBS/$set")
rm "$IN/$BLOBS/$manifest"
must moat rebuild --yes --store "$IN" --json
json_is '.missing > 0 and .incomplete[0].set == "plat" and .incomplete[0].version == "1" and .incomplete[0].missing > 0'
must moat rebuild --yes --store "$IN"
out_has '^plat:1: [0-9]+ blobs? (is|are) missing; an import of its medium'
import "$T/medium"
clean
served 200

step 'without index.json a damaged database stays, and a sound one writes it'
mv "$IN/index.json" "$T/index.json"
must moat rebuild --yes --store "$IN"
must moat list --store "$IN" --json
same "$(jq .sets[0].set "$T/before")" "$(jq .sets[0].set "$T/out")"
mv "$IN/index.json" "$T/index.json"
before=$(asides)
printf 'no database at all, for sure' | dd of="$IN/meta/moat.db" conv=notrunc status=none
must_fail 4 moat rebuild --yes --store "$IN"
err_has 'index.json'
same "$(asides)" "$before"
mv "$T/index.json" "$IN/index.json"
must moat rebuild --yes --store "$IN"
clean
served 200

step 'each is in the log'
must moat log verify --store "$IN"
must moat log --store "$IN" --action rebuild --json
[ "$(jq -s 'flatten | map(select(.action == "rebuild" and .result == "allowed")) | length' "$T/out")" = 8 ] ||
	_fail "not eight: $(cat "$T/out")"
