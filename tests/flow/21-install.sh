#!/usr/bin/env bash
# cmake --install puts everything under a prefix, and the programs run from there.
. "$(dirname "$0")/../support/lib.sh"

step 'an installation under a prefix of our own'
must cmake --install "$(dirname "$MOAT_BIN")" --prefix "$T/usr"
for program in moat moatd; do
	program=$(find "$T/usr" -type f -name "$program")
	exists "$program"
	must "$program" --help
done

step 'man pages are there and can be read'
for verb in moat moatd; do
	exists "$(find "$T/usr" -name "$verb.[18]*")"
done
