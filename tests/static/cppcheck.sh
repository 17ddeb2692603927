#!/usr/bin/env bash
# usage: cppcheck.sh SOURCE-DIR BUILD-DIR
# cppcheck over the programs and the libraries (tests: see -i), each file once.
set -euo pipefail
. "$(dirname "$0")/version.sh"
judged_by cppcheck 2.10 2.17
cd "$1"
work=$2/cppcheck
mkdir -p "$work"
cppcheck --quiet --error-exitcode=1 --inline-suppr -j "$(nproc)" --std=c11 \
	--enable=warning,performance,portability --cppcheck-build-dir="$work" \
	--suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
	--template='{file}:{line}: {severity}: {message} [{id}]' \
	-D_GNU_SOURCE -D__x86_64__ -DMOAT_VERSION='"0"' -I. -I"$2" -I"$2/storage" \
	storage registry mirror-tool
