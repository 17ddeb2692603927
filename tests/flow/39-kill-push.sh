#!/usr/bin/env bash
# kill -9 of a moatd that is pushed to, at a random moment, again and again: whatever a client was told
# is there afterwards, every tag resolves, and the store is sound; also when its index is lost.
# MOAT_SOAK=N does it N times instead of 20 (5 over TLS).
. "$(dirname "$0")/../support/lib.sh"

[ "$SCHEME" = https ] && times=${MOAT_SOAK:-5} || times=${MOAT_SOAK:-20}
step "killed $times times"
for ((i = 0; i < times; i++)); do
	moatd_start "$IN" --push --access-log off
	: >"$T/crash.log"
	start crash python3 "$SUPPORT/crash.py" "$URL" "$T/ledger"
	crash=$STARTED_PID
	wait_until 60 grep -q checked "$T/crash.log" || _fail "$(cat "$T/crash.log")"
	sleep_us "$(random_us 1500000)"
	kill -9 "$MOATD_PID"
	status=0
	wait "$MOATD_PID" 2>/dev/null || status=$?
	same "$status" 137 'moatd lived until it was killed'
	status=0
	wait "$crash" || status=$?
	same "$status" 0 "$(cat "$T/crash.log")"
	must moat verify --store "$IN"
done
cat "$T/crash.log"

step 'stopped in order, the index may be lost: it is made again from the files'
moatd_start "$IN" --push
must python3 "$SUPPORT/crash.py" "$URL" "$T/ledger" check
stop "$MOATD_PID"
rm -rf "$IN/meta"
moatd_start "$IN" --push
must python3 "$SUPPORT/crash.py" "$URL" "$T/ledger" check
stop "$MOATD_PID"
must moat verify --store "$IN"
