#!/usr/bin/env bash
# Who may sign which set: words in front of keys; a second key, and what becomes of its signatures.
. "$(dirname "$0")/../support/lib.sh"
. "$SUPPORT/go.sh"

registry_start
push tiny apps/tiny:1.0
carry_out apps-web "$UPSTREAM/apps/tiny:1.0"
must moat key new --out "$T/other.key" --no-passphrase

# limited TEXT: the public key with a text in front, as $T/limited.pub
limited() { { printf '%b' "$1"; cat "$PUB"; } >"$T/limited.pub"; }

step 'a key signs only the sets that it names; openssl reads it all the same'
for text in 'sets: platform\n' '# sets: apps-*\r\nsets: apps, platform\r\n'; do
	limited "$text"
	for command in verify "import --store $IN"; do
		# shellcheck disable=SC2086 # words
		must_fail 3 moat $command --key "$T/limited.pub" "$MEDIUM"
		err_has "signed by $T/limited.pub, which may only sign the sets .*platform"
	done
done
nothing_inside
limited '# the web team\r\nsets: platform, apps-*\r\n'
must openssl pkey -pubin -in "$T/limited.pub" -noout
must moat key show "$T/limited.pub"
out_has "^$(openssl pkey -pubin -in "$T/limited.pub" -outform DER | sha256) .*  sets: platform, apps-\*$"
must moat verify --key "$T/limited.pub" "$MEDIUM"
must moat import --activate --store "$IN" --key "$T/limited.pub" "$MEDIUM"

step 'a slip of the pen widens nothing'
for text in 'set: platform\n' 'sets platform\n' 'sets:\n' 'sets: Platform\n' 'sets: a\nsets: b\n' 'sets: a\0\n'; do
	limited "$text"
	must_fail 1 moat import --activate --store "$IN" --key "$T/limited.pub" "$MEDIUM"
	err_has "$T/limited.pub: line [12]: "
done

step 'of several keys, those without a limit are named'
limited 'sets: apps-*\n'
must moat verify --key "$PUB" "$MEDIUM"
! grep -q 'may sign every set' "$T/err" || _fail 'one key alone is no reason for a warning'
must moat verify --quiet --key "$T/limited.pub" --key "$T/other.pub" "$MEDIUM"
err_has "^moat: warning: $T/other.pub may sign every set"
! grep -q 'limited.pub may sign' "$T/err" || _fail 'a limited key is warned of'

step 'a second key signs the same set; another content says what differs'
cp -r "$MEDIUM" "$T/by-one"
other() { moat seal --lock "$LOCK" --store "$OUT" --key "$T/other.key" "$@"; }
version=$(moat show --store "$OUT" --json apps-web | jq -r .version)
must_fail 1 other --version "$version" --expires 2099-12-31
err_has 'other content \(now it expires 2099-12-31T23:59:59Z instead of never\)'
must other --json
same "$(jq -r '.signed, .new' "$T/out" | xargs)" 'true false'
err_has 'signed by this key too'
must other --json
same "$(jq -r .signed "$T/out")" false
export_to "$T/by-two"

# keys_of STORE-OR-MEDIUM...: how many keys each signature of the set names, cosign's form first
keys_of() {
	must moat show "$@" --json apps-web
	jq -r '[.signatures[] | "\(.form):\(.keys | length)"] | sort | join(" ")' "$T/out"
}
same "$(keys_of --from "$T/by-two")" 'bundle:1 bundle:1 cosign:2'
for key in "$PUB" "$T/other.pub"; do must moat verify --key "$key" "$T/by-two"; done
must_fail 3 moat verify --key "$T/other.pub" "$T/by-one"

step 'verify.txt and moat.pub speak of the same key'
grep '^    ' "$T/by-two/verify.txt" >"$T/steps"
(cd "$T/by-two" && must bash -e "$T/steps") && out_has 'Verified OK'
for key in "$PUB" "$T/other.pub"; do
	rm -rf "$T/papers"
	must moat export --store "$OUT" --to "$T/papers" --key "$key"
	same_file "$T/papers/moat.pub" "$key"
	grep '^    ' "$T/papers/verify.txt" >"$T/steps"
	(cd "$T/papers" && must bash -e "$T/steps") && out_has 'Verified OK'
done

step 'a set that comes again with a further signature gets it with consent; none is lost by a rebuild'
both() { moat import --activate --store "$T/grows" --key "$PUB" --key "$T/other.pub" "$@"; }
must both "$T/by-one"
same "$(keys_of --store "$T/grows")" 'bundle:1 cosign:1'
must both --json "$T/by-two"
err_has "^moat: warning: set apps-web $version is also signed by $T/other.pub, .* --allow-signer other$"
same "$(jq -r '.signers[] | "\(.key) \(.new) \(.counts)"' "$T/out" | sort | xargs)" \
	"$(printf '%s\n' "$PUB false true" "$T/other.pub true false" | sort | xargs)"
same "$(keys_of --store "$T/grows")" 'bundle:1 cosign:1'
must both --allow-signer other "$T/by-two"
err_has "^moat: set apps-web: $T/other.pub may sign the next versions$"
same "$(keys_of --store "$T/grows")" 'bundle:1 bundle:1 cosign:2'
must both "$T/by-one"
same "$(keys_of --store "$T/grows")" 'bundle:1 bundle:1 cosign:2'
rm -r "$T/grows/meta"
must both "$T/by-one"
same "$(keys_of --store "$T/grows")" 'bundle:1 bundle:1 cosign:2'
clean "$T/grows"
must moat export --store "$T/grows" --to "$T/carried-on"
for key in "$PUB" "$T/other.pub"; do must moat verify --key "$key" "$T/carried-on"; done

step 'a set that an older moat sealed with two keys has a manifest for each under one tag: both are kept'
must moat pull --lock "$LOCK" --store "$T/second"
must moat seal --lock "$LOCK" --store "$T/second" --key "$T/other.key"
must moat export --store "$T/second" --to "$T/by-other"
legacy_of() {
	must moat show --from "$1" --json apps-web
	jq -r '.signatures[] | select(.form == "cosign") | .digest | sub("sha256:"; "")' "$T/out"
}
legacy="x'01$(legacy_of "$T/by-one")', x'01$(legacy_of "$T/by-other")'"
cp -r "$T/grows" "$T/older"
must moat import --activate --store "$T/older" --key "$PUB" --key "$T/other.pub" "$T/by-other"
sqlite3 "$T/older/meta/moat.db" "
	CREATE TEMP TABLE each AS SELECT id FROM blob WHERE digest IN ($legacy);
	INSERT OR IGNORE INTO manifest (id, media_type, artifact_type)
		SELECT id, 'application/vnd.oci.image.manifest.v1+json', '' FROM each;
	INSERT OR IGNORE INTO signature SELECT held_set, each.id, tag FROM signature, each WHERE tag <> '';
	DELETE FROM signature WHERE tag <> '' AND manifest NOT IN (SELECT id FROM each);"
must moat export --store "$T/older" --to "$T/by-each"
same "$(keys_of --from "$T/by-each" | grep -o 'cosign.*')" 'cosign:1 cosign:1'
must moat import --activate --store "$T/fresh" --key "$PUB" --key "$T/other.pub" "$T/by-each"
same "$(keys_of --store "$T/fresh" | grep -o 'cosign.*')" 'cosign:2'
clean "$T/fresh"

step 'another signer is refused, unless he is allowed; a rebuild forgets none'
# gate WORDS...: import into a copy of the store that took the first key's set
gate() {
	rm -rf "$T/gate"
	cp -r "$T/first" "$T/gate"
	[ -z "${REBUILD:-}" ] || rm -r "$T/gate/meta"
	moat import --activate --store "$T/gate" "$@"
}
refused() {
	must_fail 3 gate "$@"
	err_has "signer changed: version $version was signed by .*, next by $T/other.pub; .* --allow-signer other"
	must moat list --store "$T/gate" --sets --json
	same "$(jq -r '[.[] | select(.set == "apps-web") | .version] | join(" ")' "$T/out")" "$version"
}
must moat import --activate --store "$T/first" --key "$PUB" "$T/by-one"
must moat seal --lock "$LOCK" --store "$OUT" --key "$T/other.key" --version next
export_to "$T/next"
keys=(--key "$PUB" --key "$T/other.pub")
refused "${keys[@]}" "$T/next"
REBUILD=1 refused "${keys[@]}" "$T/next"
refused "${keys[@]}" --allow-signer moat "$T/next"
refused --key "$T/other.pub" "$T/next" # nor does forgetting the old key make a new one known
must_fail 1 gate "${keys[@]}" --allow-signer nobody "$T/next"
err_has 'no trusted key is called "nobody"'
fingerprint=$(openssl pkey -pubin -in "$T/other.pub" -outform DER | sha256)
for name in "$fingerprint" "$T/other.pub" other.pub other; do
	must gate "${keys[@]}" --allow-signer "$name" "$T/next"
done
must moat seal --lock "$LOCK" --store "$OUT" --key "$KEY" --version next.1
export_to "$T/back"
must_fail 3 moat import --activate --store "$T/gate" "${keys[@]}" "$T/back"
err_has "was signed by $T/other.pub, next.1 by $PUB; .* --allow-signer moat"
must other --version next.1
export_to "$T/with-both"
must moat import --activate --store "$T/gate" "${keys[@]}" "$T/with-both"

step 'a key is replaced: old and new sign a version that is consented to, then the new one signs alone'
must moat seal --lock "$LOCK" --store "$OUT" --key "$T/other.key" --version next.2
export_to "$T/alone"
must moat import --activate --store "$T/gate" "${keys[@]}" "$T/alone"
rotate() {
	rm -rf "$T/gate"
	cp -r "$T/first" "$T/gate"
	must moat import --activate --store "$T/gate" "${keys[@]}" "$@" "$T/with-both"
}
rotate
must_fail 3 moat import --activate --store "$T/gate" "${keys[@]}" "$T/alone"
err_has "signer changed: version next.1 was signed by $PUB, next.2 by $T/other.pub"
rotate --allow-signer other
must moat import --activate --store "$T/gate" "${keys[@]}" "$T/alone"
clean "$T/gate"

if [ "${MOAT_TEST_GO:-}" = all ] && go_can cosign; then
	step 'cosign takes either key, in both forms'
	cosign=$(go_tool cosign)
	must moat show --store "$T/grows" --json apps-web
	set=$(jq -r .digest "$T/out")
	moatd_start "$T/grows"
	for key in "$PUB" "$T/other.pub"; do
		for form in true false; do
			must "$cosign" verify --key "$key" --insecure-ignore-tlog=true \
				--new-bundle-format=$form --allow-http-registry \
				"$INSIDE/moat.local/set/apps-web@$set"
		done
	done
	stop "$MOATD_PID"
fi
