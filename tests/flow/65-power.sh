#!/usr/bin/env bash
# The power fails: import, activate, pushes, rollback and collection on a disk that remembers what was flushed when. It is
# played back to MOAT_POWER_CUTS moments (300), half of them with any part of what was not flushed yet. What was acknowledged
# is there, nothing is half, and the store is whole. MOAT_POWER_FS is the file system (ext4; xfs, btrfs), MOAT_SOAK_SEED the seed.
. "$(dirname "$0")/../support/lib.sh"

FS=${MOAT_POWER_FS:-ext4}
CUTS=${MOAT_POWER_CUTS:-300}
# Smaller ones are refused by these.
case $FS in xfs) MIB=320 ;; btrfs) MIB=128 ;; *) MIB=48 ;; esac
PUSHES=6

skip() {
	echo "skipped: $*"
	exit 77
}
[ "$(id -u)" = 0 ] || skip 'needs root: it mounts file systems'
[ -c /dev/fuse ] || skip 'no FUSE here'
[ -c /dev/loop-control ] || skip 'no loop devices here'
/usr/bin/python3 -c 'import fusepy' 2>/dev/null || skip 'python3-fusepy is missing'
grep -qw "$FS" /proc/filesystems || skip "this kernel has no $FS"

mkdir "$T/fuse" "$T/disk" "$T/found"
LOOP=
image=$T/image
[ ! -w /dev/shm ] || image=$(mktemp /dev/shm/moat-power.XXXXXX)

# mount_image FILE FOLDER [OPTION...]: $LOOP is its device
mount_image() {
	LOOP=$(losetup --find --show "$1") || skip 'no loop device can be had'
	mount -t "$FS" -o "noatime${3:+,$3}" "$LOOP" "$2"
}
let_go() { # FOLDER
	umount "$1"
	losetup -d "$LOOP"
}
# shellcheck disable=SC2016 # expanded at exit
at_exit 'umount "$T/found" "$T/disk" 2>/dev/null; losetup -d "$LOOP" 2>/dev/null; umount "$T/fuse" 2>/dev/null; rm -f "$image" "$image.new"'

mark() { echo "$1" >"$T/fuse/mark"; }

# push N: an image "team/app:N" of one layer, by two uploads and a manifest
push_one() {
	local name=$URL/v2/team/app config layer
	head -c 20000 /dev/urandom >"$T/layer-$1"
	echo "{\"n\":$1}" >"$T/config-$1"
	layer=$(sha256 "$T/layer-$1") config=$(sha256 "$T/config-$1")
	for file in "config-$1 $config" "layer-$1 $layer"; do
		curl -sf -o /dev/null -H 'Content-Type: application/octet-stream' --data-binary "@$T/${file% *}" \
			"$name/blobs/uploads/?digest=sha256:${file#* }"
	done
	cat >"$T/manifest-$1" <<-END
		{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
		"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$config","size":$(stat -c %s "$T/config-$1")},
		"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:$layer","size":20000}]}
	END
	curl -sf -o /dev/null -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' \
		--data-binary "@$T/manifest-$1" "$name/manifests/$1"
	mark "push$1"
}

step "what happens, on a disk that remembers ($FS)"
fixture tiny
fixture small
for version in 1 2; do
	images=("{name: docker.io/library/a:1, from: \"oci:$FIXTURES/tiny:tiny\"}")
	[ $version = 1 ] || images+=("{name: docker.io/library/b:1, from: \"oci:$FIXTURES/small:small\"}")
	UPSTREAM=docker.io write_list plat "${images[@]}"
	rm -f "$LOCK"
	pin
	pull
	seal --version "$version"
	must moat export --store "$OUT" "plat:$version" --to "$T/plat-$version"
done
start disk /usr/bin/python3 "$SUPPORT/power.py" disk "$T/fuse" "$T/log" "$MIB"
DISK_PID=$STARTED_PID
wait_until 20 test -e "$T/fuse/mark"
case $FS in ext4) mkfs.ext4 -q -F "$T/fuse/disk" ;; *) "mkfs.$FS" -q -f "$T/fuse/disk" ;; esac
slow=''
[ "$FS" != ext4 ] || slow=commit=300
mount_image "$T/fuse/disk" "$T/disk" $slow
IN=$T/disk/store
must moat import --store "$IN" --key "$PUB" --activate "$T/plat-1"
sync -f "$IN"
mark begin
must moat import --store "$IN" --key "$PUB" "$T/plat-2"
mark import
must moat activate --store "$IN" plat
mark activate
moatd_start "$IN" --push --free-floor 1MiB
for ((n = 1; n <= PUSHES; n++)); do push_one $n; done
must moat rollback --store "$IN" plat
mark rollback
curl -sf -o /dev/null -X DELETE "$URL/v2/team/app/manifests/1"
mark untag
stop "$MOATD_PID"
must moat gc --store "$IN" --grace 0s --now
mark gc
let_go "$T/disk"
umount "$T/fuse"
wait_until 20 gone "$DISK_PID"

step "the power fails at $CUTS moments"
IN=$T/found/store
order=" begin import activate push1 push2 push3 push4 push5 push6 rollback untag gc "
# reached MARK: it was, by the last mark of this moment
reached() { [[ "${order%% "$MARK" *} $MARK " == *" $1 "* ]]; }
status_of() { curl -s -o "$T/answer" -w '%{http_code}' "$URL/v2/$1"; }

check_sets() {
	local sets
	sets=$(moat list --store "$IN" --sets --json | jq -r 'map("\(.version)\(if .active then "*" else "" end)") | sort | join(" ")')
	case $MARK in
	begin) [[ $sets =~ ^1\*(\ 2)?$ ]] ;;
	import) [[ $sets =~ ^(1\* 2|1 2\*)$ ]] ;;
	activate | push[1-5]) [ "$sets" = '1 2*' ] ;;
	push6) [[ $sets =~ ^(1\* 2|1 2\*)$ ]] ;;
	*) [ "$sets" = '1* 2' ] ;;
	esac || _fail "sets are '$sets' after $MARK, $KIND at $AT"
}

# A push that was acknowledged is served as it came. The first one goes in the end.
check_pushes() {
	local n status
	for ((n = 1; n <= PUSHES; n++)); do
		reached "push$n" || continue
		status=$(status_of "team/app/manifests/$n")
		if [ $n = 1 ] && reached rollback; then
			[ "$status" = 404 ] && continue
			reached untag && _fail "tag 1 is back after $MARK, $KIND at $AT"
		fi
		[ "$status" = 200 ] || _fail "push $n is lost: $status after $MARK, $KIND at $AT"
		cmp -s "$T/answer" "$T/manifest-$n" || _fail "push $n is another one after $MARK, $KIND at $AT"
		same "$(status_of "team/app/blobs/sha256:$(sha256 "$T/layer-$n")")" 200 "layer $n after $MARK, $KIND at $AT"
		cmp -s "$T/answer" "$T/layer-$n" || _fail "layer $n is another one after $MARK, $KIND at $AT"
	done
}

check() {
	mount_image "$image" "$T/found"
	check_sets
	moatd_start "$IN" --push --free-floor 1MiB
	check_pushes
	stop "$MOATD_PID"
	check_sets
	clean
	must moat log verify --store "$IN"
	let_go "$T/found"
}

coproc POWER { python3 "$SUPPORT/power.py" cuts "$T/log" "$MIB" "$CUTS" "$image"; }
count=0
while read -r MARK KIND AT <&"${POWER[0]}"; do
	echo "moment $((count + 1)): after $MARK, $KIND at $AT" >"$T/moment.log"
	check
	count=$((count + 1))
	echo >&"${POWER[1]}"
done
same "$count" "$CUTS" 'moments'
