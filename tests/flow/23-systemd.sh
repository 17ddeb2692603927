#!/usr/bin/env bash
# What is installed for systemd, and the sandbox: how far the unit confines, users and folders, and
# a moatd that serves, reloads and rotates inside the unit's system calls and its own sandbox.
. "$(dirname "$0")/../support/lib.sh"

has() { command -v "$1" >/dev/null || { echo "not tested: $1 is not here"; return 1; }; }

must cmake --install "$(dirname "$MOAT_BIN")" --prefix "$T/usr"
UNITS=$T/usr/lib/systemd/system
UNIT=$UNITS/moatd.service

step 'the unit confines: exposure 1.5 or less, by systemd itself'
exists "$UNIT"
exists "$UNITS/moat-gc.service"
if has systemd-analyze; then
	must systemd-analyze security --no-pager --offline=true --threshold=15 "$UNIT"
	must systemd-analyze security --no-pager --offline=true --threshold=15 "$UNITS/moat-gc.service"
	sed '/^ProtectSystem=/d; /^SystemCall/d; /^CapabilityB/d' "$UNIT" >"$T/moatd.service"
	must_fail 1 systemd-analyze security --no-pager --offline=true --threshold=15 \
		"$T/moatd.service"
fi

step 'systemd understands every line of the units'
if has systemd-analyze; then
	must systemd-analyze verify --man=no "$UNIT" "$UNITS/moatd.socket" "$UNITS/moat-gc.service" "$UNITS/moat-gc.timer"
	same "$(cat "$T/err")" '' 'what verify says'
	sed 's/^PrivateUsers=/PrivateUser=/' "$UNIT" >"$T/moatd.service"
	systemd-analyze verify --man=no "$T/moatd.service" >"$T/out" 2>&1 || true
	out_has 'Unknown key'
fi

step 'the user and the folders'
if has systemd-sysusers && has systemd-tmpfiles; then
	if [ "$(id -u)" = 0 ]; then
		mkdir -p "$T/root/etc" "$T/root/var/lib"
		must systemd-sysusers --root="$T/root" "$T/usr/lib/sysusers.d/moat.conf"
		must systemd-tmpfiles --root="$T/root" --create "$T/usr/lib/tmpfiles.d/moat.conf"
		entry=$(grep '^moat:' "$T/root/etc/passwd")
		same "$(cut -d: -f6,7 <<<"$entry")" /var/lib/moat:/usr/sbin/nologin
		same "$(stat -c '%a %u' "$T/root/var/lib/moat")" "750 $(cut -d: -f3 <<<"$entry")"
		same "$(stat -c '%a %u' "$T/root/etc/moat/trust.d")" '755 0'
	else
		echo 'not tested: only root can make users and give folders away'
	fi
fi

step 'a store to serve'
fixture layered
write_list platform "{name: \"docker.io/library/layered:1\", from: \"oci:$FIXTURES/layered:layered\"}"
pin
pull

step 'a record names the run of the machine, also where the unit hides /proc/sys'
boot=$(cat /proc/sys/kernel/random/boot_id)
# recorded BOOT COMMAND...: a collection says that
recorded() {
	must "${@:2}" moat gc --store "$OUT"
	same "$(tail -qn 1 "$OUT"/audit/*.jsonl | jq -r '.boot // "none"')" "$1"
}
hidden() { unshare -m sh -c 'mount -t proc -o subset=pid proc /proc && exec "$@"' - "$@"; }
for unit in moatd moat-gc; do
	has_line "$UNITS/$unit.service" '^ProcSubset=pid$'
	has_line "$UNITS/$unit.service" '^Environment=MOAT_BOOT_ID=%b$'
done
recorded "$boot" env MOAT_BOOT_ID=00000000000000000000000000000000
if hidden true 2>"$T/err"; then
	recorded "$boot" hidden env MOAT_BOOT_ID="${boot//-/}"
	recorded "$boot" hidden env MOAT_BOOT_ID="$boot"
	recorded none hidden env -u MOAT_BOOT_ID
	for bad in "" "${boot}0" "${boot%?}" "${boot^^}" "x${boot:1}"; do
		recorded none hidden env MOAT_BOOT_ID="$bad"
	done
	must moat log verify --store "$OUT"
else
	echo 'not tested: nobody may hide /proc/sys here'
fi

step 'a moatd inside the unit'"'"'s system calls, without any privilege'
NAME=docker.io/library/layered
mkdir "$T/tls" "$T/archive" "$T/logs"
self_signed one "$IP"
self_signed two "$IP"
for name in one two; do mv "$T/$name.key" "$T/archive/"; done
cp "$T/one.crt" "$T/tls/tls.crt"
# As certbot has it: the name that moatd is told leads elsewhere.
ln -s ../archive/one.key "$T/tls/tls.key"

inside_unit=()
has systemd-analyze && inside_unit=(python3 "$SUPPORT/unit_filter.py" "$UNIT")
if [ "$(id -u)" = 0 ]; then
	chmod 711 "$T"
	chown -R 65534:65534 "$OUT" "$T/tls" "$T/archive" "$T/logs"
fi
start tls "${inside_unit[@]}" "$T/usr/sbin/moatd" --store "$OUT" --listen "$IP:6443" --threads 3 \
	--tls-cert "$T/tls/tls.crt" --tls-key "$T/tls/tls.key" --access-log "$T/logs/access.log"
PID=$STARTED_PID
secure() { curl -sf --cacert "$T/$1.crt" "https://$IP:6443/v2/$2" "${@:3}"; }
wait_until 30 secure one ''

step 'the log says what is active, and the kernel says the same of every thread'
abi=$(python3 -c 'import ctypes; print(max(0, ctypes.CDLL(None).syscall(444, None, 0, 1)))')
[ "$abi" -ge 2 ] || abi=0
filters=$(($(grep -c '^Seccomp:' /proc/self/status) ? 2 : 0))
if grep -q 'reason="built with sanitizers"' "$T/tls.log"; then
	echo 'not tested: a build with sanitizers has no sandbox'
else
	has_line "$T/tls.log" "event=sandbox landlock=$abi seccomp=$([ $filters = 2 ] && echo on || echo off)"
	threads=0
	for status in /proc/"$PID"/task/*/status; do
		has_line "$status" '^NoNewPrivs:[[:space:]]*1$'
		[ $filters = 0 ] || has_line "$status" "^Seccomp:[[:space:]]*$filters\$"
		threads=$((threads + 1))
	done
	[ "$threads" -ge 4 ] || _fail "only $threads threads looked at"
fi

step 'inside it: manifests, blobs and ranges'
secure one "$NAME/manifests/1" >"$T/manifest"
same_file "$T/manifest" "$OUT/blobs/sha256/$(sha256 "$T/manifest")"
layer=$(jq -r '.layers[0].digest' "$T/manifest")
secure one "$NAME/blobs/$layer" >"$T/layer"
same "sha256:$(sha256 "$T/layer")" "$layer"
secure one "$NAME/blobs/$layer" -r 0-9,20-29 >"$T/parts"
grep -aq 'Content-Range: bytes 20-29/' "$T/parts"
secure one "$NAME/tags/list" | jq -e '.tags == ["1"]' >"$T/tags"

step 'inside it: what is imported while it serves is served'
write_list platform "{name: \"docker.io/library/layered:1\", from: \"oci:$FIXTURES/layered:layered\"}" \
	"{name: \"docker.io/library/layered:2\", from: \"oci:$FIXTURES/layered:layered\"}"
pin --update
as_owner=()
[ "$(id -u)" != 0 ] || as_owner=(setpriv --reuid 65534 --regid 65534 --clear-groups)
must "${as_owner[@]}" "$T/usr/bin/moat" pull --lock "$LOCK" --store "$OUT"
secure one "$NAME/manifests/2" >"$T/manifest.2"
same_file "$T/manifest.2" "$T/manifest"

step 'inside it: a certificate and key that were replaced by rename, and a log that was moved away'
cp "$T/two.crt" "$T/tls/new.crt"
mv "$T/tls/new.crt" "$T/tls/tls.crt"
ln -sf ../archive/two.key "$T/tls/tls.key"
mv "$T/logs/access.log" "$T/logs/access.log.1"
kill -HUP "$PID"
wait_until 10 secure two ''
must_fail 60 secure one ''
wait_until 10 test -e "$T/logs/access.log"
secure two "$NAME/manifests/1" -o /dev/null -H 'X-Request-Id: after-1'
wait_until 10 grep -q 'status=200 .* id=after-1$' "$T/logs/access.log"
! grep -E 'reload.failed|event=error' "$T/tls.log" || _fail 'moatd was refused something'
stop "$PID"

step 'the sandbox can be switched off, which is logged'
start open moatd --store "$OUT" --listen "$IP:6100" --sandbox off
wait_until 20 answers "http://$IP:6100/v2/"
has_line "$T/open.log" 'event=sandbox landlock=0 seccomp=off reason="switched off"'
has_line "/proc/$STARTED_PID/status" '^NoNewPrivs:[[:space:]]*0$'
