#!/usr/bin/env bash
# The whole way of a set: pin, pull, seal, export, verify, import, serve.
. "$(dirname "$0")/../support/lib.sh"

step 'upstream has a Debian, an image of many layers and an index of two platforms'
registry_start
push debian library/debian:12
push layered apps/layered:1.0
push multi apps/multi:1.0

step 'pin writes what upstream has, and the same again'
write_list platform "$UPSTREAM/library/debian:12" "$UPSTREAM/apps/layered:1.0" \
	"$UPSTREAM/apps/multi:1.0"
pin
for image in library/debian:12 apps/layered:1.0 apps/multi:1.0; do
	digest=$(digest_of "$UPSTREAM" "${image%:*}" "${image#*:}")
	same "$(jq -r --arg ref "$UPSTREAM/$image" '.pins[] | select(.ref == $ref).digest' "$LOCK")" \
		"$digest"
done
same "$(grep -c '"ref":' "$LOCK")" 3 'one entry a line'
cp "$LOCK" "$T/first.lock"
pin
same_file "$T/first.lock" "$LOCK"

step 'pull brings it all; a second pull has nothing to do'
pull
clean "$OUT"
pull

step 'seal is deterministic'
seal
out_has '^platform .* sha256:[0-9a-f]{64}$'
sealed=$(cat "$T/out")
seal
same "$(cat "$T/out")" "$sealed"

step 'the medium can be checked without moat, and with it'
export_to
exists "$MEDIUM/verify.txt"
exists "$MEDIUM/moat.pub"
(cd "$MEDIUM" && must sha256sum -c SHA256SUMS)
must moat verify --key "$PUB" "$MEDIUM"
must moat list "$MEDIUM"
out_has apps/layered:1.0

step 'import, once and again'
import
clean
import
must moat list --store "$IN"
out_has "$UPSTREAM/library/debian:12"
must moat show --store "$IN" "$UPSTREAM/apps/multi:1.0"
out_has linux/amd64

step 'every manifest and every blob that moatd serves is upstream'\''s'
moatd_start "$IN"
for image in library/debian:12 apps/layered:1.0 apps/multi:1.0; do
	same_everywhere "${image%:*}" "${image#*:}"
done
for digest in $(get_manifest "$UPSTREAM" library/debian 12 | jq -r '.config, .layers[] | .digest') \
	$(get_manifest "$UPSTREAM" apps/layered 1.0 | jq -r '.layers[].digest'); do
	repo=library/debian
	curl -sf -o "$T/blob" "http://$INSIDE/v2/$UPSTREAM/$repo/blobs/$digest" ||
		curl -sf -o "$T/blob" "http://$INSIDE/v2/$UPSTREAM/apps/layered/blobs/$digest"
	same "sha256:$(sha256 "$T/blob")" "$digest"
done
