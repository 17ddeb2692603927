#!/usr/bin/env bash
# Clients that exist as Go modules: crane, regctl, oras, helm, cosign.  Each pushes, pulls and compares
# digests, first where anyone may do everything, then where anyone pulls and a login pushes.  The larger
# two are built only where MOAT_TEST_GO=all (their builds take minutes).
. "$(dirname "$0")/../support/lib.sh"
. "$SUPPORT/go.sh"

for tool in crane regctl oras; do
	go_can $tool || exit 77
done
FROM_PLAIN=("${PLAIN_HTTP[@]/#--/--from-}") TO_PLAIN=("${PLAIN_HTTP[@]/#--/--to-}")
fixture layered
fixture multi
moatd_start "$IN" --push
want=$(jq -r '.manifests[0].digest' "$FIXTURES/layered/index.json")
multi=$(jq -r '.manifests[0].digest' "$FIXTURES/multi/index.json")

step 'crane'
crane=$(go_tool crane)
must "$crane" push "${INSECURE[@]}" --index "$FIXTURES/multi" "$INSIDE/crane/index:1"
must skopeo copy -q --dest-tls-verify="$TLS_VERIFY" "oci:$FIXTURES/layered:layered" "docker://$INSIDE/crane/app:1"
must "$crane" digest "${INSECURE[@]}" "$INSIDE/crane/app:1" && out_has "^$want$"
must "$crane" copy "${INSECURE[@]}" "$INSIDE/crane/app:1" "$INSIDE/crane/copy:1"
must "$crane" digest "${INSECURE[@]}" "$INSIDE/crane/copy:1" && out_has "^$want$"
must "$crane" pull "${INSECURE[@]}" --format oci "$INSIDE/crane/copy:1" "$T/crane"
same "$(jq -r '.manifests[0].digest' "$T/crane/index.json")" "$want"
must "$crane" copy "${INSECURE[@]}" "$INSIDE/crane/index:1" "$INSIDE/crane/copied:1"
must "$crane" digest "${INSECURE[@]}" "$INSIDE/crane/copied:1"
out_has "^$(digest_of "$INSIDE" crane/index 1)$"
must "$crane" ls "${INSECURE[@]}" "$INSIDE/crane/copy" && out_has '^1$'
must "$crane" catalog "${INSECURE[@]}" "$INSIDE" && out_has '^crane/app$'
must "$crane" validate "${INSECURE[@]}" --remote "$INSIDE/crane/copy:1"
must "$crane" delete "${INSECURE[@]}" "$INSIDE/crane/copy:1"

step 'regctl: anonymous mounts, chunks, referrers, deleting one tag'
regctl=$(go_tool regctl)
reg() { must "$regctl" --host "reg=$INSIDE,tls=$REGCTL_TLS" "$@"; }
reg image copy "ocidir://$FIXTURES/layered:layered" "$INSIDE/reg/app:1"
reg image copy "$INSIDE/reg/app:1" "$INSIDE/reg/copy:1"
reg image digest "$INSIDE/reg/copy:1" && out_has "^$want$"
reg image copy "ocidir://$FIXTURES/multi:multi" "$INSIDE/reg/multi:1"
reg image digest "$INSIDE/reg/multi:1" && out_has "^$multi$"
reg image copy "$INSIDE/reg/multi:1" "ocidir://$T/regctl:multi"
same "$(jq -r '.manifests[0].digest' "$T/regctl/index.json")" "$multi"
echo '{"bom": 1}' >"$T/sbom"
reg artifact put --artifact-type application/example.sbom --subject "$INSIDE/reg/app:1" -f "$T/sbom"
reg artifact list "$INSIDE/reg/app:1" --format '{{range .Descriptors}}{{.ArtifactType}}{{end}}'
out_has 'application/example.sbom'
reg tag ls "$INSIDE/reg/app" && out_has '^1$'
reg image copy "$INSIDE/reg/app:1" "$INSIDE/reg/app:2"
reg tag delete "$INSIDE/reg/app:2"
reg tag ls "$INSIDE/reg/app" && ! grep -q '^2$' "$T/out"

step 'oras: files, attachments, discovery'
oras=$(go_tool oras)
cd "$T" || exit
must "$oras" push "${PLAIN_HTTP[@]}" "$INSIDE/oras/files:1" --artifact-type application/example.file sbom:text/plain
must "$oras" attach "${PLAIN_HTTP[@]}" --artifact-type application/example.note "$INSIDE/oras/files:1" sbom:text/plain
must "$oras" discover "${PLAIN_HTTP[@]}" --format json "$INSIDE/oras/files:1"
out_has 'application/example.note'
mkdir -p "$T/oras" "$T/helm-private"
must "$oras" pull "${PLAIN_HTTP[@]}" -o "$T/oras" "$INSIDE/oras/files:1"
same_file "$T/sbom" "$T/oras/sbom"
must "$oras" resolve "${PLAIN_HTTP[@]}" "$INSIDE/reg/app:1" && out_has "^$want$"
must "$oras" cp -r "${FROM_PLAIN[@]}" "${TO_PLAIN[@]}" "$INSIDE/oras/files:1" "$INSIDE/oras/copy:1"
must "$oras" repo ls "${PLAIN_HTTP[@]}" "$INSIDE" && out_has '^oras/copy$'
must "$oras" manifest delete "${PLAIN_HTTP[@]}" --force "$INSIDE/oras/copy:1"

if [ "${MOAT_TEST_GO:-}" != all ]; then
	echo 'helm and cosign are left out: MOAT_TEST_GO=all builds them too'
else
	step 'helm: a chart'
	helm=$(go_tool helm)
	must "$helm" create "$T/demo"
	must "$helm" package "$T/demo" --destination "$T" --version 1.0.0+build.1
	must "$helm" push "${PLAIN_HTTP[@]}" "$T/demo-1.0.0+build.1.tgz" "oci://$INSIDE/charts"
	mkdir "$T/helm"
	must "$helm" pull "${PLAIN_HTTP[@]}" "oci://$INSIDE/charts/demo" --version 1.0.0+build.1 -d "$T/helm"
	same_file "$T/demo-1.0.0+build.1.tgz" "$T/helm/demo-1.0.0+build.1.tgz"

	step 'cosign: sign, attest, verify, save and load, as bundles and in the older form'
	cosign=$(go_tool cosign)
	export COSIGN_PASSWORD=x
	must "$cosign" generate-key-pair
	image=$INSIDE/reg/app@$want
	for form in true false; do
		must "$cosign" sign --yes --key cosign.key --tlog-upload=false --use-signing-config=false \
			--new-bundle-format=$form --allow-http-registry "$image"
		must "$cosign" verify --key cosign.pub --insecure-ignore-tlog=true \
			--new-bundle-format=$form --allow-http-registry "$image"
		must "$cosign" attest --yes --key cosign.key --tlog-upload=false --use-signing-config=false \
			--new-bundle-format=$form --predicate "$T/sbom" --type custom \
			--allow-http-registry "$image"
		must "$cosign" verify-attestation --key cosign.pub --insecure-ignore-tlog=true --type custom \
			--new-bundle-format=$form --allow-http-registry "$image"
	done
	bundles=$(curl -sf "$URL/v2/reg/app/referrers/$want" |
		grep -o '"artifactType":"application/vnd.dev.sigstore.bundle' | wc -l)
	same "$bundles" 2 'referrers: a signature and an attestation'
	for tag in sig att; do
		get_manifest "$INSIDE" reg/app "${want/:/-}.$tag" >"$T/legacy" || _fail "no tag .$tag"
	done
	must "$cosign" save --dir "$T/saved" --allow-http-registry "$image"
	must "$cosign" load --dir "$T/saved" --allow-http-registry "$INSIDE/loaded/app:1"
	must "$cosign" verify --key cosign.pub --insecure-ignore-tlog=true \
		--new-bundle-format=false --allow-http-registry "$INSIDE/loaded/app:1"
fi
stop "$MOATD_PID"
must moat verify --store "$IN"

# mixed NAME: anyone pulls, a login pushes; by the functions NAME_login PASSWORD, NAME_push TAG, NAME_pull
mixed() {
	step "$1 in the mixed policy"
	export DOCKER_CONFIG=$T/docker-$1 # regctl and cosign read it too
	mkdir -p "$DOCKER_CONFIG"
	must "$1_pull"
	must_fail '[1-9][0-9]*' "$1_push" anonymous
	must_fail '[1-9][0-9]*' "$1_login" wrong
	must "$1_login" secret
	must "$1_push" "$1"
	must "$1_pull"
	same "$(digest_of "$INSIDE" reg/app "$1")" "$want"
	must_fail 22 get_manifest "$INSIDE" reg/app anonymous
}
htpasswd alice secret >"$T/users"
moatd_start "$IN" --push --users "$T/users" --auth bearer
export REGCTL_CONFIG=$T/regctl.json ORAS=$T/oras.json

# crane writes down what it is told and asks nobody; so a push shows whether it is right.
crane_login() { "$crane" auth login -u alice -p "$1" "$INSIDE" && crane_push tried; }
crane_push() { "$crane" copy "${INSECURE[@]}" "$INSIDE/reg/app:1" "$INSIDE/reg/app:$1"; }
crane_pull() { "$crane" pull "${INSECURE[@]}" "$INSIDE/reg/app:1" "$T/crane.tar"; }
mixed crane

regctl_() { "$regctl" --host "reg=$INSIDE,tls=$REGCTL_TLS" "$@"; }
regctl_login() { regctl_ registry login -u alice -p "$1" "$INSIDE"; }
regctl_push() { regctl_ image copy "ocidir://$FIXTURES/layered:layered" "$INSIDE/reg/app:$1"; }
regctl_pull() { regctl_ image copy "$INSIDE/reg/app:1" "ocidir://$T/regctl-$RANDOM:x"; }
mixed regctl

oras_login() { "$oras" login "${PLAIN_HTTP[@]}" --registry-config "$ORAS" -u alice -p "$1" "$INSIDE"; }
oras_push() {
	"$oras" cp --from-oci-layout "${TO_PLAIN[@]}" --to-registry-config "$ORAS" "$FIXTURES/layered:layered" \
		"$INSIDE/reg/app:$1"
}
oras_pull() {
	"$oras" cp "${FROM_PLAIN[@]}" --from-registry-config "$ORAS" --to-oci-layout "$INSIDE/reg/app:1" \
		"$T/oras-$RANDOM:x"
}
mixed oras

if [ "${MOAT_TEST_GO:-}" = all ]; then
	step 'helm and cosign in the mixed policy'
	chart=$T/demo-1.0.0+build.1.tgz
	must_fail '[1-9][0-9]*' "$helm" push "${PLAIN_HTTP[@]}" "$chart" "oci://$INSIDE/private"
	must_fail '[1-9][0-9]*' "$helm" registry login "${PLAIN_HTTP[@]}" -u alice -p wrong "$INSIDE"
	must "$helm" registry login "${PLAIN_HTTP[@]}" -u alice -p secret "$INSIDE"
	must "$helm" push "${PLAIN_HTTP[@]}" "$chart" "oci://$INSIDE/private"
	must "$helm" registry logout "$INSIDE"
	must "$helm" pull "${PLAIN_HTTP[@]}" "oci://$INSIDE/private/demo" --version 1.0.0+build.1 -d "$T/helm-private"
	same_file "$chart" "$T/helm-private/demo-1.0.0+build.1.tgz"
	sign() {
		"$cosign" sign --yes --key cosign.key --tlog-upload=false --use-signing-config=false \
			--allow-http-registry "$INSIDE/reg/app@$multi"
	}
	must regctl_ image copy "ocidir://$FIXTURES/multi:multi" "$INSIDE/reg/app:multi"
	DOCKER_CONFIG=$T/nobody must_fail '[1-9][0-9]*' sign
	DOCKER_CONFIG=$T/docker-crane must sign
	DOCKER_CONFIG=$T/nobody must "$cosign" verify --key cosign.pub --insecure-ignore-tlog=true \
		--allow-http-registry "$INSIDE/reg/app@$multi"
fi
stop "$MOATD_PID"
must moat verify --store "$IN"
