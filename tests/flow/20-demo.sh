#!/usr/bin/env bash
# The demo does what it says, and cleans up when told to.
. "$(dirname "$0")/../support/lib.sh"

export MOAT_DEMO=$T/demo
at_exit "$SOURCE/tests/demo.sh --stop >/dev/null 2>&1"

step 'it runs to its end'
must "$SOURCE/tests/demo.sh"
out_has 'byte by byte'

step 'what it left running answers, and stops'
pid=$(cat "$MOAT_DEMO/moatd.pid")
same "$(cat "/proc/$pid/comm")" moatd 'what runs under the number that --stop ends'
must "$SOURCE/tests/demo.sh" --stop
wait_until 10 gone "$pid"
