#!/usr/bin/env bash
# usage: points.sh SOURCE-DIR RECORD...
# Each fault point of the sources has failed and has killed in one of the sweeps, which wrote their RECORDs
# (tests/support/faults.h). A point is a literal name that stands once, or nobody could tell which one fired.
set -euo pipefail
export LC_ALL=C
sources=$1
shift
status=0

# complain TEXT LINES: unless there are none
complain() {
	[ -n "$2" ] || return 0
	status=1
	printf '%s:\n%s\n' "$1" "$2"
}

cd "$sources"
mapfile -t files < <(find storage mirror-tool registry -name '*.[ch]' ! -path 'storage/base/fault.[ch]')
# A call may have its name on the next line.
calls=$(cat "${files[@]}" | tr '\n\t' '  ' | grep -oE '\bfault\( *[^ ,)]*' | sed 's/^fault( *//')
names=$(sed -n 's/^"\(.*\)"$/\1/p' <<<"$calls" | sort)
fired=$(sort -u "$@")

[ -n "$names" ] || complain 'no fault point was found in' "$sources"
complain 'a fault point without a name of its own' "$(grep -v '^"' <<<"$calls" || true)"
complain 'two fault points of one name' "$(uniq -d <<<"$names")"
for mode in fail die; do
	reached=$(sed -n "s/^$mode //p" <<<"$fired")
	complain "no sweep let these fault points $mode" "$(comm -23 <(uniq <<<"$names") <(echo "$reached"))"
	complain "sweeps let fault points $mode that were not found in the sources" \
		"$(comm -13 <(uniq <<<"$names") <(grep . <<<"$reached"))"
done
[ "$status" -ne 0 ] || printf '%s fault points, each fails and dies in a sweep\n' "$(wc -l <<<"$names")"
exit "$status"
