#!/usr/bin/env bash
# What the programs say: help for every verb, usage errors, JSON for programs, silence on request.
. "$(dirname "$0")/../support/lib.sh"

step 'help and version'
must moat version
out_has '[0-9]+\.[0-9]+\.[0-9]+'
for verb in pin pull key seal export verify import activate rollback deactivate remove list show node user; do
	must moat help "$verb"
	out_has "moat $verb"
done
must moatd --help-config
must_fail 0 moatd --help

step 'usage errors are exit status 2'
must_fail 2 moat
must_fail 2 moat frobnicate
err_has frobnicate
must_fail 2 moat pin --frobnicate
err_has frobnicate
must_fail 2 moat seal --store
for jobs in 0 257 x; do
	must_fail 2 moat pull --jobs "$jobs"
	err_has '^moat: --jobs: '
done
must_fail 2 moatd --frobnicate

step 'a store that is not there'
for verb in list 'show x' 'export --to medium' verify; do
	# shellcheck disable=SC2086 # its words
	must_fail 1 moat $verb --store "$T/nowhere"
	err_has "$T/nowhere: no store there; .moat pull. and .moat import. make one"
done
must moat key new --out "$KEY" --no-passphrase
must_fail 1 moat seal --store "$T/nowhere" --key "$KEY"
err_has "$T/nowhere: no store there; .moat pull. makes it"
absent "$T/nowhere"

step 'JSON is JSON, for every listing'
fixture tiny
carry words "{name: docker.io/library/tiny:1, from: \"oci:$FIXTURES/tiny:tiny\"}"
must moat pull --lock "$LOCK" --store "$T/no-sets"
for what in --sets --images --files --unsealed; do
	must moat list --store "$IN" "$what" --json
	json_is 'type == "array"'
done
must moat show --store "$IN" docker.io/library/tiny:1 --json
json_is 'type == "object"'
must moat show --from "$MEDIUM" words --json
json_is 'type == "object"'

step 'JSON of what is empty is an empty list, never nothing and never null'
empty_in() { # FILTER COMMAND...: each value that the filter picks is []
	must "${@:2}"
	json_is "[$1] | length > 0 and all(. == [])"
}
for what in --sets --images --files; do
	empty_in . moat list --store "$T/no-sets" "$what" --json
done
empty_in '.sets, .images, .files, .conflicts' moat list --store "$T/no-sets" --json
empty_in . moat list --store "$IN" --unsealed --json
empty_in .unsealed moat list "$MEDIUM" --json
empty_in . moat list --store "$IN" --files --json
empty_in . moat list "$MEDIUM" --files --json
empty_in '.files, .attached' moat show --store "$IN" words --json
empty_in '.files, .attached' moat show --from "$MEDIUM" words --json
empty_in '.attached' moat show --store "$IN" docker.io/library/tiny:1 --json
empty_in '.drift, .failed' moat pin --list "$LIST" --lock "$LOCK" --json
empty_in '.foreign, .failed' moat pull --lock "$LOCK" --store "$OUT" --json

step 'what is pulled and not sealed is listed, and a name without latest shows its tags'
must moat list --store "$T/no-sets"
out_has 'IN NO SET'
out_has '^docker.io/library/tiny:1 +sha256:[0-9a-f]{12} '
must moat list --store "$T/no-sets" --json
json_is '.unsealed | map(.reference) == ["docker.io/library/tiny:1"]'
json_is '.unsealed[0] | .bytes > 0 and (.digest | test("^sha256:[0-9a-f]{64}$"))'
must moat show --store "$T/no-sets" docker.io/library/tiny
out_has '^  sha256:[0-9a-f]{64}  1$'
for where in --store=$IN --from=$MEDIUM; do
	must moat show "${where%=*}" "${where#*=}" tiny --json
	json_is '.repository == "docker.io/library/tiny" and (.tags | length == 1)'
	json_is '.tags[0] | .tag == "1" and .set == "words" and (.version | length > 0)'
done
must_fail 1 moat show --store "$IN" docker.io/library/absent
must_fail 1 moat show --store "$IN" docker.io/library/tiny:2

step 'quiet is quiet'
must moat --quiet import --store "$T/quiet" --key "$PUB" "$MEDIUM"
same "$(cat "$T/err")" ''

step 'the key: readable by nobody else, named by its fingerprint'
same "$(stat -c %a "$KEY")" 600
must moat key show "$PUB"
out_has "$(openssl pkey -pubin -in "$PUB" -outform DER | sha256)"

step 'a key with a passphrase'
echo 'open sesame' >"$T/passphrase" && chmod 600 "$T/passphrase"
must moat key new --out "$T/locked.key" --passphrase-file "$T/passphrase"
must openssl pkey -in "$T/locked.key" -passin "file:$T/passphrase" -noout
must moat seal --lock "$LOCK" --store "$OUT" --key "$T/locked.key" \
	--passphrase-file "$T/passphrase"
must_fail '[1-9]' moat seal --lock "$LOCK" --store "$OUT" --key "$T/locked.key"

step 'moatd says how it is, and ends when told to'
moatd_start "$IN"
must curl -sf "http://$INSIDE/v2/"
kill -TERM "$MOATD_PID"
wait "$MOATD_PID" || _fail 'moatd did not end well'

step 'no text from outside acts on the terminal'
escape=$'\e]0;title\a\u009b31m\u202e'
clean() { ! grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae' "$T/out" "$T/err" || _fail "raw: $(cat -v "$T/out" "$T/err")"; }
mkdir "$T/odd"
cp "$MEDIUM"/*.001-of-001.tar "$T/odd/$escape.001-of-001.tar"
for command in "list" "list --json" "show --from" "verify --key $PUB" "import --store $T/odd-store --key $PUB"; do
	# shellcheck disable=SC2086 # words
	must_fail '[0-9]+' moat $command "$T/odd"
	clean
done
head -c 4096 /dev/zero >"$T/odd/$escape.001-of-001.tar"
must_fail '[1-9]' moat import --activate --store "$T/odd-store" --key "$PUB" "$T/odd"
clean
err_has 'u001b'
printf 'set: s\n"k\\e[31m\\n": 1\n' >"$T/odd.yaml"
must_fail '[1-9]' moat pin --list "$T/odd.yaml" --lock "$T/odd.lock"
clean
same "$(wc -l <"$T/err")" 1 'one error is one line'
must_fail '[1-9]' moat show --store "$OUT" "$escape"
clean
must_fail '[1-9]' moatd --store "$T/$escape"
clean

step 'and no line feed in it begins a line of show'
cp -r "$FIXTURES/tiny" "$T/forged"
# forge FILTER FILE: the JSON, changed, is a blob of the layout; its digest is printed, and its size
forge() {
	local digest
	jq -c "$1" "$2" >"$T/forged/new"
	digest=$(sha256sum <"$T/forged/new" | cut -d' ' -f1)
	mv "$T/forged/new" "$T/forged/blobs/sha256/$digest"
	printf 'digest: "sha256:%s", size: %d' "$digest" "$(stat -c %s "$T/forged/blobs/sha256/$digest")"
}
manifest=$T/forged/blobs/$(jq -r '.manifests[0].digest | sub(":"; "/")' "$T/forged/index.json")
image=$(forge '.layers[0].annotations = {"org.opencontainers.image.title": "a\nstate  active"}' "$manifest")
index=$(forge '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [{'"$image"',
	mediaType: "application/vnd.oci.image.manifest.v1+json", platform: {os: "linux", architecture: "x\nstate"}}]}' "$manifest")
jq -c ".manifests = [.manifests[0] | {annotations, mediaType: \"application/vnd.oci.image.index.v1+json\", $index}]" \
	"$T/forged/index.json" >"$T/forged/new" && mv "$T/forged/new" "$T/forged/index.json"
printf 'set: forged\nplatforms: all\nimages:\n  - {name: docker.io/library/forged:1, from: "oci:forged:tiny"}\n' >"$T/forged.yaml"
must moat pin --list "$T/forged.yaml" --lock "$T/forged.lock"
must moat pull --lock "$T/forged.lock" --store "$T/forged-store"
must moat show --store "$T/forged-store" docker.io/library/forged:1
same "$(grep -c '^state' "$T/out")" 1 'lines of the state'
same "$(grep -c 'u000astate' "$T/out")" 2 'line feeds that are told'
