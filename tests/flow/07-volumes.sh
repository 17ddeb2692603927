#!/usr/bin/env bash
# Media of many volumes: cut blobs, any order, one lost, streams.
. "$(dirname "$0")/../support/lib.sh"

registry_start
push layered apps/layered:1.0
push multi apps/multi:1.0
write_list platform "$UPSTREAM/apps/layered:1.0" "$UPSTREAM/apps/multi:1.0"
pin
pull
seal

step 'no volume is larger than asked for, and blobs larger than a volume are cut'
export_to "$MEDIUM" --volume-size 700KiB
volumes=("$MEDIUM"/*.tar)
[ "${#volumes[@]}" -ge 8 ] || _fail "only ${#volumes[@]} volumes"
for volume in "${volumes[@]}"; do
	[ "$(stat -c %s "$volume")" -le $((700 * 1024)) ] || _fail "$volume is too large"
done
tar -tf "${volumes[1]}" >"$T/entries"
same "$(head -n 2 "$T/entries" | paste -sd ' ')" 'oci-layout index.json'
same "$(tail -n 1 "$T/entries")" moat/toc.json
for volume in "${volumes[@]}"; do tar -tf "$volume"; done | sort | uniq -c | sort -rn >"$T/all"
has_line "$T/all" ' parts/sha256/[0-9a-f]{64}/0+$'

step 'each blob is carried once'
! grep -E '^ +[0-9]+ parts/' "$T/all" | grep -vqE '^ +1 ' || _fail 'a part is there twice'

step 'volumes in any order'
mapfile -t shuffled < <(printf '%s\n' "${volumes[@]}" | shuf)
must moat verify --key "$PUB" "${shuffled[@]}"
import "${shuffled[@]}"
clean

step 'a lost volume is named; when it comes, the import finishes'
rm -rf "$IN"
mv "${volumes[3]}" "$T/lost.tar"
must_fail 4 moat import --activate --store "$IN" --key "$PUB" "$MEDIUM"
err_has 'volume 4|004'
nothing_inside
mv "$T/lost.tar" "${volumes[3]}"
import
clean

step 'a damaged volume is named; made again alone, it fits'
rm -rf "$IN"
cp "${volumes[2]}" "$T/good.tar"
printf 'x' | dd of="${volumes[2]}" bs=1 seek=300000 conv=notrunc status=none
must_fail 3 moat verify --key "$PUB" "$MEDIUM"
err_has "^moat: .*$(basename "${volumes[2]}"): .*damaged or altered"
same "$(grep -c 'damaged or altered' "$T/err")" 1 'the volume where a cut blob ends is not blamed'
cp "$T/good.tar" "${volumes[2]}"
must moat verify --key "$PUB" "$MEDIUM"

step 'into a used folder: each file is named before it goes, also with --quiet'
cp -r "$MEDIUM" "$T/used"
echo mine | tee "$T/used/notes.txt" >"$T/used/verify.txt"
must moat --quiet export --store "$OUT" --to "$T/used"
for name in verify.txt SHA256SUMS "${volumes[@]##*/}"; do err_has "^moat: warning: $name is (removed|replaced)"; done
same "$(wc -l <"$T/err")" $((2 + ${#volumes[@]}))
same "$(cat "$T/used/notes.txt")" mine
(cd "$T/used" && must sha256sum --quiet -c SHA256SUMS)
must moat --quiet export --store "$OUT" --to "$T/used"
same "$(cat "$T/err")" ''

step 'the same store exports the same bytes'
export_to "$T/again" --volume-size 700KiB
for volume in "${volumes[@]}"; do same_file "$volume" "$T/again/$(basename "$volume")"; done

step 'a one-way link: export to stdout, verify and import from stdin'
moat export --store "$OUT" --to - --volume-size 2MiB >"$T/stream" || _fail 'export to a pipe'
moat verify --key "$PUB" - <"$T/stream" || _fail 'verify from a pipe'
moat import --activate --store "$IN" --key "$PUB" - <"$T/stream" || _fail 'import from a pipe'
clean
rm -rf "$IN"
{ moat export --store "$OUT" --to - | moat import --activate --store "$IN" --key "$PUB" -; } ||
	_fail 'export into import'
clean

step 'export shows bytes of all bytes, and percent on a terminal; nothing with --quiet'
# A reader that stops behind the first byte holds the export up inside a volume: the bar is due then.
cat >"$T/slow" <<'EOF'
dd bs=1 count=1 status=none
sleep 1
cat
EOF
shown() { script -qec "moat ${1:-} export --store '$OUT' --to - | sh '$T/slow' >'$T/shown'" /dev/null >"$T/screen" </dev/null; }
shown
same_file "$T/shown" <(moat export --store "$OUT" --to - 2>/dev/null)
has_line "$T/screen" 'export: 0 of 1 volumes, [0-9.]+ MiB of [0-9.]+ MiB, .*[0-9]+%'
shown --quiet
same "$(wc -c <"$T/screen")" 0

step 'a stream that ends too early leaves nothing behind'
rm -rf "$IN"
must_fail '3|4' sh -c "head -c 3000000 '$T/stream' | moat import --activate --store '$IN' --key '$PUB' -"
nothing_inside
