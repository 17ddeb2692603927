#!/usr/bin/env bash
# The database of a store is lost, with or without blobs, or is an old copy: what is said, what is served
# meanwhile, and that the next import puts everything back. MOAT_SOAK=N kills a rebuild N times instead of 12.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
fixture layered
BLOBS=blobs/sha256

# medium IMAGE NAME VERSION REF...: a set of that image under these names, exported to $T/NAME-VERSION
medium() {
	local image=$1 name=$2 version=$3 refs=() ref
	shift 3
	for ref in "$@"; do
		refs+=("{name: \"$ref\", from: \"oci:$FIXTURES/$image:$image\"}")
	done
	UPSTREAM=docker.io write_list "$name" "${refs[@]}"
	rm -f "$LOCK"
	pin
	pull
	seal --version "$version"
	must moat export "$name:$version" --store "$OUT" --to "$T/$name-$version"
}

tag_status() { # REPO TAG
	curl -s -o /dev/null -w '%{http_code}' "http://$INSIDE/v2/$1/manifests/$2?ns=docker.io"
}

active() { moat list --store "$IN" --sets --json | jq -r '.[] | select(.active) | .set + ":" + .version'; }

medium tiny plat 1 docker.io/library/a:1 docker.io/library/b:1
medium tiny plat 2 docker.io/library/a:1 docker.io/library/b:1 docker.io/library/c:1
medium layered other 1 docker.io/library/x:1
import "$T/plat-1"
import "$T/other-1"
moat list --store "$IN" --sets --json >"$T/before"

step 'without a database readers say so, and the next import makes it again'
mv "$IN/meta" "$T/meta-1"
for verb in "verify --store $IN" "list --store $IN" "export --store $IN --to $T/none"; do
	# shellcheck disable=SC2086
	must_fail 4 moat $verb
	err_has 'the database was lost.*import or pull'
done
must_fail 1 timeout 20 moatd --store "$IN" --listen "$INSIDE"
err_has 'the database was lost.*moatd with push'
import "$T/other-1"
moat list --store "$IN" --sets --json >"$T/after"
same_file "$T/before" "$T/after"
clean
moatd_start "$IN"
same "$(tag_status library/a 1) $(tag_status library/x 1)" '200 200'
stop "$MOATD_PID"

step 'moatd that takes pushes makes it again, too'
rm -r "$IN/meta"
moatd_start "$IN" --push
same "$(tag_status library/a 1) $(tag_status library/x 1)" '200 200'
stop "$MOATD_PID"
clean

step 'an old copy is said by whoever reads, and brought forward by whoever writes'
cp -r "$IN/meta" "$T/copy"
import "$T/plat-2"
same "$(active | sort | tr '\n' ' ')" 'other:1 plat:2 '
rm -r "$IN/meta"
cp -r "$T/copy" "$IN/meta"
must_fail 3 moat verify --store "$IN"
out_has '^S6: the database is older than index.json.*import'
must moat list --store "$IN"
err_has 'older than index.json'
moatd_start "$IN"
has_line "$T/moatd.log" 'event=store reason=.*older than index.json'
same "$(curl -s -o "$T/ready" -w '%{http_code}' "http://$INSIDE/readyz")" 503
has_line "$T/ready" 'older than index.json'
must_fail 3 moat import --activate --store "$IN" --key "$PUB" "$T/plat-1"
err_has 'older than version 2'
same "$(active | sort | tr '\n' ' ')" 'other:1 plat:2 '
same "$(curl -s -o "$T/ready" -w '%{http_code}' "http://$INSIDE/readyz")" 200 "$(cat "$T/ready")"
same "$(tag_status library/c 1)" 200 'what came with version 2'
stop "$MOATD_PID"
clean

step 'database and a blob are lost: what is whole is served, the rest is named'
inventory=$(jq -r '.manifests[] | select(.annotations["vnd.moat.set.name"] == "plat" and
	.annotations["vnd.moat.set.version"] == "2") | .digest[7:]' "$IN/index.json")
manifest=$(jq -r '.manifests[0].digest[7:]' "$IN/$BLOBS/$inventory")
rm -r "$IN/meta"
rm "$IN/$BLOBS/$manifest"
import "$T/other-1"
must moat list --store "$IN"
out_has '^plat +2 .* active, [1-9][0-9]* missing'
must_fail 4 moat verify --store "$IN"
out_has '^S5: set plat:2 was not whole.*import its medium'
moatd_start "$IN"
has_line "$T/moatd.log" 'event=store set=plat version=2 missing=[1-9].*import its medium'
same "$(tag_status library/x 1)" 200
stop "$MOATD_PID"
must_fail 3 moat import --activate --store "$IN" --key "$PUB" "$T/plat-1"
err_has 'older than version 2'

step 'its medium brings the rest back'
import "$T/plat-2"
clean
moatd_start "$IN"
same "$(tag_status library/a 1) $(tag_status library/b 1) $(tag_status library/c 1)" '200 200 200'
stop "$MOATD_PID"

step 'a damaged database says what to do'
printf 'no database at all, for sure' | dd of="$IN/meta/moat.db" conv=notrunc status=none
must_fail 3 moat verify --store "$IN"
err_has '.moat rebuild --yes. makes .*move meta/ out of the store.*import'
must_fail 3 moat import --activate --store "$IN" --key "$PUB" "$T/other-1"
err_has 'move meta/ out of the store'
rm -r "$IN/meta"
import "$T/other-1"
clean

step 'a rebuild that is killed leaves nothing half'
moat list --store "$IN" --json >"$T/before"
kills=0 whole=60000
for ((i = 0; i < ${MOAT_SOAK:-12}; i++)); do
	rm -r "$IN/meta"
	kill_at_random moat import --activate --store "$IN" --key "$PUB" "$T/other-1"
	must_fail '0|1|4' moat verify --store "$IN"
	import "$T/other-1"
	clean
	moat list --store "$IN" --json >"$T/after"
	same_file "$T/before" "$T/after"
done
[ "$kills" -gt 0 ] || _fail 'no kill hit'
