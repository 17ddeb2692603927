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
