#!/usr/bin/env bash
# Two sets and a push want one tag: who gets it is said before, taken only with consent, and shown as
# it is served; also when two imports run at once.
. "$(dirname "$0")/../support/lib.sh"

registry_start
push tiny apps/web:1.0
push layered apps/db:1.0
ref=$UPSTREAM/apps/web:1.0
served() { digest_of "$INSIDE" "$UPSTREAM/apps/web" 1.0; }
is_served() { [ "$(served)" = "$1" ]; }
shown() { moat show --store "$IN" --json "$ref" | jq -r "$1"; }

step 'the first import says that all is new'
carry platform "$ref" "$UPSTREAM/apps/db:1.0"
err_has 'set platform .*: tags: 2 new$'
first=$(digest_of "$UPSTREAM" apps/web 1.0)
moatd_start "$IN" --push

step 'another set with another image under the tag is refused, before a byte is copied'
push layered apps/web:1.0
second=$(digest_of "$UPSTREAM" apps/web 1.0)
[ "$first" != "$second" ] || _fail 'the tag did not move'
OUT=$T/outside-tools LOCK=$T/tools.lock
write_list tools "$ref"
pin && pull && seal && export_to "$T/medium-tools"
must_fail 7 moat import --activate --store "$IN" --key "$PUB" "$T/medium-tools"
err_has "set tools .* would take 1 tag .*allowed by --take platform\): $ref \(platform .* has ${first:0:19}, this one ${second:0:19}\)"
same "$(moat list --store "$IN" --sets --json | jq -r '.[].set' | paste -sd ' ')" platform
same "$(served)" "$first"
clean

step 'a dry run says the same and writes nothing'
must_fail 7 moat import --activate --dry-run --store "$IN" --key "$PUB" "$T/medium-tools"
must moat import --activate --dry-run --take platform --json --store "$IN" --key "$PUB" "$T/medium-tools"
same "$(jq -c '[.active, .changes.taken, .tags[0].change]' "$T/out")" '[false,1,"owner"]'
same "$(served)" "$first"

step 'with consent it is taken, and both are told of everywhere'
must moat import --activate --take platform --json --store "$IN" --key "$PUB" "$T/medium-tools"
same "$(jq -c '[.active, .changes.new, .changes.owner, .changes.taken]' "$T/out")" '[true,0,1,1]'
same "$(jq -r '.tags[0] | .reference, .from.set, .from.digest, .to.set, .to.digest' "$T/out" | paste -sd ' ')" \
	"$ref platform $first tools $second"
err_has "warning: 1 pin is not served"
wait_until 5 is_served "$second"
same "$(shown '.digest, .set, .served' | paste -sd ' ')" \
	"$second tools true"
same "$(shown '.others[] | .set + " " + .digest')" "platform $first"
same "$(moat list --store "$IN" --json | jq -r '.conflicts[] | .served.set + " " + .other.set')" 'tools platform'
same "$(moat list --store "$IN" --json | jq -c '[.sets[] | {set, takes}] | sort_by(.set)')" \
	'[{"set":"platform","takes":[]},{"set":"tools","takes":["platform"]}]'
same "$(moat list --store "$IN" --images --json | jq -c '[.[] | select(.reference == "'"$ref"'") | [.set, .served]] | sort')" \
	'[["platform",false],["tools",true]]'
must moat list --store "$IN" --images
same "$(grep -c "^$ref " "$T/out")" 1
out_has "^$ref +${second:0:19} "
err_has 'not served'
clean
err_has 'not served'

step 'by digest both are served, and a medium serves nothing'
for digest in "$first" "$second"; do
	same "$(moat show --store "$IN" --json "${ref%:*}@$digest" | jq -r '.digest, .served' | paste -sd ' ')" \
		"$digest true"
done
same "$(moat show --from "$T/medium-tools" --json "$ref" | jq -c '[.served, .others]')" '[false,[]]'
same "$(moat list "$T/medium-tools" --images --json | jq -c '[.[].served]')" '[false]'

step 'what is active stays behind, until it is asked for'
must moat import --activate --store "$IN" --key "$PUB" "$MEDIUM"
same "$(served)" "$second"
must moat import --activate --take tools --store "$IN" --key "$PUB" "$MEDIUM"
wait_until 5 is_served "$first"
same "$(shown .set | cut -d: -f1)" platform

step 'consents and order come back with a new database'
stop "$MOATD_PID"
rm -rf "$IN/meta"
moatd_start "$IN" --push
has_line "$T/moatd.log" 'event=store conflicts=1 served="?'"$ref"' of platform, not of tools'
same "$(served)" "$first"
same "$(moat list --store "$IN" --json | jq -c '[.sets[] | {set, takes}] | sort_by(.set)')" \
	'[{"set":"platform","takes":["tools"]},{"set":"tools","takes":["platform"]}]'

step 'a pushed tag is shown as what it is, and by the set that comes over it'
must skopeo copy -q --dest-tls-verify="$TLS_VERIFY" "oci:$FIXTURES/tiny:tiny" "docker://$INSIDE/team/app:1"
same "$(moat show --store "$IN" --json team/app:1 | jq -c '[.reference, .served, .active, .set]')" \
	'["team/app:1",true,false,""]'
must moat show --store "$IN" team/app:1
out_has '^state +pushed$'

step 'seal leaves a set inactive that would take, and activates it with consent'
must moat pull --lock "$T/moat.lock" --store "$T/both"
must moat pull --lock "$T/tools.lock" --store "$T/both"
must moat seal --lock "$T/tools.lock" --store "$T/both" --key "$KEY" --json
same "$(jq .active "$T/out")" true
must moat seal --lock "$T/moat.lock" --store "$T/both" --key "$KEY" --json
same "$(jq .active "$T/out")" false
err_has 'warning: platform .* is sealed and not active in this store: it would take 1 tag .* .moat seal --take tools. activates it here, .moat activate --take tools platform. where'
must moat export platform --store "$T/both" --to "$T/medium-both"
must moat seal --lock "$T/moat.lock" --store "$T/both" --key "$KEY" --take tools --json
same "$(jq .active "$T/out")" true
err_has 'already sealed; active in this store now$'
same "$(moat show --store "$T/both" --json "$ref" | jq -r .digest)" "$first"

step 'an older set that began first does not end last'
OUT=$T/outside-race LOCK=$T/race.lock IN=$T/inside-race
write_list race "$ref"
pin && pull && seal --version 1 && export_to "$T/medium-1"
push tiny apps/web:1.0
pin --update
pull && seal --version 2 && export_to "$T/medium-2"
mkfifo "$T/slow"
volume=$(ls "$T"/medium-1/*.tar)
start old bash -c "exec moat import --activate --store '$IN' --key '$PUB' - <'$T/slow'"
old=$STARTED_PID
exec 9>"$T/slow"
head -c -4096 "$volume" >&9
wait_until 20 grep -q 'to copy' "$T/old.log"
import "$T/medium-2"
tail -c 4096 "$volume" >&9
exec 9>&-
status=0
wait "$old" || status=$?
same "$status" 3
has_line "$T/old.log" 'set race 1 is older than version 2, which is here'
same "$(moat list --store "$IN" --sets --json | jq -c '[.[] | [.version, .active]]')" '[["2",true]]'
clean

step 'a set that was left out is told'
push layered apps/web:1.0
pin --update
pull && seal --version 3 && export_to "$T/medium-3"
push tiny apps/web:2.0
write_list race "$ref" "$UPSTREAM/apps/web:2.0"
pin --update
pull && seal --version 4 && export_to "$T/medium-4"
must moat import --activate --dry-run --json --store "$IN" --key "$PUB" "$T/medium-3"
same "$(jq .gap "$T/out")" false
must moat import --activate --dry-run --json --store "$IN" --key "$PUB" "$T/medium-4"
same "$(jq .gap "$T/out")" true
err_has 'it does not follow the newest set of its name here'
