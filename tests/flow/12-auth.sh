#!/usr/bin/env bash
# Registries that ask who we are: Basic, Bearer, a credential helper; and TLS with a CA of their own.
. "$(dirname "$0")/../support/lib.sh"

push_as_joe() { push tiny apps/private:1.0 --dest-creds joe:secret; }
auth_json() {
	jq -n --arg host "$UPSTREAM" --arg auth "$(printf %s "$1" | base64)" \
		'{auths: {($host): {auth: $auth}}}' >"$T/auth.json"
}
with() { "$@" --authfile "$T/auth.json"; }

# works_with_credentials: pin and pull with the right ones, refusal without and with wrong ones
works_with_credentials() {
	write_list private "$UPSTREAM/apps/private:1.0"
	rm -rf "$LOCK" "$OUT"
	must_fail 7 moat pin --list "$LIST" --lock "$LOCK"
	err_has "$UPSTREAM"
	auth_json joe:wrong
	must_fail 7 moat pin --list "$LIST" --lock "$LOCK" --authfile "$T/auth.json"
	! grep -q wrong "$T/err" || _fail 'a password was printed'
	absent "$LOCK"
	auth_json joe:secret
	with pin
	with pull
	clean "$OUT"
	! grep -rq 'secret' "$LOCK" "$OUT/index.json" || _fail 'a password is in the lock or the store'
}

step 'Basic'
mapfile -t basic < <(basic_auth joe secret)
registry_start basic "$IP:80" "${basic[@]}"
push_as_joe
works_with_credentials

step 'credentials from a helper'
mkdir -p "$T/bin" "$T/docker"
cat >"$T/bin/docker-credential-fixture" <<-END
	#!/bin/sh
	[ "\$1" = get ] && grep -qx '$UPSTREAM' && echo '{"Username": "joe", "Secret": "secret"}'
END
chmod +x "$T/bin/docker-credential-fixture"
jq -n --arg host "$UPSTREAM" '{credHelpers: {($host): "fixture"}}' >"$T/docker/config.json"
rm -rf "$LOCK" "$OUT"
export DOCKER_CONFIG=$T/docker
PATH=$T/bin:$PATH pin
PATH=$T/bin:$PATH pull
unset DOCKER_CONFIG
stop "$REGISTRY_PID"

step 'Bearer'
token_auth_start joe secret
registry_start bearer "$IP:80" "${TOKEN_AUTH[@]}"
push_as_joe
works_with_credentials
has_line "$T/token.log" 'scope=repository(%3A|:)apps(%2F|/)private(%3A|:)pull'
stop "$REGISTRY_PID"

step 'TLS with a CA of its own: refused without, accepted with certs.d'
self_signed registry "$IP"
registry_start tls "$IP:443" \
	REGISTRY_HTTP_TLS_CERTIFICATE="$T/registry.crt" REGISTRY_HTTP_TLS_KEY="$T/registry.key"
push tiny apps/private:1.0
printf 'set: tls\nplatforms: [linux/amd64]\nimages:\n  - %s\n' "$UPSTREAM/apps/private:1.0" >"$LIST"
rm -rf "$LOCK" "$OUT"
must_fail 5 moat pin --list "$LIST" --lock "$LOCK"
err_has 'certificate'
mkdir -p "$T/certs.d/$UPSTREAM"
cp "$T/registry.crt" "$T/certs.d/$UPSTREAM/ca.crt"
pin --certs-dir "$T/certs.d"
pull --certs-dir "$T/certs.d"
clean "$OUT"

step 'plain HTTP is not used unless the list says so'
stop "$REGISTRY_PID"
registry_start plain "$IP:80"
push tiny apps/private:1.0
must_fail 5 moat pin --list "$LIST" --lock "$LOCK"
