#!/usr/bin/env bash
# usage: layering.sh SOURCE-DIR
# Who may include whom, and where a foreign library lives: HACKING.md, "Layers".
#
#	registry/   mirror-tool/     never each other; the folders of mirror-tool: see below
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
# knows FOLDER KNOWN...: of the tool, FOLDER includes itself and KNOWN (folders and headers) only
knows() {
	local folder=$1 own found known
	known=$(IFS='|' && echo "$*")
	mapfile -t own < <(files "mirror-tool/$folder")
	found=$(grep -nHE "${inc}mirror-tool/" "${own[@]}" |
		grep -vE "\"mirror-tool/($known)[/\"]") || return 0
	status=1
	echo "of mirror-tool, $folder knows only $*:"
	echo "$found"
}
knows list
knows upstream
knows sign list
knows media sign
knows source list upstream media sign progress.h
knows pin list source sign
knows pull list source
knows seal list sign media
never 'list is pure: storage/oci and storage/base' "${inc}storage/[^/]*\"" "${documents[@]}"

never 'store_private.h is for storage/' 'include.*store_private\.h' "${registry[@]}" "${tool[@]}"
mapfile -t readers < <(files registry | grep -vE '/(put_|delete_|upload|commit|writing)')
never 'only what writes may write to the store (put_, delete_, upload, commit, writing)' 'include.*store_write\.h' \
	"${readers[@]}"

mapfile -t above < <(files storage registry mirror-tool | grep -vE '^storage/(meta|db)/')
never 'only storage/meta/ and storage/db/ speak statements' \
	'query_(begin|end|int|text|bytes|step|run|get)|(^|[^A-Z_])Q_[A-Z]' "${above[@]}"
mapfile -t users < <(files storage registry mirror-tool | grep -vE '^storage/db/')
never 'drivers of databases are for storage/db/' 'include.*db/(driver|sqlite)' "${users[@]}"

mapfile -t silent < <(files storage | grep -vE 'base/(log|fault|err)\.c')
never 'storage neither prints nor exits' \
	'(^|[^a-z_])(printf|fprintf|vfprintf|puts|fputs|perror|exit|_exit|warnx?|errx?)\(' \
	"${silent[@]}"

home sqlite3.h 'storage/db/sqlite.*'
home jansson.h 'storage/base/json\.c'
home yaml.h 'storage/base/yaml\.c'
home microhttpd.h 'registry/server_private\.h'
home curl/ 'mirror-tool/upstream/http\.c'
home archive 'mirror-tool/media/.*'
home openssl/ 'storage/oci/digest\.c|mirror-tool/sign/sign\.c|registry/(passwords|tls_key|token)\.c'
home seccomp.h 'registry/sandbox\.c'
home crypt.h 'registry/htpasswd\.c|mirror-tool/cmd_user\.c'
home systemd/ 'registry/.*'
exit "$status"
