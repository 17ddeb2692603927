#!/usr/bin/env bash
# All kinds of real clients at the same moment, each with a limit of time: pushes, logins, more pulls than may
# be sent at once; over TLS, the certificate is exchanged meanwhile.
. "$(dirname "$0")/../support/lib.sh"
. "$SUPPORT/go.sh"

LIMIT=60 # seconds for a client; alone, each needs one or two
fixture layered
fixture multi
htpasswd alice secret >"$T/users"
printf '{"auths": {"%s": {"auth": "%s"}}}' "$INSIDE" "$(printf alice:secret | base64)" >"$T/auth.json"
mkdir "$T/docker"
cp "$T/auth.json" "$T/docker/config.json"
export DOCKER_CONFIG=$T/docker REGISTRY_AUTH_FILE=$T/auth.json REGCTL_CONFIG=$T/regctl.json
if [ "$SCHEME" = https ]; then
	self_signed other "$IP"
	cp "$T/inside.crt" "$T/first.crt"
	cp "$T/inside.key" "$T/first.key"
	cat "$T/first.crt" "$T/other.crt" >"$T/both.crt"
	export SSL_CERT_FILE=$T/both.crt CURL_CA_BUNDLE=$T/both.crt
fi
moatd_start "$IN" --push --users "$T/users" --bodies 2 --free-floor 0
must skopeo copy -q --dest-tls-verify="$TLS_VERIFY" "oci:$FIXTURES/layered:layered" "docker://$INSIDE/team/app:1"
layer=$(get_manifest "$INSIDE" team/app 1 | jq -r '.layers[1].digest')
want=$(digest_of "$INSIDE" team/app 1)
containerd_start
for tool in crane regctl oras; do
	if go_can $tool; then declare "$tool=$(go_tool $tool)"; fi
done

CLIENTS=() # process ids
NAMES=()   # of each

# at_once NAME COMMAND...: in the background, within LIMIT
at_once() {
	local name=$1
	shift
	timeout "$LIMIT" "$@" >"$T/client-$name.log" 2>&1 </dev/null &
	CLIENTS+=("$!")
	NAMES+=("$name")
}

# all_well: every client has ended, with 0
all_well() {
	local i status
	for i in "${!CLIENTS[@]}"; do
		status=0
		wait "${CLIENTS[i]}" || status=$?
		[ "$status" = 0 ] || _fail "${NAMES[i]}: exit status $status (124: no end in $LIMIT s)"
	done
	CLIENTS=() NAMES=()
}

skopeo_push() {
	at_once "skopeo-push-$1" skopeo copy -q --all --dest-tls-verify="$TLS_VERIFY" "oci:$FIXTURES/multi:multi" \
		"docker://$INSIDE/skopeo/multi-$1:1"
}
skopeo_pull() {
	at_once "skopeo-pull-$1" skopeo copy -q --src-tls-verify="$TLS_VERIFY" "docker://$INSIDE/team/app:1" \
		"oci:$T/skopeo-$1:x"
}
podman_pull() {
	at_once "podman-$1" podman --tmpdir "$T/podman-tmp-$1" --root "$T/podman-$1" --runroot "$T/podman-run-$1" --storage-driver vfs \
		pull --tls-verify="$TLS_VERIFY" "$INSIDE/team/app:1"
}
containerd_pull() {
	at_once "containerd-$1" ctr --address "$T/containerd/sock" images pull --snapshotter native \
		--hosts-dir "$T/hosts" --user alice:secret "$INSIDE/team/app:$1"
}
curl_pull() {
	at_once "curl-$1" curl -sf -o "$T/layer-$1" "$URL/v2/team/app/blobs/$layer"
}
# 401 is what a wrong password gets
curl_login() {
	at_once "login-$1" bash -c "for i in 1 2 3 4 5; do
		[ \"\$(curl -s -o /dev/null -w '%{http_code}' -u alice:wrong-$1-\$i '$URL/v2/')\" = 401 ] || exit 1
	done"
}
go_clients() {
	[ -z "${crane:-}" ] ||
		at_once "crane-$1" "$crane" copy "${INSECURE[@]}" "$INSIDE/team/app:1" "$INSIDE/crane/app-$1:1"
	[ -z "${regctl:-}" ] ||
		at_once "regctl-$1" "$regctl" --host "reg=$INSIDE,tls=$REGCTL_TLS,user=alice,pass=secret" \
			image copy "ocidir://$FIXTURES/multi:multi" "$INSIDE/regctl/multi-$1:1"
	[ -z "${oras:-}" ] ||
		at_once "oras-$1" "$oras" cp "${PLAIN_HTTP[@]/#--/--from-}" "${PLAIN_HTTP[@]/#--/--to-}" \
			"$INSIDE/team/app:1" "$INSIDE/oras/app-$1:1"
}

# Certificates in turn, ten a second, until $T/enough is there
exchange() {
	local name=other
	while [ ! -e "$T/enough" ]; do
		cp "$T/$name.key" "$T/inside.key"
		cp "$T/$name.crt" "$T/inside.crt"
		kill -HUP "$MOATD_PID"
		[ $name = other ] && name=first || name=other
		sleep 0.1
	done
}

mkdir -p "$T/hosts/$INSIDE"
printf 'server = "%s"\n[host."%s"]\n  capabilities = ["pull", "resolve"]\n' "$URL" "$URL" >"$T/hosts/$INSIDE/hosts.toml"
for tag in 2 3 4; do
	must skopeo copy -q --src-tls-verify="$TLS_VERIFY" --dest-tls-verify="$TLS_VERIFY" "docker://$INSIDE/team/app:1" \
		"docker://$INSIDE/team/app:$tag"
done
at_exit "touch $T/enough"

for round in 1 2; do
	step "pushes, pulls and logins of real clients at once, round $round"
	rm -f "$T/enough"
	if [ "$SCHEME" = https ]; then
		exchange &
		EXCHANGE=$!
	fi
	for i in 1 2 3 4; do
		skopeo_push "$round$i"
		skopeo_pull "$round$i"
		curl_login "$round$i"
		go_clients "$round$i"
	done
	for i in 1 2 3 4 5 6 7 8; do curl_pull "$round$i"; done
	podman_pull "$round"
	containerd_pull $((round * 2 - 1))
	containerd_pull $((round * 2))
	all_well
	touch "$T/enough"
	[ "$SCHEME" != https ] || wait "$EXCHANGE"
	for i in 1 2 3 4 5 6 7 8; do same "sha256:$(sha256 "$T/layer-$round$i")" "$layer"; done
	for i in 1 2 3 4; do
		same "$(jq -r '.manifests[0].digest' "$T/skopeo-$round$i/index.json")" "$want"
		[ -z "${crane:-}" ] || same "$(digest_of "$INSIDE" "crane/app-$round$i" 1)" "$want"
		[ -z "${oras:-}" ] || same "$(digest_of "$INSIDE" "oras/app-$round$i" 1)" "$want"
	done
done
must_fail 1 grep -E 'request.stuck|request.failed' "$T/moatd.log"
[ "$SCHEME" != https ] || [ "$(grep -c 'event=reload keys=tls-cert' "$T/moatd.log")" -gt 5 ] ||
	_fail 'the certificate was hardly exchanged'
stop "$MOATD_PID"
must moat verify --store "$IN"
