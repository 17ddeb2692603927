#!/usr/bin/env bash
# Many at once: 10,000 connections that stay, and 1,000 nodes that pull one image at the same moment.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
ulimit -n "$(ulimit -Hn)"
moatd_start "$IN" --push --connections 16000 --connections-each 16000
peak() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$MOATD_PID/status"; }
must skopeo copy -q --dest-tls-verify=false "oci:$FIXTURES/tiny:tiny" "docker://$INSIDE/team/tiny:1"

step 'a storm of 1,000 nodes: every byte is right, nobody is refused'
must timeout 300 python3 "$SUPPORT/crowd.py" storm 1000 "$INSIDE" team/tiny 1
cat "$T/out"
echo "peak memory: $(peak) kB"
curl -sf "http://$INSIDE/metrics" >"$T/metrics"
has_line "$T/metrics" '^moat_http_requests_total\{route="manifest",method="GET",code="200"\} 1[0-9]{3}$'
must_fail 1 grep -E 'code="(429|500|503)"' "$T/metrics"

step '10,000 connections that asked once and stay'
if [ "$(ulimit -n)" -lt 12000 ]; then
	echo "skipped: this machine allows a process $(ulimit -n) open files only"
else
	must timeout 300 python3 "$SUPPORT/crowd.py" idle 10000 "$INSIDE"
	cat "$T/out"
	echo "peak memory: $(peak) kB"
fi
