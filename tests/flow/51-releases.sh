#!/usr/bin/env bash
# What releases wrote is read, byte for byte: a lock is pinned, pulled and sealed to the same set, and a medium is
# verified, imported, and comes out as it went in. tests/data/releases/SOURCES.
. "$(dirname "$0")/../support/lib.sh"

DATA=$SOURCE/tests/data/releases
start upstream python3 "$SUPPORT/replay.py" "$DATA/upstream.json" "$IP" 8099
wait_until 20 nc_open "$IP" 8099
export http_proxy=http://$IP:8099

for folder in "$DATA"/*/; do
	release=$(basename "$folder")
	want=$(cat "$folder/EXPECT")
	mkdir "$T/$release"
	cd "$T/$release" || exit
	cp "$folder"/moat.* .
	python3 "$SUPPORT/replay.py" "$DATA/upstream.json" layout layout
	tar -xzf "$folder/medium.tar.gz"

	step "$release: its lock says what pin finds"
	must moat pin
	out_has 'nothing has changed'
	must moat pin --update
	same_file moat.lock "$folder/moat.lock"
	cp moat.lock locked
	sed -i '/^"created"/d' locked
	must moat pin --lock again.lock
	same_file <(sed '/^"created"/d' again.lock) locked

	step "$release: pulled and sealed, it is the same set"
	must moat pull --store store
	must moat key new --out moat.key --no-passphrase
	must moat seal --store store --key moat.key
	same "$(cut -d' ' -f3 "$T/out")" "$want"
	clean store
	must moat export --store store --to medium-now
	must moat verify --key moat.pub medium-now
	same "$(cd medium-now && ls)" "$(cd medium && ls)"

	step "$release: its medium is verified and imported, and comes out as it went in"
	must moat list medium --json
	same "$(jq -r '.sets[0].digest' "$T/out")" "$want"
	must moat verify --key medium/moat.pub medium
	must moat import --activate --store inside --key medium/moat.pub medium
	clean inside
	same "$(moat list --store inside --sets --json | jq -r '.[] | .digest, .active' | paste -sd ' ')" "$want true"
	must moat export --store inside --to medium-again
	for volume in medium/*.tar; do
		same_file "$volume" "medium-again/${volume##*/}"
	done
	same_file medium/SHA256SUMS medium-again/SHA256SUMS
	same "$(moat show --store inside platform --json | jq -c '[.excuses, (.excused | map(.kind))]')" \
		"$(moat show --store store platform --json | jq -c '[.excuses, (.excused | map(.kind))]')"
done

step 'the words of 0.1.0 say what they said'
cd "$T/0.1.0" || exit
same "$(moat show --store inside platform --json | jq -r '.excused[].kind' | sort | uniq -c | xargs)" \
	'2 attachment 1 attachments 1 foreign-layer 1 skipped'
has_line "$T/0.1.0/moat.lock" '"from":"docker://registry.example.test:5000/mirror/moved'

step 'a set that the release before brought goes on with one of 0.1.0'
sed 's/^version: .*/version: "2"/' moat.yaml >next.yaml
must moat pin --list next.yaml --lock next.lock
must moat pull --lock next.lock --store store
must moat seal --lock next.lock --store store --key moat.key
must moat export --store store --to medium-2
must moat import --activate --store ../before-0.1.0/inside --key ../before-0.1.0/medium/moat.pub --key moat.pub \
	--allow-signer moat medium-2
same "$(moat list --store ../before-0.1.0/inside --sets --json | jq -c 'map([.version, .active]) | sort')" \
	'[["1",false],["2",true]]'
