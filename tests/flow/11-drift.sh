#!/usr/bin/env bash
# pin on an existing lock tells what changed upstream, and changes nothing unless told to.
. "$(dirname "$0")/../support/lib.sh"

registry_start
push tiny apps/moving:1.0
push multi apps/platforms:1.0
push tiny apps/signed:1.0
PLATFORMS='linux/amd64, linux/arm64'
write_list platform "$UPSTREAM/apps/moving:1.0" "$UPSTREAM/apps/platforms:1.0" \
	"$UPSTREAM/apps/signed:1.0"
pin
cp "$LOCK" "$T/before.lock"
before=$(digest_of "$UPSTREAM" apps/moving 1.0)

step 'a tag moves, a platform vanishes, a signature appears'
push small apps/moving:1.0
after=$(digest_of "$UPSTREAM" apps/moving 1.0)
get_manifest "$UPSTREAM" apps/platforms 1.0 |
	jq -cj '.manifests |= map(select(.platform.architecture == "amd64"))' >"$T/index.json"
push_manifest apps/platforms 1.0 "$T/index.json"
attach_signature apps/signed "$(digest_of "$UPSTREAM" apps/signed 1.0)" >"$T/signature"

step 'pin reports all three and leaves the lock alone'
must_fail 10 moat pin --list "$LIST" --lock "$LOCK"
cat "$T/out" "$T/err" >"$T/report"
has_line "$T/report" "apps/moving:1.0"
has_line "$T/report" "${before:7:12}"
has_line "$T/report" "${after:7:12}"
has_line "$T/report" 'linux/arm64'
has_line "$T/report" 'apps/signed:1.0'
same_file "$T/before.lock" "$LOCK"

step 'pin --update takes the changes in'
PLATFORMS=linux/amd64
write_list platform "$UPSTREAM/apps/moving:1.0" "$UPSTREAM/apps/platforms:1.0" \
	"$UPSTREAM/apps/signed:1.0"
pin --update
has_line "$LOCK" "$after"
has_line "$LOCK" "$(cat "$T/signature")"
pull
clean "$OUT"

step 'references limit an update; the others stay as they are locked'
push tiny apps/moving:1.0
push small apps/platforms:1.0
cp "$LOCK" "$T/before.lock"
others() { jq -c '[.pins[] | select(.ref | test("apps/moving") | not)]' "$1"; }
must_fail 10 moat pin --list "$LIST" --lock "$LOCK" "$UPSTREAM/apps/moving:1.0"
has_line "$T/out" apps/moving
! grep -q apps/platforms "$T/out" || _fail 'a reference that was not named is told of'
same_file "$T/before.lock" "$LOCK"
must moat pin --list "$LIST" --lock "$LOCK" "$UPSTREAM/apps/signed"
pin --update "$UPSTREAM/apps/moving"
has_line "$LOCK" "$before"
same "$(others "$LOCK")" "$(others "$T/before.lock")"
cp "$LOCK" "$T/before.lock"
pin --update "$UPSTREAM/apps/moving:1.0" "$UPSTREAM/apps/signed:1.0"
same_file "$T/before.lock" "$LOCK"

step 'a reference that is not wanted and a lock that is not there are refused'
must_fail 1 moat pin --list "$LIST" --lock "$LOCK" --update "$UPSTREAM/apps/moving:2"
err_has 'no such reference'
must_fail 2 moat pin --list "$LIST" --lock "$LOCK" --update 'Not:a:reference'
must_fail 1 moat pin --list "$LIST" --lock "$T/none.lock" --update "$UPSTREAM/apps/moving:1.0"
err_has 'the first .moat pin. takes no references'
absent "$T/none.lock"
same_file "$T/before.lock" "$LOCK"

step 'what changed in the list comes with a reference, all else stays as it is locked'
push small apps/signed:1.0
push tiny apps/more:1.0
write_list platform "$UPSTREAM/apps/moving:1.0" "$UPSTREAM/apps/signed:1.0" "$UPSTREAM/apps/more:1.0"
must_fail 10 moat pin --list "$LIST" --lock "$LOCK" "$UPSTREAM/apps/moving:1.0"
err_has 'has changed since'
has_line "$T/out" '^list '
has_line "$T/out" '^new +.*apps/more:1.0'
has_line "$T/out" '^gone +.*apps/platforms:1.0'
same_file "$T/before.lock" "$LOCK"
pin --update "$UPSTREAM/apps/moving:1.0"
same "$(jq -r '.pins[].ref | sub(".*/"; "")' "$LOCK" | paste -sd ' ')" 'more:1.0 moving:1.0 signed:1.0'
same "$(jq -c '.pins[] | select(.ref | test("signed"))' "$LOCK")" \
	"$(jq -c '.pins[] | select(.ref | test("signed"))' "$T/before.lock")"
pull

step 'an entry that changed is new as a whole, and one that cannot be had leaves the lock alone'
write_list platform "$UPSTREAM/apps/moving:1.0" "{name: $UPSTREAM/apps/signed:1.0, attachments: none}" \
	"$UPSTREAM/apps/more:1.0" "$UPSTREAM/apps/none:1.0"
cp "$LOCK" "$T/before.lock"
must_fail 1 moat pin --list "$LIST" --lock "$LOCK" --update "$UPSTREAM/apps/moving:1.0"
err_has 'apps/none:1.0'
same_file "$T/before.lock" "$LOCK"
write_list platform "$UPSTREAM/apps/moving:1.0" "{name: $UPSTREAM/apps/signed:1.0, attachments: none}" \
	"$UPSTREAM/apps/more:1.0"
pin --update "$UPSTREAM/apps/moving:1.0"
same "$(jq -r '.pins[] | select(.ref | test("signed")).digest' "$LOCK")" "$(digest_of "$UPSTREAM" apps/signed 1.0)"

step 'nothing is left to do then'
must moat pin --list "$LIST" --lock "$LOCK"

step 'of what a pattern matches, those that are named'
many() { jq '[.pins[] | select(.ref | test("apps/many")).digest] | unique | length' "$LOCK"; }
push tiny apps/many:1.1
push tiny apps/many:1.2
write_list platform "$UPSTREAM/apps/moving:1.0" "{name: $UPSTREAM/apps/many, tags: ['1.*']}"
pin --update
push small apps/many:1.1
push small apps/many:1.2
pin --update "$UPSTREAM/apps/many:1.2"
same "$(many)" 2
pin --update "$UPSTREAM/apps/many"
same "$(many)" 1
pull
clean "$OUT"
