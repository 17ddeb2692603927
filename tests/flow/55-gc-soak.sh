#!/usr/bin/env bash
# Collection every second, with a grace of seconds, beside clients that push, ask, mount, pull and delete, beside imports,
# and beside an operator that activates, goes back, switches off and removes versions of a set: no client is ever told
# something that does not hold, no answer mixes versions, and S1 to S7 hold at the end. 10,000 events, or MOAT_SOAK.
. "$(dirname "$0")/../support/lib.sh"

EVENTS=${MOAT_SOAK:-10000}
fixture tiny
fixture layered
registry_start
push tiny apps/web:1
push layered apps/web:2
carry platform "$UPSTREAM/apps/web:1"
for version in 1 2 3 4; do
	python3 "$SUPPORT/hammer.py" layout "$T/life/layout-$version" "$version"
	{
		printf 'set: life\nversion: "%s"\nimages:\n' "$version"
		for tag in t{0..9} only-$version; do
			printf "  - {name: 'docker.io/gen/app:%s', from: 'oci:layout-%s:gen'}\n" "$tag" "$version"
		done
	} >"$T/life/moat.yaml"
	(
		LIST=$T/life/moat.yaml LOCK=$T/life/lock OUT=$T/life/store
		cd "$T/life" && pin && pull && seal && export_to "$T/life/medium-$version"
	)
	rm "$T/life/lock"
done

step "$EVENTS events"
must moat gc --store "$IN" --grace 4s --save
moatd_start "$IN" --push --delete --strict --uploads 60000 --uploads-each 60000
# A second: of the 4, less the 2 that a touch may be old, less one.
start soak python3 "$SUPPORT/gc_soak.py" "$EVENTS" "$URL" 1 "$IN" "$T/life" "$PUB"
soak=$STARTED_PID
runs=0 went=0 sets=0
while running "$soak" && ! gone "$soak"; do
	runs=$((runs + 1))
	must moat gc --store "$IN" --now --json
	went=$((went + $(jq .condemned.blobs "$T/out")))
	if [ $((runs % 8)) = 5 ]; then
		sets=$((sets + 1))
		write_list platform "$UPSTREAM/apps/web:$((sets % 2 + 1))"
		pin --update
		pull
		rm -rf "$MEDIUM"
		seal --version "v$sets"
		export_to
		import
	fi
	sleep 0.5
done
status=0
wait "$soak" || status=$?
cat "$T/soak.log"
same "$status" 0 'gc_soak.py'
echo "$runs collections took $went blobs, $sets sets came meanwhile"
[ "$runs" -gt 3 ] || _fail 'too few collections'
[ "$went" -gt 100 ] || _fail 'nearly nothing was collected'
for event in import activate rollback deactivate remove; do
	grep -q "\"$event\": " "$T/soak.log" || _fail "no $event"
done

step 'what is left is sound'
must moat verify --store "$IN"
stop "$MOATD_PID"
must moat verify --store "$IN"
must moat gc --store "$IN" --grace 0 --now
must moat verify --store "$IN"

step 'and without any grace only what is named is left'
must moat gc --store "$IN" --grace 0 --orphans --json
json_is '.condemned.blobs == 0 and .removed.blobs == 0'
