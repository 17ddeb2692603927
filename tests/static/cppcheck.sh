#!/usr/bin/env bash
# usage: cppcheck.sh SOURCE-DIR BUILD-DIR
# cppcheck over the programs and the libraries (tests: see -i), each file once.
set -euo pipefail
. "$(dirname "$0")/version.sh"
judged_by cppcheck 2.10 2.17
cd "$1"
work=$2/cppcheck
mkdir -p "$work"
# It reads no headers of the system; without this one's macros our lists are no C to it.
queue=$("${CC:-cc}" -M -x c - <<<'#include <sys/queue.h>' | grep -o '/[^ ]*sys/queue\.h')
cppcheck --quiet --error-exitcode=1 --inline-suppr -j "$(nproc)" --std=c11 \
	--enable=warning,performance,portability --cppcheck-build-dir="$work" \
	--suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
	--template='{file}:{line}: {severity}: {message} [{id}]' \
	--include="$queue" -D_GNU_SOURCE -D__x86_64__ -DMOAT_VERSION='"0"' -I. -I"$2" -I"$2/storage" \
	storage registry mirror-tool
