#!/usr/bin/env bash
# A set of 10,000 images with two attachments each is sealed, carried and imported, and a delta on it, in bounded memory.
# At 300 images a delta of nothing new is under 32 KiB, and one of 5 % new is these bytes and at most 256 KiB.
. "$(dirname "$0")/../support/lib.sh"

cd "$T" || exit
MOST=$((400 * 1024)) # KiB of memory of one command
! ldd "$MOAT_BIN/moat" | grep -q libasan || MOST=$((MOST * 3)) # and what the sanitizer takes beside it

# in_bounds COMMAND...: it succeeds in MOST KiB
in_bounds() {
	must /usr/bin/time -f 'peak %M' "$@"
	local peak
	peak=$(sed -n 's/^peak //p' "$T/err")
	[ "$peak" -le $MOST ] || _fail "$* took $peak KiB"
}

# release SET VERSION IMAGES LAYOUT...: a thousand or fewer images of each layout
release() {
	local set=$1 version=$2 images=$3 layout i
	{
		printf 'set: %s\nplatforms: [linux/amd64]\nimages:\n' "$set"
		for layout in "${@:4}"; do
			for ((i = 0; i < images; i++)); do
				echo "- {name: 'docker.io/$set/$layout-$i:1', from: 'oci:$layout:i$i'}"
			done
		done
	} >"$LIST"
	in_bounds moat pin --list "$LIST" --lock "$LOCK" --update
	in_bounds moat pull --lock "$LOCK" --store "$OUT"
	new_key
	in_bounds moat seal --lock "$LOCK" --store "$OUT" --key "$KEY" --version "$version"
}

step '300 images: what the documents of a set cost'
for n in a b c; do "$SUPPORT/many.py" "$T/$n" "$([ $n = c ] && echo 15 || echo 150)" 2; done
release papers 1 150 a b
release papers 2 150 a b
export_to "$T/nothing" papers:2 --since papers:1
[ "$(volume_bytes "$T/nothing")" -lt 32768 ] || _fail "$(volume_bytes "$T/nothing") bytes of nothing new"
echo "nothing new: $(volume_bytes "$T/nothing") bytes"
sed -i 's/^  - //; /b-1[34][0-9]:/d; /b-14:/d' "$LIST"
for i in {0..14}; do echo "- {name: 'docker.io/papers/c-$i:1', from: 'oci:c:i$i'}"; done >>"$LIST"
must moat pin --list "$LIST" --lock "$LOCK" --update
must moat pull --lock "$LOCK" --store "$OUT"
seal --version 3
export_to "$T/news" papers:3 --since papers:2
news=$(cat "$T/c"/blobs/sha256/* | wc -c)
[ "$(volume_bytes "$T/news")" -le $((news + 262144)) ] || _fail "$(volume_bytes "$T/news") bytes for $news of news"
echo "15 of 300 images new: $(volume_bytes "$T/news") bytes, $news of them in their layout"

step '10,000 images with two attachments each'
layouts=()
for n in {0..9}; do
	"$SUPPORT/many.py" "$T/m$n" 1000 2
	layouts+=("m$n")
done
release many 1 1000 "${layouts[@]}"
in_bounds moat export --store "$OUT" --to "$MEDIUM" many:1
in_bounds moat verify --key "$PUB" "$MEDIUM"
in_bounds moat import --store "$IN" --key "$PUB" --activate "$MEDIUM"
same "$(moat list --store "$IN" --sets --json | jq -r '.[].pins')" 10000

step 'a delta on it'
seal --version 2
in_bounds moat export --store "$OUT" --to "$T/delta" many:2 --since many:1
echo "nothing new of 10,000: $(volume_bytes "$T/delta") bytes are the set's own documents"
[ "$(volume_bytes "$T/delta")" -lt 65536 ] || _fail "$(volume_bytes "$T/delta") bytes of nothing new"
in_bounds moat import --store "$IN" --key "$PUB" "$T/delta"
clean
