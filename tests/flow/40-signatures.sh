#!/usr/bin/env bash
# Signatures of others: which spellings of a bundle `verify:` takes, a row each, and the same asked of
# cosign itself; what cosign signs and saves, pinned; what moat seals, verified by cosign.  cosign is
# built only where MOAT_TEST_GO=all (it takes minutes).
. "$(dirname "$0")/../support/lib.sh"
. "$SUPPORT/go.sh"

cosign=
if [ "${MOAT_TEST_GO:-}" = all ]; then
	go_can cosign || exit 77
	cosign=$(go_tool cosign)
else
	echo 'cosign is left out: MOAT_TEST_GO=all builds it'
fi
export COSIGN_PASSWORD=''

fixture tiny
moatd_start "$IN" --push
must skopeo copy -q --dest-tls-verify=false "oci:$FIXTURES/tiny:tiny" "docker://$INSIDE/v/app:base"
must moat key new --out "$T/up.key" --no-passphrase

# pin_signed ITEM: a list of one item, whose signature by up.pub must hold
pin_signed() {
	rm -f "$LOCK"
	cat >"$LIST" <<-END
		set: signed
		platforms: [linux/amd64]
		images:
		- {$1}
		verify:
		- {images: "$INSIDE/*", keys: [up.pub]}
		registries:
		  $INSIDE: {plain-http: true}
	END
	moat pin --list "$LIST" --lock "$LOCK"
}

cosign_takes() {
	"$cosign" verify --key "$T/up.pub" --insecure-ignore-tlog=true --allow-http-registry "$1"
}

# verdict COMMAND...: yes or no
verdict() { if "$@" >>"$T/verdicts.log" 2>&1; then echo yes; else echo no; fi; }

step 'a row for each spelling of a bundle'
while read -r row by_cosign by_moat; do
	digest=$(python3 "$SUPPORT/bundle.py" "$INSIDE" v/app "$T/up.key" "$row")
	same "$(verdict pin_signed "name: $INSIDE/v/app, tags: $row")" "$by_moat" "moat, $row"
	[ -z "$cosign" ] || same "$(verdict cosign_takes "$INSIDE/v/app@$digest")" "$by_cosign" "cosign, $row"
done < <(python3 "$SUPPORT/bundle.py" --rows)

if [ -n "$cosign" ]; then
	cd "$T" || exit
	must "$cosign" import-key-pair --key up.key --output-key-prefix cosign
	# cosign_signs BUNDLE REFERENCE
	cosign_signs() {
		must "$cosign" sign --yes --key cosign.key --tlog-upload=false --use-signing-config=false \
			--new-bundle-format="$1" --allow-http-registry "$2"
	}

	step 'a bundle that does not count hides no signature in the older form'
	digest=$(digest_of "$INSIDE" v/app type-0.2)
	cosign_signs false "$INSIDE/v/app@$digest"
	must pin_signed "name: $INSIDE/v/app, tags: type-0.2"
	must cosign_takes "$INSIDE/v/app@$digest"

	step 'what cosign signs in either form is pinned, and what it saves'
	for form in true false; do
		must skopeo copy -q --src-tls-verify=false --dest-tls-verify=false \
			"docker://$INSIDE/v/app:base" "docker://$INSIDE/form/$form:1"
		cosign_signs "$form" "$INSIDE/form/$form@$(digest_of "$INSIDE" form/"$form" 1)"
		must pin_signed "name: $INSIDE/form/$form, tags: 1"
	done
	for form in true false; do
		must "$cosign" save --dir "$T/saved-$form" --allow-http-registry "$INSIDE/form/$form:1"
		must "$cosign" verify --key up.pub --insecure-ignore-tlog=true --local-image "$T/saved-$form"
		must pin_signed "name: '$INSIDE/form/$form:1', from: 'oci:$T/saved-$form'"
	done
	has_line "$LOCK" '\.sig"'

	step 'a bundle that is saved is the one of the registry, though the index of the layout has none'
	same "$(jq '.manifests | length' "$T/saved-true/index.json")" 1
	must pin_signed "name: '$INSIDE/form/true:1', from: 'oci:$T/saved-true'"
	attached=$(jq -c '.pins[0].attached' "$LOCK")
	must pin_signed "name: '$INSIDE/form/true:1'"
	same "$(jq -c '.pins[0].attached' "$LOCK")" "$attached"

	step 'moat seals, cosign verifies the set in both forms'
	must pin_signed "name: $INSIDE/v/app, tags: plain"
	pull
	must moat seal --lock "$LOCK" --store "$OUT" --key "$T/up.key" --version 1 --json
	set=$(jq -r .digest "$T/out")
	stop "$MOATD_PID"
	moatd_start "$OUT"
	for form in true false; do
		must "$cosign" verify --key up.pub --insecure-ignore-tlog=true --new-bundle-format=$form \
			--allow-http-registry "$INSIDE/moat.local/set/signed@$set"
	done
fi
stop "$MOATD_PID"
