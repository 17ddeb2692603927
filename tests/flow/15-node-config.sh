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

step 'a login is where each runtime looks, for its owner only, and stays when it is not given again'
printf 'secret\n' >"$T/password"
chmod 600 "$T/password"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=node \
	-keyout "$T/node.key" -out "$T/node.crt" 2>/dev/null
cat "$T/node.crt" "$T/node.key" >"$T/node.pem"
basic=$(printf node:secret | base64 -w0)
login() { # RUNTIME [OPTION...]: config over TLS into a folder of its own
	must moat node config --server "https://$INSIDE" --store "$IN" --runtime "$1" \
		--write "$T/login-$1" "${@:2}"
}
for pair in containerd:/etc/containerd/certs.d/ghcr.io/hosts.toml crio:/etc/crio/moat-auth.json \
	podman:/root/.config/containers/auth.json docker:/root/.docker/config.json \
	k3s:/etc/rancher/k3s/registries.yaml; do
	runtime=${pair%%:*} file=$T/login-${pair%%:*}${pair#*:}
	login "$runtime"
	login "$runtime" --user node --password-file "$T/password" --client-cert "$T/node.pem"
	! grep -rqE "secret|$basic|PRIVATE" "$T/out" "$T/err" || _fail 'a secret is printed'
	has_line "$file" "\"password\": \"secret\"|$basic"
	same "$(grep -rlE "secret|$basic|PRIVATE KEY" "$T/login-$runtime" | xargs stat -c %a | sort -u)" 600
	grep -rq 'PRIVATE KEY' "$T/login-$runtime" || _fail "$runtime: no client certificate"
	cp "$file" "$T/before"
	login "$runtime"
	same_file "$T/before" "$file"
	same "$(stat -c %a "$file")" 600
done
same "$(grep -c "authorization = \"Basic $basic\"" "$T/login-containerd/etc/containerd/certs.d/ghcr.io/hosts.toml")" 2
has_line "$T/login-crio/etc/crio/crio.conf.d/90-moat.conf" '^global_auth_file = "/etc/crio/moat-auth.json"$'
python3 -c 'import sys, tomllib; d = tomllib.load(open(sys.argv[1], "rb")); \
	h = d["host"][sys.argv[2]]; assert d["header"] == h["header"] and d["client"] == h["client"]' \
	"$T/login-containerd/etc/containerd/certs.d/_default/hosts.toml" "https://$INSIDE"

step 'containerd: with another password the CA stays that was given before'
toml=$T/login-containerd/etc/containerd/certs.d/_default/hosts.toml
login containerd --ca "$T/node.crt"
same "$(grep -c '^ *ca = "/etc/containerd/certs.d/moat-ca.crt"$' "$toml")" 2
cp "$toml" "$T/before"
login containerd --user node --password-file "$T/password"
same_file "$T/before" "$toml"

step 'containerd: a host that is new has CA and login of the others'
rm -r "$T/login-containerd/etc/containerd/certs.d/ghcr.io"
login containerd
same_file "$T/before" "$T/login-containerd/etc/containerd/certs.d/ghcr.io/hosts.toml"
same "$(stat -c %a "$T/login-containerd/etc/containerd/certs.d/ghcr.io/hosts.toml")" 600

step 'containerd: a login is never sent to another server, nor without TLS'
for server in "http://$INSIDE" "https://other.example.test"; do
	cp -r "$T/login-containerd" "$T/moved"
	must moat node config --server "$server" --store "$IN" --runtime containerd --write "$T/moved"
	has_line "$T/moved/etc/containerd/certs.d/_default/hosts.toml" "^server = \"$server\"$"
	! grep -rqE '^ *(authorization|client|ca) = ' "$T/moved" --include=hosts.toml || _fail "$server is told the login"
	rm -r "$T/moved"
done

step 'another password takes the place of the old one; what others wrote stays'
printf 'other\n' >"$T/password"
jq '.auths["quay.example.test"] = {auth: "eDp5"}' "$T/login-podman/root/.config/containers/auth.json" >"$T/auth"
cat "$T/auth" >"$T/login-podman/root/.config/containers/auth.json"
for runtime in podman containerd; do
	login "$runtime" --user node --password-file "$T/password"
	! grep -rqF "$basic" "$T/login-$runtime" --exclude='*.before-moat' || _fail "$runtime: the old login is still there"
done
same "$(jq -r '.auths["quay.example.test"].auth' "$T/login-podman/root/.config/containers/auth.json")" eDp5

step 'the mode of a file that was there stays, and a login of ours that was added by hand'
mkdir -p "$T/hand/etc/rancher/k3s" "$T/hand/etc/containerd/certs.d/ghcr.io"
echo 'configs: {"a.example.test": {auth: {username: x, password: y}}}' >"$T/hand/etc/rancher/k3s/registries.yaml"
chmod 640 "$T/hand/etc/rancher/k3s/registries.yaml"
config k3s --write "$T/hand"
same "$(stat -c %a "$T/hand/etc/rancher/k3s/registries.yaml")" 640
config containerd --write "$T/hand"
toml=$T/hand/etc/containerd/certs.d/ghcr.io/hosts.toml
printf '  [host."http://%s".header]\n    authorization = "Basic aGFuZDpzZWNyZXQ="\n' "$INSIDE" >>"$toml"
config containerd --write "$T/hand"
has_line "$toml" 'authorization = "Basic aGFuZDpzZWNyZXQ="'
same "$(stat -c %a "$toml")" 600

step 'logins that cannot be'
odd() { must_fail "$1" moat node config --server "https://$INSIDE" --store "$IN" --runtime podman "${@:2}"; }
odd 2 --user node --password-file "$T/password"
err_has 'not printed'
odd 2 --user node --write "$T/odd"
odd 2 --password-file "$T/password" --write "$T/odd"
odd 2 --user a:b --password-file "$T/password" --write "$T/odd"
odd '[1-9]' --user node --password-file "$T/none" --write "$T/odd"
odd '[1-9]' --client-cert "$T/node.crt" --write "$T/odd"
err_has 'in one file'
chmod 644 "$T/password"
odd '[1-9]' --user node --password-file "$T/password" --write "$T/odd"
absent "$T/odd"

step 'a runtime that nobody knows is a usage error'
must_fail 2 moat node config --runtime rkt --server "http://$INSIDE" --store "$IN"
