#!/usr/bin/env bash
# The docker engine in the mixed policy: login, push, pull by tag and digest, anonymous pull.
. "$(dirname "$0")/../support/lib.sh"

if ! command -v dockerd >/dev/null; then
	echo 'skipped: there is no docker engine here (Debian: docker.io)'
	exit 77
fi
fixture tiny
htpasswd alice secret >"$T/users"
moatd_start "$IN" --push --users "$T/users"
export DOCKER_HOST=unix://$T/docker.sock DOCKER_CONFIG=$T/docker
mkdir -p "$T/dockerd"
start dockerd dockerd --data-root "$T/dockerd" --exec-root "$T/docker-run" --pidfile "$T/docker.pid" \
	-H "$DOCKER_HOST" --bridge none --iptables=false --ip6tables=false \
	--storage-driver vfs --insecure-registry "$INSIDE"
at_exit "umount -R $T/docker-run $T/dockerd 2>/dev/null"
if ! wait_until 30 docker version; then
	echo "skipped: the docker engine does not start here: $(tail -1 "$T/dockerd.log" | cut -c -200)"
	exit 77
fi

step 'an image of the engine'\''s own, pushed after a login'
must skopeo copy -q "oci:$FIXTURES/tiny:tiny" "docker-archive:$T/tiny.tar:$INSIDE/team/app:1"
must docker load -i "$T/tiny.tar"
must_fail '[1-9][0-9]*' docker push "$INSIDE/team/app:1"
must_fail '[1-9][0-9]*' docker login -u alice -p wrong "$INSIDE"
must docker login -u alice -p secret "$INSIDE"
must docker push "$INSIDE/team/app:1"
digest=$(curl -sfI -H "Accept: $ACCEPT" "$URL/v2/team/app/manifests/1" | tr -d '\r' |
	sed -n 's/^Docker-Content-Digest: //p')

step 'pulled by tag and by digest, after a logout too'
must docker rmi "$INSIDE/team/app:1"
must docker pull "$INSIDE/team/app:1"
must docker logout "$INSIDE"
must docker rmi "$INSIDE/team/app:1"
must docker pull "$INSIDE/team/app@$digest"
must_fail '[1-9][0-9]*' docker push "$INSIDE/team/app:1"
