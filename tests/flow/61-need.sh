#!/usr/bin/env bash
# What lacks is asked for and sent: a base that rotted under a delta, a lost volume, a blob in quarantine; and need lists
# that ask for what they must not.
. "$(dirname "$0")/../support/lib.sh"

registry_start
push layered apps/db:1.0
push tiny apps/web:1.0

release() {
	write_list platform "${@:2}"
	pin --update && pull && seal --version "$1" && export_to "$T/full-$1"
}

release 1 "$UPSTREAM/apps/db:1.0" "$UPSTREAM/apps/web:1.0"
push multi apps/more:1.0
release 2 "$UPSTREAM/apps/db:1.0" "$UPSTREAM/apps/more:1.0"
export_to "$T/delta" platform:2 --since platform:1
import "$T/full-1"

# layer N: the digest of a layer of apps/db
layer() { get_manifest "$UPSTREAM" apps/db 1.0 | jq -r ".layers[$1].digest"; }

step 'nothing lacks'
must moat need --store "$IN"
json_is '.moatNeed == 1 and .sets == []'
err_has 'nothing is lacking of 1 set$'
must_fail 1 moat export --store "$OUT" --to "$T/topup" --need "$T/out"
err_has 'nothing is needed'

step 'the base lost blobs: a delta on it is refused, and says what to do'
for n in 2 4; do rm "$IN/blobs/sha256/$(layer $n | cut -d: -f2)"; done
must_fail 4 moat import --store "$IN" --key "$PUB" "$T/delta"
err_has 'a delta on platform 1: 2 blobs \([0-9]+ bytes\) of it are neither on this medium nor in this store; .moat need --medium'
must moat need --store "$IN" --medium "$T/delta" --key "$PUB" --to "$T/need.json"
out_has 'need.json: 2 blobs of 1 set, 2.0 MiB'
same "$(jq -r '.sets[] | .set, .version, .blobs[].digest' "$T/need.json" | sort | paste -sd ' ')" \
	"$(printf '%s\n' platform 2 "$(layer 2)" "$(layer 4)" | sort | paste -sd ' ')"

step 'the top-up has these alone; with the delta it completes'
export_to "$T/topup" --need "$T/need.json"
exists "$T/topup/platform-2.topup.001-of-001.tar"
same "$(tar -tf "$T/topup"/*.tar | grep -cE "$(layer 2 | cut -d: -f2)|$(layer 4 | cut -d: -f2)")" 2
[ "$(stat -c %s "$T/topup"/*.tar)" -lt 2200000 ] || _fail 'more than was asked for'
must moat verify --key "$PUB" "$T/topup"
out_has 'a top-up: [0-9]+ blobs are not on it'
must_fail 4 moat import --store "$IN" --key "$PUB" "$T/topup"
err_has 'is a top-up: '
import "$T/topup" "$T/delta"
must moat need --store "$IN"
json_is '.sets == []'
clean
must moat export --store "$IN" --to "$T/again" platform:2
same_file "$T/full-2"/*.tar "$T/again"/*.tar

step 'of what the store holds itself: each blob once, for the set that is asked first'
rm "$IN/blobs/sha256/$(layer 3 | cut -d: -f2)"
must moat need --store "$IN" --to "$T/need.json" --json
json_is '.blobs == 1 and .sets == 1'
must moat need --store "$IN" platform:1
json_is '[.sets[].version] == ["1"]'
cp "$T/out" "$T/need-1.json"
export_to "$T/mend" --need "$T/need-1.json"
out_has '^platform 1 '
must moat import --store "$IN" --key "$PUB" "$T/full-2"
clean

step 'a volume that was lost'
export_to "$T/volumes" platform:2 --volume-size 1500KiB
volumes=("$T/volumes"/*.tar)
rm "${volumes[1]}"
must_fail 4 moat import --store "$T/fresh" --key "$PUB" "$T/volumes"
err_has 'volume 2 of'
must moat need --store "$T/fresh" --medium "$T/volumes" --key "$PUB" --to "$T/need-v.json"
json=$(jq '[.sets[].blobs[]] | length' "$T/need-v.json")
[ "$json" -ge 1 ] || _fail 'nothing is asked for'
export_to "$T/topup-v" --need "$T/need-v.json"
must moat import --store "$T/fresh" --key "$PUB" "$T/volumes" "$T/topup-v"
clean "$T/fresh"

step 'lists that ask for what they must not'
secret=$(get_manifest "$UPSTREAM" apps/web 1.0 | jq -r .config.digest)
jq -c --arg d "$secret" '.sets[0].blobs = [{digest: $d, size: 1}] | .sets[0].version = "2" | .sets[0].digest = "'"$(
	moat list --store "$OUT" --sets --json | jq -r '.[] | select(.version == "2") | .digest')"'"' \
	"$T/need.json" >"$T/other.json"
must_fail 1 moat export --store "$OUT" --to "$T/none" --need "$T/other.json"
err_has "names $secret, which is not in set platform 2"
jq -c '.sets[0].digest |= (.[0:70] + "x")' "$T/need.json" >"$T/bad.json"
must_fail 1 moat export --store "$OUT" --to "$T/none" --need "$T/bad.json"
err_has 'bad.json:1: at sets\[0\]'
sed 's/"moatNeed":1/"moatNeed":2/' "$T/need.json" >"$T/newer.json"
must_fail 1 moat export --store "$OUT" --to "$T/none" --need "$T/newer.json"
err_has 'format 2; this moat reads 1'
must_fail 2 moat export --store "$OUT" --to "$T/none" --need "$T/need.json" --since platform:1
same "$(find "$T/none" -type f)" '' 'nothing was written'
