#!/usr/bin/env bash
# Flips (64, or MOAT_SOAK; at random, and in each document of the set) in the files of a store: scrub finds all of them and
# says whose they are, none is served afterwards, and the medium repairs each. A run that was killed is gone on with.
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

# damage N STORE: N random bytes of every other file, so that each kind of blob is among them
damage() {
	next_second
	local all n=0
	mapfile -t all < <(find "$1/blobs/sha256" -type f -size -64k | sort)
	for file in "${all[@]}"; do
		[ $((n++ % 2)) = 1 ] || printf '\0\1' | dd of="$file" bs=1 conv=notrunc status=none
	done
}
repairs_all() { # SOURCE...: all that was found is repaired from the last of them
	local from=() last=${*: -1}
	for source; do from+=(--repair-from "$source"); done
	must moat scrub --store "$IN" --json "${from[@]}" "${REPAIR_ARGS[@]}"
	jq -e --arg last "$last" '.bad > 20 and .repaired == .bad and (.found | length) == .bad and
		(.repairs | length) == .bad and (.repairs | all(.held and .from == $last))' out >/dev/null ||
		{ cat out && _fail "not all is repaired from $last"; }
	clean
	must moat scrub --store "$IN"
	out_has ' 0 bad$'
}
REPAIR_ARGS=()

step 'sources that are none are refused before anything is read'
for source in registry: registry:name "registry:$IP/UPPER" "store:$T/none" "medium:$T/none" "$T/none" "lock:$LOCK" \
	"$LOCK" set:plat "store:$T/m"; do
	must_fail '1|4' moat scrub --store "$IN" --repair-from "$source"
	err_has "repair-from $source"
	! grep -q read out || _fail 'something was read'
done
absent "$T/none"

step 'another store and a medium repair, whatever was damaged; the log says so'
for source in "store:$OUT" "$OUT" "medium:$MEDIUM" "$MEDIUM"; do
	damage "$IN"
	repairs_all "$source"
done
same "$(cat "$IN"/audit/*.jsonl | grep -cE "\"action\":\"scrub\",\"result\":\"allowed\".*\"repaired\":[1-9][0-9]+,\"from\":\"$MEDIUM\"")" 1

step 'a cut blob comes from several volumes'
must moat export --store "$OUT" --to cut --volume-size 200K
[ "$(find cut -name '*.tar' | wc -l)" -gt 1 ] || _fail 'one volume'
damage "$IN"
repairs_all medium:cut

step 'what a source lacks, or has otherwise, is said, and the next one is asked'
cp -a "$OUT" other
damage other
cp -a other less
must_fail 3 moat scrub --store less
damage "$IN"
must_fail 3 moat scrub --store "$IN" --repair-from store:other --repair-from store:less --json
json_is '.repaired == 0 and (.repairs | length) == .bad'
json_is '.repairs | all((.held | not) and .from == "" and (.answers | map(.source)) == ["store:other", "store:less"])'
json_is '.repairs | all(.answers[0].answer == "has other bytes under its digest" and .answers[1].answer == "does not have it")'
moat scrub --store "$IN" --json >again
same "$(jq '.found | length' again)" 0 'told once'
must moat scrub --store "$IN" --older-than 90d --repair-from store:other --repair-from "store:$OUT"
out_has "^sha256:.*: repaired from store:$OUT$"
out_has '^  store:other: has other bytes under its digest$'
out_has ' 0 blobs read, 0 B, [0-9]+ bad, all repaired$'
clean

step 'a medium that ends early repairs as far as it goes'
head -c "$(($(stat -c %s "$(echo cut/*001-of-*.tar)") / 2))" "$(echo cut/*001-of-*.tar)" >half.tar
damage "$IN"
must_fail 3 moat scrub --store "$IN" --repair-from medium:half.tar
err_has 'half.tar'
out_has 'repaired from medium:half.tar'
out_has ': not repaired$'
must moat scrub --store "$IN" --older-than 90d --repair-from "$OUT"
clean

step 'a damaged attachment names its image'
attached=$(jq -r '[.manifests[] | select(.artifactType != null)][0] // empty | .digest' m/index.json)
subject=$(jq -r .subject.digest "m/blobs/sha256/${attached#sha256:}")
image=$(jq -r --arg d "$subject" '.manifests[] | select(.digest == $d) | .annotations."org.opencontainers.image.ref.name"' m/index.json)
printf x | dd of="$IN/blobs/sha256/${attached#sha256:}" bs=1 seek=3 conv=notrunc status=none
next_second
must moat scrub --store "$IN" --json --repair-from "$OUT"
json_is ".found | length == 1 and .[0].digest == \"$attached\" and
	(.[0].images | any(.repository == \"docker.io/library/m${image#i}\" and .tag == \"1\"))"

step 'a registry: moatd with the same names, with TLS and without'
mkdir -p certs.d
for scheme in http https; do
	speak "$scheme"
	moatd_start "$OUT"
	damage "$IN"
	if [ "$scheme" = https ]; then
		mkdir -p "certs.d/$INSIDE"
		cp inside.crt "certs.d/$INSIDE/ca.crt"
		unset SSL_CERT_FILE
		must_fail 3 moat scrub --store "$IN" --repair-from "registry:$INSIDE"
		err_has 'certificate'
		damage "$IN" # what is there is in quarantine; the rest again
		must moat scrub --store "$IN" --repair-from "registry:https://$INSIDE" --certs-dir certs.d
		out_has 'all repaired$'
		clean
	else
		repairs_all "registry:http://$INSIDE"
	fi
	stop "$MOATD_PID"
done

step 'docker-registry, with the names of its upstream, below a prefix and behind a password'
mapfile -t auth < <(basic_auth joe secret)
registry_start auth "$IP:80" "${auth[@]}"
for i in {0..39}; do
	skopeo copy -q --dest-creds joe:secret --dest-tls-verify=false "oci:m:i$i" "docker://$IP:80/hub/library/m$i:1" ||
		_fail "cannot push m$i"
done
jq -n --arg auth "$(printf joe:secret | base64)" --arg host "$IP:80" '{auths: {($host): {auth: $auth}}}' >auth.json
damage "$IN"
must_fail 3 moat scrub --store "$IN" --repair-from "registry:http://$IP:80/hub"
err_has 'bad or missing'
out_has '(401|credentials|denied)'
must_fail 3 moat scrub --store "$IN" --older-than 90d --authfile auth.json --repair-from "registry:http://$IP:80/hub" --json
json_is '.repaired > 3 and ([.repairs[] | select(.held | not)] | length) == .bad - .repaired'
json_is '[.repairs[] | select(.held | not) | .answers[0].answer] | all(. == "does not have it")'
# What is left are attachments and the set, which are not there.
must moat scrub --store "$IN" --older-than 90d --repair-from "$OUT"
clean
stop "$REGISTRY_PID"

step 'a registry that is gone is told once, and the next source is asked'
damage "$IN"
must moat scrub --store "$IN" --repair-from "registry:http://$IP:80/hub" --repair-from "$OUT"
same "$(grep -c "^moat: warning.*registry:http" err)" 1
out_has 'all repaired$'
clean

step 'killed while it repairs: nothing is half there, and the next run goes on'
damage "$IN"
must_fail 3 moat scrub --store "$IN"
for i in {1..12}; do
	start killed moat scrub --store "$IN" --older-than 90d --repair-from "medium:$MEDIUM"
	sleep_us "$(random_us 60000)"
	stop "$STARTED_PID" KILL
	for file in "$IN"/blobs/sha256/*; do
		same "$(sha256 "$file")" "${file##*/}" "after kill $i"
	done
done
must moat scrub --store "$IN" --older-than 90d --repair-from "medium:$MEDIUM"
clean

step 'what a medium has packed under the digest of a layer is not read into memory'
speak http
moatd_start "$T/large" --push
truncate -s 65M layer
layer=$(sha256 layer)
curl -sf -o /dev/null -X POST --data-binary @layer -H 'Content-Type: application/octet-stream' \
	"$URL/v2/a/b/blobs/uploads/?digest=sha256:$layer"
stop "$MOATD_PID"
rm -f "large/blobs/sha256/$layer"
mkdir packed
python3 - "$layer" packed/x.001-of-001.tar <<'END'
import io, sys, tarfile
with tarfile.open(sys.argv[2], 'w', format=tarfile.USTAR_FORMAT) as t:
    for name, size in (('oci-layout', 30), ('zstd/sha256/' + sys.argv[1], 65 << 20)):
        entry = tarfile.TarInfo(name)
        entry.size = size
        t.addfile(entry, io.BytesIO(bytes(size)))
END
next_second
must_fail 3 moat scrub --store large --repair-from medium:packed --json
json_is '.repairs | length == 1 and (.[0].answers | map(.answer)) == ["does not have it"]'
