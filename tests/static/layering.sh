#!/usr/bin/env bash
# usage: layering.sh SOURCE-DIR
# Who may include whom, and where a foreign library lives: HACKING.md, "Layers".
#
#	registry/   mirror-tool/     never each other; the folders of each: see below
#	     \        /
#	      storage/               not the programs
#	         |
#	      storage/oci/           pure: bytes in, structures out
#	         |
#	      storage/base/          knows nothing of images
set -euo pipefail
cd "$1"
status=0

# files FOLDER...: the C files of these folders
files() { git ls-files -- "${@/%//*.c}" "${@/%//*.h}"; }

# never 'WHY' REGEX FILE...: no line of these files matches
never() {
	local why=$1 regex=$2 found
	shift 2
	[ $# -gt 0 ] || return 0
	found=$(grep -nHE -- "$regex" "$@") || return 0
	status=1
	echo "$why:"
	echo "$found"
}

# home HEADER REGEX-OF-FILES: only these files include the header
home() {
	local found
	found=$(files storage registry mirror-tool tests/support |
		grep -vE "^($2)$" |
		xargs -r grep -nHE "^#[[:space:]]*include[[:space:]]*<$1" ) || return 0
	status=1
	echo "<$1> has another home, $2:"
	echo "$found"
}

mapfile -t base < <(files storage/base)
mapfile -t oci < <(files storage/oci)
mapfile -t storage < <(files storage)
mapfile -t registry < <(files registry)
mapfile -t tool < <(files mirror-tool)
mapfile -t documents < <(files mirror-tool/list)

inc='^#[[:space:]]*include[[:space:]]*"'
never 'base knows only base' "$inc(storage/([^b]|b[^a])|registry|mirror-tool)" "${base[@]}"
never 'oci knows only oci and base' \
	"$inc(storage/[^/]*\"|registry|mirror-tool)" "${oci[@]}"
never 'storage does not know the programs' "$inc(registry|mirror-tool)" "${storage[@]}"
never 'the server does not know the tool' "${inc}mirror-tool" "${registry[@]}"
never 'the tool does not know the server' "${inc}registry" "${tool[@]}"

mapfile -t audit < <(files storage/audit)
never 'the audit log knows a folder, not what a store is' "$inc(storage/([^/]*\"|(blobs|db|files|meta)/))" "${audit[@]}"

# knows PROGRAM FOLDER KNOWN...: of a program, FOLDER includes itself and KNOWN (folders and headers) only
knows() {
	local program=$1 folder=$2 own found known
	shift
	known=$(IFS='|' && echo "$*")
	mapfile -t own < <(files "$program/$folder")
	found=$(grep -nHE "${inc}$program/" "${own[@]}" |
		grep -vE "\"$program/($known)[/\"]") || return 0
	status=1
	echo "of $program, $folder knows only $*:"
	echo "$found"
}
knows mirror-tool list
knows mirror-tool upstream
knows mirror-tool sign list
knows mirror-tool media sign
knows mirror-tool source list upstream media sign progress.h
knows mirror-tool pin list source sign
knows mirror-tool pull list source
knows mirror-tool repair list source upstream media view tool.h progress.h
knows mirror-tool seal list sign media
knows mirror-tool receipt list sign media
knows mirror-tool k8s
knows mirror-tool policy k8s
mapfile -t policies < <(files mirror-tool/policy)
never 'policies are pure: storage/base' "${inc}storage/[^b]" "${policies[@]}"
never 'list is pure: storage/oci and storage/base' "${inc}storage/[^/]*\"" "${documents[@]}"

never 'store_private.h is for storage/' 'include.*store_private\.h' "${registry[@]}" "${tool[@]}"

# registry/:  main > http > dispatch > push > api > access, ops
#
#	http/        connections, TLS, requests and answers on the wire
#	dispatch.c   which handler answers a route; get_metrics.c speaks of the whole server
#	push/        what changes the store
#	api/         requests, replies, what reads
#	access/      who may do what, and the names of repositories
#	ops/         logs, metrics, limits, the check of the store
mapfile -t dispatch < <(git ls-files -- 'registry/dispatch.[ch]' registry/get_metrics.c)
mapfile -t set_up < <(files registry | grep -vE '^registry/(main|ops/(options|sandbox))\.[ch]$')
knows registry access
knows registry ops
knows registry api access ops
knows registry push api access ops
never 'dispatch does not know http' "${inc}registry/http" "${dispatch[@]}"
never 'options and the sandbox are for main' "${inc}registry/ops/(options|sandbox)\.h" "${set_up[@]}"
mapfile -t readers < <(files registry | grep -v '^registry/push/')
never 'only what writes may write to the store (push/)' 'include.*store_write\.h' "${readers[@]}"

mapfile -t above < <(files storage registry mirror-tool | grep -vE '^storage/(meta|db)/')
never 'only storage/meta/ and storage/db/ speak statements' \
	'query_(begin|end|int|text|bytes|step|run|get)|(^|[^A-Z_])Q_[A-Z]' "${above[@]}"
mapfile -t users < <(files storage registry mirror-tool | grep -vE '^storage/db/')
never 'drivers of databases are for storage/db/' 'include.*db/(driver|sqlite)' "${users[@]}"

mapfile -t callers < <(files storage | grep -v '/blobs/backend\.c')
never 'only storage/blobs/backend.c calls the engine of blobs' '(blobs|b)->ops->' "${callers[@]}"
mapfile -t outside < <(files storage | grep -v '^storage/files/')
never 'files_private.h is for storage/files/' 'include.*files_private\.h' "${outside[@]}"
mapfile -t outside < <(files storage registry mirror-tool | grep -v '^storage/audit/')
never 'audit_private.h is for storage/audit/' 'include.*audit_private\.h' "${outside[@]}"

# The table of locks in HACKING.md has every mutex, and no other.
mapfile -t mutexes < <(files storage registry mirror-tool | grep -v 'base/lock\.h' |
	xargs grep -noE 'pthread_mutex_t [a-z_]+[ ;=]' | sed -E 's/^[^/]*\/([^:]*):[0-9]+:pthread_mutex_t ([a-z_]+).*/\2 \1/')
# shellcheck disable=SC2016 # backquotes of Markdown
mapfile -t listed < <(sed -nE 's/^\| `([a-z_]+\.)?([a-z_]+)` \(([^)]*)\).*/\2 \3/p' HACKING.md)
if ! found=$(diff <(printf '%s\n' "${listed[@]}" | sort) <(printf '%s\n' "${mutexes[@]}" | sort)); then
	status=1
	echo "the table of locks in HACKING.md (<) and the mutexes of the sources (>) differ:"
	echo "$found"
fi

mapfile -t silent < <(files storage | grep -vE 'base/(log|fault|err)\.c')
never 'storage neither prints nor exits' \
	'(^|[^a-z_])(printf|fprintf|vfprintf|puts|fputs|perror|exit|_exit|warnx?|errx?)\(' \
	"${silent[@]}"

home sqlite3.h 'storage/db/sqlite.*'
home jansson.h 'storage/base/json\.c'
home yaml.h 'storage/base/yaml\.c'
home microhttpd.h 'registry/http/server_private\.h'
home curl/ 'mirror-tool/upstream/http\.c'
home archive 'mirror-tool/media/.*'
home zstd 'mirror-tool/media/pack\.c'
home openssl/ 'storage/oci/digest\.c|mirror-tool/sign/sign\.c|registry/(access/(passwords|token)|http/tls_key)\.c'
home seccomp.h 'registry/ops/sandbox\.c'
home crypt.h 'registry/access/htpasswd\.c|mirror-tool/cmd_user\.c'
home systemd/ 'registry/ops/.*'
exit "$status"
