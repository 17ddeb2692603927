#!/usr/bin/env bash
# Clients that exist as Go modules: crane, regctl, oras, helm, cosign.  Each pushes, pulls and compares
# digests.  The larger two are built only where MOAT_TEST_GO=all (their builds take minutes).
. "$(dirname "$0")/../support/lib.sh"
. "$SUPPORT/go.sh"

for tool in crane regctl oras; do
	go_can $tool || exit 77
done
fixture layered
fixture multi
moatd_start "$IN" --push
want=$(jq -r '.manifests[0].digest' "$FIXTURES/layered/index.json")
multi=$(jq -r '.manifests[0].digest' "$FIXTURES/multi/index.json")

step 'crane'
crane=$(go_tool crane)
must "$crane" push --insecure --index "$FIXTURES/multi" "$INSIDE/crane/index:1"
must skopeo copy -q --dest-tls-verify=false "oci:$FIXTURES/layered:layered" "docker://$INSIDE/crane/app:1"
must "$crane" digest --insecure "$INSIDE/crane/app:1" && out_has "^$want$"
must "$crane" copy --insecure "$INSIDE/crane/app:1" "$INSIDE/crane/copy:1"
must "$crane" digest --insecure "$INSIDE/crane/copy:1" && out_has "^$want$"
must "$crane" pull --insecure --format oci "$INSIDE/crane/copy:1" "$T/crane"
must "$crane" ls --insecure "$INSIDE/crane/copy" && out_has '^1$'
must "$crane" catalog --insecure "$INSIDE" && out_has '^crane/app$'
must "$crane" validate --insecure --remote "$INSIDE/crane/copy:1"
must "$crane" delete --insecure "$INSIDE/crane/copy:1"

step 'regctl: anonymous mounts, chunks, referrers, deleting one tag'
regctl=$(go_tool regctl)
reg() { must "$regctl" --host "reg=$INSIDE,tls=disabled" "$@"; }
reg image copy "ocidir://$FIXTURES/layered:layered" "$INSIDE/reg/app:1"
reg image copy "$INSIDE/reg/app:1" "$INSIDE/reg/copy:1"
reg image digest "$INSIDE/reg/copy:1" && out_has "^$want$"
reg image copy "ocidir://$FIXTURES/multi:multi" "$INSIDE/reg/multi:1"
reg image digest "$INSIDE/reg/multi:1" && out_has "^$multi$"
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
must "$oras" push --plain-http "$INSIDE/oras/files:1" --artifact-type application/example.file sbom:text/plain
must "$oras" attach --plain-http --artifact-type application/example.note "$INSIDE/oras/files:1" sbom:text/plain
must "$oras" discover --plain-http --format json "$INSIDE/oras/files:1"
out_has 'application/example.note'
mkdir -p "$T/oras"
must "$oras" pull --plain-http -o "$T/oras" "$INSIDE/oras/files:1"
same_file "$T/sbom" "$T/oras/sbom"
must "$oras" cp -r --from-plain-http --to-plain-http "$INSIDE/oras/files:1" "$INSIDE/oras/copy:1"
must "$oras" repo ls --plain-http "$INSIDE" && out_has '^oras/copy$'
must "$oras" manifest delete --plain-http --force "$INSIDE/oras/copy:1"

if [ "${MOAT_TEST_GO:-}" != all ]; then
	echo 'helm and cosign are left out: MOAT_TEST_GO=all builds them too'
else
	step 'helm: a chart'
	helm=$(go_tool helm)
	must "$helm" create "$T/demo"
	must "$helm" package "$T/demo" --destination "$T" --version 1.0.0+build.1
	must "$helm" push --plain-http "$T/demo-1.0.0+build.1.tgz" "oci://$INSIDE/charts"
	mkdir "$T/helm"
	must "$helm" pull --plain-http "oci://$INSIDE/charts/demo" --version 1.0.0+build.1 -d "$T/helm"
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
	must "$cosign" save --dir "$T/saved" --allow-http-registry "$image"
	must "$cosign" load --dir "$T/saved" --allow-http-registry "$INSIDE/loaded/app:1"
	must "$cosign" verify --key cosign.pub --insecure-ignore-tlog=true \
		--new-bundle-format=false --allow-http-registry "$INSIDE/loaded/app:1"
fi
stop "$MOATD_PID"
must moat verify --store "$IN"
