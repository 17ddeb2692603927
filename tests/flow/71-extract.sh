#!/usr/bin/env bash
# The files of a set come out byte for byte, of a store and of a medium, into a folder that appears whole or not at all.
. "$(dirname "$0")/../support/lib.sh"

step 'a set has files for two platforms, one as large as several volumes, and one name twice'
mkdir -p "$T/www/amd64" "$T/www/arm64"
for arch in amd64 arm64; do
	head -c 300000 /dev/urandom >"$T/www/plugins-$arch.tgz"
	echo "for $arch" >"$T/www/$arch/kubectl"
done
: >"$T/www/empty"
start www python3 -m http.server --directory "$T/www" --bind "$IP" 9000
wait_until 10 curl -s -o /dev/null "http://$IP:9000/"
item() { # PATH NAME [MORE]
	echo "- {url: 'http://$IP:9000/$1', sha256: $(sha256 "$T/www/$1"), name: '$2'${3:+, $3}}"
}
{
	printf 'set: files\nplatforms: [linux/amd64, linux/arm64]\nfiles:\n'
	for arch in amd64 arm64; do
		item "plugins-$arch.tgz" cni/plugins:v1 "platform: linux/$arch"
		item "$arch/kubectl" kubectl:v1 "platform: linux/$arch"
	done
	item amd64/kubectl copies/kubectl:v2
	item empty void:v1
	printf 'registries:\n  %s: {plain-http: true}\n' "$IP:9000"
} >"$LIST"
pin
pull
seal --version 1
export_to "$MEDIUM" --volume-size 1MiB
export_to "$T/cut" --volume-size 256KiB
import

all_of() { # DIR
	same "$(cd "$1" && find . -type f | sort | tr '\n' ' ')" './cni/plugins/v1/linux-amd64/plugins-amd64.tgz ./cni/plugins/v1/linux-arm64/plugins-arm64.tgz ./copies/kubectl/v2/kubectl ./kubectl/v1/linux-amd64/kubectl ./kubectl/v1/linux-arm64/kubectl ./moat.lock ./moat.yaml ./void/v1/empty '
	for arch in amd64 arm64; do
		same_file "$1/cni/plugins/v1/linux-$arch/plugins-$arch.tgz" "$T/www/plugins-$arch.tgz"
		same_file "$1/kubectl/v1/linux-$arch/kubectl" "$T/www/$arch/kubectl"
	done
	same_file "$1/copies/kubectl/v2/kubectl" "$T/www/amd64/kubectl"
	same_file "$1/void/v1/empty" "$T/www/empty"
	same_file "$1/moat.yaml" "$LIST"
	same_file "$1/moat.lock" "$LOCK"
	same "$(find "$1" -type f ! -perm 644 | wc -l)" 0 'files of another mode'
	same "$(find "$1" -type d ! -perm 755 | wc -l)" 0 'folders of another mode'
}
nothing_left() { # DIR
	absent "$1"
	absent "$(dirname "$1")/.$(basename "$1").moat-part"
}

step 'all of them, of a store and of a medium, whatever the umask and the order of volumes'
must moat extract files:1 --store "$IN" --to "$T/store-files"
out_has '8 files of files:1'
all_of "$T/store-files"
(umask 077 && must moat extract files --from "$MEDIUM" --to "$T/medium-files/")
all_of "$T/medium-files"
[ "$(find "$T/cut" -name '*.tar' | wc -l)" -gt 2 ] || _fail 'too few volumes'
mapfile -t backwards < <(find "$T/cut" -name '*.tar' | sort -r)
must moat extract files "${backwards[@]/#/--from=}" --to "$T/cut-files" --json
json_is '.set == "files" and .version == "1" and (.files | length) == 8'
json_is '.bytes == (.files | map(.size) | add)'
all_of "$T/cut-files"

step 'a set, a store and a medium are named as for diff'
number=0
for word in set:files set:files:1 "store:$IN" "$IN" "medium:$MEDIUM" "$MEDIUM"; do
	number=$((number + 1))
	must moat extract "$word" --store "$IN" --to "$T/named-$number"
	all_of "$T/named-$number"
done
must moat extract --from "$MEDIUM" set:files moat.yaml --to "$T/named-from"

step 'some of them, by what the list calls them, by file name, by path'
some() { # COUNT GLOB...
	rm -rf "$T/some"
	must moat extract files --store "$IN" --to "$T/some" "${@:2}"
	same "$(find "$T/some" -type f | wc -l)" "$1" "files like ${*:2}"
}
some 2 cni/plugins:v1
some 2 moat.local/cni/plugins:v1
some 2 'plugins-*.tgz'
some 3 kubectl
some 2 '*/linux-arm64/*'
some 1 moat.yaml
some 3 moat.lock 'cni/*'

step 'what is there is not touched'
cp -r "$T/store-files" "$T/before"
must_fail 1 moat extract files --store "$IN" --to "$T/store-files"
err_has 'is there already'
diff -r "$T/before" "$T/store-files"
ln -s nowhere "$T/link"
must_fail 1 moat extract files --store "$IN" --to "$T/link"
err_has 'is there already'

step 'refusals leave nothing'
must_fail 1 moat extract files nothing.txt --store "$IN" --to "$T/none"
err_has 'has no file nothing.txt'
must_fail 1 moat extract others --store "$IN" --to "$T/none"
err_has 'has no set "others"$'
must_fail 1 moat extract --from "$MEDIUM" others --to "$T/none"
err_has 'the medium has no set "others"$'
must_fail 1 moat extract "lock:$LOCK" --to "$T/none"
err_has 'a lock, which holds no bytes; name a set$'
must_fail 1 moat extract set:others --store "$IN" --to "$T/none"
must_fail 2 moat extract --from "$MEDIUM" "medium:$MEDIUM" --to "$T/none"
err_has -- '--from and medium: exclude each other$'
must_fail 2 moat extract files --store "$IN"
must_fail 2 moat extract --store "$IN" --to "$T/none"
must_fail 2 moat extract files --store "$IN" --from "$MEDIUM" --to "$T/none"
must_fail 1 moat extract files --store "$IN" --to /
must_fail 1 moat extract files --store "$IN" --to "$T/not/there"
nothing_left "$T/none"

step 'bytes that rotted do not come out, of a store and of a medium'
blob=$(sha256 "$T/www/plugins-arm64.tgz")
cp -r "$IN" "$T/rotten"
chmod -R u+w "$T/rotten"
printf x | dd of="$T/rotten/blobs/sha256/$blob" conv=notrunc status=none
must_fail 3 moat extract files --store "$T/rotten" --to "$T/none"
err_has 'plugins-arm64'
nothing_left "$T/none"
must moat extract files moat.yaml --store "$T/rotten" --to "$T/rest"
cp -r "$MEDIUM" "$T/bad"
chmod -R u+w "$T/bad"
python3 - "$T/www/plugins-arm64.tgz" "$T"/bad/*.tar <<'END'
import sys
needle = open(sys.argv[1], "rb").read()[:64]
for path in sys.argv[2:]:
    data = bytearray(open(path, "rb").read())
    at = data.find(needle)
    if at >= 0:
        data[at] ^= 1
        open(path, "wb").write(data)
END
must_fail 3 moat extract files --from "$T/bad" --to "$T/none"
err_has 'plugins-arm64'
nothing_left "$T/none"

step 'a medium without some of its volumes says which file it lacks'
rm "${backwards[0]}"
must_fail 4 moat extract files --from "$T/cut" --to "$T/none"
err_has 'is not on the medium: a volume is missing, or it is a delta'
nothing_left "$T/none"

step 'so does a delta, and where they are'
seal --version 2
export_to "$T/delta" files:2 --since files:1
MOAT_STORE=$OUT must_fail 4 moat extract files --from "$T/delta" --to "$T/none"
err_has 'a delta, which leaves out what its base has; import it, and extract from the store$'
nothing_left "$T/none"

step 'what a run that was killed left is begun again; what another one writes is not touched'
mkdir -p "$T/.again.moat-part/cni"
echo old >"$T/.again.moat-part/cni/left"
must moat extract files --store "$IN" --to "$T/again"
all_of "$T/again"
absent "$T/.again.moat-part"
mkdir "$T/.busy.moat-part"
exec 8<"$T/.busy.moat-part"
flock 8
must_fail 6 moat extract files --store "$IN" --to "$T/busy"
err_has 'another process writes it'
exists "$T/.busy.moat-part"
exec 8<&-
