#!/usr/bin/env bash
# Kinds of content: docker schema 2, an artifact with a subject, cosign tags on an index and on a
# child, a digest without a tag.
. "$(dirname "$0")/../support/lib.sh"

registry_start
push tiny apps/docker:1.0 --format v2s2
push multi apps/signed:1.0
index=$(digest_of "$UPSTREAM" apps/signed 1.0)
child=$(get_manifest "$UPSTREAM" apps/signed 1.0 | jq -r '.manifests[0].digest')
sbom=$(attach_referrer apps/signed "$index" application/spdx+json '{"spdxVersion": "SPDX-2.3"}')
on_index=$(attach_signature apps/signed "$index")
on_child=$(attach_signature apps/signed "$child")
push layered apps/by-digest:1.0
bare=$(digest_of "$UPSTREAM" apps/by-digest 1.0)

step 'pin finds what is attached, to the index and to the child'
carry platform "$UPSTREAM/apps/docker:1.0" "$UPSTREAM/apps/signed:1.0" \
	"$UPSTREAM/apps/by-digest@$bare"
for digest in "$sbom" "$on_index" "$on_child"; do has_line "$LOCK" "$digest"; done

step 'the docker image keeps its media type and its bytes'
moatd_start "$IN"
same_everywhere apps/docker 1.0
curl -sfI -H "Accept: $ACCEPT" "http://$INSIDE/v2/$UPSTREAM/apps/docker/manifests/1.0" |
	tr -d '\r' >"$T/head"
has_line "$T/head" '^[Cc]ontent-[Tt]ype: application/vnd.docker.distribution.manifest.v2\+json'

step 'cosign tags are served as upstream had them'
same_everywhere apps/signed 1.0
same_everywhere apps/signed "${index/:/-}.sig"
same_everywhere apps/signed "${child/:/-}.sig"

step 'the artifact is found through the referrers API'
same_everywhere apps/signed "$sbom"
curl -sf "http://$INSIDE/v2/$UPSTREAM/apps/signed/referrers/$index" >"$T/referrers"
same "$(jq -r '.manifests[] | select(.artifactType == "application/spdx+json").digest' \
	"$T/referrers")" "$sbom"

step 'an image pinned by digest alone is served by digest, and has no tag'
same_everywhere apps/by-digest "$bare"
must_fail 22 curl -sf -H "Accept: $ACCEPT" "http://$INSIDE/v2/$UPSTREAM/apps/by-digest/manifests/1.0"

step 'an attachment that cannot be fetched fails the pull: nothing travels without its signatures'
rm -rf "$OUT"
blob=$(get_manifest "$UPSTREAM" apps/signed "$on_index" | jq -r '.layers[0].digest | ltrimstr("sha256:")')
rm -r "$T/upstream/docker/registry/v2/blobs/sha256/${blob:0:2}/$blob"
must_fail '[1-9]' moat pull --lock "$LOCK" --store "$OUT"
err_has 'apps/signed'
must_fail 4 moat seal --lock "$LOCK" --store "$OUT" --key "$KEY"

step 'show tells platforms, layers and what is attached, from the store and from the medium'
for where in "--store $IN" "--from $MEDIUM"; do
	# shellcheck disable=SC2086 # two words
	must moat show $where --json "$UPSTREAM/apps/signed:1.0"
	cp "$T/out" "$T/shown"
	same "$(jq -r '.digest' "$T/shown")" "$index"
	same "$(jq -r --arg d "$child" '.manifests[] | select(.digest == $d).held' "$T/shown")" true
	for digest in "$sbom" "$on_index" "$on_child"; do
		must jq -e ".attached | any(.digest == \"$digest\")" "$T/shown"
	done
done
must moat show --store "$IN" platform
out_has "key $(openssl pkey -pubin -in "$PUB" -outform DER | sha256 | sed 's/^sha256://')"
must_fail '[1-9]' moat show --store "$IN" "$UPSTREAM/apps/nothing:1.0"
err_has 'neither a set nor a reference'

step 'an image whose config names no platform is carried, and said, also with --quiet'
printf '{"config":{},"rootfs":{"type":"layers","diff_ids":[]}}' >"$T/nowhere.json"
printf 'x' >"$T/layer"
artifact apps/nowhere application/vnd.oci.image.layer.v1.tar "$T/layer" | jq -cj \
	--arg config "$(push_blob apps/nowhere "$T/nowhere.json")" --argjson size "$(stat -c %s "$T/nowhere.json")" \
	'del(.artifactType) | .config = {mediaType: "application/vnd.oci.image.config.v1+json", digest: $config, size: $size}' \
	>"$T/nowhere.manifest"
push_manifest apps/nowhere 1.0 "$T/nowhere.manifest"
write_list nowhere "$UPSTREAM/apps/nowhere:1.0" "$UPSTREAM/apps/docker:1.0"
rm -f "$LOCK"
must moat --quiet pin --list "$LIST" --lock "$LOCK"
err_has 'warning: .*/apps/nowhere:1.0: its config names no platform'
same "$(grep -c warning "$T/err")" 1
