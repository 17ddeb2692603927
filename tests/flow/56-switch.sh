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
must moat log --store "$IN" --set platform --json
json_is '[.[-4:][] | .result + " " + .version] == ["begun 1", "denied 1", "begun 3", "failed 3"]'
must_fail 1 moat rollback --store "$IN" --to 3 platform
err_has 'set platform 3 is not accepted here: .moat list --all-versions. tells what is'
accept "$T/medium-1"
out_has "^to serve it: moat rollback --store $IN --to 1 platform$"
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

step 'an override is named, meant, and on record'
must_fail 2 moat import --store "$IN" --key "$PUB" --allow-older "$T/medium-2"
must_fail 2 moat import --store "$IN" --key "$PUB" --yes "$T/medium-2"
accept --allow-older --yes "$T/medium-2"
out_has "^to serve it: moat activate --store $IN --allow-older --yes platform:2$"
same "$(active)" 1
same "$(moat log --store "$IN" --action import --last 1 --json | jq -r '.[0] | .result + " " + .override')" 'allowed older'

step 'nor does an older one become active for what was removed'
must_fail 7 moat remove --store "$IN" --yes platform:1
must moat activate --store "$IN" platform:3
must moat deactivate --store "$IN" platform
must moat remove --store "$IN" --yes platform:3
same "$(states)" '2 false 1 false'
must_fail 3 moat activate --store "$IN" platform
err_has 'set platform 2 is older than version 3, which was here and was removed: if it is meant anyway, --allow-older --yes'
must_fail 3 moat activate --store "$IN" platform:1
err_has 'platform 1 is older than version 3, which was here and was removed: .moat rollback platform --to 1. goes back'
must_fail 3 moat import --activate --store "$IN" --key "$PUB" "$T/medium-2"
must_fail 2 moat activate --store "$IN" --allow-older platform:2
must_fail 2 moat activate --store "$IN" --yes platform:2
not_served || _fail 'an older one is served'
must moat activate --store "$IN" --allow-older --yes platform:2
same "$(active)" 2
same "$(moat log --store "$IN" --action activate --last 1 --json | jq -r '.[0] | .result + " " + .override')" 'allowed older'
must moat rollback --store "$IN" platform
same "$(active)" 1
must moat import --store "$IN" --key "$PUB" "$T/medium-3"

step 'nor is one sealed: it gets a newer version, no override'
seal --version 3.1
must moat deactivate --store "$OUT" platform
must moat remove --store "$OUT" --yes platform:3.1
must_fail 3 moat seal --lock "$LOCK" --store "$OUT" --key "$KEY" --version 3.0.1
err_has 'platform 3.0.1 is older than version 3.1, which was here and was removed: seal it again with a newer version$'

step 'an active set that expires is served on, and told of'
LOCK=$T/soon.lock
write_list soon "$ref"
pin && pull && seal --version 1 --expires "$(date -u -d tomorrow +%F)" && export_to "$T/medium-soon"
must moat import --activate --take platform --store "$IN" --key "$PUB" "$T/medium-soon"
LOCK=$T/gone.lock
write_list gone "$ref"
pin && pull
sed -i -E 's/2[0-9]{3}(-[0-9]{2}-[0-9]{2}T)/2020\1/' "$LOCK"
seal --version 1 --expires 2021-01-01 && export_to "$T/medium-gone"
accept --allow-expired --yes "$T/medium-gone"
out_has "^to serve it: moat activate --store $IN --allow-expired --yes gone:1$"
must moat list --store "$IN" --all-versions --json
json_is '[.[] | select(.set == "soon") | .expires > .created and .activated > 0 and (.expired | not)] == [true]'
json_is '[.[] | select(.set == "platform" and .back)] | length <= 1'
sqlite() { python3 -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()' "$IN/meta/moat.db" "$1"; }
sqlite "UPDATE held_set SET expires = 1000000000 WHERE name = 'soon'"
must moat list --store "$IN"
out_has '^soon .* active, expired'
ready() { inside curl -sk -w '%{http_code}' "$URL/readyz"; }
ready >"$T/ready"
has_line "$T/ready" '^set soon 1 expired at 2001-09-09'
same "$(ready | tail -n 1)" 200
inside curl -sk "$URL/metrics" | grep -q '^moat_set_expired{channel="soon",version="1"} 1' || _fail 'no metric says it'
must moat deactivate --store "$IN" soon
must_fail 3 moat activate --store "$IN" --take platform soon
err_has 'set soon 1 expired at 2001-09-09.*--allow-expired --yes'
must moat rollback --store "$IN" soon
err_has 'warning: set soon 1 expired at 2001-09-09'
must moat deactivate --store "$IN" soon
must moat activate --store "$IN" --take platform --allow-expired --yes soon
stop "$MOATD_PID"
moatd_start "$IN" --push --warn-age 1d
wait_until 5 grep -qE 'event=store reason="?set soon 1 expired at 2001-09-09' "$T/moatd.log"
! grep -q 'days old' "$T/moatd.log" || _fail 'told of a set that is of today'

step 'so is one that was sealed longer ago than the operator wants'
sqlite "UPDATE held_set SET created = 1000000000, expires = 0 WHERE name = 'soon'"
old='set soon 1 is [0-9]{4,} days old'
ready >"$T/ready"
has_line "$T/ready" "^$old\$"
same "$(ready | tail -n 1)" 200
inside curl -sk "$URL/metrics" >"$T/metrics"
has_line "$T/metrics" '^moat_set_expired\{channel="soon",version="1"\} 0$'
has_line "$T/metrics" '^moat_set_age_seconds\{channel="soon",version="1"\} [0-9]{9,}$'
must moat list --store "$IN" --all-versions
out_has '^soon .* 2001-09-09 01:46 .* active$'
moat list --store "$IN" --all-versions --json >"$T/out"
json_is '[.[] | select(.set == "soon") | .created, .expired] == [1000000000, false]'
stop "$MOATD_PID"
moatd_start "$IN" --push --warn-age 1d
wait_until 5 grep -qE "event=store reason=\"?$old" "$T/moatd.log"

step 'hosts that nodes lack are named'
LOCK=$T/moat.lock
node_config containerd
must moat activate --store "$IN" platform:3
! grep -q 'configuration of nodes' "$T/err" || _fail 'told of hosts that nodes know'
printf 'docker.io\n' >"$IN/node-hosts"
must moat rollback --store "$IN" platform
err_has "warning: the configuration of nodes that was written last lacks 1 host of the active sets: $UPSTREAM;"
clean
