#!/usr/bin/env bash
# usage: format.sh SOURCE-DIR [BUILD-DIR | --fix]
# Every C file is formatted as .clang-format says; with --fix it becomes so.
set -euo pipefail
cd "$1"
mode=(--dry-run -Werror)
[ "${2:-}" != --fix ] || mode=(-i)
git ls-files -z -- '*.c' '*.h' | xargs -0r clang-format "${mode[@]}"
