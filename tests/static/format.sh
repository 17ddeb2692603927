#!/usr/bin/env bash
# usage: format.sh SOURCE-DIR [BUILD-DIR | --fix]
# Every C file is formatted as .clang-format says; with --fix it becomes so.  Versions of clang-format differ
# in one construct (braces in a macro), so one of them decides; pip has it for machines with another.
set -euo pipefail
. "$(dirname "$0")/version.sh"
judged_by clang-format 14 14
cd "$1"
mode=(--dry-run -Werror)
[ "${2:-}" != --fix ] || mode=(-i)
git ls-files -z -- '*.c' '*.h' | xargs -0r clang-format "${mode[@]}"
