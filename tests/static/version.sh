# shellcheck shell=bash
# Checkers judge by version: a new one brings checks, and another opinion on old lines.  Sourced.
#
# judged_by NAME LOWEST HIGHEST: the tree is known to be clean by these versions of the program; another
# one is no judge of it, and the check is skipped, which is said.
judged_by() {
	local version
	version=$("$1" --version | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1)
	printf '%s\n' "$2" "$version" "$3.999" | sort -CV && return
	echo "skipped: $1 $version is not among the versions that judge this tree: $2 to $3"
	exit 77
}
