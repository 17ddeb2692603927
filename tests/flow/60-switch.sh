#!/usr/bin/env bash
# Versions side by side: what is imported is served when it is activated, at once, without a word to moatd.
. "$(dirname "$0")/../support/lib.sh"

registry_start
ref=$UPSTREAM/apps/web:1.0
served() { digest_of "$INSIDE" "$UPSTREAM/apps/web" 1.0; }
not_served() { [ "$(inside curl -sk -o /dev/null -w '%{http_code}' "$URL/v2/$UPSTREAM/apps/web/manifests/1.0")" = 404 ]; }
is_served() { [ "$(served)" = "$1" ]; }
# accept ARGS...: import without activating
accept() { must moat import --store "$IN" --key "$PUB" "$@"; }
# states: "VERSION ACTIVE" of each accepted version, newest first
states() { moat list --store "$IN" --sets --json | jq -r '.[] | select(.set == "platform") | .version + " " + (.active | tostring)' | paste -sd ' '; }
# release VERSION IMAGE: the tag moves, and a medium has it; its digest
release() {
	push "$2" apps/web:1.0 >&2
	write_list platform "$ref"
	{ pin --update && pull && seal --version "$1" && export_to "$T/medium-$1"; } >&2
	digest_of "$UPSTREAM" apps/web 1.0
}

step 'import accepts, says what would change and how to activate it'
first=$(release 1 tiny)
accept "$T/medium-1"
err_has 'set platform 1: tags: 1 new$'
out_has "^platform 1 sha256:[0-9a-f]+: accepted, "
out_has "^to serve it: moat activate --store $IN platform:1$"
sed -n "s/^to serve it: //p" "$T/out" >"$T/line"
same "$(states)" '1 false'
moatd_start "$IN" --push
not_served || _fail "it is served"
clean

step 'the line activates it, and moatd that runs serves it'
bash "$T/line" >"$T/activated" 2>&1 || _fail "$(cat "$T/activated")"
has_line "$T/activated" '^platform 1 sha256:[0-9a-f]+: active$'
wait_until 5 is_served "$first"

step 'the next version waits beside it'
second=$(release 2 layered)
accept "$T/medium-2"
err_has "  $ref: ${first:0:19} \(platform 1\) -> ${second:0:19} \(platform 2\)"
same "$(states)" '2 false 1 true'
same "$(served)" "$first"
accept "$T/medium-1"
out_has '^platform 1 .*: active, '
must moat activate --store "$IN" --dry-run platform
out_has '^platform 2 .*: not switched$'
same "$(served)" "$first"
must moat activate --store "$IN" platform
wait_until 5 is_served "$second"
same "$(states)" '2 true 1 false'
must moat activate --store "$IN" platform
out_has ': active already$'

step 'an older one is refused, and told how to go back'
must_fail 3 moat activate --store "$IN" platform:1
err_has 'set platform 1 is older than version 2, which is active: .moat rollback platform --to 1. goes back'
must_fail 1 moat activate --store "$IN" platform:3
err_has 'set platform:3 is not accepted here'
must_fail 2 moat activate --store "$IN"
same "$(served)" "$second"
clean

step 'two sets on one tag: accepted, and refused at the switch until it is ordered'
write_list tools "$ref"
push tiny apps/web:1.0
LOCK=$T/tools.lock OUT=$T/tools
pin && pull && seal --version 1 && export_to "$T/medium-tools"
accept "$T/medium-tools"
err_has '1 tag that another active set pins to something else: activating needs --take platform'
out_has "^to serve it: moat activate --store $IN --take platform tools:1$"
must_fail 7 moat activate --store "$IN" tools
err_has "set tools 1 would take 1 tag .*allowed by --take platform\): $ref \(platform 2 has ${second:0:19}, this one ${first:0:19}\)"
same "$(served)" "$second"
must moat activate --store "$IN" --take platform tools
wait_until 5 is_served "$first"
same "$(moat list --store "$IN" --json | jq -c '[.sets[] | select(.active) | {set, takes}] | sort_by(.set)')" \
	'[{"set":"platform","takes":[]},{"set":"tools","takes":["platform"]}]'
clean

step 'back, one further back, and forward again'
# versions: what each line of the tag's history is, newest first
active() { moat list --store "$IN" --sets --json | jq -r ".[] | select(.set == \"${1:-platform}\" and .active) | .version"; }
must moat deactivate --store "$IN" tools
wait_until 5 is_served "$second"
LOCK=$T/moat.lock OUT=$T/outside
third=$(release 3 tiny)
must moat import --activate --store "$IN" --key "$PUB" "$T/medium-3"
wait_until 5 is_served "$third"
must moat rollback --store "$IN" platform
err_has "  $ref: ${third:0:19} \(platform 3\) -> ${second:0:19} \(platform 2\)"
out_has '^platform 2 .*: active$'
wait_until 5 is_served "$second"
must moat rollback --store "$IN" platform
wait_until 5 is_served "$first"
must_fail 1 moat rollback --store "$IN" platform
err_has 'set platform 1: nothing was active before it; --to VERSION goes to an accepted one'
must_fail 1 moat rollback --store "$IN" --to 3 platform
err_has 'set platform 3 is newer than 1: .moat activate platform:3. goes forward'
must moat activate --store "$IN" platform
same "$(active)" 3
must moat rollback --store "$IN" --to 2 --dry-run platform
same "$(active)" 3
must moat rollback --store "$IN" --to 2 platform
same "$(active)" 2
must moat rollback --store "$IN" platform
same "$(active)" 1
must moat activate --store "$IN" platform:3
clean

step 'off, and on again as it was'
must moat deactivate --store "$IN" platform
out_has '^platform 3 .*: not active any more$'
wait_until 5 not_served
same "$(active)" ''
must_fail 1 moat deactivate --store "$IN" platform
err_has 'no version of set platform is active'
must_fail 3 moat activate --store "$IN" platform:2
err_has 'older than version 3, which was active last'
must moat rollback --store "$IN" platform
same "$(active)" 3
wait_until 5 is_served "$third"
must moat rollback --store "$IN" platform
same "$(active)" 1 'what was active when 3 became so'
must moat activate --store "$IN" platform:2

step 'where a rollback goes comes back with a new database'
stop "$MOATD_PID"
rm -rf "$IN/meta"
moatd_start "$IN" --push
must moat list --store "$IN"
must moat import --store "$IN" --key "$PUB" "$T/medium-3"
same "$(active)" 2
must moat rollback --store "$IN" platform
same "$(active)" 1
must moat activate --store "$IN" platform:3

step 'removed: not while active, only on purpose, and no older one comes in for it'
must_fail 7 moat remove --store "$IN" --yes platform:3
err_has 'set platform 3 is active: activate another version, or .moat deactivate platform.'
must_fail 2 moat remove --store "$IN" platform:2
must moat remove --store "$IN" --yes platform:2
must moat rollback --store "$IN" platform
same "$(active)" 1
must moat remove --store "$IN" --yes platform:3
same "$(states)" '1 true'
must_fail 3 moat import --store "$IN" --key "$PUB" "$T/medium-2"
err_has 'set platform 2 is older than version 3, which was here and was removed'
stop "$MOATD_PID"
rm -rf "$IN/meta"
moatd_start "$IN" --push
must_fail 3 moat import --store "$IN" --key "$PUB" "$T/medium-2"
err_has 'older than version 3, which was here and was removed'
must moat import --store "$IN" --key "$PUB" "$T/medium-3"
same "$(states)" '3 false 1 true'
clean
