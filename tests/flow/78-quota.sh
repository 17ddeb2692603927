#!/usr/bin/env bash
# Quotas: pushes of real clients over TLS, to the byte; what is refused leaves nothing; deletes and gc give back.
. "$(dirname "$0")/../support/lib.sh"

cd "$T" || exit
speak https
fixture layered
fixture multi
SIZE=$(jq -r '[.manifests[0].size] | add' "$FIXTURES/layered/index.json")
manifest=$FIXTURES/layered/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' "$FIXTURES/layered/index.json")
SIZE=$((SIZE + $(jq '[.config, .layers[]] | unique_by(.digest) | map(.size) | add' "$manifest")))

serve() { moatd_start "$IN" --push --audit-log "$T/audit.log" "$@"; }
copy() { skopeo copy -q --dest-tls-verify=true "oci:$FIXTURES/$1:$1" "docker://$INSIDE/$2" 2>&1; }
status() { curl -s -o body -w '%{http_code}' "$@"; }
used() { python3 -c 'import sqlite3, sys
print((sqlite3.connect(sys.argv[1]).execute("SELECT bytes FROM repo WHERE name = ?", (sys.argv[2],)).fetchone() or [0])[0])' \
	"$IN/meta/moat.db" "$1"; }
staged_none() { same "$(find "$IN/stage" -type f | wc -l)" 0 'staged'; }
metric() { curl -s "$URL/metrics" | sed -n "s#^moat_quota_refused_total{quota=\"$1\"} ##p"; }
digest() { echo "sha256:$(sha256 "$1")"; }
refused() { # STATUS: a 403 that says how much is missing
	same "$1" 403
	jq -e '.errors[0] | .code == "DENIED" and
		(.message | test("quota of this repository is [0-9]+ bytes, [0-9]+ are used; of [0-9]+ more [0-9]+ are missing"))' \
		body >/dev/null || { cat body && _fail 'it does not say what is missing'; }
}

step 'rules that are none'
for rule in team team=x '=1' 'team=0' 'UPPER=1' 'team=1K=2' 'twice=2'; do
	must_fail 1 timeout 20 moatd --store "$T/none" --listen "$INSIDE" --push --quota twice=1 --quota "$rule"
	err_has "quota: \"$rule\""
done

step 'an image that fits to the byte fits; one byte less, and it does not; skopeo says why'
serve --quota tight/app=1000 --quota "team/*=$SIZE" --quota "team/less=$((SIZE - 1))"
copy layered team/app:1 || _fail 'it fits'
same "$(used team/app)" "$SIZE"
copy layered team/app:2 || _fail 'nothing new is no matter of a quota'
! copy layered team/less:1 >said || _fail 'it does not fit'
has_line said 'quota of this repository'
same "$(status "$URL/v2/team/less/manifests/1")" 404
[ "$(used team/less)" -lt "$SIZE" ] || _fail 'beyond the quota'
copy layered free/app:1 || _fail 'no rule is no limit'
[ "$(metric team/less)" -ge 1 ] || _fail 'not counted'
same "$(metric 'team/\*')" 0
has_line audit.log 'status=403.*team/less|team/less.*status=403'
staged_none

step 'podman over TLS: refused with the reason, and pushed elsewhere'
podman_ends
must podman_ pull -q "$INSIDE/free/app:1"
must podman_ tag "$INSIDE/free/app:1" "$INSIDE/tight/app:1" "$INSIDE/free/podman:1"
must_fail 125 podman_ push "$INSIDE/tight/app:1"
err_has 'quota of this repository'
[ "$(used tight/app)" -le 1000 ] || _fail 'beyond the quota'
must podman_ push "$INSIDE/free/podman:1"

step 'each way in is refused early: POST with a body, PATCH, PUT, chunked, mount, manifest'
stop "$MOATD_PID"
serve --quota 'small/**=1000'
head -c 600 /dev/urandom >a
head -c 600 /dev/urandom >b
head -c 401 /dev/urandom >c
head -c 400 /dev/urandom >d
up=$URL/v2/small/x/blobs/uploads/
put_whole() { status -X POST --data-binary "@$1" -H 'Content-Type: application/octet-stream' "$up?digest=$(digest "$1")"; }
session() { curl -s -D - -o /dev/null -X POST -H 'Content-Length: 0' "$up" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p'; }
same "$(put_whole a)" 201
refused "$(put_whole b)"
at=$URL$(session)
refused "$(status -X PATCH --data-binary @b -H 'Content-Type: application/octet-stream' "$at")"
same "$(status "$at")" 404 'the session is gone'
at=$URL$(session)
refused "$(status -X PATCH --data-binary @b -H 'Transfer-Encoding: chunked' -H 'Content-Type: application/octet-stream' "$at")"
same "$(status "$at")" 404
at=$URL$(session)
same "$(status -X PATCH --data-binary @d -H 'Content-Type: application/octet-stream' "$at")" 202
refused "$(status -X PATCH --data-binary @d -H 'Content-Type: application/octet-stream' "$at")"
staged_none
at=$URL$(session)
refused "$(status -X PUT --data-binary @c -H 'Content-Type: application/octet-stream' "$at?digest=$(digest c)")"
up=$URL/v2/free/x/blobs/uploads/
same "$(put_whole c)" 201
refused "$(status -X POST -H 'Content-Length: 0' "$URL/v2/small/x/blobs/uploads/?mount=$(digest c)&from=free/x")"
up=$URL/v2/small/x/blobs/uploads/
same "$(put_whole d)" 201 'to the byte'
same "$(used small/x)" 1000
same "$(put_whole a)" 201 'again'
same "$(status -X POST --data-binary @a -H 'Transfer-Encoding: chunked' -H 'Content-Type: application/octet-stream' \
	"$up?digest=$(digest a)")" 201 'again, without a length'
refused "$(status -X PUT -H "Content-Type: $OCI_INDEX" --data-binary "{\"schemaVersion\":2,\"mediaType\":\"$OCI_INDEX\",\"manifests\":[]}" \
	"$URL/v2/small/x/manifests/1")"
clean

step 'a delete gives back, and so does gc'
same "$(status -X DELETE "$URL/v2/small/x/blobs/$(digest a)")" 202
same "$(used small/x)" 400
same "$(put_whole b)" 201
same "$(put_whole a | head -c 3)" 403
sleep 1.1 # what was put in this second stays
must moat gc --store "$IN" --grace 0
same "$(used small/x)" 0 'nothing names those blobs'
same "$(used team/app)" "$SIZE"
same "$(put_whole a)" 201

step 'many at once never pass it'
up=$URL/v2/small/many/blobs/uploads/
for i in {1..24}; do head -c 100 /dev/urandom >"m$i"; done
for i in {1..24}; do
	curl -s -o /dev/null -w '%{http_code}\n' -X POST --data-binary "@m$i" -H 'Content-Type: application/octet-stream' \
		"$up?digest=$(digest "m$i")" >"code$i" &
	pids[i]=$!
done
wait "${pids[@]}"
same "$(cat code* | sort | uniq -c | xargs)" '10 201 14 403'
same "$(used small/many)" 1000
staged_none
clean
stop "$MOATD_PID"

step 'what a set brings is not refused, and counts once something is pushed there'
write_list plat "{name: docker.io/library/app:1, from: \"oci:$FIXTURES/layered:layered\"}"
pin && pull && seal --version 1 && export_to && import
serve --quota 'docker.io/**=100'
[ "$(used docker.io/library/app)" -gt 100 ] || _fail 'not counted'
up=$URL/v2/docker.io/library/app/blobs/uploads/
refused "$(put_whole a)"
stop "$MOATD_PID"

step 'a database that is made again counts again'
before=$(used team/app)
must moat rebuild --yes --store "$IN"
same "$(used team/app)" "$before"
clean
