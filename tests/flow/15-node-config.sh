#!/usr/bin/env bash
# node config: for each runtime the files that send every name in the store to moatd; what was
# there before stays.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
carry platform "{name: \"docker.io/library/tiny:1\", from: \"oci:$FIXTURES/tiny:tiny\"}" \
	"{name: \"ghcr.io/acme/tool:1\", from: \"oci:$FIXTURES/tiny:tiny\"}"
config() { must moat node config --server "http://$INSIDE" --store "$IN" --runtime "$@"; }

step 'every runtime is told about every upstream'
for runtime in containerd crio podman k3s; do
	config "$runtime"
	out_has docker.io
	out_has ghcr.io
	out_has "$INSIDE"
done
config docker
out_has "$INSIDE"

step 'printing is writing: the same text, and twice is once'
for runtime in containerd crio podman docker k3s; do
	config "$runtime" --write "$T/$runtime"
	find "$T/$runtime" -type f -exec sha256sum {} + | sort >"$T/first"
	[ -s "$T/first" ] || _fail "$runtime: nothing written"
	config "$runtime" --write "$T/$runtime"
	find "$T/$runtime" -type f -exec sha256sum {} + | sort >"$T/second"
	same_file "$T/first" "$T/second"
done

step 'docker: what daemon.json said before is still said'
mkdir -p "$T/merge/etc/docker"
echo '{"log-driver": "journald", "registry-mirrors": ["https://old.example.test"]}' \
	>"$T/merge/etc/docker/daemon.json"
config docker --write "$T/merge"
same "$(jq -r '."log-driver"' "$T/merge/etc/docker/daemon.json")" journald
has_line "$T/merge/etc/docker/daemon.json" "$INSIDE"

step 'k3s: what registries.yaml said before is still said'
mkdir -p "$T/merge/etc/rancher/k3s"
cat >"$T/merge/etc/rancher/k3s/registries.yaml" <<-END
	mirrors:
	  internal.example.test:
	    endpoint:
	      - "https://internal.example.test"
END
config k3s --write "$T/merge"
has_line "$T/merge/etc/rancher/k3s/registries.yaml" internal.example.test
has_line "$T/merge/etc/rancher/k3s/registries.yaml" "$INSIDE"

step 'containerd: hosts that are none of ours are left alone'
mkdir -p "$T/merge/etc/containerd/certs.d/internal.example.test"
echo 'server = "https://internal.example.test"' \
	>"$T/merge/etc/containerd/certs.d/internal.example.test/hosts.toml"
config containerd --write "$T/merge"
same "$(cat "$T/merge/etc/containerd/certs.d/internal.example.test/hosts.toml")" \
	'server = "https://internal.example.test"'
exists "$T/merge/etc/containerd/certs.d/ghcr.io/hosts.toml"

step 'a runtime that nobody knows is a usage error'
must_fail 2 moat node config --runtime rkt --server "http://$INSIDE" --store "$IN"
