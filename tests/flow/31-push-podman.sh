#!/usr/bin/env bash
# podman and buildah: build, push and pull inside the gap, with and without a login; a zstd:chunked
# layer fetched in parts.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
htpasswd alice secret >"$T/users"
moatd_start "$IN" --push --users "$T/users" --access-log "$T/access.log"
[ "$TLS_VERIFY" = true ] && insecure=false || insecure=true
printf '[[registry]]\nlocation = "%s"\ninsecure = %s\n' "$INSIDE" "$insecure" >"$T/registries.conf"
export CONTAINERS_REGISTRIES_CONF=$T/registries.conf REGISTRY_AUTH_FILE=$T/auth.json
podman_ends

step 'podman logs in where a login is of use, and is told when it is wrong'
must_fail '[1-9][0-9]*' podman_ login -u alice -p wrong "$INSIDE"
must podman_ login -u alice -p secret "$INSIDE"

step 'buildah builds from an image and pushes the result'
must skopeo copy -q --dest-tls-verify="$TLS_VERIFY" "oci:$FIXTURES/tiny:tiny" "docker://$INSIDE/team/base:1"
must buildah_ from --name work "$INSIDE/team/base:1"
echo hello >"$T/hello"
must buildah_ copy work "$T/hello" /hello
must buildah_ commit work built
must buildah_ push --digestfile "$T/digest" built "docker://$INSIDE/team/built:1"
digest=$(cat "$T/digest")

step 'podman pushes; both are pulled by tag and digest, without a login'
must podman_ tag localhost/built "$INSIDE/team/app:1"
must podman_ push --digestfile "$T/pushed" "$INSIDE/team/app:1"
must podman_ logout "$INSIDE"
must podman_ rmi --force localhost/built "$INSIDE/team/app:1"
must podman_ pull "$INSIDE/team/app:1"
must podman_ pull "$INSIDE/team/app@$(cat "$T/pushed")"
must podman_ pull "$INSIDE/team/built@$digest"
must podman_ image inspect --format '{{.RepoDigests}}' "$INSIDE/team/built@$digest"
out_has "$digest"
must_fail '[1-9][0-9]*' podman_ push "$INSIDE/team/app:2"

step 'zstd:chunked: the client asks for a table of contents, then for 1,024 parts in one request'
python3 "$SUPPORT/chunked.py" "$T/chunked" x 1024 200 >"$T/sums"
must skopeo copy -q --dest-tls-verify="$TLS_VERIFY" --dest-creds alice:secret "oci:$T/chunked:x" \
	"docker://$INSIDE/team/chunked:1"
layer=$(curl -sf -H "Accept: $ACCEPT" "$URL/v2/team/chunked/manifests/1" |
	jq -r '.layers[0] | "\(.digest) \(.size)"')
# podman 5 wants tar-split data beside the table of contents, unless it is told not to; 4 knows no such key.
cat >"$T/storage.conf" <<-END
	[storage]
	driver = "overlay"
	graphroot = "$T/partial"
	runroot = "$T/partial-run"
	[storage.options]
	[storage.options.pull_options]
	enable_partial_images = "true"
	use_hard_links = "false"
	ostree_repos = ""
	insecure_allow_unpredictable_image_contents = "true"
END
partial() { timeout 120 env CONTAINERS_STORAGE_CONF="$T/storage.conf" podman --tmpdir "$T/podman-tmp" --log-level debug "$@"; }
at_exit "CONTAINERS_STORAGE_CONF=$T/storage.conf podman --tmpdir $T/podman-tmp system reset --force >/dev/null 2>&1"
if ! partial info >/dev/null 2>"$T/err"; then
	echo "skipped: podman fetches parts only with overlay: $(tail -1 "$T/err")"
else
	must partial pull "$INSIDE/team/chunked:1"
	grep "GET uri=/v2/team/chunked/blobs/${layer% *} " "$T/access.log" >"$T/gets"
	same "$(sed 's/.* status=\([0-9]*\) .*/\1/' "$T/gets" | xargs)" '206 206' 'table and parts'
	parts=$(sed -n '2s/.* bytes=\([0-9]*\) .*/\1/p' "$T/gets")
	[ "$parts" -gt $((1024 * 200)) ] || _fail "$parts bytes are too few for all files"
	[ "$parts" -lt $((${layer#* } / 2)) ] || _fail "$parts bytes are no parts of ${layer#* }"
	partial image mount "$INSIDE/team/chunked:1" >"$T/mounted" 2>/dev/null
	(cd "$(tail -1 "$T/mounted")" && must sha256sum --check --quiet --strict "$T/sums")
	must partial image umount "$INSIDE/team/chunked:1"
fi
stop "$MOATD_PID"
must moat verify --store "$IN"
