#!/usr/bin/env bash
# The audit log of imports: who brought which set, signed by whom, and what became of it; also what was refused.
# No set becomes active that is not recorded.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
fixture layered
cd "$T" || exit
LOG=$IN/audit/000001.jsonl

# last FILTER: of the last line. lines: how many there are.
last() { tail -n 1 "$LOG" | jq -r "$1"; }
lines() { wc -l <"$LOG"; }
fingerprint() { moat key show "$1" | cut -d' ' -f1; }
# refused STATUS RESULT [OPTION...] MEDIUM: one line more, with the reason that was printed
refused() {
	local before=0
	[ ! -e "$LOG" ] || before=$(lines)
	must_fail "$1" moat import --activate --store "$IN" "${@:3}"
	same "$(lines)" "$((before + 1))" 'one line for a refusal'
	same "$(last '[.event, .action, .result, .status, .medium] | join(" ")')" "audit import $2 $1 ${*: -1}"
	same "$(last .why)" "$(tail -n 1 err | sed 's/^moat: //')"
}

# medium_of NAME VERSION SET IMAGE [KEY [ITEM]]: $T/NAME, with one more item of the list
medium_of() {
	OUT=$T/store-$1 LOCK=$T/$1.lock KEY=${5:-$T/moat.key} IN=none
	write_list "$3" "{name: docker.io/library/app:1, from: \"oci:$FIXTURES/$4:$4\"}" "${@:6}"
	pin && pull && seal --version "$2" && export_to "$T/$1"
}

(medium_of old 1 platform tiny && medium_of new 2 platform layered) || exit
(medium_of tools 1 tools tiny) || exit
(medium_of excused 3 platform tiny "$T/moat.key" '{name: "docker.io/library/gone:1", from: "oci:nowhere:1", on-error: skip}') || exit
digest=$(moat list new --sets --json | jq -r '.[0].digest')
id=$(fingerprint moat.pub)
must moat key new --out stranger.key --no-passphrase

step 'refused: by a stranger'\''s key, by nobody; the claim is recorded, and no key'
refused 3 denied --key stranger.pub new
same "$(last '[.set, .version, .digest, .keys] | join(" ")')" "platform 2 $digest "
cp -r new unsigned
python3 "$SUPPORT/tamper.py" unsigned/*.tar unsign
rm unsigned/SHA256SUMS
refused 3 denied --key moat.pub unsigned
same "$(last .set)" platform
same "$(stat -c %a "$LOG")" 640

step 'a damaged blob, missing volumes, excuses, and what is no medium'
cp -r new damaged
layer=$(jq -r '.layers[-1].digest' <"$FIXTURES/layered/blobs/$(jq -r '.manifests[0].digest | sub(":"; "/")' "$FIXTURES/layered/index.json")")
python3 "$SUPPORT/tamper.py" damaged/*.tar flip "blobs/${layer/://}"
refused 3 denied --key moat.pub damaged
same "$(last .keys)" "$id"
mkdir nothing parts
moat export --store store-new --to parts --volume-size 2MiB >out 2>err || _fail "$(cat err)"
rm "$(find parts -name '*-of-*.tar' | sort | tail -n 1)" parts/SHA256SUMS
refused 4 failed --key moat.pub parts
same "$(last .set)" platform
refused 4 denied --key moat.pub --strict excused
same "$(last '[.version, .keys] | join(" ")')" "3 $id"
refused 1 failed --key moat.pub nothing
same "$(last '[.set, .digest] | join("")')" ''
nothing_inside

step 'accepted: begun before the switch, allowed behind it, which names the first'
before=$(lines)
must moat import --activate --store "$IN" --key moat.pub new
same "$(lines)" "$((before + 2))"
tail -n 2 "$LOG" | jq -s . >two
for key in user login set version digest keys medium pid host; do
	same "$(jq -r ".[0].$key" two)" "$(jq -r ".[1].$key" two)" "$key"
done
same "$(jq -r 'map(.result) | join(" ")' two)" 'begun allowed'
same "$(last '[.user, .set, .version, .digest, .keys, .medium, .status, (.why // "")] | map(tostring) | join(" ")')" \
	"$(id -un) platform 2 $digest $id new 0 "
same "$(jq -r '.[1].begun - .[0].seq' two)" 0
must moat import --activate --store "$IN" --key moat.pub new
same "$(last .result)" allowed 'again'

step 'a look is not recorded; a stream is, by its name'
before=$(lines)
must moat import --activate --store "$IN" --key moat.pub --dry-run new
same "$(lines)" "$before"
cat new/*.tar | moat import --activate --store "$IN" --key moat.pub - >out 2>err || _fail "$(cat err)"
same "$(last '.medium + " " + .result')" '- allowed'

step 'refused inside: older, the tags of another set, another signer'
refused 3 denied --key moat.pub old
same "$(last '[.set, .version, .keys] | join(" ")')" "platform 1 $id"
refused 7 denied --key moat.pub tools
same "$(last .set)" tools
(medium_of others 4 platform tiny "$T/stranger.key")
refused 3 denied --key moat.pub --key stranger.pub others
same "$(last .keys)" "$(fingerprint stranger.pub)"
must moat import --activate --store "$IN" --key moat.pub --take platform tools
same "$(last .result)" allowed

step 'text from outside stays within its value'
cp -r new $'odd "name\n{}'
must moat import --activate --store "$IN" --key moat.pub $'odd "name\n{}'
same "$(jq -s 'map(.event == "audit") | all' "$LOG")" true
same "$(last .medium)" $'odd "name\n{}'

step 'numbered, and each line answers for the one before'
same "$(jq -rs 'map(.seq) == [range(1; length + 1)]' "$LOG")" true
for at in 1 2 5; do
	same "$(sed -n "$((at + 1))p" "$LOG" | jq -r .prev)" "$(sed -n "${at}p" "$LOG" | sha256sum | cut -d' ' -f1)"
done
clean

step 'a record that cannot be written: nothing is copied, nothing becomes active'
IN=$T/unwritable LOG=$IN/audit/000001.jsonl
must moat pull --lock old.lock --store "$IN"
rm -rf "$IN/audit"
touch "$IN/audit"
must_fail 1 moat import --activate --store "$IN" --key moat.pub new
err_has "$IN, the audit log: audit: Not a directory"
same "$(moat list --store "$IN" --sets --json)" '[]'
rm "$IN/audit"

step 'no begun line: the set does not become active, and the next run goes on'
mkdir -p "$LOG"
must_fail 1 moat import --activate --store "$IN" --key moat.pub new
err_has 'the audit log: audit/000001.jsonl: Is a directory'
same "$(moat list --store "$IN" --sets --json)" '[]'
clean "$IN"
must_fail 3 moat import --activate --store "$IN" --key stranger.pub new
err_has 'warning: this failure is not recorded: .*Is a directory'
rmdir "$LOG"
printf '{"cut' >"$LOG"
must moat import --activate --store "$IN" --key moat.pub new
err_has ' 0 B to copy|0 bytes in 0 blobs'
same "$(sed -n 1p "$LOG")" '{"cut' 'a line that was cut short swallows none'
same "$(sed -n 2p "$LOG" | jq -r '[.torn, .rest_bytes] | @tsv')" "$(sed -n 1p "$LOG" | sha256sum | cut -d' ' -f1)	5"
same "$(last .result)" allowed
same "$(moat list --store "$IN" --sets --json | jq -r '.[].active')" true
clean "$IN"
