#!/usr/bin/env bash
# Flips (64, or MOAT_SOAK; at random, and in each document of the set) in the files of a store: scrub finds all of them and says whose they are, none is
# served afterwards, and the medium repairs each. A run that was killed is gone on with.
. "$(dirname "$0")/../support/lib.sh"

FLIPS=${MOAT_SOAK:-64}
cd "$T" || exit
"$SUPPORT/many.py" "$T/m" 40 1
{
	printf 'set: plat\nplatforms: [linux/amd64]\nimages:\n'
	for ((i = 0; i < 40; i++)); do
		echo "- {name: 'docker.io/library/m$i:1', from: 'oci:m:i$i'}"
	done
} >"$LIST"
pin
pull
seal --version 1
export_to
import
moatd_start "$IN"
FRONT=$INSIDE MOATD=$MOATD_PID
URL=http://$FRONT/v2

next_second() { # so that what follows is older than what comes then
	local now=$EPOCHSECONDS
	while [ "$EPOCHSECONDS" -le "$((now + 1))" ]; do sleep 0.1; done
}
rows() { # CONDITION
	python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT count(*) FROM blob WHERE live AND " + sys.argv[2]).fetchone()[0])' \
		"$IN/meta/moat.db" "$1"
}
some_rows() { [ "$(rows "$1")" -gt 0 ]; }
blob_status() { curl -s -o /dev/null -w '%{http_code}' "$URL/$1/blobs/sha256:$2"; }

# flip TIMES STORE: the names of the files that changed, sorted. Times of files stay as they were, as rot leaves them.
flip() {
	python3 - "$1" "$2" <<-'END'
		import os, random, sys
		seed = random.randrange(1 << 32)
		random.seed(seed)
		print("seed", seed, file=sys.stderr)
		folder = sys.argv[2] + "/blobs/sha256/"
		names = sorted(os.listdir(folder))
		places, hit = set(), set()
		for name in names:
		    if not os.path.exists("m/blobs/sha256/" + name): # the set and its signatures, each of them
		        places.add((name, random.randrange(os.path.getsize(folder + name)), random.randrange(8)))
		while len(places) < int(sys.argv[1]):
		    name = random.choice(names)
		    places.add((name, random.randrange(os.path.getsize(folder + name)), random.randrange(8)))
		for name, at, bit in places:
		    path = folder + name
		    was = os.stat(path)
		    os.chmod(path, 0o644)
		    with open(path, "r+b") as f:
		        f.seek(at)
		        byte = f.read(1)[0]
		        f.seek(at)
		        f.write(bytes([byte ^ 1 << bit]))
		    os.chmod(path, was.st_mode & 0o7777)
		    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
		    hit.add(name)
		print("\n".join(sorted(hit)))
	END
}

step 'words'
must_fail 2 moat scrub --store "$IN" more
must_fail 1 moat scrub --store "$T/none"
absent "$T/none"
must_fail 2 moat scrub --store "$IN" --rate 0
must_fail 2 moat scrub --store "$IN" --older-than soon

step 'a whole store is read once, and is in the log'
next_second
total=$(rows 1)
must moat scrub --store "$IN" --json
json_is ".blobs == $total and .bad == 0 and .found == []"
same "$(jq .bytes out)" "$(cat "$IN"/blobs/sha256/* | wc -c)"
must moat scrub --store "$IN" --older-than 1h
out_has ' 0 blobs read'
must moat log --store "$IN" --action scrub --json
json_is "flatten | map(select(.result == \"allowed\")) | length == 2"

step 'a run that was killed is gone on with: what it read is not read again'
next_second
before=$EPOCHSECONDS
start slow moat scrub --store "$IN" --rate 12K
slow=$STARTED_PID
wait_until 30 some_rows "checked >= $before"
stop "$slow" KILL
done_already=$(rows "checked >= $before")
[ "$done_already" -lt "$total" ] || _fail 'it was not killed on the way'
must moat scrub --store "$IN" --older-than "$((EPOCHSECONDS - before + 1))s" --json
json_is ".blobs == $((total - done_already)) and .bad == 0"
same "$(rows "checked >= $before")" "$total"

step "$FLIPS flips: all are found, and named"
next_second
flip "$FLIPS" "$IN" >flipped
bad=$(wc -l <flipped)
must_fail 3 moat scrub --store "$IN" --json
err_has "$bad blobs? (is|are) bad or missing; nothing was deleted"
jq -r '.found[].digest[7:]' out | sort >found
same_file found flipped
json_is ".bad == $bad and (.found | all(.file == \"has other bytes\" and .quarantine != \"\"))"
json_is '.found | all(.sets == [{set: "plat", version: "1", digest: .sets[0].digest, active: true}])'
same "$(find "$IN/quarantine" -type f ! -name '*.json' | wc -l)" "$bad" 'files in quarantine'
for i in {0..39}; do # whose they are, by the layout they came from
	manifest=$(jq -r ".manifests[] | select(.annotations.\"org.opencontainers.image.ref.name\" == \"i$i\").digest[7:]" m/index.json)
	{ echo "$manifest"; jq -r '.config.digest[7:], .layers[].digest[7:]' "m/blobs/sha256/$manifest"; } | sort |
		comm -12 - flipped
done | sort >images.want
jq -r '.found[] | .digest[7:] as $d | .images[] | select(.repository | startswith("docker.io/library/m")) | $d' out |
	sort >images.found
comm -23 images.want images.found >images.missed
[ ! -s images.missed ] || _fail "images that were not named: $(cat images.missed)"

step 'none is served afterwards, neither by a server that ran all the time nor by a new one'
must_fail 4 moat verify --store "$IN"
for round in running new; do
	while read -r name; do
		for i in 0 39; do
			same "$(blob_status "docker.io/library/m$i" "$name")" 404 "$round server: $name"
		done
	done <flipped
	# Whatever is served under any name is right.
	for i in {0..39}; do
		manifest=$(jq -r ".manifests[] | select(.annotations.\"org.opencontainers.image.ref.name\" == \"i$i\").digest[7:]" m/index.json)
		for name in $(jq -r '.config.digest[7:], .layers[].digest[7:]' "m/blobs/sha256/$manifest"); do
			want=200
			! grep -q "$name" flipped || want=404
			same "$(curl -s -o body -w '%{http_code}' "$URL/docker.io/library/m$i/blobs/sha256:$name")" "$want" "$round: m$i $name"
			[ "$want" = 404 ] || same "$(sha256 body)" "$name"
		done
		code=$(curl -s -o body -w '%{http_code}' "$URL/docker.io/library/m$i/manifests/sha256:$manifest")
		if grep -q "$manifest" flipped; then same "$code" 404; else same "$code $(sha256 body)" "200 $manifest"; fi
	done
	stop "$MOATD"
	[ "$round" = new ] || moatd_start "$IN"
	MOATD=$MOATD_PID URL=http://$INSIDE/v2
done

step 'the medium repairs each'
must moat scrub --store "$IN" # told once
import --check "$MEDIUM"
clean
while read -r name; do same "$(sha256 "$IN/blobs/sha256/$name")" "$name"; done <flipped
next_second
must moat scrub --store "$IN" --json
json_is ".blobs == $total and .bad == 0"

step 'a missing file is told each time; a person reads what repairs it'
name=$(jq -r '.config.digest' "m/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' m/index.json)")
mv "$IN/blobs/sha256/${name#sha256:}" away
for _ in 1 2; do
	next_second
	must_fail 3 moat scrub --store "$IN"
	out_has "^$name: its file is missing"
	out_has '^  image docker.io/library/m0:1$'
	out_has '^  set plat:1, active: .moat import --check MEDIUM. of it brings the right bytes$'
	err_has '1 blob is bad or missing'
done
mv away "$IN/blobs/sha256/${name#sha256:}"
must moat scrub --store "$IN"
clean

step 'what a server that only reads had marked is told, once'
printf x | dd of="$IN/blobs/sha256/${name#sha256:}" bs=1 seek=3 conv=notrunc status=none
moatd_start "$IN"
wait_until 20 test -e "$IN/marks/${name/:/-}"
stop "$MOATD_PID"
must_fail 3 moat scrub --store "$IN"
out_has "^$name: its file proved bad when a server read it, and is in quarantine"
out_has '^  image docker.io/library/m0:1$'
absent "$IN/marks/${name/:/-}"
must moat scrub --store "$IN"
import --check "$MEDIUM"
clean
