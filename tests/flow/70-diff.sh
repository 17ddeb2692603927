#!/usr/bin/env bash
# What `moat diff` says of two sets, stores, media and locks is what jq finds in their own documents.
. "$(dirname "$0")/../support/lib.sh"

cd "$T" || exit
fixture tiny
fixture layered
fixture multi
export MOAT_STORE=$OUT
mkdir www
start www python3 -m http.server --directory www --bind "$IP" 9000
wait_until 10 curl -s -o /dev/null "http://$IP:9000/"

# image NAME FIXTURE [MORE]; file NAME TEXT: a line of the list
image() { echo "- {name: 'docker.io/$1', from: 'oci:$FIXTURES/$2:$2'${3:+, $3}}" >>images; }
file() {
	printf '%s' "$2" >"www/$2"
	echo "- {url: 'http://$IP:9000/$2', sha256: $(sha256 "www/$2"), name: '$1'}" >>files
}
# release VERSION: what was listed becomes VERSION.lock, a set of the store, and medium-VERSION
release() {
	{
		printf 'set: platform\nplatforms: [linux/amd64, linux/arm64]\nimages:\n'
		cat images
		echo files:
		cat files
		printf 'registries: {"%s": {plain-http: true}}\n' "$IP:9000"
	} >"$LIST"
	rm -f images files
	pin --update
	cp "$LOCK" "$1.lock"
	pull
	seal --version "$1"
	export_to "$T/medium-$1" "platform:$1"
}

# set_of VERSION: the set's index; blobs_of VERSION: "DIGEST SIZE" of what it holds besides its own documents
blob() { cat "$OUT/blobs/sha256/${1#sha256:}"; }
set_of() { blob "$(moat show "platform:$1" --json | jq -r .digest)"; }
own() { # VERSION TYPE
	set_of "$1" | jq -r --arg type "application/vnd.moat.$2" '.manifests[] | select(.artifactType // "" | startswith($type)).digest'
}
blobs_of() {
	local document
	blob "$(blob "$(own "$1" inventory)" | jq -r ".layers[0].digest")" | LC_ALL=C sort >all
	for document in lock list; do
		own "$1" "$document"
		blob "$(own "$1" "$document")" | jq -r '.layers[].digest'
	done | sort >without
	grep -vFf without all
}
# amounts A B: blobs and bytes that are new, gone and shared, as moat diff has them
amounts() {
	blobs_of "$1" >a.blobs
	blobs_of "$2" >b.blobs
	for columns in 13 23 12; do
		LC_ALL=C comm -$columns a.blobs b.blobs | awk '{ n++; s += $2 } END { printf "%d %d ", n, s }'
	done
}
# pins VERSION: "REFERENCE DIGEST" of each pin, from its lock
pins() { jq -r '.pins[] | .ref + " " + .digest' "$1.lock" | sort; }
# expect A B: added, removed and moved references, one a line with their digests
expect() {
	join -a 1 -a 2 -e - -o 0,1.2,2.2 <(pins "$1") <(pins "$2") | awk '$2 != $3'
}
found() {
	jq -r '(.removed[] | .reference + " " + .digest + " -"), (.added[] | .reference + " - " + .digest),
		(.moved[] | .reference + " " + .from + " " + .to)' out | sort
}

step 'two releases: an image stays, one moves, one goes, one comes; files too'
image library/stays:1 tiny
image library/moves:1 tiny
image library/goes:1 layered
file tool:1 one
file old:1 old
release 1
image library/stays:1 tiny
image library/moves:1 multi
image library/comes:1 multi 'platforms: [linux/amd64]'
file tool:1 two
file new:1 new
release 2
same "$(expect 1 2 | wc -l)" 6

step 'each pair of operands tells the same references; those with inventories the same blobs'
must moat import --store "$IN" --key "$PUB" --activate medium-2
amounts=$(amounts 1 2)
expect 1 2 | sort >differences
first=$(moat show platform:1 --json | jq -r .digest)
for a in platform:1 set:platform:1 "$first" medium-1 "$T"/medium-1/*.tar 1.lock; do
	for b in platform platform:2 medium:medium-2 2.lock "$OUT" store:inside; do
		must_fail 10 moat diff "$a" "$b" --json
		same "$(found)" "$(cat differences)" "$a $b"
		json_is '.equal == false and .same == 1'
		case $a$b in
		*.lock*) json_is '(.counted | not) and .shared.blobs == 0' ;;
		*)
			same "$(jq -r '[.new, .gone, .shared] | map("\(.blobs) \(.bytes) ") | add' out)" "$amounts" "$a $b"
			json_is '.counted'
			;;
		esac
	done
done

step 'files and platforms'
files_of() { # VERSION: "NAME REFERENCE DIGEST"
	jq -r '.pins[] | .ref as $ref | .files[]? | (.title // (.url | split("/") | last)) + " " + $ref + " " + .digest' "$1.lock" | sort
}
files_of 1 >files.1
files_of 2 >files.2
same "$(wc -l <files.1)" 2
for pair in 'platform:1 platform:2' 'medium-1 2.lock' '1.lock 2.lock'; do
	# shellcheck disable=SC2086 # two words
	must_fail 10 moat diff $pair --json
	same "$(jq -r '.files[] | select(.from != "") | .file + " " + .reference + " " + .from' out | sort)" "$(cat files.1)" "$pair"
	same "$(jq -r '.files[] | select(.to != "") | .file + " " + .reference + " " + .to' out | sort)" "$(cat files.2)" "$pair"
	json_is '.platforms == [{reference: "docker.io/library/moves:1", added: ["linux/arm64"], removed: []}]'
done

step 'for people'
must_fail 10 moat diff platform:1 platform
out_has '^A  set: platform 1, 5 references, .*, signed by key '
out_has '^B  set: platform 2, which is active, 5 references, '
out_has '^references: 2 added, 2 removed, 2 moved, 1 the same$'
out_has '^docker.io/library/moves:1 +image +'
err_has 'platform:1 and platform differ$'

step 'who signed: of a medium only with a key is it more than what it says'
fingerprint=$(moat key show "$PUB" --json | jq -r .fingerprint)
must_fail 10 moat diff medium-1 platform --json
json_is ".a.verified == false and .a.signers == [\"$fingerprint\"] and .b.verified and .b.signers == .a.signers"
must_fail 10 moat diff medium-1 platform
out_has '^A  medium medium-1: platform 1, .*: it says so of itself, not verified$'
must_fail 10 moat diff medium-1 platform --key "$PUB" --json
json_is ".a.verified and .a.signers == [\"$fingerprint\"]"
must moat key new --out stranger.key --no-passphrase
must_fail 3 moat diff medium-1 platform --key stranger.pub
[ ! -s out ] || _fail 'a result of what is not trusted'

step 'equal'
for pair in 'platform:2 platform' 'medium-2 platform' 'platform:2 2.lock' '1.lock medium-1' "$OUT $IN" '1.lock 1.lock'; do
	# shellcheck disable=SC2086 # two words
	must moat diff $pair --json
	json_is '.equal and .added == [] and .removed == [] and .moved == [] and .new.blobs == 0 and .gone.blobs == 0'
done
cp 2.lock other.lock
must moat seal --lock other.lock --key "$KEY" --version 3
must moat diff platform:2 platform:3

step 'one index, of which less is held'
image library/stays:1 tiny
image library/moves:1 multi 'platforms: [linux/arm64]'
image library/comes:1 multi 'platforms: [linux/arm64]'
file tool:1 two
file new:1 new
release 4
for pair in 'platform:2 platform:4' 'medium-2 4.lock' '2.lock medium-4' '2.lock 4.lock'; do
	# shellcheck disable=SC2086 # two words
	must_fail 10 moat diff $pair --json
	json_is '.added == [] and .removed == [] and .moved == [] and .files == [] and (.equal | not)'
	json_is '.platforms == (["comes", "moves"] | map({reference: "docker.io/library/\(.):1", added: [], removed: ["linux/amd64"]}))'
done

step 'what a word means'
must moat diff platform:2 2.lock --store "$IN"
(printf '\n\t ' && cat 2.lock) >spaced
must moat diff platform:2 spaced
cp 1.lock platform
must_fail 1 moat diff platform 2.lock
err_has '"platform" is a lock here and a set of .*: write lock:platform or set:platform$'
must_fail 10 moat diff lock:platform 2.lock
must moat diff set:platform 4.lock
rm platform
must_fail 1 moat diff nothing 2.lock
err_has 'the store .* has no set "nothing"$'
must_fail 1 moat diff lock:nothing 2.lock
must_fail 1 moat diff store:nothing 2.lock
must_fail 1 moat diff medium:nothing 2.lock
cp -r medium-1 both
cp medium-2/*.tar both/other.tar
must_fail 2 moat diff platform
mkfifo pipe
must_fail 1 moat diff pipe 2.lock
must moat deactivate platform --store "$IN"
must_fail 1 moat diff "$IN" 2.lock
err_has 'no set is active there; .--store .*. and a set.s name compare one$'
must moat diff platform 2.lock --store "$IN" --json
json_is '.a.chosen == "newest"'
