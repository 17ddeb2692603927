#!/usr/bin/env bash
# Files by URL and checksum travel as OCI artifacts, so CNI plugin archives come with the images.
. "$(dirname "$0")/../support/lib.sh"

step 'a web server has two archives'
mkdir -p "$T/www" "$T/plugins"
for arch in amd64 arm64; do
	echo "plugin for $arch" >"$T/plugins/bridge"
	tar -czf "$T/www/cni-plugins-linux-$arch-v1.9.1.tgz" -C "$T/plugins" bridge
done
start www python3 -m http.server --directory "$T/www" --bind "$IP" 9000
wait_until 10 curl -s -o /dev/null "http://$IP:9000/"
file_item() { # ARCH [SHA256]
	cat <<-END
		  - url: http://$IP:9000/cni-plugins-linux-$1-v1.9.1.tgz
		    sha256: ${2:-$(sha256 "$T/www/cni-plugins-linux-$1-v1.9.1.tgz")}
		    name: cni/plugins:v1.9.1
		    platform: linux/$1
	END
}
files_list() {
	printf 'set: files\nplatforms: [linux/amd64, linux/arm64]\nfiles:\n'
	file_item amd64 "$@"
	file_item arm64
	printf 'registries:\n  %s: {plain-http: true}\n' "$IP:9000"
}

step 'a wrong checksum is refused'
files_list "$(printf '%064d' 0)" >"$LIST"
must_fail '[13]' sh -c "moat pin --list '$LIST' --lock '$LOCK' &&
	moat pull --lock '$LOCK' --store '$OUT'"
err_has 'cni-plugins-linux-amd64'
rm -rf "$LOCK" "$OUT"

step 'two platforms become one index, and the bytes are the files'
files_list >"$LIST"
pin
pull
seal
export_to
import
clean
must moat list --store "$IN" --files
out_has 'cni/plugins'

step 'show finds a file by the name that the list has, and parts what it says by blanks'
for name in cni/plugins:v1.9.1 moat.local/cni/plugins:v1.9.1; do
	must moat show --store "$IN" "$name"
	out_has '^reference    moat\.local/cni/plugins:v1\.9\.1$'
	out_has '^artifactType application/vnd\.moat\.cni\.plugins\.v1$'
done
must_fail 1 moat show --store "$IN" docker.io/cni/plugins:v1.9.1
for where in --store=$IN --from=$MEDIUM; do
	must moat show "${where%=*}" "${where#*=}" cni/plugins --json
	json_is '.repository == "moat.local/cni/plugins" and (.tags | map(.tag) == ["v1.9.1"])'
	must_fail 1 moat show "${where%=*}" "${where#*=}" docker.io/cni/plugins
done

step 'nodes download them'
moatd_start "$IN"
get_manifest "$INSIDE" moat.local/cni/plugins v1.9.1 >"$T/index.json"
for arch in amd64 arm64; do
	child=$(jq -r --arg arch "$arch" \
		'.manifests[] | select(.platform.architecture == $arch).digest' "$T/index.json")
	get_manifest "$INSIDE" moat.local/cni/plugins "$child" >"$T/artifact.json"
	same "$(jq -r '.layers[0].annotations["org.opencontainers.image.title"]' "$T/artifact.json")" \
		"cni-plugins-linux-$arch-v1.9.1.tgz"
	same "$(jq -r .config.mediaType "$T/artifact.json")" application/vnd.oci.empty.v1+json
	curl -sf -o "$T/file" "http://$INSIDE/v2/moat.local/cni/plugins/blobs/$(jq -r \
		'.layers[0].digest' "$T/artifact.json")"
	same_file "$T/file" "$T/www/cni-plugins-linux-$arch-v1.9.1.tgz"
done
