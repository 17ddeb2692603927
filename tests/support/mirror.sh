# shellcheck shell=bash
# The way of a set through moat, in the steps that tests share.  Sourced by lib.sh.
#
# Outside: list $T/moat.yaml, lock $T/moat.lock, store $OUT, key $T/moat.key.  Inside: store $IN.

OUT=$T/outside
IN=$T/inside
LIST=$T/moat.yaml
LOCK=$T/moat.lock
KEY=$T/moat.key
PUB=$T/moat.pub
MEDIUM=$T/medium
PLATFORMS=${PLATFORMS:-linux/amd64}

# write_list SET IMAGE...: an image is a line of YAML, as in moat.yaml
write_list() {
	cat >"$LIST" <<-END
		set: $1
		platforms: [$PLATFORMS]
		images:
		$(printf '  - %s\n' "${@:2}")
		registries:
		  $UPSTREAM: {plain-http: true}
	END
}

pin() { must moat pin --list "$LIST" --lock "$LOCK" "$@"; }
pull() { must moat pull --lock "$LOCK" --store "$OUT" "$@"; }
new_key() { [ -e "$KEY" ] || must moat key new --out "$KEY" --no-passphrase; }
seal() { new_key && must moat seal --lock "$LOCK" --store "$OUT" --key "$KEY" "$@"; }
export_to() { must moat export --store "$OUT" --to "${1:-$MEDIUM}" "${@:2}"; }
import() { must moat import --activate --store "$IN" --key "$PUB" "${@:-$MEDIUM}"; }
clean() { must moat verify --store "${1:-$IN}"; }

# carry_out SET IMAGE...: from the registry to a medium.  carry: and into the inside store.
carry_out() { write_list "$@" && pin && pull && seal && export_to; }
carry() { carry_out "$@" && import; }

# node_config RUNTIME [OPTION...]: what moat writes for nodes, into $T/node
node_config() {
	must moat node config --runtime "$1" --server "$URL" --store "$IN" --write "$T/node" "${@:2}"
}

# node_login RUNTIME [PASSWORD]: with a login as "node"
node_login() {
	(umask 077 && printf '%s\n' "${2:-secret}" >"$T/node.password")
	node_config "$1" --user node --password-file "$T/node.password"
}

# moatd_wants_certificate ARGS...: moatd again, over TLS, with clients' certificates; $T/node.pem is one, of
# "node". What was written for nodes is gone.
moatd_wants_certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=node \
		-keyout "$T/node.key" -out "$T/node.crt" 2>/dev/null
	cat "$T/node.crt" "$T/node.key" >"$T/node.pem"
	rm -r "$T/node"
	stop "$MOATD_PID"
	speak https
	moatd_start "$IN" --tls-client-ca "$T/node.crt" "$@"
}

# same_everywhere REPO REFERENCE [NAME-INSIDE]: upstream's manifest is moatd's, byte by byte
same_everywhere() {
	get_manifest "$UPSTREAM" "$1" "$2" >"$T/upstream.manifest" || _fail "upstream lacks $1 $2"
	get_manifest "$INSIDE" "${3:-$UPSTREAM/$1}" "$2" >"$T/inside.manifest" ||
		_fail "moatd lacks $1 $2"
	same_file "$T/upstream.manifest" "$T/inside.manifest"
}

# nothing_inside: no set, no image, no file is visible in the inside store
nothing_inside() {
	[ -e "$IN/oci-layout" ] || return 0
	same "$(moat list --store "$IN" --images --json | jq 'length')" 0 'images visible'
	clean "$IN"
}

# kill_at_random COMMAND...: kills it at a random moment of its time, $whole microseconds, counted in $kills; both
# are the caller's.  The time follows the machine: a run that was done before shortens it, one that was hit
# lengthens it.
kill_at_random() {
	local pid after
	after=$(random_us "$whole")
	"$@" >"$T/killed.log" 2>&1 </dev/null &
	pid=$!
	sleep_us "$after"
	if kill -9 "$pid" 2>/dev/null; then
		kills=$((kills + 1))
		whole=$((whole + whole / 16))
	else
		whole=$((whole * 3 / 4 + 1))
	fi
	wait "$pid" 2>/dev/null || true
}

# kill_loop TIMES MICROSECONDS STORE COMMAND...: with a fresh store, kill the command at a random
# moment of its time; run it again; check the store.  Every third time the second run is killed too.
kill_loop() {
	local times=$1 whole=$2 store=$3 i kills=0
	shift 3
	for ((i = 0; i < times; i++)); do
		rm -rf "$store"
		kill_at_random "$@"
		[ $((i % 3)) != 0 ] || kill_at_random "$@"
		must "$@"
		clean "$store"
	done
	echo "$kills of these runs were killed before they were done"
	[ "$kills" -gt $((times / 3)) ] || _fail 'too few kills hit a running program'
}
