#!/usr/bin/env bash
# Who may sign which set: words in front of keys.
. "$(dirname "$0")/../support/lib.sh"

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
must moat import --store "$IN" --key "$T/limited.pub" "$MEDIUM"

step 'a slip of the pen widens nothing'
for text in 'set: platform\n' 'sets platform\n' 'sets:\n' 'sets: Platform\n' 'sets: a\nsets: b\n' 'sets: a\0\n'; do
	limited "$text"
	must_fail 1 moat import --store "$IN" --key "$T/limited.pub" "$MEDIUM"
	err_has "$T/limited.pub: line [12]: "
done

step 'of several keys, those without a limit are named'
limited 'sets: apps-*\n'
must moat verify --key "$PUB" "$MEDIUM"
! grep -q 'may sign every set' "$T/err" || _fail 'one key alone is no reason for a warning'
must moat verify --quiet --key "$T/limited.pub" --key "$T/other.pub" "$MEDIUM"
err_has "^moat: warning: $T/other.pub may sign every set"
! grep -q 'limited.pub may sign' "$T/err" || _fail 'a limited key is warned of'
