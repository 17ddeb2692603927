#!/usr/bin/env bash
# Readers hammer moatd while a set is activated and rolled back, 300 times; MOAT_SOAK=1000 as often as that. No answer
# mixes generations, none fails, and none goes back in time.
. "$(dirname "$0")/../support/lib.sh"

mkdir -p "$IN"
new_key
for generation in 1 2; do
	python3 "$SUPPORT/hammer.py" layout "$T/layout-$generation" "$generation"
	{
		printf 'set: gen\nversion: "%s"\nimages:\n' "$generation"
		for tag in t{0..9} only-$generation; do
			printf "  - {name: 'docker.io/gen/app:%s', from: 'oci:layout-%s:gen'}\n" "$tag" "$generation"
		done
	} >"$T/moat.yaml"
	(cd "$T" && pin && pull && seal && export_to "$T/medium-$generation")
	rm "$LOCK"
	must moat import --store "$IN" --key "$PUB" "$T/medium-$generation"
	[ "$generation" = 2 ] || must moat activate --store "$IN" gen
done
moatd_start "$IN"

step "switch under load"
inside python3 "$SUPPORT/hammer.py" run "$INSIDE" docker.io/gen/app 4 "${MOAT_SOAK:-300}" "$IN" ||
	_fail 'an answer was wrong'
clean
