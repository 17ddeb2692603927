#!/usr/bin/env bash
# moatd and the audit log of its store: accepted pushes and deletes stand in it before they are answered, denied ones as
# counts, and a server that may not write says so.
. "$(dirname "$0")/../support/lib.sh"

cd "$T" || exit
fixture tiny
STORE=$T/store
LOG=$STORE/audit/000001.jsonl
lines() { wc -l <"$LOG"; }
printf 'secret\n' >password
chmod 600 password
must moat user add alice --users users --password-file password
must moat user add eve --users users --password-file password
cat >access.yaml <<-END
	- {repositories: ["team/**"], users: [alice], actions: [pull, push, delete]}
	- {repositories: ["public/**"], users: [eve], actions: [pull]}
END
push_server() { moatd_start "$STORE" --push --delete --users users --access access.yaml "$@"; }
# put USER PATH FILE [TYPE]: the status. delete PATH: the same, by alice
put() { curl -sk -u "$1:secret" -o answer -w '%{http_code}' -X PUT -H "Content-Type: ${4:-application/octet-stream}" --data-binary "@$3" "$URL/v2/$2"; }
delete() { curl -sk -u alice:secret -o answer -w '%{http_code}' -X DELETE "$URL/v2/$1"; }
# upload FILE: into team/app, its digest in one request
upload() { curl -sk -u alice:secret -o answer -w '%{http_code}' --data-binary "@$1" -H 'Content-Type: application/octet-stream' \
	"$URL/v2/team/app/blobs/uploads/?digest=sha256:$(sha256 <"$1")"; }
rows() { moat log --store "$STORE" --json | jq -r ".[] | select($1) | [.action, .result, .account, .repository, .reference, .digest] | join(\" \")"; }

printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}' >index
printf 'some bytes' >blob
INDEX=sha256:$(sha256 <index) BLOB=sha256:$(sha256 <blob)
TYPE=application/vnd.oci.image.index.v1+json

step 'a push is recorded before its answer'
push_server
same "$(upload blob)" 201
same "$(put alice team/app/manifests/1.0 index "$TYPE")" 201
rows '.repository == "team/app"' >found
same "$(cat found)" "push accepted alice team/app  $BLOB
push accepted alice team/app 1.0 $INDEX"
same "$(moat log --store "$STORE" --json | jq -r '.[0].peer' | cut -d: -f1)" 127.0.0.1
same "$(tail -n 1 "$LOG" | jq -r .id | wc -c)" 17
must moat log verify --store "$STORE"
must moat log --store "$STORE"
out_has "push accepted team/app:1.0 by alice from 127.0.0.1:"

step 'deletes too; one that was recorded and not done says so'
same "$(delete team/app/manifests/1.0)" 202
same "$(rows '.action == "delete"')" 'delete accepted alice team/app 1.0 '
same "$(delete team/app/manifests/none)" 404
recorded() { [ "$(moat log --store "$STORE" --last 1 --json | jq -r '.[0].result')" = failed ]; }
wait_until 20 recorded
same "$(moat log --store "$STORE" --last 2 --json | jq -r '.[0].seq - .[1].begun')" 0

step 'a flood of denied requests is a count'
before=$(lines)
seq 10000 | sed "s|.*|url = \"$URL/v2/team/app/manifests/1\"\noutput = \"/dev/null\"|" >urls
curl -sk -u eve:secret -K urls -w '%{http_code}\n' >codes
same "$(sort -u codes)" 403
same "$(lines)" "$before" 'none is a line on its own'
same "$(put eve team/app/manifests/2 index "$TYPE")" 403
stop "$MOATD_PID"
same "$(lines)" "$((before + 1))" 'one line a client and minute'
same "$(tail -n 1 "$LOG" | jq -r '[.action, .result, .peer, .account, .repository, .last, .count] | join(" ")')" \
	"request denied 127.0.0.1 eve team/app push 10001"
must moat log verify --store "$STORE"

step 'what cannot be recorded is not done'
mv "$STORE/audit" away
mkdir -p "$STORE/audit/000001.jsonl"
push_server
status=$(put alice team/app/manifests/3 index "$TYPE")
[ "$status" -ge 500 ] || _fail "answered $status"
same "$(curl -sk -u alice:secret -o answer -w '%{http_code}' "$URL/v2/team/app/manifests/3")" 404
stop "$MOATD_PID"
rm -r "$STORE/audit"
mv away "$STORE/audit"
push_server
same "$(put alice team/app/manifests/3 index "$TYPE")" 201
stop "$MOATD_PID"
must moat log verify --store "$STORE"
clean "$STORE"

step 'killed among pushes: nothing is there that is not recorded'
push_server
before=$(lines)
crowd() { seq 400 | xargs -P 8 -I N curl -sk -u alice:secret -o /dev/null -X PUT -H "Content-Type: $TYPE" --data-binary @index "$URL/v2/team/app/manifests/kN"; }
crowd &
CROWD=$!
some() { [ "$(lines)" -ge $((before + 40)) ]; }
wait_until 20 some
kill -9 "$MOATD_PID"
wait "$CROWD" || true
push_server
curl -sk -u alice:secret "$URL/v2/team/app/tags/list" | jq -r '.tags[] | select(startswith("k"))' | sort >there
stop "$MOATD_PID"
rows '.action == "push" and (.reference | startswith("k"))' | cut -d' ' -f5 | sort >recorded
[ "$(wc -l <there)" -gt 0 ] || _fail 'nothing was pushed'
same "$(comm -23 there recorded)" ''
must moat log verify --store "$STORE"
clean "$STORE"

step 'a server that only reads records what it denies, where it may write'
moatd_start "$STORE" --users users --access access.yaml
curl -sk -u eve:secret -o answer "$URL/v2/team/app/manifests/3"
stop "$MOATD_PID"
same "$(tail -n 1 "$LOG" | jq -r '[.action, .result, .count] | join(" ")')" 'request denied 1'
if [ "$(id -u)" = 0 ] && command -v setpriv >none; then
	before=$(lines)
	chmod 755 "$T"
	chmod 644 users
	start reader setpriv --reuid 65534 --clear-groups env HOME=/ "$MOAT_BIN/moatd" --store "$STORE" --listen "$IP:6100" \
		--users users --access access.yaml
	wait_until 20 answers "http://$IP:6100/healthz"
	curl -sk -u eve:secret -o answer "http://$IP:6100/v2/team/app/manifests/3"
	stop "$STARTED_PID"
	has_line reader.log 'event=audit.off reason=.*Permission denied'
	same "$(lines)" "$before"
fi
