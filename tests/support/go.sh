# shellcheck shell=bash
# Tools that exist only as Go modules, each pinned with all it needs by a go.mod and go.sum of its own
# below tests/support/go.  Built once a machine.  Sourced, by tests after lib.sh.
#
# A fresh machine with two cores builds conformance, crane, regctl and oras in a quarter of a minute each
# (the first one needs a minute more), helm in two minutes, distribution in three, cosign in four.

GO_TOOLS=${FIXTURES:-${MOAT_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/moat-tests}/v1}/go
GO_SOURCES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/go
GO_SECONDS=1200 # no build takes longer

_go() { PATH=$PATH:/usr/local/go/bin env -u SSL_CERT_FILE ${OUTSIDE[@]+"${OUTSIDE[@]}"} GOTOOLCHAIN=local "$@"; }

_go_binary() { echo "$GO_TOOLS/$1-$(cksum <"$GO_SOURCES/$1/go.sum" | tr ' ' -)"; }

# go_can NAME: it is built, or there is a Go that is new enough to build it.  Otherwise says what lacks.
go_can() {
	local need have
	[ ! -x "$(_go_binary "$1")" ] || return 0
	need=$(sed -n 's/^go //p' "$GO_SOURCES/$1/go.mod")
	have=$(_go go env GOVERSION 2>/dev/null) || have=''
	[ -z "$have" ] || printf '%s\n' "$need" "${have#go}" | sort -CV || have=''
	[ -n "$have" ] && return 0
	echo "skipped: $1 is a Go program, and there is no Go $need here to build it with"
	return 1
}

# go_tool NAME: its path; builds it when it is not there.  A build that fails fails the test.
go_tool() {
	local binary
	binary=$(_go_binary "$1")
	mkdir -p "$GO_TOOLS"
	(flock 9 && { [ -x "$binary" ] || _go_build "$1" "$binary"; }) 9>"$GO_TOOLS/$1.lock" >&2 || {
		echo "$1 cannot be built" >&2
		return 1
	}
	echo "$binary"
}

_go_build() {
	cd "$GO_SOURCES/$1" || return 1
	_go GOFLAGS=-mod=readonly CGO_ENABLED=0 nice timeout "$GO_SECONDS" \
		go build -trimpath -ldflags '-s -w' -o "$2.new" "$(sed -n 's/^tool //p' go.mod)" &&
		mv "$2.new" "$2"
}
