/*
 * How to reach each registry: the `registries:` of a list, copied into its lock so that a pull
 * needs the lock alone. Never has credentials. Pure.
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
	char *source; /* HOST[/PATH] to fetch from instead (place.h); NULL: itself */
	struct host_names realms; /* token services that may see this host's credentials */
};

struct registry_confs {
	struct registry_conf *items; /* sorted by host */
	size_t count;
};

/* Read a map of host to settings; NULL: none. Errors: ERR_INPUT with file, line and path. *c is
 * overwritten; on failure it owns nothing. */
MUST int registry_confs_read(
	struct registry_confs *c, const struct doc *d, const struct node *map, struct err *e);
/* Append the map as compact JSON, without settings that have their default. */
void registry_confs_write(const struct registry_confs *c, struct buf *out);
/* A deep copy; *to is overwritten. */
void registry_confs_copy(struct registry_confs *to, const struct registry_confs *from);
void registry_confs_release(struct registry_confs *c); /* leaves it empty */

/* Find the settings of a host. Borrowed; NULL when it has none. */
const struct registry_conf *registry_conf_find(const struct registry_confs *c, const char *host);

#endif
