#!/usr/bin/env bash
# Every damaged or forged medium is refused with a reason, and leaves nothing visible behind.
. "$(dirname "$0")/../support/lib.sh"

registry_start
push layered apps/layered:1.0
push multi apps/multi:1.0
write_list platform "$UPSTREAM/apps/layered:1.0" "$UPSTREAM/apps/multi:1.0"
pin
pull
seal
set_blob=blobs/$(cut -d' ' -f3 "$T/out" | tr : /)
export_to "$MEDIUM" --volume-size 2MiB
volumes=("$MEDIUM"/*.tar)
[ "${#volumes[@]}" -ge 3 ] || _fail 'this test needs a medium of several volumes'
layer=$(get_manifest "$UPSTREAM" apps/layered 1.0 | jq -r '.layers[0].digest | sub(":"; "/")')

# forged NAME: a fresh copy of the medium in $T/NAME, to be damaged
forged() {
	step "$1"
	bad=$T/bad
	rm -rf "$bad" "$IN"
	cp -r "$MEDIUM" "$bad"
	one=$bad/$(basename "${volumes[0]}")
	last=$bad/$(basename "${volumes[-1]}")
}

# tamper VOLUME HOW...: see tamper.py; SHA256SUMS is brought up to date, as an attacker would
tamper() {
	python3 "$SUPPORT/tamper.py" "$@"
	(cd "$bad" && sha256sum -- *.tar >SHA256SUMS)
}

# refused STATUS REASON [KEY]: by import and by verify
refused() {
	must_fail "$1" moat verify --key "${3:-$PUB}" "$bad"
	err_has "$2"
	must_fail "$1" moat import --activate --store "$IN" --key "${3:-$PUB}" "$bad"
	err_has "$2"
	nothing_inside
}

forged 'unsigned'
for volume in "$bad"/*.tar; do tamper "$volume" unsign; done
refused 3 'sign'

forged 'signed by another key'
must moat key new --out "$T/other.key" --no-passphrase
refused 3 'sign|key' "$T/other.pub"

forged 'truncated volume'
truncate -s -100000 "$last"
refused 3 "$(basename "$last").*: the file is cut short, copy it again$"

forged 'no table of contents'
tamper "$last" drop moat/toc.json
refused '3|4' "$(basename "$last")"

forged 'flipped bit in a layer'
tamper "$one" flip "blobs/$layer"
refused 3 "${layer#*/}|$(basename "$one")"

forged 'flipped bit, and a table of contents that agrees with it'
tamper "$one" flip "blobs/$layer" --fix-toc
refused 3 "${layer#*/}|$(basename "$one")"

forged 'flipped bit in what is signed'
for volume in "$bad"/*.tar; do tamper "$volume" flip "$set_blob" --fix-toc; done
refused 3 .

forged 'missing volume'
rm "$last"
(cd "$bad" && sha256sum -- *.tar >SHA256SUMS)
refused 4 'volume'

forged 'extra symbolic link'
tamper "$one" add-symlink blobs/sha256/evil /etc/shadow
refused 3 'link'

forged 'extra hard link'
tamper "$one" add-hardlink blobs/sha256/evil oci-layout
refused 3 'link'

forged 'extra device'
tamper "$one" add-device blobs/sha256/evil
refused 3 'device|entry'

forged 'entry that climbs out'
tamper "$one" add-file ../../evil
refused 3 '\.\.'
absent "$T/evil"

forged 'absolute entry'
tamper "$one" add-file "$T/evil"
refused 3 evil
absent "$T/evil"

forged 'duplicate entry'
tamper "$one" duplicate "blobs/$layer"
refused 3 'twice|duplicate'

forged 'a blob that no signature speaks of'
tamper "$one" add-blob 'surprise' --fix-toc
refused 3 .

forged 'wrong size'
tamper "$one" resize "blobs/$layer" -1 --fix-toc
refused 3 "${layer#*/}|size"

forged 'a FIFO, and a link to a device, under the names of volumes'
mkfifo "$bad/more-1.001-of-001.tar"
for kind in 'not a regular file' 'a symbolic link, not a file'; do
	refused 1 "more-1.001-of-001.tar: $kind"
	must_fail 1 timeout 60 moat list "$bad"
	err_has "more-1.001-of-001.tar: $kind"
	must_fail 1 timeout 60 moat show --from "$bad" platform
	err_has "more-1.001-of-001.tar: $kind"
	ln -sf /dev/zero "$bad/more-1.001-of-001.tar"
done

step 'after all this the undamaged medium is accepted'
rm -rf "$IN"
import
clean

step 'a store without room is told before anything is written'
mkdir "$T/small"
must mount -t tmpfs -o size=6m moat-test "$T/small"
at_exit "umount '$T/small'"
must_fail 6 moat import --activate --store "$T/small/store" --key "$PUB" "$MEDIUM"
err_has 'are free; nothing was written'
same "$(find "$T/small/store/blobs" -type f | wc -l)" 0
