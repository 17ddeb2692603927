#!/usr/bin/env bash
# One moatd that is pushed to, two that only read, and the tool importing one set after another, all on
# one store: 10 s, or MOAT_SOAK_SECONDS.  No wrong answer, and S1 to S7 hold at the end.
. "$(dirname "$0")/../support/lib.sh"

SECONDS_=${MOAT_SOAK_SECONDS:-10}
fixture tiny
fixture layered
registry_start
push tiny apps/web:1
push layered apps/web:2
carry platform "$UPSTREAM/apps/web:1"

step "push, read and import for $SECONDS_ s"
moatd_start "$IN" --push --uploads 60000 --uploads-each 60000
writer=$MOATD_PID
for port in 6001 6002; do
	start reader$port moatd --store "$IN" --listen "$IP:$port" "${TLS_ARGS[@]}"
	wait_until 20 answers "$SCHEME://$IP:$port/healthz"
done
start soak python3 "$SUPPORT/soak.py" "$SECONDS_" "$URL" "$URL" "$SCHEME://$IP:6001" \
	"$SCHEME://$IP:6002"
soak=$STARTED_PID
sets=0
while running "$soak" && ! gone "$soak"; do
	sets=$((sets + 1))
	write_list platform "$UPSTREAM/apps/web:$((sets % 2 + 1))"
	pin --update
	pull
	rm -rf "$MEDIUM"
	seal --version "v$sets"
	export_to
	import
	for at in "$INSIDE" "$IP:6001" "$IP:6002"; do
		curl -sf -H "Accept: $ACCEPT" -o "$T/served" \
			"$SCHEME://$at/v2/$UPSTREAM/apps/web/manifests/$((sets % 2 + 1))"
		same "sha256:$(sha256 "$T/served")" "$(digest_of "$UPSTREAM" apps/web $((sets % 2 + 1)))"
	done
done
status=0
wait "$soak" || status=$?
cat "$T/soak.log"
same "$status" 0 'soak.py'
echo "$sets sets imported meanwhile"
[ "$sets" -gt 1 ] || _fail 'too few sets'

step 'what was written is sound, also after the writer was killed'
stop "$writer" KILL
must moat verify --store "$IN"
moatd_start "$IN" --push
must skopeo copy -q --dest-tls-verify="$TLS_VERIFY" "oci:$FIXTURES/tiny:tiny" "docker://$INSIDE/team/app:1"
stop "$MOATD_PID"
must moat verify --store "$IN"
