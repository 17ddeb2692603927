/* Map the names of requests to names in the store. Must never touch the store: it only proposes. */
#include "registry/access/repo_names.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define HUB "docker.io"

static int add_map(struct repo_names *n, const char *text, struct err *e)
{
	struct span to = span_of(text), from = span_until(&to, '=');
	struct host_map *map;

	map = VEC_PUSH(n->maps, n->count);
	map->to[0] = '\0';
	if (from.len == 0 || !strchr(text, '='))
		return err_set(e, ERR_INPUT, "map: \"%s\" is not FROM=TO", text);
	if (ref_normal_host(from, map->from, e) < 0 ||
		(to.len > 0 && ref_normal_host(to, map->to, e) < 0))
		return err_ctx(e, "map: \"%s\"", text);
	return 0;
}

int repo_names_init(
	struct repo_names *n, const struct texts *maps, const char *fallback, struct err *e)
{
	*n = (struct repo_names)REPO_NAMES_INIT;
	if (fallback && *fallback && ref_normal_host(span_of(fallback), n->fallback, e) < 0)
		return err_ctx(e, "default-host");
	for (size_t i = 0; maps && i < maps->count; i++)
		if (add_map(n, maps->items[i], e) < 0)
			return -1;
	return 0;
}

void repo_names_release(struct repo_names *n)
{
	free(n->maps);
	*n = (struct repo_names)REPO_NAMES_INIT;
}

static void add(struct candidates *c, const char *host, const char *path)
{
	char name[NAME_MAX_BYTES + 1];
	int len = snprintf(name, sizeof(name), "%s%s%s", host, *host ? "/" : "", path);

	if (c->count == CANDIDATES_MAX || len < 0 || (size_t)len >= sizeof(name))
		return;
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->name[i], name) == 0)
			return;
	memcpy(c->name[c->count++], name, (size_t)len + 1);
}

/* Add host/path, and before it what docker makes of a Hub name of one component. */
static void add_host(struct candidates *c, const char *host, const char *path)
{
	char library[REF_REPO_MAX + sizeof("library/")];

	if (strcmp(host, HUB) == 0 && !strchr(path, '/')) {
		snprintf(library, sizeof(library), "library/%s", path);
		add(c, host, library);
	}
	add(c, host, path);
}

/* Fill in what a host is called in the store; host may be any first part of a path. True: it is mapped, or
 * another name of the Hub. */
static bool stored_host(const struct repo_names *n, const char *host, char out[REF_HOST_MAX + 1])
{
	struct err none;

	if (ref_normal_host(span_of(host), out, &none) < 0) {
		*out = '\0';
		return false;
	}
	for (size_t i = 0; i < n->count; i++)
		if (strcmp(n->maps[i].from, out) == 0) {
			memcpy(out, n->maps[i].to, sizeof(n->maps[i].to));
			return true;
		}
	return strcmp(out, host) != 0;
}

bool repo_names_with_port(const char *path, char out[NAME_MAX_BYTES + 1])
{
	size_t host = strcspn(path, "/"), digits = 0;

	while (digits < host && path[host - digits - 1] >= '0' && path[host - digits - 1] <= '9')
		digits++;
	if (path[host] != '/' || digits == 0 || digits > 5 || digits + 1 >= host ||
		path[host - digits - 1] != '-')
		return false;
	snprintf(out, NAME_MAX_BYTES + 1, "%s", path);
	out[host - digits - 1] = ':';
	return true;
}

/* Add the path with its first component as a host that the store calls otherwise. */
static void add_prefixed(const struct repo_names *n, struct candidates *c, const char *path)
{
	char host[REF_HOST_MAX + 1], known[REF_HOST_MAX + 1], ported[NAME_MAX_BYTES + 1];
	const char *slash = strchr(path, '/');

	if (!slash || (size_t)(slash - path) > REF_HOST_MAX)
		return;
	if (repo_names_with_port(path, ported)) {
		const char *colon_slash = strchr(ported, '/');

		snprintf(host, sizeof(host), "%.*s", (int)(colon_slash - ported), ported);
		stored_host(n, host, known);
		add_host(c, known, slash + 1);
	}
	snprintf(host, sizeof(host), "%.*s", (int)(slash - path), path);
	if (stored_host(n, host, known) || strcmp(host, HUB) == 0)
		add_host(c, known, slash + 1);
}

/* Does the path begin with this host? With override_path, containerd sends it there and as `ns`. */
static bool begins_with_host(const char *path, const char *host)
{
	char api[REF_TEXT_SIZE];
	size_t n;

	ref_api_name(host, api);
	n = strlen(api);
	return strncmp(path, api, n) == 0 && path[n] == '/';
}

/* Does the first component read as a host, as in docker's references? */
static bool names_a_host(const char *path)
{
	size_t len = strcspn(path, "/");

	return path[len] == '/' &&
	       (memchr(path, '.', len) || (len == 9 && memcmp(path, "localhost", 9) == 0));
}

/* Propose names for a path without `ns`. Mirrored ones come before what may have been pushed under the path
 * as it is, so that a push cannot put itself in front of an upstream's name: sets are stored under the names
 * that add_prefixed() and add_host() begin with. */
static void find_bare(const struct repo_names *n, const char *path, struct candidates *out)
{
	bool host = names_a_host(path);

	add_prefixed(n, out, path);
	if (host)
		add(out, "", path);
	if (*n->fallback)
		add_host(out, n->fallback, path);
	if (!host)
		add(out, "", path);
}

void repo_names_find(
	const struct repo_names *n, const char *path, const char *ns, struct candidates *out)
{
	char host[REF_HOST_MAX + 1];

	out->count = 0;
	if (!*ns) {
		find_bare(n, path, out);
		return;
	}
	if (begins_with_host(path, ns)) {
		add_prefixed(n, out, path);
		add(out, "", path);
	}
	stored_host(n, ns, host);
	add_host(out, host, path);
}

void repo_names_find_target(
	const struct repo_names *n, const char *path, const char *ns, struct candidates *out)
{
	bool mapped = false;

	for (size_t i = 0; i < n->count; i++)
		mapped = mapped || strcmp(n->maps[i].from, ns) == 0;
	repo_names_find(n, path, mapped ? ns : "", out);
}
