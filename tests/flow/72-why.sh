#!/usr/bin/env bash
# Why a blob is here: by a digest, a reference or a file, of a store and of a medium.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
fixture multi
mkdir -p "$T/www"
head -c 5000 /dev/urandom >"$T/www/plugins.tgz"
start www python3 -m http.server --directory "$T/www" --bind "$IP" 9000
wait_until 10 curl -s -o /dev/null "http://$IP:9000/"
list() { # SET
	cat >"$LIST" <<-END
		set: $1
		images:
		  # the first line that wants anything is 4
		  - {name: docker.io/library/tiny:1, from: 'oci:$FIXTURES/tiny:tiny'}
		  - {name: docker.io/library/multi:1, from: 'oci:$FIXTURES/multi:multi', platforms: [linux/amd64]}
		files:
		  - {url: 'http://$IP:9000/plugins.tgz', sha256: $(sha256 "$T/www/plugins.tgz"), name: 'cni/plugins:v1'}
		registries: {'$IP:9000': {plain-http: true}}
	END
}

step 'two sets hold the same images'
for name in base apps; do
	rm -f "$LOCK"
	list "$name"
	pin
	pull
	seal --version 1
	export_to "$T/$name"
done
must moat import --activate --store "$IN" --key "$PUB" "$T/base"
must moat import --store "$IN" --key "$PUB" "$T/apps"
key=$(moat key show "$PUB" --json | jq -r .fingerprint | head -n 1)
key=${key#sha256:}

tiny=$(jq -r '.manifests[0].digest' "$FIXTURES/tiny/index.json")
blob_of() { cat "$FIXTURES/$1/blobs/sha256/${2#sha256:}"; }
layer=$(blob_of tiny "$tiny" | jq -r '.layers[0].digest')
index=$(jq -r '.manifests[0].digest' "$FIXTURES/multi/index.json")
child=$(blob_of multi "$index" | jq -r '.manifests[] | select(.platform.architecture == "amd64").digest')
config=$(blob_of multi "$child" | jq -r .config.digest)
left_out=$(blob_of multi "$index" | jq -r '.manifests[] | select(.platform.architecture == "arm64").digest')

step 'a layer: which manifest, which reference, which line, which sets, who signed'
for where in "--store $IN" "--from $T/base --from $T/apps"; do
	# shellcheck disable=SC2086 # words
	must moat why $where "$layer" --json
	json_is ".asked == \"$layer\" and (.digests | map(.digest) == [\"$layer\"])"
	json_is '.uses | map(.set) | sort == ["apps", "base"]'
	json_is '.uses | all(.kind == "image" and .reference == "docker.io/library/tiny:1" and .line == 4)'
	json_is '.uses | all(.wants | startswith("- {name: docker.io/library/tiny:1, from:"))'
	json_is ".uses | all(.chain | map(.digest) == [\"$tiny\", \"$layer\"])"
	json_is '.uses | all(.chain | map(.role) == ["pin", "layer"])'
	json_is ".sets | length == 2 and all(.keys == [\"$key\"])"
	json_is '.tags == []'
done
json_is '.digests[0].state == "medium" and (.sets | all(.active | not))'
must moat why --store "$IN" "$layer"
out_has "^$layer  held, "
out_has '^  base:1  image  docker.io/library/tiny:1$'
out_has '^    moat.yaml:4  - \{name: docker.io/library/tiny:1'
out_has "^    layer    $layer\$"
out_has "^  base:1  active, signed by key $key\$"

step 'through an index, with the platform'
must moat why --store "$IN" "$config" --json
json_is ".uses | all(.line == 5 and (.chain | map(.digest) == [\"$index\", \"$child\", \"$config\"]))"
json_is '.uses | all(.chain | map(.platform) == ["", "linux/amd64", ""])'

step 'a reference, a file on disk, and what a set has of its own'
for ref in tiny:1 docker.io/library/tiny:1 "docker.io/library/tiny@$tiny"; do
	must moat why --store "$IN" "$ref" --json
	json_is ".digests | map(.digest) == [\"$tiny\"]"
	json_is '.uses | length == 2 and all((.chain | length) == 1 and .line == 4)'
done
must moat why --store "$IN" cni/plugins:v1 --json
json_is '.uses | length == 2 and all(.kind == "file" and .line == 7)'
for where in "--store $IN" "--from $T/apps"; do
	# shellcheck disable=SC2086 # words
	must moat why $where "$T/www/plugins.tgz" --json
	json_is ".digests | map(.digest) == [\"sha256:$(sha256 "$T/www/plugins.tgz")\"]"
	json_is '.uses | all(.kind == "file" and .reference == "moat.local/cni/plugins:v1" and .line == 7)'
done
must moat why --store "$IN" "$LIST" --json
json_is '.uses | map([.set, .kind, .line]) == [["apps", "list", 0]]'
must moat why --store "$IN" "$LOCK" --json
json_is '.uses | map([.set, .kind]) == [["apps", "lock"]]'
set=$(moat show --store "$IN" base --json | jq -r .digest)
must moat why --store "$IN" "$set" --json
json_is '.uses | map([.set, .kind]) == [["base", "set"]]'
signature=$(moat show --store "$IN" base --json | jq -r '.signatures[0].digest')
must moat why --store "$IN" "$signature" --json
json_is '.uses | map([.set, .kind]) == [["base", "signature"]]'

step 'what stands in front is asked alone'
for where in set:apps:1 set:apps apps "medium:$T/apps" "$T/apps"; do
	must moat why --store "$IN" "$where" "$layer" --json
	json_is '(.uses | map(.set) == ["apps"]) and (.sets | map(.set) == ["apps"])'
done
for where in "store:$IN" "$IN"; do
	must moat why "$where" "$layer" --json
	json_is '.sets | map([.set, .active]) == [["base", true]]'
done
must moat why --from "$T/apps" --from "$T/base" set:base tiny:1 --json
json_is '.sets | map(.set) == ["base"]'
must_fail 1 moat why "lock:$LOCK" "$layer"
err_has 'a lock, which holds no bytes; name a set$'
must_fail 1 moat why --store "$IN" set:nothing "$layer"
err_has 'has no set "nothing"$'
must_fail 2 moat why --from "$T/apps" "store:$IN" "$layer"
must_fail 2 moat why --store "$IN" apps "$layer" more

step 'nothing holds it'
echo nothing >"$T/nothing"
for cut in sha256:0123456789ab "sha512:$(sha256 "$T/nothing")"; do
	must_fail 1 moat why --store "$IN" "$cut"
	err_has 'all of a digest is needed'
done
nowhere=sha256:$(sha256 "$T/nothing")
for what in "$nowhere" "$T/nothing" "$left_out"; do
	for where in "--store $IN" "--from $T/base"; do
		# shellcheck disable=SC2086 # words
		must_fail 10 moat why $where "$what" --json
		json_is '.digests | length == 1 and .[0].state == "absent"'
		json_is '.uses == [] and .sets == [] and .tags == []'
		err_has 'no set has it'
	done
done
must_fail 10 moat why --store "$IN" docker.io/library/other:1
must_fail 1 moat why --store "$IN" ./not-there
must_fail 1 moat why --store "$IN" 'No:Reference:At all'
must_fail 2 moat why --store "$IN"
must_fail 2 moat why --store "$IN" --from "$MEDIUM" "$layer"

step 'a pushed tag uses it'
moatd_start "$IN" --push
must skopeo copy -q --preserve-digests --dest-tls-verify="$TLS_VERIFY" "oci:$FIXTURES/tiny:tiny" "docker://$INSIDE/team/app:dev"
for what in "$tiny" team/app:dev; do
	must moat why --store "$IN" "$what" --json
	json_is ".tags | map(.reference) == [\"team/app:dev\"] and .[0].digest == \"$tiny\""
	json_is '.uses | length == 2'
done
must moat why --store "$IN" "$layer" --json
json_is '.tags | map(.reference) == ["team/app:dev"]'
must moat why --store "$IN" base "$layer" --json
json_is '.tags == []'
stop "$MOATD_PID"

step 'lost, and in quarantine: the set wants it all the same'
cp -r "$IN" "$T/lost"
chmod -R u+w "$T/lost"
rm "$T/lost/blobs/sha256/${layer#sha256:}"
must_fail 4 moat why --store "$T/lost" "$layer" --json
json_is '.digests[0].state == "lost" and .digests[0].quarantine == "" and (.uses | length) == 2'
err_has 'its bytes are not here'
cp -r "$IN" "$T/rotten"
chmod -R u+w "$T/rotten"
printf x | dd of="$T/rotten/blobs/sha256/${layer#sha256:}" conv=notrunc status=none
moatd_start "$T/rotten" --push --check-every 1 --free-floor 0
wait_until 20 grep -q "event=check.bad digest=$layer .*action=quarantined" "$T/moatd.log"
stop "$MOATD_PID"
must_fail 4 moat why --store "$T/rotten" "$layer" --json
json_is '.digests[0].state == "quarantined" and (.uses | length) == 2'
exists "$T/rotten/quarantine/$(jq -r '.digests[0].quarantine' "$T/out" | sed 's,^quarantine/,,')"
