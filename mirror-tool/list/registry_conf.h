/*
 * How to reach each registry: the `registries:` of a list, carried by its lock so that a pull needs
 * the lock alone. Never credentials.
 */
#ifndef MOAT_REGISTRY_CONF_H
#define MOAT_REGISTRY_CONF_H

#include "storage/base/tree.h"
#include "storage/oci/ref.h"

#define REGISTRY_CONNECTIONS_MAX 64
#define REGISTRY_STOP_BELOW_MAX 1000000
#define REGISTRY_HOSTS_MAX 100

struct host_names {
	char **items;
	size_t count;
};

struct registry_conf {
	char host[REF_HOST_MAX + 1]; /* "docker.io", "localhost:5001" */
	bool plain_http; /* http instead of https, for this host only */
	unsigned connections; /* most at a time; 0: the tool's default */
	unsigned stop_below; /* pulls left (rate limit headers) below which we stop; 0: never */
	char *source; /* HOST[/PATH] that has what this host has (place.h); NULL: itself */
	struct host_names realms; /* token services that may see this host's credentials */
};

struct registry_confs {
	struct registry_conf *items; /* sorted by host */
	size_t count;
};

/* Read the map host -> settings; `map` may be NULL (none). On failure nothing is owned. */
MUST int registry_confs_read(
	struct registry_confs *c, const struct doc *d, const struct node *map, struct err *e);
/* The same map as compact JSON; settings that have their default are left out. */
void registry_confs_write(const struct registry_confs *c, struct buf *out);
void registry_confs_copy(struct registry_confs *to, const struct registry_confs *from);
void registry_confs_release(struct registry_confs *c);

/* NULL when the host has no settings. */
const struct registry_conf *registry_conf_find(const struct registry_confs *c, const char *host);

#endif
