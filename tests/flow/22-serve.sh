#!/usr/bin/env bash
# moatd as a service: what it refuses to start with, TLS and a new certificate, sockets and readiness
# from the service manager, log rotation, stopping in the middle of a download.
. "$(dirname "$0")/../support/lib.sh"

fixture layered
write_list platform "{name: \"docker.io/library/layered:1\", from: \"oci:$FIXTURES/layered:layered\"}"
pin
pull
NAME=docker.io/library/layered

step 'plain HTTP stays on this machine unless somebody says otherwise'
must_fail 1 timeout 20 moatd --store "$OUT" --listen 0.0.0.0:0
err_has 'allow-plain-http'
must_fail 1 timeout 20 moatd --store "$T/nothing" --listen 127.0.0.1:0
err_has 'nothing'
must_fail 2 moatd --lisen 127.0.0.1:0
err_has 'unknown option'
must_fail 2 moatd --tls-cert x
err_has 'together'
must_fail 2 timeout 20 moatd --store "$OUT" --listen 127.0.0.1:65536
err_has 'listen: "127.0.0.1:65536" is not ADDRESS:PORT'

step 'TLS: bytes, ranges, and a certificate that is exchanged while serving'
self_signed one "$IP"
self_signed two "$IP"
cp "$T/one.crt" "$T/tls.crt"
cp "$T/one.key" "$T/tls.key"
must_fail 1 timeout 20 moatd --store "$OUT" --listen "$IP:6443" --tls-cert "$T/one.crt" \
	--tls-key "$T/two.key"
err_has 'another certificate'
start tls moatd --store "$OUT" --listen "$IP:6443" --tls-cert "$T/tls.crt" --tls-key "$T/tls.key"
TLS_PID=$STARTED_PID
secure() { curl -sf --cacert "$T/$1.crt" "https://$IP:6443/v2/$2" "${@:3}"; }
wait_until 20 secure one ''
secure one "$NAME/manifests/1" >"$T/manifest"
same_file "$T/manifest" "$OUT/blobs/sha256/$(sha256 "$T/manifest")"
layer=$(jq -r '.layers[0].digest' "$T/manifest")
secure one "$NAME/blobs/$layer" >"$T/layer"
same "sha256:$(sha256 "$T/layer")" "$layer"
secure one "$NAME/blobs/$layer" -r 100-299 >"$T/slice"
dd if="$T/layer" of="$T/slice.want" bs=1 skip=100 count=200 status=none
same_file "$T/slice" "$T/slice.want"
secure one "$NAME/blobs/$layer" -r 0-9,20-29 >"$T/parts"
grep -aq 'Content-Range: bytes 20-29/' "$T/parts"
must_fail 60 secure two ''
# New keys, between two requests. s_client takes the first letter of what it reads for a command: K, and since
# OpenSSL 3.2 also C (connect again), where printf sends a line at a time.
answered() { [ "$(grep -c 'HTTP/1.1 200' "$T/rekeyed")" = "$1" ]; }
mkfifo "$T/typed"
timeout 60 openssl s_client -connect "$IP:6443" -tls1_3 <"$T/typed" >"$T/rekeyed" 2>"$T/rekeyed.err" &
STARTED+=("$!")
exec 8>"$T/typed"
printf 'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n' >&8
wait_until 20 answered 1
echo K >&8
wait_until 20 grep -q KEYUPDATE "$T/rekeyed.err"
printf 'GET /v2/ HTTP/1.1\r\nHost: x\r\nconnection: close\r\n\r\n' >&8
wait_until 20 answered 2
exec 8>&-
cp "$T/two.crt" "$T/tls.crt"
cp "$T/two.key" "$T/tls.key"
kill -HUP "$TLS_PID"
wait_until 10 secure two ''
must_fail 60 secure one ''
echo broken >"$T/tls.crt"
kill -HUP "$TLS_PID"
wait_until 10 grep -q 'event=reload.failed' "$T/tls.log"
secure two '' >"$T/ping"

step 'handshakes that their clients leave half done cost nothing, may go on, and do not hold up the end'
cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$TLS_PID/stat"; }
python3 - "$IP" 6443 "$T" >"$T/handshakes" 2>&1 <<'END' &
import os, socket, ssl, sys, time
host, port, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
silent = [socket.create_connection((host, port)) for _ in range(4)]
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
halves = []
for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3) * 2:
    context.maximum_version = version
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(into, out, server_hostname=host)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    s = socket.create_connection((host, port))
    s.sendall(out.read())
    into.write(s.recv(16384))
    halves.append((s, tls, into, out))
print("waiting", flush=True)
while not os.path.exists(folder + "/go-on"):
    time.sleep(0.1)
for s, tls, into, out in halves[:2]:
    s.settimeout(10)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            s.sendall(out.read())
            into.write(s.recv(16384))
    tls.write(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
    s.sendall(out.read())
    while True:
        try:
            print(tls.read(12).decode(), tls.version(), flush=True)
            break
        except ssl.SSLWantReadError:
            into.write(s.recv(16384))
time.sleep(60)
END
HALF_PID=$!
STARTED+=("$HALF_PID")
wait_until 20 grep -q waiting "$T/handshakes"
before=$(cpu_ticks)
sleep 2
spent=$(($(cpu_ticks) - before))
[ "$spent" -lt 50 ] || _fail "eight waiting handshakes cost $spent ticks of CPU in two seconds"
: >"$T/go-on"
wait_until 20 grep -q 'TLSv1.3' "$T/handshakes"
has_line "$T/handshakes" 'HTTP/1.1 200 TLSv1.2'
has_line "$T/handshakes" 'HTTP/1.1 200 TLSv1.3'
kill -TERM "$TLS_PID"
wait_until 20 gone "$TLS_PID"
stop "$HALF_PID"

step 'the service manager opens the socket and is told when moatd is ready and when it stops'
python3 - "$T/notify" >"$T/states" 2>&1 <<'END' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(60)
while True:
    state = s.recv(1000).decode()
    print(state, flush=True)
    if state == "STOPPING=1":
        break
END
STARTED+=("$!")
wait_until 10 test -S "$T/notify"
start activated env NOTIFY_SOCKET="$T/notify" systemd-socket-activate --listen "$IP:6100" \
	-E NOTIFY_SOCKET moatd --store "$OUT" --listen 0.0.0.0:1 --access-log "$T/access.log"
ACTIVATED_PID=$STARTED_PID
wait_until 10 answers "http://$IP:6100/v2/"
wait_until 10 grep -qx 'READY=1' "$T/states"
same "$(curl -s "http://$IP:6100/readyz")" ready

step 'the access log is opened again'
mv "$T/access.log" "$T/access.log.1"
kill -HUP "$ACTIVATED_PID"
wait_until 10 test -e "$T/access.log"
curl -s -o /dev/null -H 'X-Request-Id: after-1' "http://$IP:6100/v2/$NAME/manifests/1"
wait_until 10 grep -q 'event=request .* status=200 .* id=after-1$' "$T/access.log"
has_line "$T/access.log.1" 'uri=/readyz status=200'
has_line "$T/states" 'RELOADING=1'

step 'a download that is under way when moatd is stopped arrives whole'
fifo=$T/slow
mkfifo "$fifo"
digest=$(jq -r '[.layers[]] | max_by(.size) | .digest' "$T/manifest")
curl -sf -o "$fifo" "http://$IP:6100/v2/$NAME/blobs/$digest" &
STARTED+=("$!")
exec 7<"$fifo"
head -c 1 <&7 >"$T/got"
kill -TERM "$ACTIVATED_PID"
cat <&7 >>"$T/got"
exec 7<&-
same "sha256:$(sha256 "$T/got")" "$digest"
wait_until 20 gone "$ACTIVATED_PID"
has_line "$T/states" 'STOPPING=1'
