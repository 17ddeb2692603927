#!/usr/bin/env bash
# The keys of each verb's --json, and the type of each: programs read them, so none is lost or changed.
. "$(dirname "$0")/../support/lib.sh"

# types FILTER TYPES: of the object that the filter picks, "key:type" of every key
types() { same "$(jq -r "$1 | to_entries | map(\"\(.key):\(.value | type)\") | sort | join(\" \")" "$T/out")" "$2"; }

PIN='drift:array excuses:number failed:array lock:string pins:number skipped:array written:boolean'
PULL='bytes:number failed:array foreign:array pins:number quarantined:number'
SET='accepted:number active:boolean bytes:number digest:string generation:number missing:number pins:number set:string takes:array version:string'
IMAGE='absent:array bytes:number digest:string held:array mediaType:string reference:string served:boolean set:string version:string'
UNSEALED='bytes:number digest:string mediaType:string reference:string'
EXPORT='bytes:number digest:string excuses:number set:string to:string version:string volumes:number'
VERIFY='bytes:number digest:string set:string version:string volumes:number'
IMPORT='active:boolean changes:object copied:number digest:string excuses:number gap:boolean held:number quarantined:number references:number set:string tags:array version:string'

SHOWN='active:boolean attached:array conflicts:array created:string digest:string excused:array excuses:number files:array generation:number images:array set:string signatures:array size:number takes:array version:string'
ENTRY='digest:string mediaType:string reference:string'
REPOSITORY='repository:string tags:array'
TAG='digest:string set:string tag:string version:string'

fixture tiny
write_list platform "{name: docker.io/library/tiny:1, from: \"oci:$FIXTURES/tiny:tiny\"}"

step 'pin and pull'
pin --json
types . "$PIN"
pull --json
types . "$PULL"
must moat list --store "$OUT" --unsealed --json
types '.[0]' "$UNSEALED"

step 'seal, export, verify, import'
seal
must moat export --store "$OUT" --to "$MEDIUM" --json
types . "$EXPORT"
must moat verify --key "$PUB" "$MEDIUM" --json
types . "$VERIFY"
must moat import --store "$IN" --key "$PUB" "$MEDIUM" --json
types . "$IMPORT"

step 'list and show'
must moat list --store "$IN" --json
types . 'conflicts:array files:array images:array sets:array unsealed:array'
types '.sets[0]' "$SET"
types '.images[0]' "$IMAGE"
must moat show --store "$IN" platform --json
types . "$SHOWN"
types '.images[0]' "$ENTRY"
must moat show --store "$IN" docker.io/library/tiny --json
types . "$REPOSITORY"
types '.tags[0]' "$TAG"
must moat node config --runtime docker --server "http://$INSIDE" --store "$IN" --json
types '.[0]' 'path:string text:string'
