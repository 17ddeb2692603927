#!/usr/bin/env bash
# kill -9 of an import at a random moment: nothing is visible, the next run finishes and the store
# is clean.  MOAT_SOAK=N does it N times instead of 50.
. "$(dirname "$0")/../support/lib.sh"

registry_start
push layered apps/layered:1.0
push multi apps/multi:1.0
write_list platform "$UPSTREAM/apps/layered:1.0" "$UPSTREAM/apps/multi:1.0"
pin
pull
seal
export_to "$MEDIUM" --volume-size 2MiB

step 'how long an undisturbed import takes'
begin=$(now_us)
import
whole=$(($(now_us) - begin))
echo "$whole us"

step "killed ${MOAT_SOAK:-50} times"
kill_loop "${MOAT_SOAK:-50}" "$whole" "$IN" moat import --activate --store "$IN" --key "$PUB" "$MEDIUM"

step 'what came in is served'
moatd_start "$IN"
same_everywhere apps/layered 1.0
