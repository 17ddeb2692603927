#!/usr/bin/env bash
# Only what is missing travels: three releases without a return path, bytes compared with full exports; what is
# refused where its base is not, and what says so.
. "$(dirname "$0")/../support/lib.sh"

registry_start
push layered apps/db:1.0
push tiny apps/web:1.0

# release VERSION IMAGE...: sealed outside, and exported whole to $T/full-VERSION
release() {
	write_list platform "${@:2}"
	pin --update && pull && seal --version "$1" && export_to "$T/full-$1"
}

# not_imported MEDIUM...: it is refused, and the store keeps what it was
not_imported() {
	local before
	before=$(cd "$IN" && find blobs -type f | sort)
	must_fail 4 moat import --store "$IN" --key "$PUB" "$@"
	same "$(cd "$IN" && find blobs -type f | sort)" "$before" 'a blob came or went'
}

release 1 "$UPSTREAM/apps/db:1.0" "$UPSTREAM/apps/web:1.0"
push multi apps/more:1.0
release 2 "$UPSTREAM/apps/db:1.0" "$UPSTREAM/apps/more:1.0"
seal --version 3
export_to "$T/full-3"

step 'a delta has what is new, and what says so'
export_to "$T/delta-2" platform:2 --since platform:1
out_has ': 1 volume in .*delta-2, a delta on platform 1$'
exists "$T/delta-2/platform-2.delta.001-of-001.tar"
[ "$(volume_bytes "$T/delta-2")" -lt $(($(volume_bytes "$T/full-2") / 4)) ] || _fail "$(volume_bytes "$T/delta-2") bytes"
must moat export --store "$OUT" --to "$T/delta-2" platform:2 --since platform:1 --json
json_is '.kind == "delta" and (.base | length) == 1 and .base[0].version == "1" and .leftOut > 6'
must moat verify --key "$PUB" "$T/delta-2"
out_has 'signed, every byte verified; a delta on platform 1: [0-9]+ blobs are not on it'
must moat verify --key "$PUB" "$T/delta-2" --json
json_is '.kind == "delta" and .base[0].set == "platform" and .leftOut > 6'
(cd "$T/delta-2" && sed -n 's/^    //p' verify.txt >"$T/by-hand.sh" && bash -e "$T/by-hand.sh") >"$T/by-hand.log" 2>&1 ||
	_fail "verify.txt: $(tail -n 5 "$T/by-hand.log")"

step 'nothing changed: the documents of the set alone'
export_to "$T/delta-3" platform:3 --since platform:2
[ "$(volume_bytes "$T/delta-3")" -lt 1048576 ] || _fail "$(volume_bytes "$T/delta-3") bytes"

step 'what it lists and shows on an unmounted medium'
must moat list "$T/delta-2" --json
json_is '.sets[0].version == "2"'
must moat list "$T/delta-2" --images
out_has 'apps/db:1.0'

step 'where its base is not, it is refused before a byte is written'
must moat import --store "$IN" --key "$PUB" "$T/full-1"
not_imported "$T/delta-3"
err_has 'set platform 3 is a delta on platform 2: [0-9]+ blobs \([0-9]+ bytes\) of it are neither on this medium nor in this store, which does not hold platform 2; import that first'
must_fail 4 moat import --dry-run --store "$IN" --key "$PUB" "$T/delta-3"
rm -rf "$T/empty"
must_fail 4 moat import --store "$T/empty" --key "$PUB" "$T/delta-2"
err_has 'does not hold platform 1'

step 'each release comes in over the one before'
import "$T/delta-2"
err_has 'held already'
import "$T/delta-3"
clean
for version in 2 3; do
	must moat export --store "$IN" --to "$T/again-$version" "platform:$version"
	same_file "$T/full-$version"/*.tar "$T/again-$version"/*.tar
done

step 'over several bases, in several volumes, in any order'
rm -rf "$IN"
must moat import --store "$IN" --key "$PUB" "$T/full-1"
export_to "$T/small" platform:3 --since platform:1 --volume-size 400KiB
volumes=("$T/small"/*.tar)
[ "${#volumes[@]}" -ge 2 ] || _fail "${#volumes[@]} volumes"
must_fail 4 moat import --store "$IN" --key "$PUB" "${volumes[@]:1}"
err_has 'volume 1 of [0-9]+ missing'
mapfile -t shuffled < <(printf '%s\n' "${volumes[@]}" | shuf)
import "${shuffled[@]}"
clean
export_to "$T/both" platform:3 --since platform:1 --since platform:2
must moat verify --key "$PUB" "$T/both"
out_has 'a delta on platform 1 and platform 2: '

step 'a stream carries a delta, too'
rm -rf "$IN"
must moat import --store "$IN" --key "$PUB" "$T/full-2"
moat export --store "$OUT" --to - platform:3 --since platform:2 >"$T/stream" || _fail 'export to a pipe'
moat import --store "$IN" --key "$PUB" - <"$T/stream" || _fail 'import from a pipe'
clean

step 'words that cannot be'
must_fail 1 moat export --store "$OUT" --to "$T/none" platform:2 --since platform:2
err_has 'is the set that is exported'
must_fail 1 moat export --store "$OUT" --to "$T/none" platform:2 --since platform:9
err_has 'no set "platform:9"'
must_fail 1 moat export --store "$OUT" --to "$T/full-2" platform:2 --since platform:1
err_has 'a volume of another set or export'
absent "$T/none"

step 'a base that was altered on the way is found'
python3 - "$T/delta-2"/*.tar "$T/forged.tar" <<'END'
import sys
text = open(sys.argv[1], 'rb').read()
at = text.index(b'platform:1@sha256:')
open(sys.argv[2], 'wb').write(text[:at] + b'platform:0' + text[at + 10:])
END
must_fail 3 moat verify --key "$PUB" "$T/forged.tar"
