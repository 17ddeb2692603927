#!/usr/bin/env bash
# Many processes use one store: two pulls at once, an import while moatd serves.
. "$(dirname "$0")/../support/lib.sh"

registry_start
push layered apps/layered:1.0
push multi apps/multi:1.0
write_list platform "$UPSTREAM/apps/layered:1.0" "$UPSTREAM/apps/multi:1.0"
pin

step 'two pulls of the same images at once both succeed'
moat pull --lock "$LOCK" --store "$OUT" >"$T/one.log" 2>&1 &
one=$!
moat pull --lock "$LOCK" --store "$OUT" >"$T/two.log" 2>&1 &
two=$!
wait "$one" || _fail 'the first pull failed'
wait "$two" || _fail 'the second pull failed'
clean "$OUT"
seal --version 1
export_to "$T/medium-1"

step 'moatd serves the first version'
import "$T/medium-1"
moatd_start "$IN"
same_everywhere apps/multi 1.0
old=$(digest_of "$INSIDE" "$UPSTREAM/apps/multi" 1.0)

step 'a second version has another image under the same tag'
push tiny apps/multi:1.0
pin --update
pull
seal --version 2
export_to "$T/medium-2"
new=$(digest_of "$UPSTREAM" apps/multi 1.0)
[ "$old" != "$new" ] || _fail 'the tag did not move'

step 'while it is imported, every answer is the old image or the new one'
tag_is_new() { [ "$(digest_of "$INSIDE" "$UPSTREAM/apps/multi" 1.0)" = "$new" ]; }
ask_forever() {
	while [ ! -e "$T/enough" ]; do digest_of "$INSIDE" "$UPSTREAM/apps/multi" 1.0; done
}
ask_forever >"$T/answers" 2>&1 &
asker=$!
import "$T/medium-2"
wait_until 5 tag_is_new
touch "$T/enough"
wait "$asker"
grep -vxE "$old|$new" "$T/answers" && _fail 'an answer was neither'
same "$(uniq "$T/answers" | paste -sd ' ')" "$old $new" 'the switch happens once'
same_everywhere apps/multi 1.0
clean

step 'five imports of the same medium at once'
rm -rf "$T/inside-2"
pids=()
for i in 1 2 3 4 5; do
	moat import --activate --store "$T/inside-2" --key "$PUB" "$T/medium-2" >"$T/import-$i.log" 2>&1 &
	pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || _fail 'an import failed beside others'; done
clean "$T/inside-2"
