#!/usr/bin/env bash
# Three releases with a return path: a signed receipt, or one that is typed, says what the store inside holds, and only the
# rest travels; receipts that must not be taken.
. "$(dirname "$0")/../support/lib.sh"

registry_start
push layered apps/db:1.0
push tiny apps/web:1.0

release() {
	write_list platform "${@:2}"
	pin --update && pull && seal --version "$1" && export_to "$T/full-$1"
}

release 1 "$UPSTREAM/apps/db:1.0" "$UPSTREAM/apps/web:1.0"
import "$T/full-1"
push multi apps/more:1.0
release 2 "$UPSTREAM/apps/db:1.0" "$UPSTREAM/apps/more:1.0"

step 'the first receipt makes the key, and can be read'
must moat receipt --store "$IN" --to "$T/receipt"
err_has 'made the key of this store.s receipts; bring .*/receipt.pub outside once'
same "$(stat -c %a "$IN/receipt.key")" 600
has_line "$T/receipt" '^\{"moatReceipt":1,"time":"[^"]+","host":"[^"]+","auditHead":"[0-9a-f]+@[0-9]+","sets":\[$'
has_line "$T/receipt" '^\{"set":"platform","version":"1",.*"active":true,"generation":[0-9]+\}$'
must moat receipt --store "$IN" --to "$T/receipt" --json
json_is '.sets == 1 and .lacking == 0 and .beside == 0'
! grep -q 'made the key' "$T/err" || _fail 'a second key'
must moat receipt --store "$IN" --sets-only
! grep -qE 'host|auditHead|beside' "$T/out" || _fail "--sets-only: $(cat "$T/out")"
clean

step 'twenty first receipts at once make one key, and all are signed by it'
for round in 1 2 3; do
	rm "$IN/receipt.key" "$IN/receipt.pub"
	pids=()
	for i in {1..20}; do
		moat receipt --store "$IN" --to "$T/receipt-$i" >"$T/said-$i" 2>&1 &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || _fail "a receipt in round $round"; done
	same "$(cat "$T"/said-* | grep -c 'made the key')" 1 "round $round"
	same "$(openssl pkey -in "$IN/receipt.key" -pubout | sha256)" "$(sha256 "$IN/receipt.pub")" "round $round"
	for i in {1..20}; do
		must moat export --store "$OUT" --to "$T/spared-$round-$i" platform:2 --for "$T/receipt-$i" --receipt-key "$IN/receipt.pub"
		rm -r "$T/spared-$round-$i"
	done
done
same "$(find "$IN" -maxdepth 1 -name '.*')" ''

step 'a public half of another key, as two first runs once could leave it, is told and replaced'
must moat key new --out "$T/other.key" --no-passphrase
cp "$T/other.pub" "$IN/receipt.pub"
must moat receipt --store "$IN" --to "$T/receipt"
err_has 'receipt.pub was not that of the key that signs: it is replaced'
same "$(openssl pkey -in "$IN/receipt.key" -pubout | sha256)" "$(sha256 "$IN/receipt.pub")"

step 'what it says is held is left out'
cp "$IN/receipt.pub" "$T/receipt.pub"
export_to "$T/delta-2" platform:2 --for "$T/receipt" --receipt-key "$T/receipt.pub"
out_has 'a delta on platform 1$'
export_to "$T/since-2" platform:2 --since platform:1
[ $(($(volume_bytes "$T/delta-2") - $(volume_bytes "$T/since-2"))) -le 512 ] || _fail 'more than --since'
import "$T/delta-2"
clean

step 'typed: at most 200 characters, in lower case and without hyphens too'
seal --version 3
export_to "$T/full-3"
must moat receipt --store "$IN" --code
code=$(cat "$T/out")
[ ${#code} -le 200 ] || _fail "${#code} characters"
export_to "$T/delta-3" platform:3 --for "$code"
out_has 'a delta on platform [12] and platform [12]$'
typed=$(tr -d - <<<"$code" | tr 'A-Z01' 'a-zol')
export_to "$T/typed-3" platform:3 --for "$typed"
same_file "$T/delta-3"/*.tar "$T/typed-3"/*.tar
import "$T/delta-3"
clean
must moat export --store "$IN" --to "$T/again-3" platform:3
same_file "$T/full-3"/*.tar "$T/again-3"/*.tar

step 'what a set lacks is named, and sent all the same'
lost=$(get_manifest "$UPSTREAM" apps/db 1.0 | jq -r '.layers[2].digest')
rm "$IN/blobs/sha256/${lost#sha256:}"
must moat receipt --store "$IN" --to "$T/receipt-lost"
has_line "$T/receipt-lost" "^\{\"digest\":\"$lost\",\"size\":[0-9]+\}"
seal --version 4
export_to "$T/delta-4" platform:4 --for "$T/receipt-lost" --receipt-key "$T/receipt.pub"
tar -tf "$T/delta-4"/*.tar >"$T/entries"
has_line "$T/entries" "${lost#sha256:}"
import "$T/delta-4"
clean

step 'receipts that must not be taken'
refused() { must_fail "$1" moat export --store "$OUT" --to "$T/none" platform:2 --for "${@:2}"; }
refused 3 "$T/receipt"
err_has '--receipt-key is needed'
refused 3 "$T/receipt" --receipt-key "$PUB"
err_has 'signed by none of the given keys, but by [0-9a-f]{64}'
sed 's/"version":"1"/"version":"2"/' "$T/receipt" >"$T/edited"
refused 3 "$T/edited" --receipt-key "$T/receipt.pub"
err_has 'it was changed'
refused 1 "${code::-1}$([ "${code: -1}" = 7 ] && echo 8 || echo 7)"
err_has 'check characters of this receipt code do not fit'
refused 1 "$T/no-such-file"
err_has 'no file .*no-such-file'
refused 2 "$code" --since platform:1
refused 2 "$code" --need "$T/receipt"

step 'of a set that is not known outside: a code is refused, a receipt goes on'
OUT=$T/elsewhere
write_list other "$UPSTREAM/apps/web:1.0"
pin --update && pull && seal --version 1 && export_to "$T/full-other"
must moat import --store "$IN" --key "$PUB" "$T/full-other"
OUT=$T/outside
must moat receipt --store "$IN" --code
refused 1 "$(cat "$T/out")"
err_has 'set [0-9] of the 5 that this receipt code names is not in this store'
must moat receipt --store "$IN" --to "$T/receipt-more"
export_to "$T/delta-more" platform:4 --for "$T/receipt-more" --receipt-key "$T/receipt.pub"
err_has '1 set of the receipt is not in this store'
