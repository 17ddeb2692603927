#!/usr/bin/env bash
# The audit log on both sides: who did what is shown, whatever is done to its files afterwards is found and placed, and
# the head of the outside travels signed and is recorded inside, which ties both chains.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
cd "$T" || exit
LOG=$OUT/audit/000001.jsonl

# actions DIR: what its log has, in order. verify_log STATUS DIR [OPTION...]: check its chain
actions() { moat log --store "$1" --json | jq -r '[.[] | .action + ":" + .result] | join(" ")'; }
verify_log() {
	if [ "$1" = 0 ]; then must moat log verify --store "$2" "${@:3}"; else
		must_fail "$1" moat log verify --store "$2" "${@:3}"
	fi
}
head_of() { moat log verify --store "$1" --json | jq -r .head; }
# spoilt STATUS SED-SCRIPT 'WHAT IS SAID' [OPTION...]: of a copy of the outside's log that sed has changed
spoilt() {
	rm -rf copy
	mkdir copy
	cp -r "$OUT/audit" copy/
	sed -i "$2" copy/audit/000001.jsonl
	verify_log "$1" copy "${@:4}"
	out_has "$3"
}

step 'nothing yet'
mkdir empty
must moat log --store empty
same "$(cat out)" ''
verify_log 0 empty
must_fail 1 moat log --store nowhere
must_fail 2 moat log --store empty --since yesterday
must_fail 2 moat log verify --store empty more

step 'outside: pull, seal, export'
write_list platform "{name: docker.io/library/app:1, from: \"oci:$FIXTURES/tiny:tiny\"}"
pin && pull && seal --version 1 && export_to medium
same "$(actions "$OUT")" 'pull:begun pull:allowed seal:begun seal:allowed export:begun export:allowed'
must moat log --store "$OUT"
out_has "^4 .* seal allowed platform 1 by $(id -un)"
must moat log --store "$OUT" --action export --last 1
same "$(wc -l <out)" 1
must moat log --store "$OUT" --set platform --json
same "$(jq -r 'map(.version) | unique | join(" ")' out)" 1
same "$(moat log --store "$OUT" --since 2999-01-01 --json)" '[]'
same "$(moat log --store "$OUT" --since "$(date -u +%Y-%m-%d)" --json | jq length)" 6

second=$(moat log --store "$OUT" --last 1 --json | jq -r '.[0].time | sub("[.].*"; "")')
for since in "$second" "${second}Z"; do
	must moat log --store "$OUT" --since "$since" --json
	json_is '.[-1].seq == 6'
done

step 'log --follow goes on with what is recorded, until it is told to end'
cp -r "$OUT" busy
for signal in INT TERM; do
	rm -f followed.log
	start followed moat log --store busy --follow --last 1 --json
	follower=$STARTED_PID
	wait_until 10 grep -q '"seq"' followed.log
	last=$(moat log --store busy --last 1 --json | jq '.[0].seq')
	must moat export --store busy --to "exported-$signal"
	wait_until 10 grep -q "\"seq\":$((last + 2))," followed.log
	kill -$signal "$follower"
	status=0
	wait "$follower" || status=$?
	same "$status" 0 "exit status on SIG$signal"
	same "$(jq -s -c 'map(.seq)' followed.log)" "[$last,$((last + 1)),$((last + 2))]"
	same "$(jq -s -r 'map(.action) | unique | join(" ")' followed.log)" export
done
moat log --store busy --follow --action export >people.log &
follower=$!
STARTED+=("$follower")
wait_until 10 grep -q ' export allowed ' people.log
kill "$follower"
wait "$follower"
must timeout 60 bash -c "moat log --store busy --follow | head -n 1"

step 'the head travels in the signature, and not in the digest of the set'
must moat verify --key moat.pub medium --json
head=$(jq -r .auditHead out)
same "${head#*@}" 3 'the record of the sealing'
same "${head%@*}" "$(sed -n 3p "$LOG" | sha256sum | cut -d' ' -f1)"
digest=$(moat list --store "$OUT" --sets --json | jq -r '.[0].digest')
must moat pull --store again --lock moat.lock
must moat seal --store again --key moat.key --version 1 --json
same "$(jq -r .digest out)" "$digest" 'same lock, same digest'

step 'sealing it again is signing it'
must moat seal --store again --key moat.key
must moat key new --out second.key --no-passphrase
must moat seal --store again --key second.key
same "$(moat log --store again --action sign --json | jq -r '[.[] | .result + .keys] | unique | length')" 4
same "$(actions again)" 'pull:begun pull:allowed seal:begun seal:allowed sign:begun sign:allowed sign:begun sign:allowed'

step 'inside: it is recorded'
must moat import --activate --store "$IN" --key moat.pub medium
same "$(actions "$IN" | grep -o 'import:.*')" 'import:begun import:allowed'
same "$(moat log --store "$IN" --action import --last 1 --json | jq -r '.[0].head')" "$head"
verify_log 0 "$IN"
out_has 'the chain is whole'

step 'verified beside heads: its own, a file, the medium'
now=$(head_of "$OUT")
same "${now#*@}" 6
printf '%s\n' "$now" >kept
verify_log 0 "$OUT" --head "$now" --head kept --head medium --key moat.pub
verify_log 3 "$IN" --head medium --key moat.pub
must moat key new --out stranger.key --no-passphrase
verify_log 3 "$OUT" --head medium --key stranger.pub
verify_log 1 "$OUT" --head rubbish
err_has 'is no head of an audit log'

step 'a receipt takes the head of the inside outside'
must moat receipt --store "$IN" --to receipt
kept=$(grep -o '[0-9a-f]*@[0-9]*' receipt | head -n 1)
verify_log 0 "$IN" --head "$kept"
mv "$IN/audit" away
verify_log 3 "$IN" --head "$kept"
out_has 'the log ends at record 0'
mv away "$IN/audit"

step 'whatever is changed is found, with its line'
spoilt 0 '' 'the chain is whole'
spoilt 3 '2s/allowed/refused/' '^000001.jsonl:2: was changed: record 3'
spoilt 3 '4d' '^000001.jsonl:4: record 4 is missing'
spoilt 3 '1d' '^000001.jsonl:1: record 1 is missing'
spoilt 3 '3p' '^000001.jsonl:4: record 3 stands behind record 3'
spoilt 3 '2{h;d};3G' '^000001.jsonl:2: record 2 is missing'
spoilt 3 '5s/.*/{}/' '^000001.jsonl:5: is no record'
spoilt 3 '5s/"uid"/uid/' '^000001.jsonl:5: is no record'
spoilt 0 '6d' 'the chain is whole'
spoilt 3 '6d' '^000001.jsonl:5: the log ends at record 5: records to 6' --head kept
spoilt 3 '6s/export/import/' '^000001.jsonl:6: record 6 is another one' --head kept
must_fail 3 moat log verify --store copy --head kept --json
same "$(jq -r .problems out)" 1
mv copy/audit/000001.jsonl copy/audit/000002.jsonl
verify_log 3 copy
out_has '^000001.jsonl: is missing'

step 'a line that was cut short is no crime, and not forgotten'
printf '{"time":"20' >>"$LOG"
verify_log 0 "$OUT" --head kept
out_has '1 line was cut short'
must moat export --store "$OUT" --to medium
verify_log 0 "$OUT" --head kept --head medium --key moat.pub
out_has '1 line was cut short'
must moat log --store "$OUT"
err_has 'warning: 1 line of the log is no record'
spoilt 3 '7s/2/3/' '^000001.jsonl:7: is no record'

step 'a store of before: its record comes first'
printf '%s\n' '{"time":"2026-01-02T03:04:05.678Z","event":"audit","result":"allowed","user":"old","action":"import","set":"platform","version":"0"}' >"$IN/imports.log"
must moat log --store "$IN"
same "$(head -n 1 out)" '2026-01-02T03:04:05 import allowed platform 0 by old (not chained)'
verify_log 0 "$IN"

step 'a store that may only be read is exported, and says that it is not recorded'
if [ "$(id -u)" = 0 ] && command -v setpriv >"$T/none"; then
	before=$(actions "$OUT" | wc -w)
	chmod 755 "$T"
	mkdir -m 777 elsewhere
	must setpriv --reuid 65534 --clear-groups env HOME=/ "$MOAT_BIN/moat" export --store "$OUT" --to elsewhere/medium
	err_has 'warning: this export is not recorded'
	same "$(actions "$OUT" | wc -w)" "$before"
fi

step 'root leaves nothing in the store of somebody else that he cannot write'
if [ "$(id -u)" = 0 ]; then
	chown -R 65534 "$OUT"
	rm -rf "$OUT/audit"
	must moat export --store "$OUT" --to medium
	same "$(stat -c %u "$OUT/audit" "$OUT/audit/000001.jsonl" | sort -u)" 65534
fi
