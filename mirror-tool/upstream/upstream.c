/* Make and free a `struct upstream`: options, connections, what all requests share. */
#include <stdlib.h>

#include "mirror-tool/upstream/exchange.h"
#include "storage/base/banned.h"

static const char *const usual_certs[] = { "/etc/containerd/certs.d", "/etc/containers/certs.d",
	"/etc/docker/certs.d" };

static const char **copy_texts(const char *const *texts, size_t count)
{
	const char **copy = mem_alloc(count * sizeof(*copy));

	for (size_t i = 0; i < count; i++)
		copy[i] = mem_strdup(texts[i]);
	return copy;
}

static void free_texts(const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free((void *)(uintptr_t)texts[i]);
	free((void *)(uintptr_t)texts);
}

static void copy_hosts(struct upstream *up, const struct upstream_host *hosts, size_t count)
{
	up->hosts = mem_alloc(count * sizeof(*up->hosts));
	up->host_count = count;
	for (size_t i = 0; i < count; i++) {
		up->hosts[i] = hosts[i];
		up->hosts[i].host = mem_strdup(hosts[i].host);
		up->hosts[i].realms = copy_texts(hosts[i].realms, hosts[i].realm_count);
	}
}

static void copy_certs_dirs(struct upstream *up, const struct upstream_options *o)
{
	const char **dirs;

	up->certs_dir_count = o->certs_dir_count + ARRAY_SIZE(usual_certs);
	dirs = mem_alloc(up->certs_dir_count * sizeof(*dirs));
	for (size_t i = 0; i < o->certs_dir_count; i++)
		dirs[i] = mem_strdup(o->certs_dirs[i]);
	for (size_t i = 0; i < ARRAY_SIZE(usual_certs); i++)
		dirs[o->certs_dir_count + i] = mem_strdup(usual_certs[i]);
	up->certs_dirs = dirs;
}

static void copy_options(struct upstream *up, const struct upstream_options *o)
{
	up->options = *o;
	if (!up->options.active_max)
		up->options.active_max = UPSTREAM_ACTIVE_MAX;
	if (!up->options.attempts)
		up->options.attempts = ATTEMPTS;
	if (!up->options.retry_ms)
		up->options.retry_ms = RETRY_BASE_MS;
	copy_hosts(up, o->hosts, o->host_count);
	copy_certs_dirs(up, o);
}

int upstream_new(struct upstream **out, const struct upstream_options *o, struct err *e)
{
	AUTO(upstream_free) struct upstream *up = mem_alloc(sizeof(*up));

	copy_options(up, o);
	up->start = attempt_start;
	sites_init(up);
	if (creds_open(&up->creds, o->authfile, e) < 0 || http_new(&up->http, e) < 0)
		return -1;
	*out = STEAL(up);
	return 0;
}

void upstream_free(struct upstream **slot)
{
	struct upstream *up = *slot;

	if (!up)
		return;
	*slot = NULL;
	http_free(&up->http);
	while (!LIST_EMPTY(&up->all))
		exchange_free(LIST_FIRST(&up->all));
	auth_free(up);
	sites_free(up);
	creds_close(&up->creds);
	free_texts(up->certs_dirs, up->certs_dir_count);
	for (size_t i = 0; i < up->host_count; i++) {
		free((void *)(uintptr_t)up->hosts[i].host);
		free_texts(up->hosts[i].realms, up->hosts[i].realm_count);
	}
	free(up->hosts);
	free(up);
}

int upstream_run(struct upstream *up, struct err *e)
{
	return schedule_run(up, e);
}

void upstream_abandon(struct upstream *up, const struct err *why)
{
	if (up->abandoned)
		return;
	up->abandoned = true;
	up->why = *why;
}
