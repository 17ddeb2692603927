#!/usr/bin/env bash
# podman pulls docker.io/library/... on an island, by the registries.conf that moat wrote.
. "$(dirname "$0")/../support/lib.sh"

fixture debian
fixture multi
carry platform "{name: \"docker.io/library/debian:12\", from: \"oci:$FIXTURES/debian:debian\"}" \
	"{name: \"docker.io/library/multi:1.0\", from: \"oci:$FIXTURES/multi:multi\"}"
island_create
moatd_start "$IN"

step 'moat writes the configuration'
must moat node config --runtime podman --server "http://$INSIDE" --store "$IN" --write "$T/node"
config=$(find "$T/node" -name '*.conf')
exists "$config"

podman_() {
	inside env CONTAINERS_REGISTRIES_CONF="$T/registries.conf" \
		podman --root "$T/podman" --runroot "$T/podman-run" --storage-driver vfs "$@"
}
cat "$config" >"$T/registries.conf"
at_exit "podman --root $T/podman --runroot $T/podman-run --storage-driver vfs \
	system reset --force >/dev/null 2>&1"

step 'podman pulls by tag and by digest; the digests are upstream'\''s'
for image in debian:12 multi:1.0; do
	name=${image%:*}
	digest=$(jq -r '.manifests[0].digest' "$FIXTURES/$name/index.json")
	must podman_ pull "docker.io/library/$image"
	must podman_ pull "docker.io/library/$name@$digest"
	must podman_ image inspect --format '{{.RepoDigests}}' "docker.io/library/$image"
	out_has "$digest"
done

step 'a name that did not travel is not found, and quickly'
must_fail '[1-9][0-9]*' timeout 60 podman_ pull docker.io/library/stranger:1

step 'rules that want a login: auth.json has that of the server, as moat-node(1) has it'
htpasswd node secret >"$T/users"
echo '- {repositories: ["**"], users: [node], actions: [pull]}' >"$T/access.yaml"
stop "$MOATD_PID"
moatd_start "$IN" --users "$T/users" --access "$T/access.yaml"
must podman_ rmi --all --force
must_fail '[1-9][0-9]*' timeout 60 podman_ pull docker.io/library/multi:1.0
must podman_ login --authfile "$T/auth.json" --tls-verify=false -u node -p secret "$INSIDE"
must podman_ pull --authfile "$T/auth.json" docker.io/library/multi:1.0
