#!/usr/bin/env bash
# usage: shell.sh SOURCE-DIR
# Our scripts give shellcheck nothing to say.
set -euo pipefail
. "$(dirname "$0")/version.sh"
judged_by shellcheck 0.9 0.10
cd "$1"
{
	git ls-files -z -- '*.sh'
	printf '%s\0' bootstrap .ci/run tests/conformance/run
} | xargs -0 shellcheck --external-sources
