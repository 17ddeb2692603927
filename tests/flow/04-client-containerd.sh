#!/usr/bin/env bash
# containerd pulls docker.io/library/... on an island, by the hosts.toml that moat wrote.
. "$(dirname "$0")/../support/lib.sh"

fixture debian
fixture multi
carry platform "{name: \"docker.io/library/debian:12\", from: \"oci:$FIXTURES/debian:debian\"}" \
	"{name: \"docker.io/library/multi:1.0\", from: \"oci:$FIXTURES/multi:multi\"}"
island_create
moatd_start "$IN"
containerd_start

step 'moat writes hosts.toml'
node_config containerd
hosts=$T/node/etc/containerd/certs.d
exists "$hosts/docker.io/hosts.toml"

step 'ctr pulls by tag and by digest; the digests are upstream'\''s'
for image in debian:12 multi:1.0; do
	name=docker.io/library/${image%:*}
	digest=$(jq -r '.manifests[0].digest' "$FIXTURES/${image%:*}/index.json")
	must ctr_ images pull --snapshotter native --hosts-dir "$hosts" "docker.io/library/$image"
	must ctr_ images pull --snapshotter native --hosts-dir "$hosts" "$name@$digest"
	must ctr_ images ls "name==docker.io/library/$image"
	out_has "$digest"
done

step 'a name that did not travel is not found, and upstream is not asked'
must_fail '[1-9][0-9]*' timeout 60 ip netns exec "$ISLAND" ctr --address "$T/containerd/sock" \
	images pull --hosts-dir "$hosts" docker.io/library/stranger:1

step 'rules that want a login: moat writes it, and it stays when the files are written again'
htpasswd node secret >"$T/users"
echo '- {repositories: ["**"], users: [node], actions: [pull]}' >"$T/access.yaml"
stop "$MOATD_PID"
moatd_start "$IN" --users "$T/users" --access "$T/access.yaml"
pull_() { ctr_ images pull --snapshotter native --hosts-dir "$hosts" "docker.io/library/$1"; }
must_fail '[1-9][0-9]*' pull_ debian:12
node_login containerd
must pull_ debian:12
must ctr_ images rm docker.io/library/debian:12
node_config containerd
must pull_ debian:12
same "$(stat -c %a "$hosts/docker.io/hosts.toml")" 600

step 'with a login, what is not there is said to be not there'
must_fail '[1-9][0-9]*' pull_ stranger:1
err_has 'not found'

step 'another password: the old one is refused, the new one written over it'
htpasswd node changed >"$T/users"
kill -HUP "$MOATD_PID"
wait_until 10 inside curl -sf -u node:changed "$URL/v2/"
must_fail '[1-9][0-9]*' pull_ debian:12
node_login containerd changed
must pull_ debian:12

step 'a certificate instead of a password; it stays, too'
moatd_wants_certificate --access "$T/access.yaml"
# The folder that moat wrote is the root of a node; here it is not.
certified() {
	rm -rf "$T/hosts"
	cp -r "$hosts" "$T/hosts"
	sed -i "s#\"/etc/containerd/#\"$T/node/etc/containerd/#g" "$T/hosts"/*/hosts.toml
	ctr_ images rm docker.io/library/debian:12
	ctr_ images pull --snapshotter native --hosts-dir "$T/hosts" docker.io/library/debian:12
}
node_config containerd --ca "$T/inside.crt"
must_fail '[1-9][0-9]*' certified
err_has 'denied|unauthorized|forbidden'
node_config containerd --ca "$T/inside.crt" --client-cert "$T/node.pem"
must certified
node_config containerd
must certified
same "$(stat -c %a "$hosts/moat-client.pem")" 600
