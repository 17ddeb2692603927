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

# by_hand MEDIUM BASE: what its verify.txt says, where a folder has the documents that it builds on
by_hand() {
	(cd "$1" && sed -n 's/^    //p' verify.txt >"$T/by-hand.sh" && BASE=$2 bash -e "$T/by-hand.sh") >"$T/by-hand.log" 2>&1 ||
		_fail "verify.txt: $(tail -n 5 "$T/by-hand.log")"
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
must moat verify --store "$OUT" --key "$PUB" "$T/delta-2"
out_has 'signed, every byte verified; a delta on platform 1: [0-9]+ blobs are not on it'
must moat verify --store "$OUT" --key "$PUB" "$T/delta-2" --json
json_is '.kind == "delta" and .base[0].set == "platform" and .leftOut > 6'
by_hand "$T/delta-2" "$OUT"

step 'others read the images that are whole in it, though its documents are packed'
volume=$(echo "$T/delta-2"/*.tar)
digest=$(digest_of "$UPSTREAM" apps/more 1.0)
must skopeo copy "oci-archive:$volume:$UPSTREAM/apps/more:1.0" "oci:$T/copied:x"
containerd_start
must ctr_ images import --snapshotter native "$volume"
must ctr_ images ls
out_has "^$UPSTREAM/apps/more:1.0 .*$digest"

step 'nothing changed: the documents of the set alone'
export_to "$T/delta-3" platform:3 --since platform:2
[ "$(volume_bytes "$T/delta-3")" -lt 32768 ] || _fail "$(volume_bytes "$T/delta-3") bytes"
tar -tf "$T/delta-3"/*.tar >"$T/names"
has_line "$T/names" '^zstd/sha256/[0-9a-f]{64}/sha256/[0-9a-f]{64}$'
has_line "$T/names" '^moat/volumes.zst$'

step 'what it lists and shows on a medium that is not imported, where a store has the base'
export MOAT_STORE=$OUT
must moat list "$T/delta-2" --json
json_is '.sets[0].version == "2"'
must moat list "$T/delta-2" --images
out_has 'apps/db:1.0'
must moat show --from "$T/delta-2" platform
must moat diff --key "$PUB" "$T/full-2" "$T/delta-2"
must moat why "medium:$T/delta-2" "$UPSTREAM/apps/more:1.0" --json
json_is '.uses | length == 1 and .[0].line > 0'
unset MOAT_STORE

step 'where no store has it, they say so'
documents='a delta on platform 1: its document sha256:[0-9a-f]+ travels as a difference on sha256:[0-9a-f]+, which'
for words in "verify --key $PUB $T/delta-2" "list $T/delta-2" "show --from $T/delta-2 platform" \
	"diff $T/full-2 $T/delta-2" "need --key $PUB --medium $T/delta-2"; do
	# shellcheck disable=SC2086 # words
	MOAT_STORE=$T/none must_fail 4 moat $words
	err_has "$documents no store here holds; --store or MOAT_STORE names one"
done

step 'with whole documents it needs none of the base, and is larger'
export_to "$T/whole-2" platform:2 --since platform:1 --whole-documents
MOAT_STORE=$T/none must moat verify --key "$PUB" "$T/whole-2"
MOAT_STORE=$T/none must moat list "$T/whole-2" --images
out_has 'apps/db:1.0'
by_hand "$T/whole-2" "$T/none"
[ "$(volume_bytes "$T/whole-2")" -gt "$(volume_bytes "$T/delta-2")" ] || _fail 'it is not larger'
must_fail 2 moat export --store "$OUT" --to "$T/none" platform:2 --whole-documents
err_has 'is for --since and --for'
must_fail 2 moat export --store "$OUT" --to "$T/none" platform:2 --whole-documents --need "$T/none"

step 'where its base is not, it is refused before a byte is written'
must moat import --store "$IN" --key "$PUB" "$T/full-1"
not_imported "$T/delta-3"
err_has "${documents/m 1/m 2} this store does not hold; import what it builds on first, or export all"
must_fail 4 moat import --dry-run --store "$IN" --key "$PUB" "$T/delta-3"
export_to "$T/whole-3" platform:3 --since platform:2 --whole-documents
not_imported "$T/whole-3"
err_has 'set platform 3 is a delta on platform 2: [0-9]+ blobs \([0-9]+ bytes\) of it are neither on this medium nor in this store, which does not hold platform 2; import that first'
must_fail 4 moat import --dry-run --store "$IN" --key "$PUB" "$T/whole-3"
rm -rf "$T/empty"
must_fail 4 moat import --store "$T/empty" --key "$PUB" "$T/delta-2"
err_has "$documents this store does not hold"
must_fail 4 moat import --store "$T/empty" --key "$PUB" "$T/whole-2"
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

step 'a delta repairs documents of its set, when that of its base is whole'
documents_of() { moat show --store "$IN" "$1" --json | jq -r '.digest[7:]'; }
spoil() { for name; do printf '\0\1' | dd of="$IN/blobs/sha256/$name" bs=1 conv=notrunc status=none; done; }
second=$(documents_of platform:2) third=$(documents_of platform:3)
spoil "$second" "$third"
now=$EPOCHSECONDS # a run reads what was read before its second
while [ "$EPOCHSECONDS" -le "$((now + 1))" ]; do sleep 0.1; done
must_fail 3 moat scrub --store "$IN" --repair-from "medium:$T/delta-3"
out_has "^  medium:$T/delta-3: its document sha256:$third travels as a difference on sha256:$second, which this store does not hold"
out_has "^  medium:$T/delta-3: does not have it"
must moat scrub --store "$IN" --older-than 90d --repair-from "$T/delta-2" --repair-from "$T/delta-3"
out_has "^sha256:$second: repaired from $T/delta-2"
out_has "^sha256:$third: repaired from $T/delta-3"
clean

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
must moat verify --store "$OUT" --key "$PUB" "$T/both"
by_hand "$T/both" "$OUT"
out_has 'a delta on platform 1 and platform 2: '

# versions: what the store holds of the set, each with its activity
versions() { moat list --store "$IN" --all-versions --json | jq -r '[.[] | "\(.version):\(.active)"] | sort | join(" ")'; }

step 'a base and the deltas on it come in one import, in whatever order they are named'
rm -rf "$IN"
must moat import --store "$IN" --key "$PUB" --activate "$T/delta-3" "$T/delta-2" "$T/full-1"
same "$(grep -oE '^platform [0-9]' "$T/out" | xargs)" 'platform 1 platform 2 platform 3'
same "$(versions)" '1:false 2:false 3:true'
clean
must moat import --store "$IN" --key "$PUB" "$T/delta-2" "$T/delta-3" --json
same "$(jq -rs 'map(.version) | join(" ")' "$T/out")" '2 3'
rm -rf "$IN" && mkdir "$T/mixed" && cp "$T/full-1"/*.tar "$T/delta-2"/*.tar "$T/delta-3"/*.tar "$T/mixed"
must moat import --store "$IN" --key "$PUB" "$T/mixed"
same "$(grep '^to serve it' "$T/out")" "to serve it: moat activate --store $IN platform:3"
same "$(versions)" '1:false 2:false 3:false'

step 'a gap in the chain: what is before it is accepted, what is behind it is not, and both are said'
rm -rf "$IN"
must_fail 4 moat import --store "$IN" --key "$PUB" "$T/full-1" "$T/delta-3"
out_has '^platform 1 .*accepted'
err_has "${documents/m 1/m 2} this store does not hold"
same "$(versions)" '1:false'
clean
rm -rf "$IN"
cp -r "$T/delta-2" "$T/bad-2"
truncate -s -2048 "$T/bad-2"/*.tar
must_fail 3 moat import --store "$IN" --key "$PUB" "$T/delta-3" "$T/bad-2" "$T/full-1"
err_has 'set platform 3 is not imported: one before it was not'
same "$(versions)" '1:false'
must_fail 1 moat import --dry-run --store "$IN" --key "$PUB" "$T/delta-3" "$T/delta-2"
err_has 'dry-run looks at one set, and these are volumes of 2'

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
must_fail 3 moat verify --store "$OUT" --key "$PUB" "$T/forged.tar"
