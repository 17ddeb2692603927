#!/usr/bin/env bash
# podman and buildah: build, push and pull inside the gap, with and without a login; a zstd:chunked
# layer fetched in parts.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
htpasswd alice secret >"$T/users"
moatd_start "$IN" --push --users "$T/users" --access-log "$T/access.log"
printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$INSIDE" >"$T/registries.conf"
export CONTAINERS_REGISTRIES_CONF=$T/registries.conf REGISTRY_AUTH_FILE=$T/auth.json
podman_() { podman --root "$T/podman" --runroot "$T/podman-run" --storage-driver vfs "$@"; }
buildah_() { buildah --root "$T/podman" --runroot "$T/podman-run" --storage-driver vfs "$@"; }
at_exit "podman --root $T/podman --runroot $T/podman-run --storage-driver vfs \
	system reset --force >/dev/null 2>&1"

step 'podman logs in where a login is of use, and is told when it is wrong'
must_fail '[1-9][0-9]*' podman_ login -u alice -p wrong "$INSIDE"
must podman_ login -u alice -p secret "$INSIDE"

step 'buildah builds from an image and pushes the result'
must skopeo copy -q --dest-tls-verify=false "oci:$FIXTURES/tiny:tiny" "docker://$INSIDE/team/base:1"
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

step 'zstd:chunked is pushed as it is, and fetched in parts where the client does that'
if timeout 60 skopeo copy -q --dest-tls-verify=false --dest-creds alice:secret --dest-compress-format \
	zstd:chunked "oci:$FIXTURES/tiny:tiny" "docker://$INSIDE/team/chunked:1" 2>"$T/err"; then
	cat >"$T/storage.conf" <<-END
		[storage]
		driver = "overlay"
		graphroot = "$T/partial"
		runroot = "$T/partial-run"
		[storage.options]
		pull_options = {enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}
	END
	must timeout 120 env CONTAINERS_STORAGE_CONF="$T/storage.conf" podman pull "$INSIDE/team/chunked:1"
	at_exit "CONTAINERS_STORAGE_CONF=$T/storage.conf podman system reset --force >/dev/null 2>&1"
	if grep -q 'team/chunked/blobs/.* status=206' "$T/access.log"; then
		echo 'parts were fetched (206)'
	else
		echo 'skipped: this podman fetches the whole layer'
	fi
else
	echo "skipped: this skopeo writes no zstd:chunked: $(head -1 "$T/err")"
fi
stop "$MOATD_PID"
must moat verify --store "$IN"
