#!/usr/bin/env bash
# skopeo and curl read what travelled: by tag, by digest, an index of which only one platform came.
. "$(dirname "$0")/../support/lib.sh"

registry_start
push layered apps/layered:1.0
push multi apps/multi:1.0
carry platform "$UPSTREAM/apps/layered:1.0" "$UPSTREAM/apps/multi:1.0"
island_create
moatd_start "$IN"
served=docker://$INSIDE/$UPSTREAM
copy() { must inside skopeo copy --src-tls-verify=false "$@"; }

step 'skopeo copies by tag and by digest, and ends up with upstream'\''s digest'
digest=$(digest_of "$UPSTREAM" apps/layered 1.0)
copy "$served/apps/layered:1.0" "oci:$T/by-tag:x"
copy "$served/apps/layered@$digest" "oci:$T/by-digest:x"
for layout in by-tag by-digest; do
	same "$(jq -r '.manifests[0].digest' "$T/$layout/index.json")" "$digest"
done

step 'the sparse index keeps its bytes; the platform that came can be copied'
same_everywhere apps/multi 1.0
copy "$served/apps/multi:1.0" "oci:$T/amd64:x"
amd64=$(get_manifest "$UPSTREAM" apps/multi 1.0 |
	jq -r '.manifests[] | select(.platform.architecture == "amd64").digest')
arm64=$(get_manifest "$UPSTREAM" apps/multi 1.0 |
	jq -r '.manifests[] | select(.platform.architecture == "arm64").digest')
same "$(jq -r '.manifests[0].digest' "$T/amd64/index.json")" "$amd64"

step 'the platform that stayed behind is refused with an answer that says so'
must_fail '[1-9][0-9]*' inside skopeo --override-arch arm64 copy --src-tls-verify=false \
	"$served/apps/multi:1.0" "oci:$T/arm64:x"
must inside curl -s -o "$T/reply" -w '%{http_code}' \
	"http://$INSIDE/v2/$UPSTREAM/apps/multi/manifests/$arm64"
same "$(cat "$T/out")" 404
same "$(jq -r '.errors[0].code' "$T/reply")" MANIFEST_UNKNOWN

step 'curl: HEAD, ranges, tags, catalog'
layer=$(get_manifest "$UPSTREAM" apps/layered 1.0 | jq -r '.layers[1].digest')
blob=http://$INSIDE/v2/$UPSTREAM/apps/layered/blobs/$layer
inside curl -sf "$blob" -o "$T/whole"
same "sha256:$(sha256 "$T/whole")" "$layer"
inside curl -sf -r 1000-1999 "$blob" -o "$T/part"
dd if="$T/whole" of="$T/expected" bs=1 skip=1000 count=1000 status=none
same_file "$T/expected" "$T/part"
size=$(inside curl -sfI "$blob" | tr -d '\r' | sed -n 's/^[Cc]ontent-[Ll]ength: //p')
same "$size" "$(stat -c %s "$T/whole")"
same "$(inside curl -sf "http://$INSIDE/v2/$UPSTREAM/apps/layered/tags/list" | jq -c .tags)" '["1.0"]'
inside curl -sf "http://$INSIDE/v2/_catalog" >"$T/catalog"
has_line "$T/catalog" "$UPSTREAM/apps/multi"

step 'the same name by ?ns=, as containerd asks'
inside curl -sf -H "Accept: $ACCEPT" -o "$T/by-ns" \
	"http://$INSIDE/v2/apps/layered/manifests/1.0?ns=$UPSTREAM"
same "sha256:$(sha256 "$T/by-ns")" "$digest"

step 'nothing can be pushed'
must_fail '[1-9][0-9]*' inside skopeo copy --dest-tls-verify=false "oci:$T/by-tag:x" \
	"docker://$INSIDE/$UPSTREAM/apps/pushed:1"
