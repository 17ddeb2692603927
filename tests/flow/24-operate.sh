#!/usr/bin/env bash
# What an operator sees: a first start without a store, sockets that come from elsewhere, what a
# reload read, and a store that belongs to another user.
. "$(dirname "$0")/../support/lib.sh"

fixture tiny
write_list platform "{name: \"docker.io/library/tiny:1\", from: \"oci:$FIXTURES/tiny:tiny\"}"
pin
pull

step 'no store yet: the words that help, from a folder that is empty or not there'
mkdir "$T/empty"
for store in empty nowhere; do
	must_fail 1 timeout 20 moatd --store "$T/$store" --listen "$IP:0"
	err_has "$T/$store: no store here yet: run moat import, or say push: on"
	must_fail 1 moat list --store "$T/$store"
	err_has "$store"
done
same "$(ls -A "$T/empty")" '' 'what a failed start leaves'
absent "$T/nowhere"

step 'push makes a store'
start push moatd --store "$T/empty" --listen "$IP:6200" --push
wait_until 20 answers "http://$IP:6200/v2/"
exists "$T/empty/oci-layout"
stop "$STARTED_PID"

step 'help is asked for in many ways'
must moat help key new
out_has '^moat key new:'
if grep -q '^moat key show:' "$T/out"; then _fail 'help for more than was asked for'; fi
must moat key show --help
out_has '^moat key show:'
must moat help key
out_has '^moat key new:'
out_has '^moat key show:'
for flag in --help -h; do
	must moatd "$flag"
	out_has '^  moatd --store DIR'
done
must moat help moatd
out_has 'moatd --help'

step 'listen beside sockets of the service manager is warned of; without it nothing is'
activate() { # NAME PORT ARGS...
	start "$1" systemd-socket-activate --listen "$IP:$2" moatd --store "$OUT" "${@:3}"
	wait_until 20 answers "http://$IP:$2/v2/"
}
if command -v systemd-socket-activate >/dev/null; then
	activate both 6300 --listen "$IP:6301"
	has_line "$T/both.log" 'listen is ignored: sockets come from the service manager'
	has_line "$T/both.log" "event=listen scheme=http addr=$IP:6300 "
	stop "$STARTED_PID"
	activate sockets 6302
	! grep 'is ignored' "$T/sockets.log" || _fail 'warned of a default'
	stop "$STARTED_PID"
else
	echo 'not tested: systemd-socket-activate is not here'
fi

step 'a reload says what it read'
htpasswd alice secret >"$T/users"
echo '- {repositories: ["**"], users: [anyone], actions: [pull, catalog]}' >"$T/access.yaml"
start rules moatd --store "$OUT" --listen "$IP:6400" --users "$T/users" --access "$T/access.yaml" \
	--audit-log "$T/audit.log"
RULES_PID=$STARTED_PID
wait_until 20 answers "http://$IP:6400/v2/"
kill -HUP "$RULES_PID"
wait_until 10 grep -q '^event=reload keys=users,access,audit-log$' "$T/rules.log"
echo nonsense >"$T/access.yaml"
kill -HUP "$RULES_PID"
wait_until 10 grep -q '^event=reload keys=audit-log$' "$T/rules.log"
has_line "$T/rules.log" 'event=reload.failed error=.*access.yaml:1'
stop "$RULES_PID"
start plain moatd --store "$OUT" --listen "$IP:6401"
wait_until 20 answers "http://$IP:6401/v2/"
kill -HUP "$STARTED_PID"
wait_until 10 grep -q '^event=reload keys=-$' "$T/plain.log"
stop "$STARTED_PID"

step 'root does not write into a store of somebody else, who could not open it any more'
if [ "$(id -u)" = 0 ]; then
	seal
	export_to
	chmod 711 "$T"
	mkdir "$T/theirs"
	chown nobody "$T/theirs"
	for verb in "import --activate --key $PUB $MEDIUM" "pull --lock $LOCK" "seal --lock $LOCK --key $KEY"; do
		# shellcheck disable=SC2086 # words
		must_fail 1 moat --store "$T/theirs" $verb
		err_has "theirs belongs to nobody, .*: runuser -u nobody -- moat ${verb%% *}"
		same "$(ls -A "$T/theirs")" '' "what $verb left"
	done
	cp "$MOAT_BIN/moat" "$T/" # to where nobody may go
	must runuser -u nobody -- "$T/moat" import --activate --store "$T/theirs" --key "$PUB" "$MEDIUM"
	must moat list --store "$T/theirs"
	chown -R 54321 "$T/theirs"
	must_fail 1 moat import --activate --store "$T/theirs" --key "$PUB" "$MEDIUM"
	err_has 'setpriv --reuid 54321'
else
	echo 'not tested: only root can give a folder away'
fi
