# shellcheck shell=bash
# The words of the flow tests and the demo.
#
# A test sources this file and then reads like a dialogue:
#
#	. "$(dirname "$0")/../support/lib.sh"
#	step 'an image can be pinned'
#	upstream_start
#	...
#	must moat pin --list "$T/moat.yaml"
#	must_fail 3 moat import ...
#
# $T is the test's own directory, $IP its own loopback address (127.a.b.c): two tests never share a
# file or a port, so any number of them may run at once.  On exit everything that was started is
# ended (by process id) and $T is removed; MOAT_KEEP=1 keeps $T.
set -euo pipefail

SUPPORT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SOURCE=$(cd "$SUPPORT/../.." && pwd)
MOAT_BIN=${MOAT_BIN:-$SOURCE/build/bin}
PATH=$MOAT_BIN:$PATH:/usr/sbin:/sbin
export LC_ALL=C

TEST=$(basename "$0" .sh)
T=$(mktemp -d "${TMPDIR:-/tmp}/moat-$TEST.XXXXXX")
# Process ids have at most 22 bits, so this is an address that no other running test has.
IP=127.$(($$ >> 16 & 255 | 64)).$(($$ >> 8 & 255)).$(($$ & 255))

# Base images are made once per machine; see images.sh.
FIXTURES=${MOAT_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/moat-tests}/v1

# Whoever builds a program from outside needs what the next lines take away; see go.sh.
OUTSIDE=(HOME="${HOME:-/root}")
for _name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY SSL_CERT_FILE; do
	[ -z "${!_name:-}" ] || OUTSIDE+=("$_name=${!_name}")
done

# Nothing of the user's own configuration may decide a test.
export HOME=$T XDG_RUNTIME_DIR=$T/run TMPDIR=$T
unset http_proxy https_proxy no_proxy all_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY
unset MOAT_STORE REGISTRY_AUTH_FILE DOCKER_CONFIG
mkdir -p "$T/run" "$T/.config/containers"
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$T/.config/containers/policy.json"

# --- the end ----------------------------------------------------------------------------------

STARTED=() # process ids, in the order they were started
AT_EXIT=() # commands, run last to first

at_exit() { AT_EXIT+=("$*"); }

_finish() {
	local status=$? i
	set +e
	trap - ERR
	for ((i = ${#STARTED[@]} - 1; i >= 0; i--)); do
		stop "${STARTED[i]}"
	done
	for ((i = ${#AT_EXIT[@]} - 1; i >= 0; i--)); do
		eval "${AT_EXIT[i]}"
	done
	if [ "$status" = 0 ]; then
		echo "ok: $TEST"
	elif [ "$status" = 77 ]; then
		: # skipped, and why was said
	else
		echo "FAILED: $TEST, in step: ${STEP:-before the first}"
		_show_logs
	fi
	if [ -n "${MOAT_KEEP:-}" ]; then
		echo "kept: $T"
	else
		rm -rf "$T"
	fi
	exit "$status"
}
trap _finish EXIT
trap 'exit 130' INT TERM
# A command that fails unexpectedly says where it stands; the first word is the truest.
trap '_surprise $? "${BASH_SOURCE[0]}:$LINENO" "$BASH_COMMAND"' ERR
set -E
_surprise() {
	[ -n "${SURPRISED:-}" ] || echo "$2: exit status $1: $3"
	SURPRISED=1
}

_show_logs() {
	local log
	for log in "$T"/*.log; do
		[ -s "$log" ] || continue
		echo "--- ${log##*/} (last lines)"
		grep -v 'err.code=.*unknown' "$log" | tail -n 15 | cut -c -300
	done
}

# --- saying and comparing ---------------------------------------------------------------------

# Functions called from a test report the test's line, not their own.
_fail() {
	local i=0
	while [[ ${BASH_SOURCE[i]} == */support/*.sh ]]; do i=$((i + 1)); done
	echo "${BASH_SOURCE[i]}:${BASH_LINENO[i - 1]}: $*"
	exit 1
}

step() {
	STEP=$*
	echo "== $*"
}

# must COMMAND...: it succeeds.  Output is kept in $T/out and $T/err and shown only on failure; the command
# itself may read what the one before it left there.
must() { must_fail 0 "$@"; }

# must_fail STATUS COMMAND...: it ends with exactly this status; STATUS may be a choice: '3|4'.
must_fail() {
	local want=$1 got=0 new=$BASHPID
	shift
	"$@" >"$T/out.$new" 2>"$T/err.$new" </dev/null || got=$?
	mv "$T/out.$new" "$T/out"
	mv "$T/err.$new" "$T/err"
	[[ $got =~ ^($want)$ ]] && return 0
	echo "\$ $*"
	tail -n 30 "$T/out" "$T/err"
	_fail "exit status $got, not $want"
}

# Of the last must or must_fail:
out_has() { grep -qE -- "$1" "$T/out" || { cat "$T/out"; _fail "stdout has no line like: $1"; }; }
err_has() { grep -qEi -- "$1" "$T/err" || { cat "$T/err"; _fail "stderr has no line like: $1"; }; }

# json_is FILTER: true, by jq, of the JSON on stdout.  (jq -e takes no JSON at all for success in jq 1.6.)
json_is() { [ "$(jq "$1" "$T/out")" = true ] || { cat "$T/out"; _fail "stdout is not: $1"; }; }

same() { [ "$1" = "$2" ] || _fail "not the same: '$1' and '$2'${3:+ ($3)}"; }
same_file() { cmp "$1" "$2" >&2 || _fail "files differ: $1 $2"; }
volume_bytes() { cat "$1"/*.tar | wc -c; } # FOLDER: of the volumes in it
exists() { [ -e "$1" ] || _fail "$1 is not there"; }
absent() { [ ! -e "$1" ] || _fail "$1 is there"; }
has_line() { grep -qE -- "$2" "$1" || { cat "$1"; _fail "$1 has no line like: $2"; }; }

sha256() { sha256sum "$@" | cut -d' ' -f1; }

# --- processes --------------------------------------------------------------------------------

# start NAME COMMAND...: in the background, output to $T/NAME.log, process id in $STARTED_PID
start() {
	local name=$1
	shift
	"$@" >>"$T/$name.log" 2>&1 </dev/null &
	STARTED_PID=$!
	STARTED+=("$STARTED_PID")
}

running() { kill -0 "$1" 2>/dev/null; }

# stop PID [SIGNAL]: and wait until it is gone
stop() {
	kill -"${2:-TERM}" "$1" 2>/dev/null || return 0
	wait_until 10 gone "$1" 2>/dev/null || kill -9 "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

gone() { ! running "$1" || grep -qs '^State:.*Z' "/proc/$1/status"; }

# wait_until SECONDS COMMAND...: poll until it succeeds
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || { echo "waited in vain for: $*" >&2; return 1; }
		sleep 0.05
	done
}

# A fraction of a second in microseconds, from 0 to $1
random_us() { echo $(((RANDOM << 15 | RANDOM) % ($1 + 1))); }
sleep_us() { sleep "$(($1 / 1000000)).$(printf '%06d' $(($1 % 1000000)))"; }
now_us() { echo "${EPOCHREALTIME/./}"; }

. "$SUPPORT/servers.sh"
. "$SUPPORT/images.sh"
. "$SUPPORT/mirror.sh"
speak "${MOAT_TEST_SCHEME:-http}"
