#!/usr/bin/env bash
# Behind a proxy: the name of the registry can be resolved by nobody but the proxy.
. "$(dirname "$0")/../support/lib.sh"

registry_start
push tiny apps/tiny:1.0
middle_start --map "registry.example.test=$IP:80"
cat >"$LIST" <<-END
	set: proxied
	platforms: [linux/amd64]
	images:
	  - registry.example.test/apps/tiny:1.0
	registries:
	  registry.example.test: {plain-http: true}
END

step 'without the proxy the name is unknown'
must_fail 5 moat pin --list "$LIST" --lock "$LOCK"
err_has 'registry.example.test'

step 'with it, pin and pull work, and every request went through'
export http_proxy=http://$IP:8000
pin
pull
clean "$OUT"
has_line "$T/middle.log" '^(GET|HEAD) .*/v2/apps/tiny/manifests/1.0 - 200'
has_line "$T/middle.log" '/v2/apps/tiny/blobs/sha256:.* 200'

step 'no_proxy takes it out again'
no_proxy=registry.example.test must_fail 5 moat pin --list "$LIST" --lock "$T/other.lock"
