#!/usr/bin/env bash
# The way of an image across a gap, live: `./bootstrap demo` calls this with the programs built.
#
#	tests/demo.sh              an image made here, in a registry made here
#	tests/demo.sh --list FILE  the user's own list, from the real registries
#	tests/demo.sh --stop       end what an earlier run left
#
# Two network namespaces play the two sides: "outside" has the upstream registry, "inside" has
# nothing but a loopback device.  What is kept lies in build/demo (or $MOAT_DEMO), and the namespaces are
# named after that folder: demos of two checkouts run beside each other.
set -euo pipefail

TESTS=$(cd "$(dirname "$0")" && pwd)
DEMO=$(realpath -m "${MOAT_DEMO:-$TESTS/../build/demo}")
BIN=${MOAT_BIN:-$TESTS/../build/bin}
BIN=$(cd "$BIN" && pwd)
FIXTURES=${MOAT_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/moat-tests}/v1
SUPPORT=$TESTS/support
PATH=$BIN:$PATH:/usr/sbin:/sbin
. "$SUPPORT/images.sh"

# --- telling ----------------------------------------------------------------------------------

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi

step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
note() { printf '   %s\n' "$*"; }
die() { printf '\ndemo: %s\n' "$*" >&2; exit 1; }

# namespace SIDE: its name
namespace() { printf 'moat-%s-%08x\n' "$1" "$(cksum <<<"$DEMO" | cut -d' ' -f1)"; }

# on SIDE COMMAND...: run it there, where SIDE is outside or inside
on() {
	local side=$1
	shift
	if [ -e "/run/netns/$(namespace "$side")" ]; then
		ip netns exec "$(namespace "$side")" "$@"
	else
		"$@"
	fi
}

# show SIDE COMMAND...: the same for the reader's eyes: prompt, command, what it says
show() {
	printf '   %s%s$%s %s\n' "$dim" "$1" "$plain" "${*:2}"
	on "$@" 2>&1 | sed 's/^/      /'
}

# differs COMMAND...: the same outside, of a comparison that finds something
differs() {
	local status=0
	show outside "$@" || status=$?
	[ "$status" = 10 ] || die "exit status $status instead of 10"
}

# leave_running SIDE NAME COMMAND...: in the background, beyond the end of this script.  The command
# writes its own number: ours would be that of the shell between.
leave_running() {
	local side=$1 name=$2
	shift 2
	printf '   %s%s$%s %s &\n' "$dim" "$side" "$plain" "$*"
	# shellcheck disable=SC2016 # the inner shell expands it
	on "$side" setsid sh -c 'echo $$ >"$0" && exec "$@"' "$DEMO/$name.pid" "$@" \
		>"$DEMO/$name.log" 2>&1 </dev/null &
}

wait_for() {
	local i
	for ((i = 0; i < 200; i++)); do
		on "$1" curl -s -o /dev/null "$2" && return
		sleep 0.05
	done
	die "nothing answers at $2; see the logs in $DEMO"
}

# --- stages -----------------------------------------------------------------------------------

# Whatever an earlier run left, however it ended: what runs in the two namespaces, then these.
stop_all() {
	local side name
	for side in outside inside; do
		name=$(namespace "$side")
		[ -e "/run/netns/$name" ] || continue
		stop_in "$name" TERM || stop_in "$name" KILL || die "something in $name does not end"
		ip netns del "$name"
	done
	rm -f "$DEMO"/*.pid
}

# stop_in NAMESPACE SIGNAL: 0 when nothing runs there any more
stop_in() {
	local i pids
	for ((i = 0; i < 100; i++)); do
		pids=$(ip netns pids "$1" 2>/dev/null) || true
		[ -n "$pids" ] || return 0
		# shellcheck disable=SC2086 # words
		kill -"$2" $pids 2>/dev/null || true
		sleep 0.05
	done
	return 1
}

make_side() {
	local name said
	name=$(namespace "$1")
	said=$(ip netns add "$name" 2>&1 && ip -n "$name" link set lo up 2>&1) ||
		die "no network namespace $name: $said"
}

# A run that fails leaves files to look at and nothing running.
give_up() {
	trap - EXIT
	stop_all || true
	printf '\ndemo: stopped; what it wrote is in %s\n' "$DEMO" >&2
	exit 1
}

make_upstream() {
	step '0. An upstream registry, and an image in it: busybox and a layer of Debian'
	fixture small
	make_side outside
	export REGISTRY_HTTP_ADDR=127.0.0.1:80 OTEL_TRACES_EXPORTER=none
	export REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=$DEMO/upstream
	leave_running outside registry docker-registry serve "$SUPPORT/registry.yml"
	wait_for outside http://127.0.0.1/v2/
	show outside skopeo copy --insecure-policy --quiet --dest-tls-verify=false \
		"oci:$FIXTURES/small:small" docker://localhost/demo/app:1.0
	cat >moat.yaml <<-END
		set: demo
		platforms: [linux/amd64]
		images:
		  - localhost/demo/app:1.0
		registries:
		  localhost: {plain-http: true}
	END
}

cross_the_gap() {
	step '1. pin: what do the names in the list mean today?'
	show outside cat moat.yaml
	show outside moat pin
	step '2. pull: fetch exactly that'
	show outside moat pull --store outside
	step '3. seal: a set with a version and a signature'
	[ -e moat.key ] || show outside moat key new --out moat.key --no-passphrase
	show outside moat seal --store outside --key moat.key --version 2026.11
	step '4. export: the medium that is carried across'
	show outside moat export --store outside --to medium
	show outside ls -sh medium

	step '5. The other side of the gap: a network namespace without a route'
	make_side inside
	show inside ip route
	if on inside curl -s --max-time 3 http://192.0.2.1/ >/dev/null 2>&1; then
		die 'this namespace has a way out'
	fi
	note '(no route: nothing to see)'
	step '6. import: signature first, then every byte'
	show inside moat import --store inside --key moat.pub medium
	show inside moat activate --store inside demo
	show inside moat list --store inside
	step '7. moatd serves it'
	leave_running inside moatd moatd --store "$DEMO/inside" --listen 127.0.0.1:5000
	wait_for inside http://127.0.0.1:5000/v2/
}

# Every blob that skopeo got is compared with the outside store's, for the images of the lock.
pull_back() {
	local ref file count=0 bytes=0
	step '8. An ordinary client pulls it back, through the OCI API'
	for ref in $(jq -r '.pins[] | select(.files == null).ref' moat.lock | head -n 3); do
		rm -rf back
		show inside skopeo copy --insecure-policy --quiet --src-tls-verify=false \
			"docker://127.0.0.1:5000/$ref" dir:back
		for file in back/*; do
			[[ ${file##*/} =~ ^[0-9a-f]{64}$ ]] || continue
			cmp "$file" "outside/blobs/sha256/${file##*/}" || die "$file differs"
			count=$((count + 1)) bytes=$((bytes + $(stat -c %s "$file")))
		done
		cmp back/manifest.json "outside/blobs/sha256/$(sha256sum back/manifest.json |
			cut -d' ' -f1)" || die "the manifest of $ref differs"
	done
	[ "$count" -gt 0 ] || die 'nothing was compared'
	note "$count blobs, $bytes bytes: equal to upstream's, byte by byte"
}

# A client that asks for a tag all the time, until the file "reading" goes; its answers are counted afterwards.
read_all_the_time() {
	: >reading
	# shellcheck disable=SC2016 # the inner shell expands it
	on inside sh -c 'while [ -e reading ]; do
		curl -s -o /dev/null -w "%{http_code} %header{docker-content-digest}\n" "$0" || echo failed
	done' http://127.0.0.1:5000/v2/demo/app/manifests/1.0?ns=localhost >answers &
}

month_two() {
	local reader
	step '9. A month later upstream has a new release, and 1.0 was fixed'
	cp -r "$FIXTURES/small" next
	umoci config --image next:small --config.label month=2
	for tag in 1.0 1.1; do
		show outside skopeo copy --insecure-policy --quiet --dest-tls-verify=false \
			oci:next:small "docker://localhost/demo/app:$tag"
	done
	sed -i 's|^  - localhost/demo/app:1.0$|&\n  - localhost/demo/app:1.1|' moat.yaml
	show outside moat pin --update
	show outside moat pull --store outside
	show outside moat seal --store outside --key moat.key --version 2026.12
	differs moat diff --store outside demo:2026.11 demo:2026.12
	step '10. export --since: what the other side has stays here'
	show outside moat export --store outside demo:2026.12 --since demo:2026.11 --to medium-2
	show outside ls -sh medium-2
	step '11. import says what will change; activate switches, while a client reads without a break'
	show inside moat import --store inside --key moat.pub medium-2
	read_all_the_time
	reader=$!
	sleep 0.5
	show inside moat activate --store inside demo
	sleep 0.5
	step '12. rollback: the same switch back, without the medium'
	show inside moat rollback --store inside demo
	sleep 0.5
	rm reading
	wait "$reader"
	grep -vq '^200 sha256:' answers && die "an answer failed; see $DEMO/answers"
	note "$(wc -l <answers) answers meanwhile, all 200; by digest:"
	sort answers | uniq -c | sed 's/^/      /'
	[ "$(sort -u answers | wc -l)" = 2 ] || die 'the client saw no switch'
	show inside moat log --store inside --last 4
}

what_next() {
	local inside ref
	inside=$(namespace inside)
	ref=$(jq -r '.pins[0].ref' moat.lock)
	step 'Done.  What is running, and where'
	note "moatd       process $(cat moatd.pid), http://127.0.0.1:5000 in the namespace $inside"
	[ ! -e registry.pid ] ||
		note "upstream    process $(cat registry.pid), in the namespace $(namespace outside)"
	note "files       $DEMO: moat.yaml moat.lock outside/ medium/ inside/"
	step 'Three things to try'
	note "$BIN/moat show --store $DEMO/inside $ref"
	note "ip netns exec $inside curl -s http://127.0.0.1:5000/v2/_catalog"
	note "./bootstrap demo --stop"
}

# --- main -------------------------------------------------------------------------------------

list=''
while [ $# -gt 0 ]; do
	case $1 in
	--list) list=$(realpath "${2:?--list needs a file}"); shift ;;
	--stop) stop_all; echo 'demo: stopped'; exit ;;
	*) die "unknown argument '$1'; it is: demo [--list FILE | --stop]" ;;
	esac
	shift
done

[ "$(id -u)" = 0 ] || die 'needs root: it makes network namespaces'
stop_all
rm -rf "$DEMO"
mkdir -p "$DEMO"
cd "$DEMO"
trap give_up EXIT
begin=$SECONDS
if [ -n "$list" ]; then cp "$list" moat.yaml; else make_upstream; fi
cross_the_gap
pull_back
[ -n "$list" ] || month_two
trap - EXIT
what_next
printf '\n(%d seconds)\n' $((SECONDS - begin))
