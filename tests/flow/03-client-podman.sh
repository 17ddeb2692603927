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
node_config podman
config=$(find "$T/node" -name '*.conf')
exists "$config"

podman_() { inside env CONTAINERS_REGISTRIES_CONF="$T/registries.conf" "${PODMAN[@]}" "$@"; }
cat "$config" >"$T/registries.conf"
podman_ends

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

step 'rules that want a login: moat writes it, and it stays when the files are written again'
htpasswd node secret >"$T/users"
echo '- {repositories: ["**"], users: [node], actions: [pull]}' >"$T/access.yaml"
stop "$MOATD_PID"
moatd_start "$IN" --users "$T/users" --access "$T/access.yaml"
must podman_ rmi --all --force
must_fail '[1-9][0-9]*' timeout 60 podman_ pull docker.io/library/multi:1.0
auth=$T/node/root/.config/containers/auth.json
absent "$auth"
node_login podman
must podman_ pull --authfile "$auth" docker.io/library/multi:1.0
must podman_ rmi --all --force
node_config podman
must podman_ pull --authfile "$auth" docker.io/library/multi:1.0
same "$(stat -c %a "$auth")" 600

step 'another password: the old one is refused, the new one written over it'
htpasswd node changed >"$T/users"
kill -HUP "$MOATD_PID"
wait_until 10 inside curl -sf -u node:changed "$URL/v2/"
must podman_ rmi --all --force
must_fail '[1-9][0-9]*' timeout 60 podman_ pull --authfile "$auth" docker.io/library/multi:1.0
node_login podman changed
must podman_ pull --authfile "$auth" docker.io/library/multi:1.0

step 'a certificate instead of a password; it stays, too'
moatd_wants_certificate --access "$T/access.yaml"
node_config podman --ca "$T/inside.crt"
cat "$config" >"$T/registries.conf"
certs=$T/node/etc/containers/certs.d/$INSIDE
pull_certified() { # nothing but what moat wrote knows the server
	podman_ rmi --all --force &&
		(unset SSL_CERT_FILE && podman_ pull --cert-dir "$certs" docker.io/library/multi:1.0)
}
must_fail '[1-9][0-9]*' pull_certified
err_has 'denied|unauthorized|forbidden'
node_config podman --ca "$T/inside.crt" --client-cert "$T/node.pem"
must pull_certified
node_config podman
must pull_certified
same "$(stat -c %a "$certs/client.key")" 600
