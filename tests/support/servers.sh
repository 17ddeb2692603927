# shellcheck shell=bash
# Servers that the tests run: registries of others, moatd, containerd, and an island without network.
# Sourced by lib.sh.  Every start function waits until its server answers.

UPSTREAM=$IP    # where registry_start listens (port 80, so that names carry no port)
INSIDE=$IP:6000 # where moatd_start listens
SCHEME=http     # what moatd_start speaks; see speak

# --- the island: a network namespace with a loopback device and no route -----------------------

island_create() {
	ISLAND=moat-$$
	ip netns add "$ISLAND"
	at_exit "ip netns del $ISLAND"
	ip -n "$ISLAND" link set lo up
	same "$(ip -n "$ISLAND" route)" '' 'an island has no route'
}

# inside COMMAND...: on the island if there is one, else here
inside() {
	if [ -n "${ISLAND:-}" ]; then
		ip netns exec "$ISLAND" "$@"
	else
		"$@"
	fi
}

answers() { inside curl -sk -o /dev/null --max-time 2 "$1"; }
is_alive() { running "$1" && answers "$2"; }

# --- docker-registry --------------------------------------------------------------------------

# registry_start [NAME [ADDR:PORT [VARIABLE=VALUE...]]]: data in $T/NAME, so it can be restarted.
# Variables are those of docker-registry's own configuration, as REGISTRY_AUTH_HTPASSWD_PATH.
registry_start() {
	local name=${1:-upstream} addr=${2:-$IP:80} scheme=http
	shift $(($# < 2 ? $# : 2))
	[[ "$*" != *REGISTRY_HTTP_TLS* ]] || scheme=https
	start "$name" env OTEL_TRACES_EXPORTER=none REGISTRY_HTTP_ADDR="$addr" \
		REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY="$T/$name" "$@" \
		docker-registry serve "$SUPPORT/registry.yml"
	REGISTRY_PID=$STARTED_PID
	wait_until 20 curl -sk -o /dev/null "$scheme://$addr/v2/"
}

# htpasswd USER PASSWORD: a line of a file of users, by Apache's program; bcrypt, as docker-registry and
# moatd want it
htpasswd() { command htpasswd -nbB "$@" | sed '/^$/d'; }

# Basic authentication for registry_start, as lines of VARIABLE=VALUE
basic_auth() {
	htpasswd "$1" "$2" >"$T/htpasswd"
	echo REGISTRY_AUTH_HTPASSWD_REALM=moat-test
	echo REGISTRY_AUTH_HTPASSWD_PATH="$T/htpasswd"
}

# token_auth_start USER PASSWORD: a token server at $IP:7000; prints nothing, sets TOKEN_AUTH to the
# variables for registry_start
token_auth_start() {
	self_signed token "$IP"
	start token python3 "$SUPPORT/token_server.py" "$IP:7000" "$T/token.key" "$T/token.crt" \
		"$1" "$2"
	wait_until 10 curl -s -o /dev/null "http://$IP:7000/"
	TOKEN_AUTH=(REGISTRY_AUTH_TOKEN_REALM="http://$IP:7000/token"
		REGISTRY_AUTH_TOKEN_SERVICE=tests REGISTRY_AUTH_TOKEN_ISSUER=moat-tests
		REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE="$T/token.crt")
}

# middle_start [ARGS...]: a proxy at $IP:8000 that can slow down and cut; see middle.py.
# Each request is a line in $T/middle.log: METHOD PATH RANGE STATUS BYTES
middle_start() {
	start middle python3 -u "$SUPPORT/middle.py" --listen "$IP:8000" "$@"
	MIDDLE_PID=$STARTED_PID
	wait_until 10 nc_open "$IP" 8000
}

nc_open() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# self_signed NAME HOST...: $T/NAME.key and $T/NAME.crt, valid for the given names or addresses
self_signed() {
	local name=$1 names='' host
	shift
	for host; do
		[[ $host =~ ^[0-9.]+$ ]] && names+=",IP:$host" || names+=",DNS:$host"
	done
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-subj "/CN=$1" -addext "subjectAltName=${names#,}" \
		-keyout "$T/$name.key" -out "$T/$name.crt" 2>/dev/null
}

# --- moatd ------------------------------------------------------------------------------------

# speak SCHEME: http, or https with a certificate that every client here trusts.  Sets what clients want
# to be told: $URL; $TLS_VERIFY of skopeo, podman and buildah; the flags of ctr, oras and helm; $REGCTL_TLS.
speak() {
	SCHEME=$1 URL=$1://$INSIDE TLS_ARGS=()
	TLS_VERIFY=false PLAIN_HTTP=(--plain-http) INSECURE=(--insecure) REGCTL_TLS=disabled
	[ "$SCHEME" = https ] || return 0
	TLS_VERIFY=true PLAIN_HTTP=() INSECURE=() REGCTL_TLS=enabled
	self_signed inside "$IP"
	TLS_ARGS=(--tls-cert "$T/inside.crt" --tls-key "$T/inside.key")
	export SSL_CERT_FILE=$T/inside.crt CURL_CA_BUNDLE=$T/inside.crt
}

# moatd_start STORE [ARGS...]: at $URL, on the island if there is one
moatd_start() {
	local store=$1 prefix=()
	shift
	[ -z "${ISLAND:-}" ] || prefix=(ip netns exec "$ISLAND")
	start moatd "${prefix[@]}" moatd --store "$store" --listen "$INSIDE" "${TLS_ARGS[@]}" "$@"
	MOATD_PID=$STARTED_PID
	wait_until 20 is_alive "$MOATD_PID" "$URL/healthz" || _fail 'moatd did not start'
}

# --- containerd -------------------------------------------------------------------------------

# containerd_start: with its own state; talk to it with: ctr_ images pull ...
containerd_start() {
	mkdir -p "$T/containerd"
	cat >"$T/containerd.toml" <<-END
		version = 2
		root = "$T/containerd/root"
		state = "$T/containerd/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		  address = "$T/containerd/sock"
	END
	start containerd containerd --log-level warn --config "$T/containerd.toml"
	at_exit "umount -R $T/containerd/root $T/containerd/state 2>/dev/null"
	wait_until 30 ctr_ version
}

ctr_() { inside ctr --address "$T/containerd/sock" "$@"; }

# podman_ and buildah_ ARGUMENTS: images and locks of this test alone. Without --tmpdir podman shares /run/libpod with
# every other one, and a reset beside it takes that away.
PODMAN=(podman --tmpdir "$T/podman-tmp" --root "$T/podman" --runroot "$T/podman-run" --storage-driver vfs)
podman_() { "${PODMAN[@]}" "$@"; }
buildah_() { buildah --root "$T/podman" --runroot "$T/podman-run" --storage-driver vfs "$@"; }
podman_ends() { at_exit "$(printf '%q ' "${PODMAN[@]}")system reset --force >/dev/null 2>&1"; }
