#!/usr/bin/env bash
# The demo does what it says, beside others, after others that failed, and cleans up when told to.
. "$(dirname "$0")/../support/lib.sh"

demo() { MOAT_DEMO=$T/$1 "$SOURCE/tests/demo.sh" "${@:2}"; }
for name in one two; do at_exit "demo $name --stop >/dev/null 2>&1"; done
serving() { pid=$(cat "$T/$1/moatd.pid") && same "$(cat "/proc/$pid/comm")" moatd "what $1 left running"; }

step 'it runs to its end, and so does that of another checkout beside it'
must demo one
out_has 'byte by byte'
must demo two
out_has 'byte by byte'
serving one
serving two

step 'what it left running stops when told to; the other goes on'
serving one
must demo one --stop
wait_until 10 gone "$pid"
serving two

step 'a start ends what an earlier one left, even where nothing tells any more what that was'
serving two
rm -r "$T/two"
must demo two
wait_until 10 gone "$pid"
serving two
must demo two --stop

step 'one that fails half-way says why, leaves nothing running, and the next one works'
mkdir "$T/bin"
cp "$MOAT_BIN/moatd" "$T/bin/"
for verb in seal import; do
	cat >"$T/bin/moat" <<-END
		#!/bin/sh
		[ "\$1" != $verb ] || { echo "no $verb today" >&2; exit 1; }
		exec "$MOAT_BIN/moat" "\$@"
	END
	chmod +x "$T/bin/moat"
	MOAT_BIN=$T/bin must_fail 1 demo one
	out_has "no $verb today"
	err_has "stopped; what it wrote is in $T/one"
	exists "$T/one/moat.lock"
	must ip netns list
	must_fail 1 grep "$(cksum <<<"$T/one" | cut -d' ' -f1 | xargs printf %08x)" "$T/out"
done
must demo one
must demo one --stop

step 'why there is no namespace is said in the words of ip'
cat >"$T/bin/ip" <<-END
	#!/bin/sh
	[ "\$2" != add ] || { echo "no room for namespaces" >&2; exit 1; }
	exec $(command -v ip) "\$@"
END
chmod +x "$T/bin/ip"
MOAT_BIN=$T/bin must_fail 1 demo one
err_has 'no network namespace moat-outside-[0-9a-f]{8}: no room for namespaces'
