#!/usr/bin/env bash
# skopeo pushes, pulls, syncs, deletes and logs in; digests stay what they were.
. "$(dirname "$0")/../support/lib.sh"

fixture layered
fixture multi
moatd_start "$IN" --push --access-log "$T/access.log"
copy() { must skopeo copy -q --src-tls-verify="$TLS_VERIFY" --dest-tls-verify="$TLS_VERIFY" "$@"; }
remote_digest() { skopeo inspect --tls-verify="$TLS_VERIFY" --format '{{.Digest}}' "$1"; }

step 'an image of six layers, in and out, twice'
want=$(jq -r '.manifests[0].digest' "$FIXTURES/layered/index.json")
for tag in 1.0 latest; do
	copy "oci:$FIXTURES/layered:layered" "docker://$INSIDE/team/app:$tag"
	same "$(remote_digest "docker://$INSIDE/team/app:$tag")" "$want"
done
copy "docker://$INSIDE/team/app:1.0" "oci:$T/back:x"
same "$(jq -r '.manifests[0].digest' "$T/back/index.json")" "$want"

step 'what is here already is not sent again; another repository gets its own'
same "$(grep -c 'method=PATCH uri=/v2/team/app/' "$T/access.log")" 7 'six layers and a config'
copy "docker://$INSIDE/team/app:1.0" "docker://$INSIDE/team/copy:1.0"
same "$(remote_digest "docker://$INSIDE/team/copy:1.0")" "$want"

step 'an index with all its platforms, and as docker writes it'
multi=$(jq -r '.manifests[0].digest' "$FIXTURES/multi/index.json")
copy --all "oci:$FIXTURES/multi:multi" "docker://$INSIDE/team/multi:1"
curl -sf -H "Accept: $ACCEPT" "$URL/v2/team/multi/manifests/1" >"$T/index"
same "sha256:$(sha256 "$T/index")" "$multi"
copy --format v2s2 "oci:$FIXTURES/layered:layered" "docker://$INSIDE/team/docker:1"
curl -sfI "$URL/v2/team/docker/manifests/1" | tr -d '\r' >"$T/head"
has_line "$T/head" '^Content-Type: application/vnd.docker.distribution.manifest.v2\+json$'

step 'an index alone, without its platforms: taken, served, and they are not here'
copy --multi-arch index-only "oci:$FIXTURES/multi:multi" "docker://$INSIDE/team/sparse:1"
same "$(curl -sf -H "Accept: $ACCEPT" "$URL/v2/team/sparse/manifests/1" | sha256)" "${multi#*:}"
child=$(jq -r '.manifests[0].digest' "$T/index")
same "$(curl -s -o /dev/null -w '%{http_code}' "$URL/v2/team/sparse/manifests/$child")" 404

step 'sync of every tag of a repository to a folder, and back under another name'
must skopeo sync --src docker --dest dir --src-tls-verify="$TLS_VERIFY" "$INSIDE/team/app" "$T/synced"
must skopeo sync --src dir --dest docker --dest-tls-verify="$TLS_VERIFY" "$T/synced" "$INSIDE/again"
same "$(curl -sf "$URL/v2/again/app/tags/list" | jq -c .tags)" '["1.0","latest"]'

step 'delete: the tag goes, and with the digest every tag of it'
must skopeo delete --tls-verify="$TLS_VERIFY" "docker://$INSIDE/team/app:1.0"
same "$(curl -s -o /dev/null -w '%{http_code}' "$URL/v2/team/app/manifests/latest")" 404
same "$(remote_digest "docker://$INSIDE/team/copy:1.0")" "$want"

step 'a store that was pushed to is sound, and another tool reads it'
stop "$MOATD_PID"
must moat verify --store "$IN"
must skopeo copy -q "oci:$IN:team/copy:1.0" "oci:$T/direct:x"

step 'the mixed policy: anyone pulls, a login pushes'
htpasswd alice secret >"$T/users"
moatd_start "$IN" --push --users "$T/users" --audit-log "$T/audit.log"
copy "docker://$INSIDE/team/copy:1.0" "oci:$T/anonymous:x"
must_fail '[1-9][0-9]*' skopeo copy -q --dest-tls-verify="$TLS_VERIFY" "oci:$T/back:x" \
	"docker://$INSIDE/team/app:2"
must_fail '[1-9][0-9]*' skopeo login --tls-verify="$TLS_VERIFY" --authfile "$T/auth.json" -u alice -p wrong \
	"$INSIDE"
must skopeo login --tls-verify="$TLS_VERIFY" --authfile "$T/auth.json" -u alice -p secret "$INSIDE"
must skopeo copy -q --authfile "$T/auth.json" --dest-tls-verify="$TLS_VERIFY" "oci:$T/back:x" \
	"docker://$INSIDE/team/app:2"
same "$(remote_digest "docker://$INSIDE/team/app:2")" "$want"
must skopeo delete --authfile "$T/auth.json" --tls-verify="$TLS_VERIFY" "docker://$INSIDE/team/app:2"
has_line "$T/audit.log" 'result=allowed user=alice .* action=push repository=team/app reference=2 '
has_line "$T/audit.log" 'result=denied user=- .*'
