# shellcheck shell=bash
# Images for tests, made on this machine by umoci, buildah and skopeo; no internet is needed.
# Sourced by lib.sh.
#
#	fixture tiny       one layer: busybox
#	fixture layered    six layers, the upper five 1 MiB of noise each, so that a pull takes a while
#	fixture small      busybox and a layer from a real Debian package
#	fixture debian     a real Debian (debootstrap from the machine's own mirror) and two layers
#	fixture multi      an index of linux/amd64 and linux/arm64, by buildah
#
# Each is an OCI layout in $FIXTURES, made on first use and kept; its tag is its name.

fixture() {
	local name=$1 work
	[ -e "$FIXTURES/$name" ] && return 0
	mkdir -p "$FIXTURES"
	(
		flock 9
		[ -e "$FIXTURES/$name" ] && exit 0
		work=$(mktemp -d "$FIXTURES/.$name.XXXXXX")
		trap 'rm -rf "$work"' EXIT
		"_make_$name" "$work" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
		mv "$work/layout" "$FIXTURES/$name"
	) 9>"$FIXTURES/.$name.lock"
}

# --- making them; each is given a work directory and leaves WORK/layout -------------------------

_layout_new() {
	umoci init --layout "$1"
	umoci new --image "$1:$2"
	umoci config --image "$1:$2" --architecture amd64 --os linux --config.cmd /bin/sh
}

_busybox_rootfs() {
	mkdir -p "$1/bin" "$1/etc"
	cp "$(command -v busybox)" "$1/bin/busybox"
	ln -s busybox "$1/bin/sh"
	echo 'root:x:0:0:root:/:/bin/sh' >"$1/etc/passwd"
}

_make_tiny() {
	_busybox_rootfs "$1/rootfs"
	_layout_new "$1/layout" tiny
	umoci insert --image "$1/layout:tiny" "$1/rootfs" /
}

_make_layered() {
	local i
	_busybox_rootfs "$1/rootfs"
	_layout_new "$1/layout" layered
	umoci insert --image "$1/layout:layered" "$1/rootfs" /
	for i in 1 2 3 4 5; do
		head -c 1048576 /dev/urandom >"$1/noise"
		umoci insert --image "$1/layout:layered" "$1/noise" "/srv/noise-$i"
	done
}

# A package of the distribution where apt can give us one, else the machine's own time zones.
_make_small() {
	_busybox_rootfs "$1/rootfs"
	_layout_new "$1/layout" small
	umoci insert --image "$1/layout:small" "$1/rootfs" /
	mkdir "$1/layer"
	if (cd "$1" && apt-get download tzdata); then
		dpkg-deb -x "$1"/tzdata_*.deb "$1/layer"
	else
		mkdir -p "$1/layer/usr/share"
		cp -r /usr/share/zoneinfo "$1/layer/usr/share/"
	fi
	umoci insert --image "$1/layout:small" "$1/layer/usr" /usr
}

# The mirror that this machine's apt uses, or nothing
apt_mirror() {
	# shellcheck disable=SC2016 # apt expands it
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | head -n 1 || true
}

_make_debian() {
	# shellcheck disable=SC2046 # no argument at all when there is no mirror of ours
	debootstrap --variant=minbase bookworm "$1/rootfs" $(apt_mirror)
	rm -rf "$1"/rootfs/var/{cache/apt/archives,lib/apt/lists,log}/*
	_layout_new "$1/layout" debian
	umoci insert --image "$1/layout:debian" "$1/rootfs" /
	echo 'lab' >"$1/hostname"
	umoci insert --image "$1/layout:debian" "$1/hostname" /etc/hostname
	umoci insert --image "$1/layout:debian" --whiteout /usr/share/doc
}

_make_multi() {
	local arch c
	_busybox_rootfs "$1/rootfs"
	buildah_() { buildah --root "$1/c" --runroot "$1/r" --storage-driver vfs "${@:2}"; }
	buildah_ "$1" manifest create multi
	for arch in amd64 arm64; do
		echo "$arch" >"$1/rootfs/etc/arch"
		c=$(buildah_ "$1" from --arch "$arch" scratch)
		buildah_ "$1" config --arch "$arch" --os linux --cmd /bin/sh "$c"
		buildah_ "$1" copy "$c" "$1/rootfs" /
		buildah_ "$1" commit --format oci "$c" "multi-$arch"
		buildah_ "$1" manifest add multi "containers-storage:localhost/multi-$arch"
	done
	buildah_ "$1" manifest push --all multi "oci:$1/layout:multi"
	buildah_ "$1" umount --all || true
}

# --- putting them into a registry ---------------------------------------------------------------

OCI_MANIFEST=application/vnd.oci.image.manifest.v1+json
OCI_INDEX=application/vnd.oci.image.index.v1+json
ACCEPT=$OCI_MANIFEST,$OCI_INDEX
ACCEPT+=,application/vnd.docker.distribution.manifest.v2+json
ACCEPT+=,application/vnd.docker.distribution.manifest.list.v2+json

# push FIXTURE REPO:TAG [SKOPEO-ARGS...]: into $UPSTREAM
push() {
	local name=$1 to=$2
	shift 2
	fixture "$name"
	must skopeo copy --all --dest-tls-verify=false "$@" \
		"oci:$FIXTURES/$name:$name" "docker://$UPSTREAM/$to"
}

# get_manifest HOST:PORT REPO REFERENCE: its bytes.  Upstream is never on the island, nor does it speak TLS.
get_manifest() {
	local side=env url=http://$1
	[ "$1" != "${INSIDE:-}" ] || side=inside url=$URL
	"$side" curl -sf -H "Accept: $ACCEPT" "$url/v2/$2/manifests/$3"
}

# digest_of HOST:PORT REPO REFERENCE
digest_of() { echo "sha256:$(get_manifest "$@" | sha256)"; }

# push_blob REPO FILE: prints its digest
push_blob() {
	local digest at
	digest=sha256:$(sha256 "$2")
	at=$(curl -sf -X POST -D - -o /dev/null "http://$UPSTREAM/v2/$1/blobs/uploads/" |
		tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
	curl -sf -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$2" \
		"$at&digest=$digest" || _fail "cannot push a blob to $1"
	echo "$digest"
}

# push_manifest REPO REFERENCE FILE: its media type is the one that it names
push_manifest() {
	curl -sf -X PUT -H "Content-Type: $(jq -r .mediaType "$3")" --data-binary "@$3" \
		"http://$UPSTREAM/v2/$1/manifests/$2" || _fail "cannot push a manifest to $1:$2"
}

# artifact REPO TYPE LAYER-FILE [SUBJECT-DIGEST]: push its two blobs, print a manifest
artifact() {
	local subject=null
	printf '{}' >"$T/empty.json"
	[ -z "${4:-}" ] || subject=$(_descriptor "$1" "$4")
	jq -cnj --arg manifest "$OCI_MANIFEST" --arg type "$2" --argjson subject "$subject" \
		--arg config "$(push_blob "$1" "$T/empty.json")" \
		--arg layer "$(push_blob "$1" "$3")" --argjson size "$(stat -c %s "$3")" \
		'{schemaVersion: 2, mediaType: $manifest, artifactType: $type,
		  config: {mediaType: "application/vnd.oci.empty.v1+json", digest: $config, size: 2},
		  layers: [{mediaType: $type, digest: $layer, size: $size}]}
		 + if $subject == null then {} else {subject: $subject} end'
}

# The descriptor of a manifest that is in $UPSTREAM
_descriptor() {
	get_manifest "$UPSTREAM" "$1" "$2" >"$T/described.json"
	jq -c --arg digest "$2" --argjson size "$(stat -c %s "$T/described.json")" \
		'{mediaType, digest: $digest, size: $size}' "$T/described.json"
}

# attach_referrer REPO DIGEST TYPE TEXT: an artifact about DIGEST, found by OCI's fallback tag
# (docker-registry 2.8 has no referrers API).  Prints the artifact's digest.
attach_referrer() {
	local digest
	printf '%s' "$4" >"$T/referrer.layer"
	artifact "$1" "$3" "$T/referrer.layer" "$2" >"$T/referrer.json"
	digest=sha256:$(sha256 "$T/referrer.json")
	push_manifest "$1" "$digest" "$T/referrer.json"
	jq -cnj --arg index "$OCI_INDEX" --arg manifest "$OCI_MANIFEST" --arg type "$3" \
		--arg digest "$digest" --argjson size "$(stat -c %s "$T/referrer.json")" \
		'{schemaVersion: 2, mediaType: $index, manifests:
		  [{mediaType: $manifest, digest: $digest, size: $size, artifactType: $type}]}' \
		>"$T/referrers.json"
	push_manifest "$1" "${2/:/-}" "$T/referrers.json"
	echo "$digest"
}

# attach_signature REPO DIGEST: as cosign does, under the tag sha256-HEX.sig.  Prints its digest.
# (Whether it verifies is of no concern here: it has to travel.)
attach_signature() {
	printf '{"critical":{"identity":{"docker-reference":"%s"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}' \
		"$1" "$2" >"$T/payload.json"
	artifact "$1" application/vnd.dev.cosign.simplesigning.v1+json "$T/payload.json" |
		jq -cj 'del(.artifactType)
			| .layers[0].annotations["dev.cosignproject.cosign/signature"] = "MEUCIQ=="' \
		>"$T/signature.json"
	push_manifest "$1" "${2/:/-}.sig" "$T/signature.json"
	echo "sha256:$(sha256 "$T/signature.json")"
}
