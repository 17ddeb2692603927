#!/usr/bin/env bash
# Collection beside a server: what lost its tag goes, what a set, a tag, a lock, a running cluster or a grace keeps
# stays; the server says at once what is gone, and a download that runs ends.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
fixture layered
registry_start
push tiny apps/web:1.0
carry platform "$UPSTREAM/apps/web:1.0"
moatd_start "$IN" --push
put() { must skopeo copy -q --dest-tls-verify="$TLS_VERIFY" "oci:$FIXTURES/$1:$1" "docker://$INSIDE/$2"; }
# code METHOD PATH: what the server answers
code() { curl -sk -o /dev/null -w '%{http_code}' -X "$1" -H "Accept: $ACCEPT" ${3:+-I} "$URL/v2/$2"; }
head_of() { code HEAD "$1" head; }

step 'nothing goes while it is young'
put tiny team/app:1
put layered team/app:1 # the tag moves
old=$(jq -r '.manifests[0].digest' "$FIXTURES/tiny/index.json")
config=$(jq -r .config.digest "$FIXTURES/tiny/blobs/sha256/${old#sha256:}")
same "$(head_of "team/app/manifests/$old")" 200
must moat gc --store "$IN" --dry-run
out_has '0 of [0-9]* blobs would go'
must moat gc --store "$IN" --json
json_is '.dryRun == false and .condemned.blobs == 0 and .graceSeconds == 86400'
same "$(head_of "team/app/manifests/$old")" 200

step 'a dry run says what would go, and changes nothing'
must moat gc --store "$IN" --dry-run --grace 0 --json
json_is '.dryRun and .unused.blobs == 0 and .byGrace.blobs == 0' # the set holds the same image
must skopeo copy -q --dest-tls-verify="$TLS_VERIFY" --format v2s2 "oci:$FIXTURES/tiny:tiny" "docker://$INSIDE/team/other:1"
must skopeo copy -q --dest-tls-verify="$TLS_VERIFY" "oci:$FIXTURES/layered:layered" "docker://$INSIDE/team/other:1"
docker=$(curl -sk "$URL/v2/team/other/tags/list" | jq -r '.tags[0]')
same "$docker" 1
must moat gc --store "$IN" --dry-run --grace 0 --json
json_is '.unused.blobs == 1 and .manifests == 1 and .sets[0].onlyBytes > 0 and .sets[0].active'

step 'what a tag keeps is told with the tag'
layer=$(jq -r '.manifests[0].digest' "$FIXTURES/layered/index.json" | cut -d: -f2)
layer=$(jq -r '.layers | max_by(.size).digest' "$FIXTURES/layered/blobs/sha256/$layer")
why_of() { moat gc --store "$IN" --dry-run --grace 0 --json | jq -r --arg d "$1" '.large[] | select(.digest == $d).why'; }
same "$(why_of "$layer")" 'tag team/app:1 and 1 other'
must skopeo copy -q --dest-tls-verify="$TLS_VERIFY" "oci:$FIXTURES/layered:layered" "docker://$INSIDE/team/other:2"
must skopeo copy -q --dest-tls-verify="$TLS_VERIFY" "oci:$FIXTURES/layered:layered" "docker://$INSIDE/team/more:1"
same "$(why_of "$layer")" 'tag team/app:1 and 3 others'

step 'a lock, and what runs, keep it'
gone=$(find "$IN/blobs/sha256" -type f -newer "$MOATD_PID" 2>/dev/null | head -1) || :
digest=$(cd "$IN/blobs/sha256" && grep -l 'docker.distribution.manifest.v2' -- * | head -1)
[ -n "$digest" ] || _fail 'no manifest of the other kind'
jq -n --arg d "sha256:$digest" '{items: [{kind: "Pod", spec: {containers: [{image: "team/other:1"}]},
	status: {containerStatuses: [{image: "team/other:1", imageID: ("team/other@" + $d)}]}},
	{kind: "Pod", spec: {containers: [{image: "elsewhere/app:1"}]},
	status: {containerStatuses: [{image: "elsewhere/app:1", imageID: "elsewhere/app@sha256:\("1" * 64)"}]}}]}' >"$T/pods.json"
must moat gc --store "$IN" --grace 0 --in-use "$T/pods.json" --json
json_is '.condemned.blobs == 0 and .byFiles.blobs == 1 and (.notHeld | map(.image)) == ["elsewhere/app:1"]'
echo '{"items": []}' >"$T/none.json"
must_fail 1 moat gc --store "$IN" --grace 0 --in-use "$T/none.json"
err_has 'an empty listing does not say that nothing is in use'
must_fail 1 moat gc --store "$IN" --grace 0 --lock "$T/no.lock"
same "$(head_of "team/other/manifests/sha256:$digest")" 200

step 'then it goes, and the server knows'
must moat gc --store "$IN" --grace 0
out_has '1 of [0-9]* blobs went'
same "$(head_of "team/other/manifests/sha256:$digest")" 404
same "$(head_of team/other/manifests/1)" 200
[ -e "$IN/trash/sha256-$digest" ] || _fail 'not in trash'
must moat verify --store "$IN"
must moat gc --store "$IN" --grace 0 --now --json
json_is '.condemned.blobs == 0 and .trash.blobs == 1'
[ ! -e "$IN/trash/sha256-$digest" ] || _fail 'still in trash'

step 'what is there stays as it was'
same "$(head_of "$UPSTREAM/apps/web/manifests/1.0")" 200
same "$(head_of "team/app/blobs/$config")" 200
must skopeo copy -q --src-tls-verify="$TLS_VERIFY" "docker://$INSIDE/team/app:1" "oci:$T/back:x"

step 'a download that runs goes on'
head -c 30000000 /dev/urandom >"$T/big"
big=sha256:$(sha256sum <"$T/big" | cut -d' ' -f1)
where=$(curl -sk -X POST -D - -o /dev/null "$URL/v2/team/app/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
case $where in /*) where=$URL$where ;; esac
must curl -skf -X PUT --data-binary "@$T/big" -o /dev/null "$where$([[ $where = *\?* ]] && echo '&' || echo '?')digest=$big"
same "$(head_of "team/app/blobs/$big")" 200
curl -sk --limit-rate 10M "$URL/v2/team/app/blobs/$big" >"$T/got" &
download=$!
wait_until 10 test -s "$T/got"
must moat gc --store "$IN" --grace 0 --now --json
json_is '.condemned.blobs == 1 and .removed.bytes == 30000000 and .trash.blobs == 1'
same "$(head_of "team/app/blobs/$big")" 404
wait "$download"
cmp "$T/big" "$T/got"

step 'and comes again by a push'
where=$(curl -sk -X POST -D - -o /dev/null "$URL/v2/team/app/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
case $where in /*) where=$URL$where ;; esac
must curl -skf -X PUT --data-binary "@$T/big" -o /dev/null "$where$([[ $where = *\?* ]] && echo '&' || echo '?')digest=$big"
same "$(head_of "team/app/blobs/$big")" 200
must moat verify --store "$IN"

step 'whoever may push and asks is promised; whoever only reads is not'
must moat gc --store "$IN" --grace 10s --save # of 5 seconds a promise is sure
put_blob() {
	where=$(curl -sk -X POST -D - -o /dev/null "$URL/v2/team/app/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
	case $where in /*) where=$URL$where ;; esac
	must curl -skf -X PUT --data-binary "$1" -o /dev/null "$where$([[ $where = *\?* ]] && echo '&' || echo '?')digest=sha256:$(printf %s "$1" | sha256)"
}
put_blob asked
put_blob read
sleep 6
same "$(head_of "team/app/blobs/sha256:$(printf asked | sha256)")" 200
same "$(code GET "team/app/blobs/sha256:$(printf read | sha256)")" 200
sleep 5
must moat gc --store "$IN"
same "$(head_of "team/app/blobs/sha256:$(printf asked | sha256)")" 200
same "$(head_of "team/app/blobs/sha256:$(printf read | sha256)")" 404

step 'who asks is told nothing where it cannot be promised'
put_blob unpromised
sleep 6
sqlite3 "$IN/meta/moat.db" "CREATE TRIGGER no BEFORE UPDATE OF touched ON blob BEGIN SELECT RAISE(ABORT, 'no'); END"
same "$(head_of "team/app/blobs/sha256:$(printf unpromised | sha256)")" 503
sqlite3 "$IN/meta/moat.db" 'DROP TRIGGER no'
same "$(head_of "team/app/blobs/sha256:$(printf unpromised | sha256)")" 200

step 'the grace is saved, and outlives the database'
must moat gc --store "$IN" --grace 2h --save
stop "$MOATD_PID"
rm -f "$IN"/meta/moat.db*
must moat gc --store "$IN" --json
json_is '.graceSeconds == 7200 and .condemned.blobs == 0'
must_fail 1 moat gc --store "$IN" --grace soon
err_has '--grace'
must_fail 2 moat gc --store "$IN" something
