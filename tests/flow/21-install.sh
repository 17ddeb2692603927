#!/usr/bin/env bash
# cmake --install puts everything under a prefix that is given only then, the programs run from
# there, and the unit names what was installed.
. "$(dirname "$0")/../support/lib.sh"

BUILD=$(dirname "$MOAT_BIN")

# unit_fits ROOT PREFIX ETC: what the unit starts, and with which file, was installed below ROOT.
unit_fits() {
	local unit="$1$2/lib/systemd/system/moatd.service" line
	exists "$unit"
	line=$(sed -n 's/^ExecStart=//p' "$unit")
	same "$line" "$2/sbin/moatd --config $3/moat/moatd.yaml" 'ExecStart'
	exists "$1$2/sbin/moatd"
	same_file "$1$3/moat/moatd.yaml" "$SOURCE/conf/moatd.yaml"
	! grep -rE '@[A-Z_]+@' "$1$2/lib" || _fail 'a path was not filled in'
	must "$1$2/sbin/moatd" --config "$1$3/moat/moatd.yaml" --version
}

step 'an installation under a prefix of our own'
must cmake --install "$BUILD" --prefix "$T/usr"
unit_fits '' "$T/usr" "$T/usr/etc"
for program in moat moatd; do
	program=$(find "$T/usr" -type f -name "$program")
	exists "$program"
	must "$program" --help
done

step 'man pages are there and can be read'
for verb in moat moatd; do
	exists "$(find "$T/usr" -name "$verb.[18]*")"
done
same "$(find "$T/usr" -path '*/man/*' -type f | wc -l)" "$(find "$SOURCE/docs/man" -type f | wc -l)" 'every page'

step 'for /usr, as a package would: the configuration is in /etc, and so says the unit'
DESTDIR=$T/root must cmake --install "$BUILD" --prefix /usr
unit_fits "$T/root" /usr /etc
absent "$T/root/usr/etc"
same "$(find "$T/root" -name moatd.service -o -name moatd.socket -o -name moat.conf | wc -l)" 4
has_line "$T/root/usr/lib/systemd/system/moat-gc.service" '^ExecStart=/usr/bin/moat gc --store /var/lib/moat$'
exists "$T/root/usr/lib/systemd/system/moat-gc.timer"
# Where moat looks for keys is fixed, and so is the folder that is made for them.
has_line "$T/root/usr/lib/tmpfiles.d/moat.conf" '^d /etc/moat/trust\.d '

step 'the user and the folders, by the names that README has'
if [ "$(id -u)" = 0 ] && command -v systemd-sysusers >/dev/null &&
	command -v systemd-tmpfiles >/dev/null; then
	must systemd-sysusers --root="$T/root" moat.conf
	has_line "$T/root/etc/passwd" '^moat:'
	must systemd-tmpfiles --root="$T/root" --create moat.conf
	exists "$T/root/etc/moat/trust.d"
	exists "$T/root/var/lib/moat"
else
	echo 'not tested: root, systemd-sysusers and systemd-tmpfiles are needed'
fi

step 'for /usr/local, from the same build'
DESTDIR=$T/local must cmake --install "$BUILD" --prefix /usr/local/
unit_fits "$T/local" /usr/local /usr/local/etc

step 'a configuration that was changed stays, with the new one beside it'
echo 'push: on' >>"$T/root/etc/moat/moatd.yaml"
DESTDIR=$T/root must cmake --install "$BUILD" --prefix /usr
out_has 'Keeping: .*/etc/moat/moatd\.yaml'
has_line "$T/root/etc/moat/moatd.yaml" '^push: on$'
same_file "$T/root/etc/moat/moatd.yaml.new" "$SOURCE/conf/moatd.yaml"

step 'the socket is for those who ask for it'
unit=$T/root/usr/lib/systemd/system/moatd.service
! grep -q '^Also=' "$unit" || _fail 'enabling the service enables the socket'
