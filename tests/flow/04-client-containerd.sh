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
must moat node config --runtime containerd --server "http://$INSIDE" --store "$IN" --write "$T/node"
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

step 'rules that want a login: a header in hosts.toml, as moat-node(1) has it'
htpasswd node secret >"$T/users"
echo '- {repositories: ["**"], users: [node], actions: [pull]}' >"$T/access.yaml"
stop "$MOATD_PID"
moatd_start "$IN" --users "$T/users" --access "$T/access.yaml"
must_fail '[1-9][0-9]*' ctr_ images pull --snapshotter native --hosts-dir "$hosts" \
	docker.io/library/debian:12
cat >>"$hosts/docker.io/hosts.toml" <<END
  [host."http://$INSIDE".header]
    authorization = "Basic $(printf node:secret | base64)"
END
must ctr_ images pull --snapshotter native --hosts-dir "$hosts" docker.io/library/debian:12
