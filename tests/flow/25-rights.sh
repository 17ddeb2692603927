#!/usr/bin/env bash
# What a process may not do: write beside the database, read another user's files, open one more file.  Whatever only
# reads works without any right to write; every refusal has the exit status of its class (moat(1)).
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
# one LABEL: a set of one image whose bytes differ by the label, as a medium in $T/LABEL
one() {
	cp -r "$FIXTURES/tiny" "$T/layout-$1"
	umoci config --image "$T/layout-$1:tiny" --config.label "is=$1"
	write_list platform "{name: \"docker.io/library/tiny:1\", from: \"oci:$T/layout-$1:tiny\"}"
	rm -f "$LOCK"
	pin
	pull
	seal --version "$1"
	export_to "$T/$1" "platform:$1"
}
one 1
one 2
import "$T/1"
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
chmod 755 "$T"

step 'another user reads a store that nobody has open'
must "${nobody[@]}" "$(command -v moat)" list --store "$IN"
out_has 'docker.io/library/tiny:1'
must "${nobody[@]}" "$(command -v moat)" show --store "$IN" docker.io/library/tiny:1

step 'who may not write a store is told whose it is'
must_fail 7 "${nobody[@]}" "$(command -v moat)" activate --store "$IN" platform
err_has "Permission denied; the store belongs to $(id -un): run it as that user$"

step 'verify tells of each file that it may not read, and looks at the others'
mapfile -t blobs < <(find "$IN/blobs/sha256" -type f | sort)
verify() { must_fail "$1" "${nobody[@]}" "$(command -v moat)" verify --store "$IN"; }
verify 0
chmod 000 "${blobs[0]}"
verify 7
out_has "S1: blob sha256:${blobs[0]##*/}: its file cannot be read: .*Permission denied"
err_has '1 problem; this user has no right to read 1 of the files'
cp -p "${blobs[1]}" "$T/good"
printf X | dd of="${blobs[1]}" bs=1 conv=notrunc status=none
verify 3
out_has "${blobs[0]##*/}: its file cannot be read"
out_has "S1: blob sha256:${blobs[1]##*/}: its file has other bytes"
cp -p "$T/good" "${blobs[1]}"
chmod 444 "${blobs[0]}"
verify 0

step 'a store on a read-only mount is listed, shown, exported, verified and served'
mkdir "$T/mounted"
must mount --bind "$IN" "$T/mounted"
at_exit "umount '$T/mounted'"
must mount -o remount,ro,bind "$T/mounted"
must moat list --store "$T/mounted"
must moat show --store "$T/mounted" docker.io/library/tiny:1
must moat export --store "$T/mounted" --to "$T/again"
must moat verify --store "$T/mounted"
find "$IN" >"$T/before"
moatd_start "$T/mounted"
digest() { curl -sf "http://$INSIDE/v2/docker.io/library/tiny/manifests/1" | sha256; }
one=$(digest)
same "$one" "$(jq -r '.manifests[0].digest | sub("sha256:"; "")' "$T/layout-1/index.json")"
find "$IN" | diff "$T/before" - || _fail 'a reader left something behind'

step 'a writer on the other side of the mount is noticed'
import "$T/2"
two=$(jq -r '.manifests[0].digest | sub("sha256:"; "")' "$T/layout-2/index.json")
is_two() { [ "$(digest)" = "$two" ]; }
wait_until 10 is_two
! grep failed "$T/moatd.log" || _fail "a request failed"
stop "$MOATD_PID"

step 'writing there is refused, with 7 and a reason'
must_fail 7 moat import --activate --store "$T/mounted" --key "$PUB" "$T/2"
err_has 'read-only file system'
must_fail 7 "${nobody[@]}" "$(command -v moat)" import --store "$IN" --key "$PUB" "$T/2"
err_has 'permission denied'
chmod 700 "$T/2"
must_fail 7 "${nobody[@]}" "$(command -v moat)" verify --key "$PUB" "$T/2"
err_has "$T/2: permission denied"

step 'the log of a writer that died is not skipped'
cp -r "$IN" "$T/crashed"
sqlite3 "$T/crashed/meta/moat.db" 'PRAGMA journal_mode' >/dev/null
head -c 4096 /dev/zero >"$T/crashed/meta/moat.db-wal"
chmod -R go-w "$T/crashed"
must_fail 7 "${nobody[@]}" "$(command -v moat)" list --store "$T/crashed"
err_has 'as the owner of the store'
must moat list --store "$T/crashed"

step 'a limit of the machine is 8, at once, and named'
must_fail 8 prlimit --nofile=8:8 moat import --activate --store "$T/limited" --key "$PUB" "$T/1"
err_has 'ulimit -n'
must prlimit --nofile=64:4096 moat import --activate --store "$T/limited" --key "$PUB" "$T/1"

step 'a limit of the machine excuses no image' # 127: it ends before moat begins
write_list platform "{name: \"docker.io/library/tiny:1\", from: \"oci:$T/layout-1:tiny\", on-error: skip, attachments: optional}"
for files in 4 5 6 7 8 10 12 16; do
	rm -f "$T/few.lock"
	must_fail '0|8|127' prlimit --nofile=$files:$files moat pin --list "$LIST" --lock "$T/few.lock"
	! grep -qs '"skipped"\|"excused"' "$T/few.lock" || _fail "left out with $files files"
done
exists "$T/few.lock"

step 'a file of another kind is no damaged volume'
skopeo --insecure-policy copy -q "oci:$FIXTURES/tiny:tiny" "docker-archive:$T/docker.tar:tiny:1"
skopeo --insecure-policy copy -q "oci:$FIXTURES/tiny:tiny" "oci-archive:$T/oci.tar:tiny"
gzip -c "$T/docker.tar" >"$T/docker.tgz"
tar -C "$T/layout-1" -cf "$T/layout.tar" oci-layout index.json blobs
for file in docker.tar oci.tar docker.tgz layout.tar moat.yaml; do
	must_fail 1 moat import --activate --store "$T/limited" --key "$PUB" "$T/$file"
	err_has "$file: .*not a volume of moat"
done
must_fail 1 moat verify --key "$PUB" "$T"/1/*.tar "$T"/2/*.tar
err_has 'a volume of another set'
