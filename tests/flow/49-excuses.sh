#!/usr/bin/env bash
# What a list allows to stay behind: one odd image stops nothing, each excuse is said at every step, and the
# inside may refuse a set that has any. Foreign layers come from where they are.
. "$(dirname "$0")/../support/lib.sh"

PORT=5000
UP=$IP:$PORT
start server python3 "$SUPPORT/odd.py" "$IP" "$PORT" "$T/ready" "$T/odd.log"
wait_until 20 test -e "$T/ready"

list() { printf 'set: platform\n%s\nregistries: {"%s": {plain-http: true}}\n' "$1" "$UP" >moat.yaml; }
cd "$T" || exit
must moat key new --out moat.key --no-passphrase
export MOAT_STORE=$T/store

step 'without a word, one odd image stops the list, with its reason'
list "images: [$UP/plain:1, $UP/dangling:1]"
must_fail 4 moat pin
err_has 'lists sha256:.* as attached, and does not have it'
absent moat.lock
list "images: [$UP/plain:1, $UP/denied:1]"
must_fail 7 moat pin
err_has 'HTTP 403'

list "images: [$UP/plain:1, $UP/blobtyped:1]"
must_fail 4 moat pin
err_has 'lists sha256:.* as attached, and does not have it'

step 'what is attached under a wrong type is carried under its own'
list "images: [$UP/mistyped:1]"
must moat pin
has_line moat.lock '"artifactType":"text/spdx"'
! grep 'spdx+json' moat.lock || _fail 'the lock has a type that is not true'
must moat pull
rm moat.lock

step 'attachments: optional excuses them; the lock says what and why'
list "images:
- $UP/plain:1
- {name: '$UP/dangling:1', attachments: optional}
- {name: '$UP/denied:1', attachments: optional}
- {name: '$UP/blobtyped:1', attachments: optional}
- {name: '$UP/typed:1', attachments: ['text/*']}
- {name: '$UP/gone:1', on-error: skip}
- {name: '$UP/foreign:1', foreign-layers: leave}
- $UP/urls:1"
must moat pin
out_has '7 pins written, 1 skipped, 5 excuses in all$'
err_has "skipped: $UP/gone:1: upstream has no such tag"
same "$(grep -c '"kind":"attachment"' moat.lock)" 3
must moat pin
must moat pin --json
json_is '.excuses == 5 and (.skipped | length) == 1 and .drift == []'

step 'a newly skipped image is drift, and the count is in the last line'
touch skip-plain
sed -i "s#^- $UP/plain:1#- {name: '$UP/plain:1', on-error: skip}#" moat.yaml
must_fail 10 moat pin
out_has "^skipped *$UP/plain:1"
rm skip-plain
must moat pin --update

step 'foreign layers: left by leave, others from the registry, else from their addresses'
must moat pull --json
json_is '(.foreign | length) == 1'
has_line odd.log 'GET /elsewhere/layer $' # without credentials

step 'seal, export, show and import count; the set lists each'
must moat seal --key moat.key --json
json_is '.excuses == 6'
must moat export --to medium --json
json_is '.excuses == 6'
must_fail 4 moat import --activate --store in --key moat.pub --strict medium
err_has 'leaves out 6 things'
{ echo 'strict: true'; cat moat.pub; } >strict.pub
must_fail 4 moat import --activate --store in --key strict.pub medium
err_has 'its key says strict: true'
must moat import --activate --store in --key moat.pub medium
out_has ', 6 excuses$'
must moat show --store in platform --json
json_is '.excuses == 6 and (.excused | map(.kind) | sort == ["attachment", "attachment", "attachment", "attachments",
	"foreign-layer", "skipped"])'
must moat show --store in platform
out_has "skipped  *$UP/gone:1 *upstream has no such tag"
must moat show --store in "$UP/foreign:1"
out_has 'not held'

step 'a set without excuses passes strict'
list "images: [$UP/plain:1, $UP/urls:1]"
rm moat.lock
must moat pin
must moat pull
must moat seal --version 2 --key moat.key # the default is the second of the lock, which may be the one before's
must moat export --to medium2
must moat import --activate --store in2 --key strict.pub --strict medium2
