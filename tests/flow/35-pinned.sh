#!/usr/bin/env bash
# What a set pinned cannot be overwritten or deleted; what is pushed lives beside it, also when the next
# set arrives while the server runs.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
fixture layered
registry_start
push tiny apps/web:1.0
carry platform "$UPSTREAM/apps/web:1.0"
moatd_start "$IN" --push
pinned=$(digest_of "$UPSTREAM" apps/web 1.0)
inside_digest() {
	curl -sfI -H "Accept: $ACCEPT" "$URL/v2/$UPSTREAM/apps/web/manifests/$1" | tr -d '\r' |
		sed -n 's/^Docker-Content-Digest: //p'
}
try() { skopeo copy -q --dest-tls-verify="$TLS_VERIFY" "oci:$FIXTURES/layered:layered" "docker://$INSIDE/$1"; }

step 'the pinned tag is refused, with the name of its set'
must_fail '[1-9][0-9]*' try "$UPSTREAM/apps/web:1.0"
err_has 'belongs to set platform:'
same "$(inside_digest 1.0)" "$pinned"

step 'neither tag nor manifest can be deleted'
must_fail '[1-9][0-9]*' skopeo delete --tls-verify="$TLS_VERIFY" "docker://$INSIDE/$UPSTREAM/apps/web:1.0"
for reference in 1.0 "$pinned"; do
	must curl -s -X DELETE -o "$T/reply" -w '%{http_code}' \
		"$URL/v2/$UPSTREAM/apps/web/manifests/$reference"
	same "$(cat "$T/out")" 403
	has_line "$T/reply" '"code":"DENIED".*belongs to set platform:'
done
same "$(inside_digest 1.0)" "$pinned"

step 'another tag lives beside it'
must try "$UPSTREAM/apps/web:mine"
same "$(curl -sf "$URL/v2/$UPSTREAM/apps/web/tags/list" | jq -c .tags)" '["1.0","mine"]'

step 'the next set arrives while the server runs, and takes a name that somebody had pushed'
must try "$UPSTREAM/apps/web:2.0"
push layered apps/web:1.0
push tiny apps/web:2.0
write_list platform "$UPSTREAM/apps/web:1.0" "$UPSTREAM/apps/web:2.0"
pin --update
pull
rm -rf "$MEDIUM"
seal --version 30000101T000000Z # also within the second of the first
export_to
import
same "$(inside_digest 1.0)" "$(digest_of "$UPSTREAM" apps/web 1.0)"
same "$(inside_digest 2.0)" "$(digest_of "$UPSTREAM" apps/web 2.0)"
same "$(curl -sf "$URL/v2/$UPSTREAM/apps/web/tags/list" | jq -c .tags)" '["1.0","2.0","mine"]'
must_fail '[1-9][0-9]*' try "$UPSTREAM/apps/web:2.0"
stop "$MOATD_PID"
must moat verify --store "$IN"

step 'with push off nothing is taken'
moatd_start "$IN"
must_fail '[1-9][0-9]*' try team/app:1
must curl -s -X POST -o /dev/null -w '%{http_code}' "$URL/v2/team/app/blobs/uploads/"
same "$(cat "$T/out")" 405
