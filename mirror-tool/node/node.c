/* Make the files that each runtime reads. Must never decide what happens to an existing file. */
#include "mirror-tool/node/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/tree.h"
#include "storage/oci/ref.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define HEADER "# Written by `moat node config`, which will write it again: do not edit.\n"
#define CONTAINERD_DIR "/etc/containerd/certs.d"
#define CONTAINERD_CLIENT CONTAINERD_DIR "/moat-client.pem"
#define K3S_DIR "/etc/rancher/k3s"
#define K3S_CLIENT K3S_DIR "/moat-client.pem"
#define PODMAN_AUTH "/root/.config/containers/auth.json"
#define DOCKER_AUTH "/root/.docker/config.json"
#define CRIO_AUTH "/etc/crio/moat-auth.json"

static const struct {
	const char *name;
	enum node_runtime runtime;
} runtimes[] = {
	{ "containerd", NODE_CONTAINERD },
	{ "crio", NODE_CRIO },
	{ "podman", NODE_PODMAN },
	{ "docker", NODE_DOCKER },
	{ "k3s", NODE_K3S },
};

int node_runtime_parse(const char *name, enum node_runtime *out, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++) {
		if (strcmp(name, runtimes[i].name) != 0)
			continue;
		*out = runtimes[i].runtime;
		return 0;
	}
	return err_set(e, ERR_INPUT,
		"runtime \"%s\": containerd, crio, podman, docker and k3s are known", name);
}

/* "moat.corp:5000", borrowed */
static const char *authority(const struct node_settings *s)
{
	return strstr(s->server, "//") + 2;
}

int node_server_parse(struct node_settings *s, const char *url, struct err *e)
{
	size_t len = strlen(url);
	size_t scheme = strncmp(url, "http://", 7) == 0    ? 7
			: strncmp(url, "https://", 8) == 0 ? 8
							   : 0;

	if (!scheme)
		return err_set(e, ERR_INPUT,
			"server \"%s\": http://HOST[:PORT] or https://... is needed", url);
	if (len > scheme && url[len - 1] == '/')
		len--;
	if (len >= sizeof(s->server))
		return err_set(e, ERR_INPUT, "server: the URL is too long");
	memcpy(s->server, url, len);
	s->server[len] = '\0';
	s->plain_http = scheme == 7;
	if (ref_check_host(span_of(authority(s)), e) < 0)
		return err_ctx(e, "server \"%s\"", url);
	return 0;
}

void node_files_release(struct node_files *f)
{
	int saved = errno;

	for (size_t i = 0; i < f->count; i++) {
		free(f->items[i].path);
		buf_release(&f->items[i].text);
		node_hosts_release(&f->items[i].hosts);
	}
	free(f->items);
	buf_release(&f->notes);
	*f = (struct node_files)NODE_FILES_INIT;
	errno = saved;
}

/* Add a file. Takes ownership of path. */
static struct buf *add_file(struct node_files *f, enum node_file_kind kind, char *path)
{
	struct node_file *file = VEC_PUSH(f->items, f->count);

	*file = (struct node_file){ .path = path, .kind = kind, .text = BUF_INIT };
	if (kind == NODE_OURS)
		buf_str(&file->text, HEADER);
	return &file->text;
}

static void add_ca(struct node_files *f, const struct node_settings *s, char *path)
{
	if (s->ca.len)
		buf_add(add_file(f, NODE_COPY, path), s->ca.data, s->ca.len);
	else
		free(path);
}

/* Add certificate and key, which are one file; readers that want two get it twice. */
static void add_client(struct node_files *f, const struct node_settings *s, const char *folder)
{
	static const char *const names[] = { "client.cert", "client.key" };

	for (size_t i = 0; s->client.len && i < ARRAY_SIZE(names); i++) {
		char *path = mem_printf("%s/%s/%s", folder, authority(s), names[i]);

		buf_add(add_file(f, NODE_COPY, path), s->client.data, s->client.len);
		f->items[f->count - 1].secret = true;
	}
}

static void add_client_file(struct node_files *f, const struct node_settings *s, const char *path)
{
	if (!s->client.len)
		return;
	buf_add(add_file(f, NODE_COPY, mem_strdup(path)), s->client.data, s->client.len);
	f->items[f->count - 1].secret = true;
}

/* {"auths":{"SERVER":{"auth":"..."}}}, which podman, CRI-O and docker's client read. */
static void add_auths(struct node_files *f, const struct node_settings *s, const char *path)
{
	struct buf *out;

	if (!s->user)
		return;
	out = add_file(f, NODE_JSON, mem_strdup(path));
	buf_printf(out, "{\"auths\":{\"%s\":{\"auth\":\"", authority(s));
	node_basic(s, out);
	buf_str(out, "\"}}}");
	f->items[f->count - 1].secret = true;
}

/* --- containerd ------------------------------------------------------------------------------ */

/* Write the folder name that containerd tries first: `localhost:5001` is localhost_5001_. */
static char *containerd_folder(const char *host)
{
	const char *colon = strrchr(host, ':');

	if (!colon)
		return mem_strdup(host);
	return mem_printf("%.*s_%s_", (int)(colon - host), host, colon + 1);
}

static void containerd_trust(struct node_file *f, const struct node_settings *s)
{
	AUTO(buf_release) struct buf basic = BUF_INIT;

	f->hosts.server = mem_strdup(s->server);
	if (s->ca.len)
		f->hosts.ca = mem_strdup("\"" CONTAINERD_DIR "/moat-ca.crt\"");
	if (s->client.len)
		f->hosts.client =
			mem_strdup("[[\"" CONTAINERD_CLIENT "\", \"" CONTAINERD_CLIENT "\"]]");
	if (!s->user)
		return;
	node_basic(s, &basic);
	f->hosts.authorization = mem_printf("\"Basic %s\"", basic.data);
	explicit_bzero(basic.data, basic.len);
}

/* Write hosts.toml. `server` is asked last and is the real upstream by default: set it to ours. A
 * capability that an older containerd does not know would make it ignore the whole file. */
static void containerd_host(struct node_files *f, const struct node_settings *s, const char *folder)
{
	struct buf *out =
		add_file(f, NODE_OURS, mem_printf("%s/%s/hosts.toml", CONTAINERD_DIR, folder));

	buf_printf(out,
		"server = \"%s\"\n\n"
		"[host.\"%s\"]\n"
		"  capabilities = [\"pull\", \"resolve\"]\n",
		s->server, s->server);
	containerd_trust(&f->items[f->count - 1], s);
}

static void containerd_files(struct node_files *f, const struct node_settings *s)
{
	for (size_t i = 0; i < s->host_count; i++) {
		AUTO(mem_free) char *folder = containerd_folder(s->hosts[i]);

		containerd_host(f, s, folder);
	}
	containerd_host(f, s, "_default");
	add_ca(f, s, mem_strdup(CONTAINERD_DIR "/moat-ca.crt"));
	add_client_file(f, s, CONTAINERD_CLIENT);
	buf_str(&f->notes,
		"/etc/containerd/config.toml must name the folder (2.2 does by default):\n"
		"containerd 2.x (version = 3):\n"
		"  [plugins.\"io.containerd.cri.v1.images\".registry]\n"
		"    config_path = \"" CONTAINERD_DIR "\"\n"
		"containerd 1.6, 1.7 (version = 2; no registry.mirrors or registry.configs beside "
		"it):\n"
		"  [plugins.\"io.containerd.grpc.v1.cri\".registry]\n"
		"    config_path = \"" CONTAINERD_DIR "\"\n"
		"Changes of hosts.toml need no restart, config.toml does.\n");
}

/* --- podman, CRI-O --------------------------------------------------------------------------- */

static void containers_files(struct node_files *f, const struct node_settings *s)
{
	struct buf *out = add_file(
		f, NODE_OURS, mem_strdup("/etc/containers/registries.conf.d/90-moat.conf"));

	for (size_t i = 0; i < s->host_count; i++) {
		char path[REF_TEXT_SIZE];

		ref_api_name(s->hosts[i], path);
		buf_printf(out,
			"\n[[registry]]\n"
			"prefix = \"%s\"\n"
			"location = \"%s/%s\"\n%s",
			s->hosts[i], authority(s), path, s->plain_http ? "insecure = true\n" : "");
	}
	add_ca(f, s, mem_printf("/etc/containers/certs.d/%s/ca.crt", authority(s)));
	add_client(f, s, "/etc/containers/certs.d");
	add_auths(f, s, s->runtime == NODE_CRIO ? CRIO_AUTH : PODMAN_AUTH);
	if (s->runtime == NODE_CRIO && s->user)
		buf_str(add_file(f, NODE_OURS, mem_strdup("/etc/crio/crio.conf.d/90-moat.conf")),
			"\n[crio.image]\nglobal_auth_file = \"" CRIO_AUTH "\"\n");
	if (s->runtime == NODE_CRIO)
		buf_str(&f->notes, "CRI-O reads this after `systemctl reload crio`.\n");
}

/* --- docker ---------------------------------------------------------------------------------- */

static void docker_files(struct node_files *f, const struct node_settings *s)
{
	struct buf *out = add_file(f, NODE_JSON, mem_strdup("/etc/docker/daemon.json"));

	buf_printf(out, "{\"registry-mirrors\":[\"%s\"]", s->server);
	if (s->plain_http)
		buf_printf(out, ",\"insecure-registries\":[\"%s\"]", authority(s));
	buf_str(out, "}");
	add_ca(f, s, mem_printf("/etc/docker/certs.d/%s/ca.crt", authority(s)));
	add_client(f, s, "/etc/docker/certs.d");
	add_auths(f, s, DOCKER_AUTH);
	buf_str(&f->notes,
		"docker asks a mirror for docker.io only, and then docker.io itself: close the way "
		"there in DNS or firewall.\n");
	for (size_t i = 0; i < s->host_count; i++) {
		char path[REF_TEXT_SIZE];

		if (strcmp(s->hosts[i], "docker.io") == 0)
			continue;
		ref_api_name(s->hosts[i], path);
		buf_printf(
			&f->notes, "Pull %s/... as %s/%s/...\n", s->hosts[i], authority(s), path);
	}
	buf_str(&f->notes, "docker reads this after `systemctl restart docker`.\n");
}

/* --- k3s, RKE2 ------------------------------------------------------------------------------- */

static void k3s_mirror(struct buf *out, const struct node_settings *s, const char *host)
{
	json_quote(out, host, false);
	buf_printf(out, ":{\"endpoint\":[\"%s\"]}", s->server);
}

/* Append a member to the map at the end of `out`; value NULL: a map, left open. */
static void k3s_member(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, "%s\"%s\":", out->data[out->len - 1] == '{' ? "" : ",", key);
	if (value)
		json_quote(out, value, false);
	else
		buf_char(out, '{');
}

/* Append the settings of the server to the map at the end of `out`. */
static void k3s_config(struct buf *out, const struct node_settings *s)
{
	buf_printf(out, ",\"configs\":{\"%s\":{", authority(s));
	if (s->ca.len || s->client.len)
		k3s_member(out, "tls", NULL);
	if (s->ca.len)
		k3s_member(out, "ca_file", K3S_DIR "/moat-ca.crt");
	if (s->client.len) {
		k3s_member(out, "cert_file", K3S_CLIENT);
		k3s_member(out, "key_file", K3S_CLIENT);
	}
	if (s->ca.len || s->client.len)
		buf_char(out, '}');
	if (s->user) {
		k3s_member(out, "auth", NULL);
		k3s_member(out, "username", s->user);
		k3s_member(out, "password", s->password);
		buf_char(out, '}');
	}
	buf_str(out, "}}");
}

static void k3s_files(struct node_files *f, const struct node_settings *s)
{
	struct buf *out = add_file(f, NODE_YAML, mem_strdup(K3S_DIR "/registries.yaml"));

	buf_str(out, "{\"mirrors\":{");
	for (size_t i = 0; i < s->host_count; i++) {
		k3s_mirror(out, s, s->hosts[i]);
		buf_str(out, ",");
	}
	k3s_mirror(out, s, "*");
	buf_str(out, "}");
	if (s->ca.len || s->user || s->client.len)
		k3s_config(out, s);
	buf_str(out, "}");
	f->items[f->count - 1].secret = s->user != NULL;
	add_ca(f, s, mem_strdup(K3S_DIR "/moat-ca.crt"));
	add_client_file(f, s, K3S_CLIENT);
	buf_str(&f->notes,
		"Start k3s with --disable-default-registry-endpoint (1.27 and later; "
		"`disable-default-registry-endpoint: true` in config.yaml), or it asks the real "
		"upstream when ours says no.\n"
		"k3s reads this after `systemctl restart k3s` (or k3s-agent). RKE2: the same file "
		"in "
		"/etc/rancher/rke2.\n");
}

void node_files_make(struct node_files *out, const struct node_settings *s)
{
	switch (s->runtime) {
	case NODE_CONTAINERD:
		containerd_files(out, s);
		return;
	case NODE_CRIO:
	case NODE_PODMAN:
		containers_files(out, s);
		return;
	case NODE_DOCKER:
		docker_files(out, s);
		return;
	case NODE_K3S:
		k3s_files(out, s);
		return;
	}
	BUG("runtime %d", (int)s->runtime);
}
