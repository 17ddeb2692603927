#!/usr/bin/env bash
# moatd confined by itself takes pushes, and reloads certificate, users and rules that were replaced; client
# certificates; what a configuration may not leave open.
. "$(dirname "$0")/../support/lib.sh"

step 'moatd confines itself, and does all its work'
self_signed one "$IP"
self_signed two "$IP"
mkdir "$T/etc" "$T/log"
cp "$T/one.crt" "$T/etc/tls.crt"
cp "$T/one.key" "$T/etc/tls.key"
htpasswd alice secret >"$T/etc/users"
start moatd moatd --store "$T/store" --listen "$IP:6443" --push --users "$T/etc/users" --auth basic \
	--tls-cert "$T/etc/tls.crt" --tls-key "$T/etc/tls.key" --access-log "$T/log/access.log"
pid=$STARTED_PID
secure() { curl -sf --cacert "$T/$1.crt" "https://$IP:6443/$2" "${@:3}"; }
wait_until 20 secure one healthz
has_line "$T/moatd.log" 'event=sandbox landlock=[0-9]+ seccomp=(on|off)'
if grep -q 'seccomp=on' "$T/moatd.log"; then
	has_line "/proc/$pid/status" '^Seccomp:[[:space:]]2$'
	has_line "/proc/$pid/status" '^NoNewPrivs:[[:space:]]1$'
else
	echo 'skipped: this build or kernel has no sandbox'
fi
echo hello >"$T/hello"
digest=sha256:$(sha256 "$T/hello")
upload() { secure "$1" "v2/team/app/blobs/uploads/?digest=$digest" -u "$2" --data-binary @"$T/hello"; }
must upload one alice:secret
secure one "v2/team/app/blobs/$digest" -u alice:secret | cmp - "$T/hello"

step 'what is replaced by rename is read on SIGHUP; connections go on'
secure one metrics >"$T/metrics"
has_line "$T/metrics" '^moat_http_requests_total\{route="blob",method="GET",code="200"\} 1$'
has_line "$T/metrics" '^process_cpu_seconds_total '
cp "$T/two.crt" "$T/etc/new.crt" && mv "$T/etc/new.crt" "$T/etc/tls.crt"
cp "$T/two.key" "$T/etc/new.key" && mv "$T/etc/new.key" "$T/etc/tls.key"
htpasswd bob secret >"$T/etc/new" && mv "$T/etc/new" "$T/etc/users"
mv "$T/log/access.log" "$T/log/access.log.1"
kill -HUP "$pid"
wait_until 10 secure two healthz
must upload two bob:secret
must_fail 22 upload two alice:secret
exists "$T/log/access.log"
echo 'alice:plain' >"$T/etc/users"
kill -HUP "$pid"
wait_until 10 grep -q 'event=reload.failed.*not a bcrypt hash' "$T/moatd.log"
must upload two bob:secret

step 'what the configuration may not leave open'
must_fail 1 timeout 20 moatd --store "$T/store" --listen 0.0.0.0:0 --allow-plain-http --push
err_has 'give users, access or tls-client-ca'
must_fail 1 timeout 20 moatd --store "$T/store" --listen "$IP:0" --users "$T/etc/users"
err_has 'users:1: not a bcrypt hash'
must_fail 2 moatd --auth digest
err_has 'bearer or basic'
must_fail 2 moatd --tls-client-ca x
err_has 'needs tls-cert'

step 'a client certificate is a login'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca \
	-keyout "$T/ca.key" -out "$T/ca.crt" 2>/dev/null
for who in alice server mallory; do
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$who" \
		-keyout "$T/$who.key" -out "$T/$who.csr" 2>/dev/null
done
openssl x509 -req -in "$T/alice.csr" -CA "$T/ca.crt" -CAkey "$T/ca.key" -CAcreateserial -days 2 \
	-out "$T/alice.crt" 2>/dev/null
openssl x509 -req -in "$T/server.csr" -CA "$T/ca.crt" -CAkey "$T/ca.key" -CAcreateserial -days 2 \
	-extfile <(echo 'extendedKeyUsage=serverAuth') -out "$T/server.crt" 2>/dev/null
openssl x509 -req -in "$T/mallory.csr" -signkey "$T/mallory.key" -days 2 -out "$T/mallory.crt" 2>/dev/null
echo '- {repositories: ["**"], users: [alice, server], actions: [pull, push]}' >"$T/etc/access.yaml"
start certs moatd --store "$T/store2" --listen "$IP:6444" --push --access "$T/etc/access.yaml" \
	--tls-client-ca "$T/ca.crt" --tls-cert "$T/one.crt" --tls-key "$T/one.key"
push_as() {
	curl -s -o /dev/null -w '%{http_code}' --cacert "$T/one.crt" "${@}" --data-binary @"$T/hello" \
		"https://$IP:6444/v2/team/app/blobs/uploads/?digest=$digest"
}
wait_until 20 curl -sf --cacert "$T/one.crt" "https://$IP:6444/healthz"
same "$(push_as --cert "$T/alice.crt" --key "$T/alice.key")" 201
same "$(push_as --cert "$T/mallory.crt" --key "$T/mallory.key")" 403
same "$(push_as --cert "$T/server.crt" --key "$T/server.key")" 403 # of a server, not of a client
same "$(push_as)" 403
