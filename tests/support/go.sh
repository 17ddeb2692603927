# shellcheck shell=bash
# Tools that exist only as Go modules, each pinned with all it needs by a go.mod and go.sum of its own
# below tests/support/go.  Built once a machine.  Sourced.

GO_TOOLS=${MOAT_TEST_CACHE:-${XDG_CACHE_HOME:-/root/.cache}/moat-tests}/v1/go
GO_SOURCES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/go

go_present() { PATH=$PATH:/usr/local/go/bin command -v go >/dev/null; }

# go_tool NAME: its path; builds it when it is not there.  1 when it can not be built.
go_tool() {
	local name=$1 package binary
	binary=$GO_TOOLS/$1-$(cksum <"$GO_SOURCES/$1/go.sum" | tr ' ' -)
	if [ ! -x "$binary" ]; then
		go_present || return 1
		mkdir -p "$GO_TOOLS"
		package=$(sed -n 's/^tool //p' "$GO_SOURCES/$name/go.mod")
		(
			flock 9
			[ -x "$binary" ] || (
				cd "$GO_SOURCES/$name"
				export PATH=$PATH:/usr/local/go/bin HOME=${GO_HOME:-/root}
				export GOFLAGS=-mod=readonly GOTOOLCHAIN=local CGO_ENABLED=0
				unset XDG_RUNTIME_DIR
				nice go build -trimpath -ldflags '-s -w' -o "$binary.new" "$package" &&
					mv "$binary.new" "$binary"
			)
		) 9>"$GO_TOOLS/$name.lock" >&2 || return 1
	fi
	echo "$binary"
}
