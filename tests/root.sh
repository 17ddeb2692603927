#!/usr/bin/env bash
# ./bootstrap in a bare root of another release of Debian, as on a new machine: `./bootstrap in` calls this.
#
#	tests/root.sh SUITE ARGS...     as in: tests/root.sh trixie test -- -L unit
#
# debootstrap makes the root once, in the cache of the tests; what bootstrap installs and builds there is
# kept.  The tree is copied as it stands, without what git does not track.  Exit status 77: there can be no
# root here, and why was said.
#
# The root is the root of a mount namespace and a mount point: in a plain chroot neither containers nor
# a sandbox can be made.  What runs in it ends with it, the demo's servers too.  The network is that of the
# machine, as apt needs one; tests take their addresses from process ids, so these begin high in here.
set -euo pipefail

SOURCE=$(cd "$(dirname "$0")/.." && pwd)
CACHE=${MOAT_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/moat-tests}
FIXTURES=$CACHE/v1
. "$SOURCE/tests/support/images.sh"

say() { printf 'root: %s\n' "$*" >&2; }
skip() { say "skipped: $*"; exit 77; }

# make_root SUITE ROOT
make_root() {
	local new=$2.new
	rm -rf --one-file-system "$new"
	mkdir -p "$new"
	say "debootstrap $1: $2"
	# shellcheck disable=SC2046 # no argument at all when there is no mirror of ours
	debootstrap --variant=minbase --include=ca-certificates,git "$1" "$new" $(apt_mirror) >"$new.log" 2>&1 || {
		tail -n 5 "$new.log" >&2
		skip "debootstrap cannot make a root of $1 here"
	}
	rm -rf "$new"/var/lib/apt/lists/* # a new machine knows no packages
	mv "$new" "$2"
	rm "$new.log"
}

# copy_tree ROOT: the files that git tracks.  What is the same as in the last copy keeps its time there, so
# that only the rest is built again; times of this tree would mislead, as a build there may be younger.
copy_tree() {
	local old=$1/moat new=$1/moat.new file
	rm -rf "$new"
	mkdir -p "$old" "$new"
	git -C "$SOURCE" -c safe.directory='*' ls-files -z |
		tar -C "$SOURCE" --null --ignore-failed-read -T - -c | tar -C "$new" -x -m
	git -C "$new" init -q
	git -C "$new" add -A
	while IFS= read -r -d '' file; do
		! cmp -s "$old/$file" "$new/$file" || touch -r "$old/$file" "$new/$file"
	done < <(git -C "$new" ls-files -z)
	find "$old" -mindepth 1 -maxdepth 1 -name 'build*' -type d -exec mv -t "$new" {} +
	rm -rf "$old"
	mv "$new" "$old"
}

# enter ROOT COMMAND...: with the Go programs that were built outside, for want of a Go in there
enter() {
	mkdir -p "$FIXTURES/go" "$1/root/.cache/moat-tests/v1/go"
	cp -L /etc/resolv.conf /etc/hosts "$1/etc/"
	# shellcheck disable=SC2016 # the inner shell expands it
	ROOT=$1 GO=$FIXTURES/go unshare --mount --propagation private --pid --fork --kill-child bash -euc '
		mount --bind "$ROOT" "$ROOT"
		cd "$ROOT"
		mount --bind "$GO" root/.cache/moat-tests/v1/go
		mount -t proc proc proc
		mount --rbind /sys sys
		mount --rbind /dev dev
		mount -t tmpfs tmpfs run
		pivot_root . mnt
		cd /moat
		umount -l /mnt
		echo 3000000 2>/dev/null >/proc/sys/kernel/ns_last_pid || true
		"$@"
		exit' enter env -u MOAT_TEST_CACHE -u XDG_CACHE_HOME -u MOAT_BIN HOME=/root LC_ALL=C.UTF-8 \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${@:2}"
}

suite=${1:?usage: tests/root.sh SUITE ARGS-OF-BOOTSTRAP...}
shift
[ "$(id -u)" = 0 ] || skip 'only root can make one'
command -v debootstrap >/dev/null || skip 'debootstrap is not here'
mkdir -p "$CACHE/roots"
exec 9>"$CACHE/roots/$suite.lock"
flock 9
[ -e "$CACHE/roots/$suite" ] || make_root "$suite" "$CACHE/roots/$suite"
copy_tree "$CACHE/roots/$suite"
enter "$CACHE/roots/$suite" ./bootstrap "$@" 9>&-
