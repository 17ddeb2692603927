#!/usr/bin/env bash
# user add, user remove: a file of users that moatd and htpasswd read, written whole or not at all.
. "$(dirname "$0")/../support/lib.sh"

USERS=$T/users
printf 'first secret\nmore\n' >"$T/password"
printf 'second secret\n' >"$T/other"
chmod 600 "$T/password" "$T/other"
add() { must moat user add "$1" --users "$USERS" --password-file "$T/${2:-password}" "${@:3}"; }
knows() { command htpasswd -vb "$USERS" "$1" "$2" >"$T/known" 2>&1; }

step 'a file that is not there is made, for its owner and group'
add alice
out_has 'alice added'
same "$(stat -c %a "$USERS")" 640
has_line "$USERS" '^alice:[$]2y[$]10[$].{53}$'
knows alice 'first secret' || _fail 'htpasswd knows another password'
! knows alice wrong || _fail 'htpasswd knows any password'

step 'one name has one line; --replace gives another password in its place'
printf '# robots\n' >>"$USERS"
add bob.ci@corp
cp "$USERS" "$T/before"
must_fail 1 moat user add alice --users "$USERS" --password-file "$T/other"
err_has '--replace'
same_file "$T/before" "$USERS"
add alice other --replace --json
json_is '.user == "alice" and .change == "replaced" and (keys == ["change", "user", "users"])'
same "$(cut -d: -f1 "$USERS" | paste -sd ' ')" 'alice # robots bob.ci@corp'
knows alice 'second secret' || _fail 'the password is the old one'
knows bob.ci@corp 'first secret' || _fail 'another user was touched'

step 'mode and owner of a file that is there stay'
chmod 600 "$USERS"
add carol
same "$(stat -c %a "$USERS")" 600
if [ "$(id -u)" = 0 ]; then
	chown 12345:12346 "$USERS"
	chmod 640 "$USERS"
	add dave
	same "$(stat -c '%u:%g %a' "$USERS")" '12345:12346 640'
	chown 0:0 "$USERS"
fi

step 'moatd lets them in, and a removed one no more'
echo '- {repositories: ["**"], users: [alice], actions: [pull]}' >"$T/access.yaml"
fixture tiny
carry words "{name: docker.io/library/tiny:1, from: \"oci:$FIXTURES/tiny:tiny\"}"
start rules moatd --store "$IN" --listen "$IP:6500" --users "$USERS" --access "$T/access.yaml" \
	--audit-log "$T/audit.log"
RULES_PID=$STARTED_PID
ping() { curl -s -o "$T/answer" -w '%{http_code}' -u "$1" "http://$IP:6500/v2/" || true; }
wait_until 20 answers "http://$IP:6500/v2/"
same "$(curl -s -o /dev/null -w '%{http_code}' "http://$IP:6500/v2/docker.io/library/tiny/manifests/1")" 401
same "$(curl -s -o /dev/null -w '%{http_code}' "http://$IP:6500/v2/")" 401
same "$(cat "$T/audit.log")" '' 'a first request, without a login yet, is no denial'
same "$(ping 'alice:second secret')" 200
same "$(ping 'alice:first secret')" 401
wait_until 10 grep -q 'result=denied' "$T/audit.log"
same "$(wc -l <"$T/audit.log")" 1 'a wrong password is one'
must moat user remove alice --users "$USERS"
out_has 'alice removed'
must_fail 1 moat user remove alice --users "$USERS"
err_has 'there is no user alice'
kill -HUP "$RULES_PID"
wait_until 10 grep -q '^event=reload keys=users,access,audit-log$' "$T/rules.log"
same "$(ping 'alice:second secret')" 401
stop "$RULES_PID"

step 'names, passwords and files that cannot be'
cp "$USERS" "$T/before"
odd() { must_fail "$1" moat user add "${@:2}"; }
odd 2 anyone --users "$USERS" --password-file "$T/password"
odd 2 'a:b' --users "$USERS" --password-file "$T/password"
odd 2 '' --users "$USERS" --password-file "$T/password"
odd 2 erin --password-file "$T/password"
odd '[1-9]' erin --users "$USERS" --password-file "$T/none"
head -c 73 /dev/zero | tr '\0' x >"$T/long"
chmod 600 "$T/long"
odd 1 erin --users "$USERS" --password-file "$T/long"
err_has '72 bytes'
chmod 644 "$T/password"
odd 1 erin --users "$USERS" --password-file "$T/password"
chmod 600 "$T/password"
same_file "$T/before" "$USERS"
printf 'frank:{SHA}x\n' >>"$USERS"
cp "$USERS" "$T/before"
odd 1 erin --users "$USERS" --password-file "$T/password"
err_has "users:[0-9]+: not a bcrypt hash"
same_file "$T/before" "$USERS"

step 'several at once lose nobody'
rm "$USERS"
pids=()
for i in 1 2 3 4 5 6; do
	moat user add "user$i" --users "$USERS" --password-file "$T/password" >"$T/at-once.$i" &
	pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || _fail 'one of several failed'; done
same "$(cut -d: -f1 "$USERS" | sort | paste -sd ' ')" 'user1 user2 user3 user4 user5 user6'
