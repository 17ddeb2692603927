#!/usr/bin/env bash
# Odd registries: for each request that pin and pull make, answers by status, body and header.  What skopeo or
# crane carries from the same server, moat carries, but for what moat-pin(1) says that it refuses.
. "$(dirname "$0")/../support/lib.sh"
. "$SUPPORT/go.sh"

UP=$IP:5000
OTHER=127.$(($(cut -d. -f2 <<<"$IP") | 128)).${IP#127.*.}
start server python3 "$SUPPORT/odd_matrix.py" "$IP" "$OTHER" "$T/ready" "$T/cases"
wait_until 20 test -e "$T/ready"
cd "$T" || exit
crane=
! go_can crane || crane=$(go_tool crane)

# item_of NAME REQUEST: the image of a case in a list
item_of() { if [ "$2" = tags ]; then echo "- {name: $UP/$1, tags: \"1*\"}"; else echo "- $UP/$1:1"; fi; }

step 'moat pins and pulls what it can, all in one list'
{
	printf 'set: odd\non-error: skip\nregistries: {"%s": {plain-http: true}, "%s:5000": {plain-http: true}}\n' "$UP" "$OTHER"
	echo 'images:'
	while read -r name _ ask; do item_of "$name" "$ask"; done <cases
} >moat.yaml
must moat pin --json
jq -r '.skipped[] | "\(.ref) \(.error)"' out >skipped
must_fail '0|1|3|4|5|7' moat pull --store store --json
jq -r '.failed[] | "\(.ref) \(.error)"' out >>skipped

# by_skopeo NAME REQUEST, by_crane NAME REQUEST: is it carried, manifest, config and layers, bytes as they are?
by_skopeo() {
	[ "$2" != tags ] || timeout 60 skopeo list-tags --tls-verify=false "docker://$UP/$1" || return
	timeout 60 skopeo copy -q --src-tls-verify=false --preserve-digests "docker://$UP/$1:1" "dir:$T/s"
}
by_crane() {
	[ -n "$crane" ] || return
	[ "$2" != tags ] || timeout 60 "$crane" ls --insecure "$UP/$1" || return
	timeout 60 "$crane" pull --insecure --format oci "$UP/$1:1" "$T/c"
}

step 'what others carry is carried, or on the list of refusals; the list has nothing that is carried'
wrong=0
others=0
while read -r name want ask; do
	rm -rf s c
	got=carried
	! grep -q "^$UP/${name}[: ]" skipped || got=refused
	if [ "$got" = refused ] && [ "$want" = carried ]; then
		if by_skopeo "$name" "$ask" >/dev/null 2>&1 || by_crane "$name" "$ask" >/dev/null 2>&1; then
			echo "others carry $name: $(grep "^$UP/${name}[: ]" skipped)"
			wrong=$((wrong + 1))
		fi
	elif [ "$got" != "$want" ]; then
		echo "$name is $got, not $want"
		wrong=$((wrong + 1))
	fi
	case $name in
	[mb]-* | plain) ! by_skopeo "$name" "$ask" >/dev/null 2>&1 || others=$((others + 1)) ;;
	esac
done <cases
same "$wrong" 0
[ "$others" -gt 20 ] || _fail "skopeo carries only $others: the server of this test is broken"

step 'what was carried can be sealed'
while read -r name _ ask; do
	grep -q "^$UP/${name}[: ]" skipped || item_of "$name" "$ask"
done <cases >good
sed '/^images:/q' moat.yaml | cat - good >good.yaml
must moat pin --list good.yaml --lock good.lock
must moat pull --lock good.lock --store store
must moat key new --out moat.key --no-passphrase
must moat seal --lock good.lock --store store --key moat.key
