#!/usr/bin/env bash
# The other side of the gap runs an older moat: the build of commit 0c84de8. Its media, locks, stores and trusted keys
# work here; ours without new kinds import there; what is new is refused there, and nothing is harmed.
. "$(dirname "$0")/../support/lib.sh"

OLD_COMMIT=0c84de8
OLD=$FIXTURES/moat-$OLD_COMMIT
git -C "$SOURCE" cat-file -e "$OLD_COMMIT^{commit}" 2>/dev/null || {
	echo "skipped: this clone lacks commit $OLD_COMMIT"
	exit 77
}

# It is built once a machine, without its tests.
build_old() {
	mkdir -p "$FIXTURES"
	(
		flock 9
		[ ! -x "$OLD/bin/moatd" ] || exit 0
		mkdir "$T/old"
		git -C "$SOURCE" archive "$OLD_COMMIT" | tar -x -C "$T/old"
		cmake -G Ninja -S "$T/old" -B "$T/old/build" -DCMAKE_BUILD_TYPE=RelWithDebInfo >"$T/old.log"
		cmake --build "$T/old/build" --target moat moatd >>"$T/old.log"
		mkdir -p "$OLD/bin"
		cp "$T/old/build/bin/moat" "$T/old/build/bin/moatd" "$OLD/bin/"
	) 9>"$FIXTURES/.moat-old.lock"
}

old() { "$OLD/bin/moat" "$@"; }
status_of() { curl -s -o /dev/null -w '%{http_code}' "http://$1/v2/$2?ns=docker.io"; }

step 'the older one is built'
build_old
fixture tiny
fixture layered
UPSTREAM=docker.io write_list plat "{name: docker.io/library/a:1, from: \"oci:$FIXTURES/tiny:tiny\"}"
mkdir "$T/trust.d"

step 'its lock, medium and trusted key work here'
must old pin --list "$LIST" --lock "$LOCK"
must old pull --lock "$LOCK" --store "$T/old-out"
must old key new --out "$T/old.key" --no-passphrase
cp "$T/old.pub" "$T/trust.d"
must old seal --lock "$LOCK" --store "$T/old-out" --key "$T/old.key" --version 1
must old export --store "$T/old-out" --to "$T/old-1"
must moat verify --key "$T/trust.d/old.pub" "$T/old-1"
must moat import --store "$IN" --key "$T/trust.d/old.pub" --activate "$T/old-1"
must moat pull --lock "$LOCK" --store "$OUT"
clean
clean "$OUT"

step 'its store is served by us as it is, then brought up to date; it refuses what is newer with a sentence'
must old import --store "$T/old-in" --key "$T/old.pub" "$T/old-1"
moatd_start "$T/old-in"
same "$(status_of "$INSIDE" library/a/manifests/1)" 200
stop "$MOATD_PID"
must old list --store "$T/old-in"
must moat import --store "$T/old-in" --key "$T/old.pub" "$T/old-1"
clean "$T/old-in"
must_fail 1 old list --store "$T/old-in"
err_has 'made by a newer moat'
must_fail 1 timeout 20 "$OLD/bin/moatd" --store "$T/old-in" --listen "$INSIDE"
err_has 'made by a newer moat'
clean "$T/old-in"

step 'what we seal without new kinds imports there'
new_key
must moat seal --lock "$LOCK" --store "$OUT" --key "$KEY" --version 2
must moat export --store "$OUT" plat:2 --to "$T/new-2"
must old verify --key "$PUB" "$T/new-2"
must old import --store "$T/there" --key "$PUB" "$T/new-2"
start old-moatd "$OLD/bin/moatd" --store "$T/there" --listen "$INSIDE"
wait_until 20 answers "http://$INSIDE/v2/"
same "$(status_of "$INSIDE" library/a/manifests/1)" 200
stop "$STARTED_PID"
must old verify --store "$T/there"

step 'a delta is refused there, and nothing is harmed'
UPSTREAM=docker.io write_list plat "{name: docker.io/library/a:1, from: \"oci:$FIXTURES/tiny:tiny\"}" \
	"{name: docker.io/library/b:1, from: \"oci:$FIXTURES/layered:layered\"}"
must moat pin --list "$LIST" --lock "$LOCK" --update
must moat pull --lock "$LOCK" --store "$OUT"
must moat seal --lock "$LOCK" --store "$OUT" --key "$KEY" --version 3
must moat export --store "$OUT" plat:3 --since plat:2 --to "$T/delta-3"
must old list --store "$T/there" --json
cp "$T/out" "$T/before"
must_fail '[1-9]|10' old import --store "$T/there" --key "$PUB" "$T/delta-3"
must old list --store "$T/there" --json
same_file "$T/before" "$T/out"
must old verify --store "$T/there"
must moat import --store "$T/there" --key "$PUB" --activate "$T/delta-3"
clean "$T/there"
