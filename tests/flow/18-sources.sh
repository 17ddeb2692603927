#!/usr/bin/env bash
# Ways to name images: globs, version ranges, tag with digest, layouts and archives; and the ways to
# get it wrong.
. "$(dirname "$0")/../support/lib.sh"

registry_start
for tag in 1.0.0 1.1.0 1.2.0-rc.1 2.0.0 release-a release-b nightly; do push tiny "apps/app:$tag"; done
must skopeo copy "oci:$FIXTURES/tiny:tiny" "oci-archive:$T/tiny.tar:tiny"

step 'globs and ranges choose tags; layouts and archives are sources like any other'
digest=$(digest_of "$UPSTREAM" apps/app 1.0.0)
write_list chosen "{name: $UPSTREAM/apps/app, tags: \">=1.0.0 <2.0.0\"}" \
	"{name: $UPSTREAM/apps/app, tags: \"release-*\"}" \
	"$UPSTREAM/apps/app:2.0.0@$digest" \
	"{name: example.test/layout:1, from: \"oci:$FIXTURES/tiny:tiny\"}" \
	"{name: example.test/archive:1, from: \"oci-archive:$T/tiny.tar:tiny\"}"
pin
jq -r '.pins[].ref' "$LOCK" | sed "s|^$UPSTREAM/||; s|@.*||" | sort >"$T/refs"
printf '%s\n' apps/app:{1.0.0,1.1.0,2.0.0,release-a,release-b} example.test/archive:1 \
	example.test/layout:1 | sort >"$T/expected"
same_file "$T/expected" "$T/refs"
pull
clean "$OUT"

step 'a layout that changed after pin is noticed by pull'
fixture small
cp -r "$FIXTURES/tiny" "$T/layout"
write_list moved "{name: example.test/layout:1, from: \"oci:$T/layout:tiny\"}"
rm "$LOCK"
pin
rm -rf "$OUT" "$T/layout"
must skopeo copy "oci:$FIXTURES/small:small" "oci:$T/layout:tiny"
must_fail '[1-9]' moat pull --lock "$LOCK" --store "$OUT"
err_has 'example.test/layout:1'

step 'tag and digest that do not agree'
push small apps/app:2.0.0
write_list wrong "$UPSTREAM/apps/app:2.0.0@$digest"
must_fail '[1-9]' moat pin --list "$LIST" --lock "$T/wrong.lock"
err_has '2\.0\.0'
absent "$T/wrong.lock"

step 'a name that upstream does not have, a pattern that matches nothing'
for item in "$UPSTREAM/apps/nothing:1" "{name: $UPSTREAM/apps/app, tags: \">=9.0.0\"}"; do
	write_list wrong "$item"
	must_fail '[1-9]' moat pin --list "$LIST" --lock "$T/wrong.lock"
	err_has 'apps/(nothing|app)'
	absent "$T/wrong.lock"
done

step 'a typing error is an error, with its line'
for line in 'imagse: []' 'platforms: [linux]' 'images: ["UPPER/case:1"]'; do
	printf 'set: typo\n%s\n' "$line" >"$LIST"
	must_fail '[12]' moat pin --list "$LIST" --lock "$T/wrong.lock"
	err_has 'moat.yaml:2'
done
