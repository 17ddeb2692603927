#!/usr/bin/env bash
# A copy of the database is one state beside a writer, replaces nothing, follows no link, and comes forward from the files
# when it is put back.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
fixture layered

# medium IMAGE VERSION REF...: exported to $T/VERSION
medium() {
	local image=$1 version=$2 refs=() ref
	shift 2
	for ref in "$@"; do
		refs+=("{name: \"$ref\", from: \"oci:$FIXTURES/$image:$image\"}")
	done
	UPSTREAM=docker.io write_list plat "${refs[@]}"
	rm -f "$LOCK"
	pin
	pull
	seal --version "$version"
	must moat export "plat:$version" --store "$OUT" --to "$T/$version"
}

tag_status() { # REPO TAG
	curl -s -o /dev/null -w '%{http_code}' "http://$INSIDE/v2/$1/manifests/$2?ns=docker.io"
}

# put_back FILE: as moat-backup(1) says
put_back() {
	rm -rf "$T/meta-old"
	mv "$IN/meta" "$T/meta-old"
	mkdir "$IN/meta"
	cp "$1" "$IN/meta/moat.db"
}

medium tiny 1 docker.io/library/a:1
medium layered 2 docker.io/library/a:1 docker.io/library/b:1
import "$T/1"

step 'a copy, and what is there stays'
must moat backup "$T/copy.db" --store "$IN"
out_has '^.*/copy.db: the database of .*; no blob is in it$'
same "$(stat -c %a "$T/copy.db")" 600
sum=$(sha256sum <"$T/copy.db")
must_fail 1 moat backup "$T/copy.db" --store "$IN"
err_has 'copy.db is there already'
ln -s "$T/elsewhere" "$T/link"
must_fail 1 moat backup "$T/link" --store "$IN"
err_has 'link is there already'
absent "$T/elsewhere"
ln -s "$T/elsewhere" "$T/.new.part"
must_fail '[1-9]' moat backup "$T/new" --store "$IN"
absent "$T/elsewhere"
absent "$T/new"
rm "$T/.new.part"
ln "$T/copy.db" "$T/.new.part"
must_fail 1 moat backup "$T/new" --store "$IN"
err_has 'no file that a backup left'
same "$(sha256sum <"$T/copy.db")" "$sum"
rm "$T/.new.part"
echo 'what a killed run left' >"$T/.new.part"
must moat backup "$T/new" --store "$IN"
absent "$T/.new.part"
must_fail 1 moat backup "$T/none/new" --store "$IN"
must_fail 2 moat backup --store "$IN"
must_fail 1 moat backup "$T/other" --store "$T/none"
absent "$T/other"

step 'it is in the log'
must moat log --store "$IN" --action backup --json
[ "$(jq -s 'flatten | map(select(.action == "backup" and .result == "allowed")) | length' "$T/out")" = 2 ] ||
	_fail "not two backups: $(cat "$T/out")"

step 'a whole copy beside a server that takes pushes'
moatd_start "$IN" --push
(for ((i = 0; i < 200; i++)); do
	curl -sf -o /dev/null -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' \
		--data '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}' \
		"http://$INSIDE/v2/team/app/manifests/t$i" || exit 1
done) &
pusher=$!
for ((i = 0; i < 5; i++)); do
	must moat backup "$T/busy-$i.db" --store "$IN"
done
wait "$pusher" || _fail 'a push failed beside a backup'
stop "$MOATD_PID"
for ((i = 0; i < 5; i++)); do
	put_back "$T/busy-$i.db"
	import "$T/1"
	clean
	moatd_start "$IN"
	same "$(tag_status library/a 1)" 200
	same "$(curl -s "http://$INSIDE/v2/team/app/tags/list" | jq '.tags | length')" 200 "pushes before and after copy $i"
	stop "$MOATD_PID"
done

step 'put back, it comes forward from the files'
import "$T/2"
put_back "$T/copy.db"
must_fail 3 moat verify --store "$IN"
out_has '^S6: the database is older than index.json'
must_fail 3 moat import --activate --store "$IN" --key "$PUB" "$T/1"
err_has 'older than version 2'
clean
moatd_start "$IN"
same "$(tag_status library/a 1) $(tag_status library/b 1)" '200 200'
stop "$MOATD_PID"
