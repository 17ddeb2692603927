#!/usr/bin/env bash
# usage: tidy.sh SOURCE-DIR BUILD-DIR
# clang-tidy, as .clang-tidy says, over everything that BUILD-DIR compiles outside tests/.
set -euo pipefail
. "$(dirname "$0")/version.sh"
judged_by clang-tidy 14 19
cd "$1"
files=$(python3 -c '
import json, sys
source, build = sys.argv[1:]
for entry in json.load(open(build + "/compile_commands.json")):
    name = entry["file"]
    if name.startswith(source + "/") and not name.startswith((build, source + "/tests/")):
        print(name)' "$1" "$2" | sort -u)
# shellcheck disable=SC2086 # a list of names
printf '%s\n' $files |
	xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p "$2" --warnings-as-errors='*' \
		--extra-arg=-Wno-unknown-warning-option 2>&1 |
	{ grep -vE '^[0-9]+ warnings? generated\.$|^Suppressed |^Use -header-filter' || true; }
