#!/usr/bin/env bash
# Broken transfers: cut connections, a registry that restarts, a killed pull, a rate limit.
. "$(dirname "$0")/../support/lib.sh"

registry_start
fixture debian
push debian library/debian:12
UPSTREAM_LIST=$IP:8000

through_middle() {
	cat >"$LIST" <<-END
		set: resumed
		platforms: [linux/amd64]
		images:
		  - $UPSTREAM_LIST/library/debian:12
		registries:
		  $UPSTREAM_LIST: {plain-http: true}
	END
}
layer=$(get_manifest "$UPSTREAM" library/debian 12 | jq -r '.layers[0].digest')
ranges() { grep -cE "GET /v2/library/debian/blobs/$layer bytes=[1-9][0-9]*-" "$T/middle.log" || true; }
whole() { grep -cE "GET /v2/library/debian/blobs/$layer - 200" "$T/middle.log" || true; }

through_middle
step 'cut connections are resumed by Range within one run'
middle_start --to "$IP:80" --cut-after 8000000 --cuts 2
pin
pull
clean "$OUT"
[ "$(ranges)" -ge 2 ] || _fail "$(ranges) Range requests, not 2"
stop "$MIDDLE_PID"

step 'pull shows bytes of all bytes, percent and time left, and the percent never falls'
rm -rf "$OUT"
middle_start --to "$IP:80" --rate 20000000
script -qec "stty cols 120; moat pull --lock '$LOCK' --store '$OUT'" /dev/null </dev/null | tr '\r' '\n' >"$T/screen"
clean "$OUT"
stop "$MIDDLE_PID"
has_line "$T/screen" '\[[#.]{24}\] pull: 0 of 1 pins, [0-9.]+ MiB of [0-9.]+ MiB, .*[0-9]+%'
sed -n 's/.* pull: .* \([0-9]*\)%.*/\1/p' "$T/screen" >"$T/percent"
sort -nc "$T/percent"
same "$(sed -n 's/.* of \([0-9.]* MiB\),.*/\1/p' "$T/screen" | sort -u | wc -l)" 1 'the total stays what it is'

step 'a killed pull goes on where it was'
: >"$T/middle.log"
rm -rf "$OUT"
middle_start --to "$IP:80" --rate 20000000
moat pull --lock "$LOCK" --store "$OUT" >"$T/killed.log" 2>&1 &
victim=$!
sleep 1
kill -9 "$victim"
wait "$victim" || true
stop "$MIDDLE_PID"
middle_start --to "$IP:80"
pull
clean "$OUT"
[ "$(ranges)" -ge 1 ] || _fail 'the second run did not ask for a range'
stop "$MIDDLE_PID"

step 'a registry that restarts in the middle of a pull'
: >"$T/middle.log"
rm -rf "$OUT"
middle_start --to "$IP:80" --rate 20000000
moat pull --lock "$LOCK" --store "$OUT" >"$T/restart.log" 2>&1 &
puller=$!
sleep 1
stop "$MIDDLE_PID" KILL
stop "$REGISTRY_PID" KILL
sleep 1
registry_start
middle_start --to "$IP:80"
wait "$puller" || { cat "$T/restart.log"; _fail 'the pull did not survive the restart'; }
clean "$OUT"
[ "$(ranges)" -ge 1 ] || _fail 'it began from the start'
stop "$MIDDLE_PID"

step 'a rate limit is waited for'
rm -rf "$OUT"
: >"$T/middle.log"
middle_start --to "$IP:80" --busy 2
pull
clean "$OUT"
has_line "$T/middle.log" ' 429 0$'
