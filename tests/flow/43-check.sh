#!/usr/bin/env bash
# What went bad is found while it is served: by a server that writes, by one that only reads, and by one
# that can write nothing at all; it is served again once the right bytes are back, by whatever way.
. "$(dirname "$0")/../support/lib.sh"

fixture layered
carry platform "{name: \"docker.io/library/layered:1\", from: \"oci:$FIXTURES/layered:layered\"}"
moatd_start "$IN"
URL=http://$INSIDE/v2/docker.io/library/layered
curl -sf "$URL/manifests/1" >"$T/manifest"
layer=$(jq -r '.layers[0].digest' "$T/manifest")
hex=${layer#sha256:}
FILE=$IN/blobs/sha256/$hex
cp "$FILE" "$T/good"
stop "$MOATD_PID"
MEND="moat import --activate --store $IN --key $PUB"

status() { curl -s -o "$T/body" -w '%{http_code}' "$@"; }
get() { status "$URL/blobs/$layer"; }
gets() { [ "$(get)" = "$1" ]; }
flip() { # and nothing shows it: as rot does
	touch -r "$FILE" "$T/when"
	printf X | dd of="$FILE" bs=1 seek=20 conv=notrunc status=none
	touch -r "$T/when" "$FILE"
}
touched() { printf X | dd of="$FILE" bs=1 seek=20 conv=notrunc status=none; }
metric() { curl -s "http://$INSIDE/metrics" | grep -q "^$1\$"; }
ready() { curl -s "http://$INSIDE/readyz"; }
reasons() { cat "$IN"/quarantine/*.json; }
mended() { # VERB...: says so, and all is well
	must "$@"
	clean
	same_file "$FILE" "$T/good"
}

step 'rot is found by reading; a server that writes takes it to quarantine'
moatd_start "$IN" --push --check-every 1 --free-floor 0
gets 200 || _fail 'not served' # it is kept open
flip
wait_until 20 grep -q "event=check.bad digest=$layer .*action=quarantined.*layered:1" "$T/moatd.log"
wait_until 5 gets 404
has_line <(ready) '^1 bad or missing blob, not served'
metric 'moat_check_bad_blobs 1' || _fail 'no metric'
has_line <(reasons) '"operation":"check of moatd","fault":"bytes"'
must_fail 4 moat verify --store "$IN"
out_has "S3: .*$hex"

step 'a push of the right bytes mends it, for the running server too'
same "$(status -X POST --data-binary "@$T/good" -H 'Content-Type: application/octet-stream' \
	"http://$INSIDE/v2/team/new/blobs/uploads/?digest=$layer")" 201
gets 200 || _fail 'not served'
same_file "$T/body" "$T/good"
wait_until 10 metric 'moat_check_bad_blobs 0'
same "$(ready)" ready
stop "$MOATD_PID"
clean
same "$(find "$IN/quarantine" -type f | wc -l)" 2 'the bad file and its reason'
rm -r "$IN/quarantine"

step 'what was written to is found at once; a server that only reads leaves a mark'
touched
: >"$T/moatd.log"
moatd_start "$IN"
wait_until 20 grep -q "event=check.bad digest=$layer .*action=marked" "$T/moatd.log"
gets 404 || _fail 'served again'
exists "$IN/marks/sha256-$hex"
exists "$FILE"
must_fail 3 moat verify --store "$IN"
err_has '1 blob is marked as bad'
stop "$MOATD_PID"
moatd_start "$IN"
gets 404 || _fail 'served after a restart'

step 'the next writer makes it quarantine, and brings the bytes; the server that reads notices'
# shellcheck disable=SC2086 # words
mended $MEND "$MEDIUM"
absent "$IN/marks/sha256-$hex"
has_line <(reasons) '"operation":"mark of a reader"'
wait_until 10 gets 200
same_file "$T/body" "$T/good"
wait_until 10 grep -q "event=check.good digest=$layer" "$T/moatd.log"

step 'a file that goes while it is served: an answer with a reason, and it comes back by itself'
mv "$FILE" "$T/away"
stop "$MOATD_PID"
moatd_start "$IN"
[[ $(get) =~ ^(404|500)$ ]] || _fail 'served'
wait_until 10 grep -q "event=check.bad digest=$layer file=\"is missing\" action=not-served" "$T/moatd.log"
mv "$T/away" "$FILE"
wait_until 10 gets 200
stop "$MOATD_PID"

step 'where nothing can be written, each blob is read before it is served first'
rm -r "$IN/marks"
echo 'not a folder' >"$IN/marks"
flip
for start in 1 2; do
	: >"$T/moatd.log"
	moatd_start "$IN" --check-rate 0
	has_line "$T/moatd.log" 'event=check reason="nothing can be written'
	gets 404 || _fail "served, start $start"
	same "$(status "$URL/manifests/1")" 200
	for blob in $(jq -r '.config.digest, .layers[1:][].digest' "$T/manifest"); do
		same "$(status "$URL/blobs/$blob")" 200
		same "sha256:$(sha256 "$T/body")" "$blob"
	done
	stop "$MOATD_PID"
done
rm "$IN/marks"

step 'rot is mended by import and pull when asked; a set that is here as a whole is read anyway'
# shellcheck disable=SC2086
mended $MEND "$MEDIUM"
flip
# shellcheck disable=SC2086
mended $MEND --check "$MEDIUM"
out_has 'every byte verified'
outside=$OUT/blobs/sha256/$hex
cp -p "$outside" "$T/copy"
printf X | dd of="$outside" bs=1 seek=20 conv=notrunc status=none
touch -r "$T/copy" "$outside"
pull --json
json_is '.quarantined == 0'
pull --json --check
json_is '.quarantined == 1'
err_has 'has other bytes; it is now quarantine/sha256-'
clean "$OUT"
