#!/usr/bin/env bash
# Many at once: 10,000 connections that stay, 1,000 nodes that pull one image at the same moment, and 200 clients
# that do everything for 5 s, or MOAT_SOAK_SECONDS (600 for the long proof).  Over TLS the first two are a tenth.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
ulimit -n "$(ulimit -Hn)"
[ "$SCHEME" = https ] && nodes=100 idle=1000 || nodes=1000 idle=10000
htpasswd alice secret >"$T/users"
moatd_start "$IN" --push --users "$T/users" --connections 16000 --connections-each 16000 --bodies 8 --free-floor 0 \
	--header-timeout 120 # here, one process is all the clients
peak() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$MOATD_PID/status"; }
must skopeo copy -q --dest-tls-verify="$TLS_VERIFY" --dest-creds alice:secret "oci:$FIXTURES/tiny:tiny" "docker://$INSIDE/team/tiny:1"

step "a storm of $nodes nodes: every byte is right, no request is refused"
must timeout 300 python3 "$SUPPORT/crowd.py" storm "$nodes" "$URL" team/tiny 1
cat "$T/out"
echo "peak memory: $(peak) kB"
curl -sf "$URL/metrics" >"$T/metrics"
has_line "$T/metrics" '^moat_http_requests_total\{route="manifest",method="GET",code="200"\} '"${nodes%?}"'[0-9]$'
must_fail 1 grep -E 'code="(429|500|503)"' "$T/metrics"

step '200 clients pull, push and log in, each as fast as it can: every request gets its answer'
must timeout $((${MOAT_SOAK_SECONDS:-5} + 200)) python3 "$SUPPORT/crowd.py" answers 200 "$URL" team/tiny 1 \
	"${MOAT_SOAK_SECONDS:-5}"
cat "$T/out"
must_fail 1 grep -E 'request.stuck|request.failed' "$T/moatd.log"

step "$idle connections that asked once and stay"
if [ "$(ulimit -n)" -lt $((idle + 2000)) ]; then
	echo "skipped: this machine allows a process $(ulimit -n) open files only"
else
	must timeout 300 python3 "$SUPPORT/crowd.py" idle "$idle" "$URL"
	cat "$T/out"
	echo "peak memory: $(peak) kB"
fi
