#!/usr/bin/env bash
# kill -9 of a pull at a random moment: the next run finishes and the store is clean.
# MOAT_SOAK=N does it N times instead of 50.
. "$(dirname "$0")/../support/lib.sh"

registry_start
push layered apps/layered:1.0
push multi apps/multi:1.0
write_list platform "$UPSTREAM/apps/layered:1.0" "$UPSTREAM/apps/multi:1.0"
pin

step 'how long an undisturbed pull takes'
begin=$(now_us)
pull
whole=$(($(now_us) - begin))
echo "$whole us"

step "killed ${MOAT_SOAK:-50} times"
kill_loop "${MOAT_SOAK:-50}" "$whole" "$OUT" moat pull --lock "$LOCK" --store "$OUT"
