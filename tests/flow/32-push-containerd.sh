#!/usr/bin/env bash
# containerd pushes and pulls: directly, by a mirror with `ns`, by a path with override_path, and past
# a first mirror that is dead.
. "$(dirname "$0")/../support/lib.sh"

fixture layered
carry platform "{name: \"docker.io/library/layered:1\", from: \"oci:$FIXTURES/layered:layered\"}"
moatd_start "$IN" --push --map "registry.local=" --access-log "$T/access.log"
containerd_start
want=$(jq -r '.manifests[0].digest' "$FIXTURES/layered/index.json")
pulled() { must ctr_ images ls "name==$1" && out_has "$want"; }
pull_by() { must ctr_ images pull --snapshotter native --hosts-dir "$T/$1" "$2" && pulled "$2"; }

# hosts DIR HOST TEXT: a hosts.toml
hosts() {
	mkdir -p "$T/$1/$2"
	cat >"$T/$1/$2/hosts.toml"
}

# A host on loopback is plain HTTP to ctr, whatever it serves, unless a hosts.toml says otherwise.
direct=("${PLAIN_HTTP[@]}")
if [ "$SCHEME" = https ]; then
	direct=(--hosts-dir "$T/direct")
	hosts direct "$INSIDE" <<-END
		server = "$URL"
		[host."$URL"]
		  capabilities = ["pull", "resolve", "push"]
	END
fi

step 'a name that moatd maps is shown as it is stored'
must_fail 1 moat show --store "$IN" registry.local/team/app:1
err_has 'no set here has anything of registry.local, .* by map:'
must_fail 1 moat show --store "$IN" docker.io/library/none:1
err_has 'neither a set nor a reference of one$'

step 'import, push, pull by tag and digest'
tar -C "$FIXTURES/layered" -cf "$T/layered.tar" .
must ctr_ images import --base-name "$INSIDE/team/app" --digests "$T/layered.tar"
name=$(ctr_ images ls -q | grep "team/app" | head -1)
must ctr_ images push "${direct[@]}" "$INSIDE/team/app:1" "$name"
must ctr_ images pull "${direct[@]}" --snapshotter native "$INSIDE/team/app:1"
pulled "$INSIDE/team/app:1"
must ctr_ images pull "${direct[@]}" --snapshotter native "$INSIDE/team/app@$want"
must ctr_ images push "${direct[@]}" "$INSIDE/team/app:again" "$INSIDE/team/app:1"

step 'a mirror: the upstream name comes as ns'
hosts mirror docker.io <<-END
	server = "$URL"
	[host."$URL"]
	  capabilities = ["pull", "resolve"]
END
pull_by mirror docker.io/library/layered:1
has_line "$T/access.log" 'uri="/v2/library/layered/manifests/1\?ns=docker.io" status=200'

step 'the same by a path, with override_path'
hosts path docker.io <<-END
	server = "$URL"
	[host."$URL/v2/docker.io"]
	  capabilities = ["pull", "resolve"]
	  override_path = true
END
must ctr_ images rm docker.io/library/layered:1
pull_by path docker.io/library/layered:1
has_line "$T/access.log" 'uri="?/v2/docker.io/library/layered/'

step 'a dead first mirror, then us; what was pushed under our own name, by that name'
hosts dead docker.io <<-END
	server = "$URL"
	[host."http://$IP:9"]
	  capabilities = ["pull", "resolve"]
	[host."$URL"]
	  capabilities = ["pull", "resolve"]
END
must ctr_ images rm docker.io/library/layered:1
pull_by dead docker.io/library/layered:1
hosts dead registry.local <<-END
	server = "$URL"
	[host."$URL"]
	  capabilities = ["pull", "resolve", "push"]
END
pull_by dead registry.local/team/app:1
has_line "$T/access.log" 'uri="/v2/team/app/manifests/1\?ns=registry.local" status=200'
stop "$MOATD_PID"
must moat verify --store "$IN"

step 'the mixed policy: containerd sends a login only when it is asked; pulls without one'
htpasswd alice secret >"$T/users"
moatd_start "$IN" --push --users "$T/users"
name=$INSIDE/team/app:1
login_push() { ctr_ images push "${direct[@]}" "$@" "$INSIDE/team/private:1" "$name"; }
must_fail '[1-9][0-9]*' login_push
must_fail '[1-9][0-9]*' login_push --user alice:wrong
must login_push --user alice:secret
must ctr_ images pull "${direct[@]}" --snapshotter native "$INSIDE/team/private:1"
pulled "$INSIDE/team/private:1"
must ctr_ images pull "${direct[@]}" --snapshotter native --user alice:secret "$INSIDE/team/private@$want"
