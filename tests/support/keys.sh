# shellcheck shell=bash
# What --json prints, against the keys and types that moat-json(7) lists. Sourced.
#
# shape NAME [FILTER]: the last output, through the filter, has exactly the keys of the section NAME.
# all_shapes_seen: each key of the page was there at least once.

ROWS=$T/keys.rows
SEEN=$T/keys.seen

# A row: section, path, type; an array of strings is two, as its items have a type as well.
awk '/^\.Sh / { shape = "" }
	/^\.Ss / { shape = substr($0, 5) }
	/^\.It Va / && shape != "" {
		split(substr($0, 8), half, " Pq ")
		count = split(half[1], names, " , ")
		items = sub(/^array of /, "", half[2]) ? half[2] : ""
		for (i = 1; i <= count; i++) {
			print shape "\t" names[i] "\t" (items ? "array" : half[2])
			if (items) print shape "\t" names[i] "[]\t" items
		}
		if (count && names[1] ~ /^\[\]/) print shape "\t[]\tobject"
	}' "$SOURCE/docs/man/moat-json.7" | sort -u >"$ROWS"

shape() {
	jq -r --arg shape "$1" --argjson rows "$(jq -Rn '[inputs / "\t" | {shape: .[0], path: .[1], type: .[2]}]' "$ROWS")" \
		-f "$SUPPORT/keys.jq" <<<"$(jq "${2:-.}" "$T/out")" >"$T/keys.found"
	[ -s "$T/keys.found" ] || _fail "$1: nothing printed"
	! grep -v '^seen ' "$T/keys.found" || _fail "$1: other keys or types than in moat-json(7)"
	sed "s/^seen /$1\t/" "$T/keys.found" >>"$SEEN"
}

all_shapes_seen() {
	cut -f1,2 "$ROWS" | sort -u | comm -23 - <(sort -u "$SEEN") >"$T/keys.unseen"
	[ ! -s "$T/keys.unseen" ] || { cat "$T/keys.unseen"; _fail 'keys in moat-json(7) that were never printed'; }
}
