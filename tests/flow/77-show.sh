#!/usr/bin/env bash
# What `moat show` tells of a set: its place among the versions, who signed it, what is in it, what it shares; of a lock what it pins.
. "$(dirname "$0")/../support/lib.sh"

cd "$T" || exit
fixture tiny
fixture layered
fixture multi
export MOAT_STORE=$IN
new_key
must moat key new --out other.key --no-passphrase
printf 'sets: apps\n%s\n' "$(cat "$PUB")" >limited.pub

# release VERSION FIXTURE...: a version of the set with these images, on medium-VERSION
release() {
	{
		printf 'set: platform\nplatforms: [linux/amd64, linux/arm64]\nimages:\n'
		for name in "${@:2}"; do echo "- {name: 'docker.io/library/$name:1', from: 'oci:$FIXTURES/$name:$name'}"; done
	} >"$LIST"
	pin --update
	cp "$LOCK" "$1.lock"
	pull
	seal --version "$1"
	export_to "medium-$1" "platform:$1"
}
digest_of() { moat show "platform:$1" --store "$OUT" --json | jq -r .digest; }

step 'four versions, of which one does not come inside'
release 1 tiny
release 2 tiny layered
release 3 tiny multi
release 4 tiny multi layered
for version in 1 3 4; do must moat import --key "$PUB" "medium-$version"; done
must moat activate platform:3

step 'what came before, what came behind, and the gap'
must moat show platform:3 --json
json_is ".predecessors == [] and .gap == \"$(digest_of 2)\" and .previous == .gap"
json_is ".successors == [{version: \"4\", digest: \"$(digest_of 4)\"}]"
must moat show platform:4 --json
json_is ".predecessors == [{version: \"3\", digest: \"$(digest_of 3)\"}] and .gap == \"$(digest_of 2)\" and .successors == []"
must moat show platform:1 --json
json_is '.predecessors == [] and .gap == "" and .successors == []'
must moat show platform:1 --store "$OUT" --json
json_is '.successors | map(.version) == ["2", "3", "4"]'
must moat show platform:4 --store "$OUT"
out_has '^predecessors 3, 2, 1$'
must moat show platform:4
out_has '^predecessors 3, one that is not here$'
must moat show platform:3
out_has '^successors   4$'
out_has '^state        active, generation 1$'

step 'content, platforms, and what is shared with the active version'
must moat show platform:4 --json
json_is '.counts == {images: 3, files: 0, attached: 0} and .platforms == ["linux/amd64", "linux/arm64"]'
json_is '.expired == false and .missing == 0'
shared=$(jq -c '.shared' out)
must_fail 10 moat diff platform:3 platform:4 --json
same "$shared" "$(jq -c '.shared | {version: "3", blobs, bytes}' out)"
must moat show platform:3 --json
json_is '.shared == {version: "", blobs: 0, bytes: 0}'
must moat show platform:4
out_has '^content      3 images, 0 files, 0 attached$'
out_has '^platforms    linux/amd64 linux/arm64$'
out_has '^shared       .* with 3, which is active$'

step 'who signed it: named by itself, verified by a key that may sign it'
key=$(moat key show "$PUB" --json | jq -r .fingerprint)
must moat show platform --key "$PUB" --json
json_is ".version == \"3\" and (.signatures | length == 2 and all(.verified and .verifiedBy == [\"${key#sha256:}\"]))"
must moat show platform --key "$PUB"
out_has "key ${key#sha256:}  verified by $PUB$"
for stranger in other.pub limited.pub; do
	must moat show platform --key $stranger --json
	json_is '.signatures | all((.verified | not) and .verifiedBy == [] and (.keys | length) == 1)'
	must moat show platform --key $stranger
	out_has '  not verified$'
done
must moat show medium:medium-4 --key "$PUB" --key other.pub --json
json_is ".signatures | all(.verified and .verifiedBy == [\"${key#sha256:}\"])"
must_fail 1 moat show platform --key nothing.pub
err_has 'nothing.pub: no such key file$'

step 'a medium, a store, a lock'
for word in medium:medium-4 medium-4 ./medium-4; do
	must moat show "$word" --json
	json_is '.set == "platform" and .version == "4" and .counts.images == 3 and (.active | not) and .platforms == ["linux/amd64", "linux/arm64"]'
done
must moat show --from medium-4 set:platform --json
json_is ".gap == \"$(digest_of 3)\" and .predecessors == []"
for word in "store:$IN" "$IN" platform set:platform; do
	must moat show "$word" --json
	json_is '.version == "3" and .active'
done
for word in lock:2.lock 2.lock; do
	must moat show "$word" --json
	json_is '.set == "platform" and .counts == {images: 2, files: 0, attached: 0} and (.images | map(.reference) == ["docker.io/library/layered:1", "docker.io/library/tiny:1"])'
done
must moat show 2.lock
out_has '^state        a lock$'

step 'a reference of what stands in front'
for where in set:platform:4 platform:4 medium:medium-4; do
	must moat show "$where" layered:1 --json
	json_is '.reference == "docker.io/library/layered:1" and .version == "4" and (.served | not)'
done
must moat show set:platform tiny:1 --json
json_is '.served and .version == "3"'
must_fail 1 moat show set:platform:3 layered:1
err_has 'layered:1: neither a set nor a reference of one$'

step 'refusals'
must_fail 1 moat show lock:2.lock tiny:1
err_has 'a lock, which holds no bytes'
must_fail 1 moat show set:nothing
err_has 'has no set "nothing"$'
must_fail 1 moat show store:nothing
must_fail 1 moat show medium:nothing
must_fail 1 moat show lock:nothing
must_fail 2 moat show --from medium-4 lock:2.lock
must_fail 2 moat show --from medium-4 --store "$IN" platform
must_fail 2 moat show
must_fail 2 moat show platform tiny:1 more
cp 1.lock platform
must_fail 1 moat show platform
err_has '"platform" is a lock here and a set of .*: write lock:platform or set:platform$'
rm platform
mkdir tiny
must moat show tiny --json
json_is '.repository == "docker.io/library/tiny"'
must_fail 1 moat show ./tiny
err_has 'no volumes in this folder .*: name the folder of the set$'

step 'two sets are active: which of them must be said'
sed -i 's/^set: platform/set: apps/; s/library/apps/' "$LIST"
rm "$LOCK"
pin
pull
seal --version 1
export_to apps apps:1
must moat import --key "$PUB" --activate apps
must_fail 1 moat show "store:$IN"
err_has 'the sets (apps:1, platform:3|platform:3, apps:1) are active there'
