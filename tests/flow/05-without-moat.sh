#!/usr/bin/env bash
# A volume is read, and the signature checked, by programs that others wrote: moat may be lost.
. "$(dirname "$0")/../support/lib.sh"

registry_start
push small apps/small:1.0
push multi apps/multi:1.0
carry_out platform "$UPSTREAM/apps/small:1.0" "$UPSTREAM/apps/multi:1.0"
volume=$(echo "$MEDIUM"/*.tar)
digest=$(digest_of "$UPSTREAM" apps/small 1.0)

step 'skopeo copies out of a volume'
must skopeo copy "oci-archive:$volume:$UPSTREAM/apps/small:1.0" "oci:$T/copied:x"
same "$(jq -r '.manifests[0].digest' "$T/copied/index.json")" "$digest"

step 'containerd imports a volume'
containerd_start
must ctr_ images import --snapshotter native "$volume"
must ctr_ images ls
out_has "^$UPSTREAM/apps/small:1.0 .*$digest"
out_has "^$UPSTREAM/apps/multi:1.0 "

step 'tar and sha256sum are enough to read it'
mkdir "$T/untarred"
tar -xf "$volume" -C "$T/untarred"
same "$(jq -r .imageLayoutVersion "$T/untarred/oci-layout")" 1.0.0
(cd "$T/untarred/blobs/sha256" && sha256sum -- * | awk '$1 != $2') >"$T/wrong"
same "$(cat "$T/wrong")" '' 'a blob is not what its name says'

step 'verify.txt, followed word by word, verifies the signature with openssl alone'
verify_txt() { (cd "$1" && sed -n 's/^    \$* *//p' verify.txt | bash -eu) >"$T/out" 2>"$T/err"; }
verify_txt "$MEDIUM" || { cat "$T/out" "$T/err"; _fail 'verify.txt did not hold'; }
out_has 'Verified OK'

step '... and says no to another key'
must moat key new --out "$T/other.key" --no-passphrase
cp "$T/other.pub" "$MEDIUM/moat.pub"
! verify_txt "$MEDIUM" || _fail 'verify.txt accepted a foreign key'
