#!/usr/bin/env bash
# A disk without a byte left: whatever is held is served, what would write is refused early and says how much is missing,
# and collection frees space, beside a server and without one.
if [ -z "${MOAT_OWN_MOUNTS:-}" ]; then
	unshare -m sh -c 'mount -t tmpfs -o size=1m moat /mnt' 2>/dev/null || {
		echo 'skipped: no file system may be mounted here'
		exit 77
	}
	MOAT_OWN_MOUNTS=1 exec unshare -m bash "$0"
fi
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
fixture layered
registry_start
push tiny apps/web:1.0
carry platform "$UPSTREAM/apps/web:1.0"
mkdir "$T/disk"
mount -t tmpfs -o size=64m moat "$T/disk"
at_exit umount "$T/disk"
cp -a "$IN" "$T/disk/store"
IN=$T/disk/store
is_left() { [ "$(left)" -ge "$1" ]; }
left() { df --output=avail -B1 "$T/disk" | tail -1 | tr -d ' '; }
fill() {
	cat /dev/zero >>"$T/disk/fill.$1" 2>/dev/null || :
	same "$(left)" 0
}
# put_blob FILE: the server's answer to an upload of it
put_blob() {
	curl -sk -X POST -D "$T/head" -o "$T/answer" "$URL/v2/team/app/blobs/uploads/"
	where=$(tr -d '\r' <"$T/head" | sed -n 's/^[Ll]ocation: //p')
	case $where in "") return ;; /*) where=$URL$where ;; esac
	curl -sk -X PUT --data-binary "@$1" -o "$T/answer" -D "$T/head" \
		"$where$([[ $where = *\?* ]] && echo '&' || echo '?')digest=sha256:$(sha256 <"$1")"
}
status() { sed -n 's/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$T/head" | tail -1; }
code() { curl -sk -o /dev/null -w '%{http_code}' -H "Accept: $ACCEPT" "$URL/v2/$1"; }
# collected BYTES ARGS...: gc takes them
collected() {
	must moat gc --store "$IN" --grace 0 "${@:2}" --json
	json_is ".condemned.bytes >= $1 and .removed.blobs == .condemned.blobs"
	must moat verify --store "$IN"
	must moat log verify --store "$IN"
	must moat log --store "$IN" --action gc --last 2 --json
	same "$(jq -r '[.[].result] | join(" ")' "$T/out")" 'begun allowed'
}
for i in 1 2 3; do head -c 8000000 /dev/urandom >"$T/blob$i"; done
push layered apps/web:2.0
write_list platform "$UPSTREAM/apps/web:2.0"
pin --update
pull
rm -rf "$MEDIUM"
seal --version 2
export_to

step 'what is held is served'
moatd_start "$IN" --push --free-floor 1MiB
put_blob "$T/blob1"
same "$(status)" 201
put_blob "$T/blob2"
same "$(status)" 201
fill 1
same "$(code "team/app/blobs/sha256:$(sha256 <"$T/blob1")")" 200
same "$(code "$UPSTREAM/apps/web/manifests/1.0")" 200
must skopeo copy -q --src-tls-verify="$TLS_VERIFY" "docker://$INSIDE/$UPSTREAM/apps/web:1.0" "oci:$T/back:x"

step 'a push is refused before its bytes, and told what is missing'
put_blob "$T/blob3"
same "$(status)" 507
has_line "$T/answer" 'disk is full: 0 bytes are left, and 1048576 stay free; [1-9][0-9]* bytes are missing'

step 'an import is refused before it writes, and told what is missing'
before=$(find "$IN/blobs" "$IN/stage" -type f 2>/dev/null | sort | sha256)
must_fail 6 moat import --store "$IN" --key "$PUB" "$MEDIUM"
err_has 'bytes are needed and 0 are free; nothing was written, [1-9][0-9]* bytes are missing'
same "$(find "$IN/blobs" "$IN/stage" -type f 2>/dev/null | sort | sha256)" "$before"
same "$(code "$UPSTREAM/apps/web/manifests/1.0")" 200

step 'a dry run and verify work, as does a list'
fill 2
must moat gc --store "$IN" --grace 0 --dry-run --json
json_is '.unused.bytes >= 16000000'
must moat verify --store "$IN"
must moat list --store "$IN"

step 'collection frees space beside the server, which takes pushes again'
fill 3
collected 16000000 --now
# What the server sent last it has open until a second after the next requests, of whatever.
freed() { code "$UPSTREAM/apps/web/manifests/1.0" >/dev/null && is_left "$1"; }
same "$(code "team/app/blobs/sha256:$(sha256 <"$T/blob1")")" 404
wait_until 10 freed 15000000
same "$(code "$UPSTREAM/apps/web/manifests/1.0")" 200
put_blob "$T/blob3"
same "$(status)" 201

step 'and without a server, whose files of the database are gone'
stop "$MOATD_PID"
fill 4
collected 8000000 --now
is_left 7000000 || _fail "$(left) bytes are left"

step 'a server that only reads starts there, and serves; so does whoever looks'
# to_the_last N: also without what gc keeps for itself, and what the last one that had the database open left
to_the_last() {
	! [ -s "$IN/meta/moat.db-wal" ] || _fail 'somebody has the database open'
	rm -f "$IN/audit/reserve" "$IN"/meta/moat.db-*
	fill "$1"
}
rm "$T/disk"/fill.*
to_the_last 7
must moat list --store "$IN"
must moat verify --store "$IN"
must moat gc --store "$IN" --grace 0 --dry-run
moatd_start "$IN"
same "$(code "$UPSTREAM/apps/web/manifests/1.0")" 200
stop "$MOATD_PID"

step 'nor is there room to open the database for writing: a person is told'
must_fail 6 moat gc --store "$IN" --grace 0
err_has 'moat.db: set up: No space left on device; nothing can go without the database, so about 1 MiB must be freed by hand'

step 'what needs no database goes first: stages of dead writers, and trash'
rm "$T/disk/fill.7"
stage=$IN/stage/sha256-$(printf 'a%.0s' {1..64})
head -c 2000000 /dev/zero >"$stage"
mkdir -p "$IN/trash"
head -c 2000000 /dev/zero >"$IN/trash/sha256-$(printf 'b%.0s' {1..64})"
to_the_last 8
must moat gc --store "$IN" --json
err_has 'the disk is full: trash and what dead writers left went for good'
json_is '.trash.blobs == 1 and .stages.blobs == 0'
exists "$stage" 'a writer may go on with it'
to_the_last 9
must moat gc --store "$IN" --grace 0 --json
json_is '.stages.blobs == 1'
absent "$stage"
must moat verify --store "$IN"
must moat log verify --store "$IN"
must moat log --store "$IN" --action gc --last 2 --json
same "$(jq -r '[.[].result] | join(" ")' "$T/out")" 'begun allowed'
rm "$T/disk"/fill.*
fill 1

step 'and in parts, when the rows of all that goes need more room than there is'
rm "$T/disk/fill.1"
moatd_start "$IN" --push --free-floor 1MiB
python3 - "$INSIDE" <<'END'
import hashlib, http.client, sys
conn = http.client.HTTPConnection(sys.argv[1])
for i in range(4000):
    data = b"%d" % i
    conn.request("POST", "/v2/team/many/blobs/uploads/?digest=sha256:" + hashlib.sha256(data).hexdigest(), body=data)
    r = conn.getresponse()
    r.read()
    assert r.status == 201, r.status
END
stop "$MOATD_PID"
fill 6
must moat gc --store "$IN" --grace 0
err_has 'the disk is full: [1-9][0-9]* blobs go for good now'
out_has '^[^ ]*: 4[0-9]* of .* blobs went'
must moat verify --store "$IN"
rm "$T/disk/fill.6"

step 'and old versions with it; then the import goes on'
must moat import --store "$IN" --key "$PUB" --activate "$MEDIUM"
must moat deactivate --store "$IN" platform
fill 5
must moat gc --store "$IN" --keep-versions 1 --grace 0 --now --json
json_is '.versions == 1 and .condemned.blobs > 0'
must moat verify --store "$IN"
rm "$T/disk"/fill.*
must moat activate --store "$IN" platform:2
must moat verify --store "$IN"
