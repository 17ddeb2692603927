#!/usr/bin/env bash
# A store that an older moat left: read as it is, brought up to date by the first writer, made again
# when its database is lost, and brought forward when that is an old copy.
. "$(dirname "$0")/../support/lib.sh"

fresh() {
	rm -rf "$T/store"
	tar -C "$T" -xzf "$SOURCE/tests/data/stores/$SCHEMA.tar.gz"
}

sets() { moat list --store "$T/store" --sets --json | jq -c '.[] | [.set, .version, .active, .generation, .accepted]'; }

serves() { # STATUS NAME:TAG...
	local want=$1 name
	for name in "${@:2}"; do
		same "$(curl -s -o /dev/null -w '%{http_code}' \
			"http://$INSIDE/v2/${name%:*}/manifests/${name##*:}")" "$want" "$name"
	done
}

serves_all() {
	serves 200 docker.io/library/a:1 docker.io/library/b:1 docker.io/library/c:1 quay.io/x/y:1 \
		team/app:1 team/app:2 team/sparse:1
}

# What it says, in this order: names, then the newest first.
expected='["other","1",true,1,1795883760]
["plat","2",true,2,1795883760]
["plat","1",false,0,1795883759]'

for SCHEMA in schema-2 schema-4; do
	step "$SCHEMA: it is read as it is"
	fresh
	same "$(sets)" "$expected"
	clean "$T/store"
	moatd_start "$T/store"
	serves_all
	same "$(curl -s -o /dev/null -w '%{http_code}' "http://$INSIDE/readyz")" 200
	stop "$MOATD_PID"
	cmp "$T/store/index.json" <(tar -xOf "$SOURCE/tests/data/stores/$SCHEMA.tar.gz" store/index.json) ||
		_fail 'a reader changed index.json'

	step "$SCHEMA: a writer brings it up to date, under a reader"
	start reader moatd --store "$T/store" --listen "$IP:6100"
	READER=$STARTED_PID
	wait_until 20 answers "http://$IP:6100/readyz"
	moatd_start "$T/store" --push
	serves_all
	wait_until 20 answers "http://$IP:6100/v2/team/app/manifests/1"
	stop "$MOATD_PID"
	stop "$READER"
	same "$(sets)" "$expected"
	clean "$T/store"
	same "$(jq -r '.annotations["vnd.moat.store.serial"] | tonumber > 0' "$T/store/index.json")" true

	step "$SCHEMA: its database is lost: made again"
	fresh
	rm -r "$T/store/meta"
	must_fail 4 moat verify --store "$T/store"
	moatd_start "$T/store" --push
	serves_all
	stop "$MOATD_PID"
	same "$(sets)" "$expected"
	clean "$T/store"

	step "$SCHEMA: its database is an old copy: said, and brought forward"
	fresh
	rm -r "$T/store/meta"
	mv "$T/store/meta-before" "$T/store/meta"
	must_fail 3 moat verify --store "$T/store"
	out_has '^S6: the database is older than index.json'
	moatd_start "$T/store"
	serves 404 docker.io/library/c:1
	same "$(curl -s -o /dev/null -w '%{http_code}' "http://$INSIDE/readyz")" 503
	stop "$MOATD_PID"
	moatd_start "$T/store" --push
	serves_all
	stop "$MOATD_PID"
	same "$(sets)" "$expected"
	clean "$T/store"
done
