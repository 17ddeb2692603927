/*
 * Which stored repository a request means.
 *
 * Stored names are `host/repo` ("docker.io/library/nginx", "localhost:5001/x"), or bare ("team/app")
 * when they were pushed here. A request says
 * `library/nginx?ns=docker.io`, or has the host in its path (`docker.io/library/nginx`; a port
 * behind '-': `localhost-5001/x`), or says neither, as docker's registry-mirrors do. The candidates
 * are tried in order and the first that has the thing wins. Nothing here trusts `ns` further
 * than choosing among names that the administrator mirrored.
 *
 * Pure.
 */
#ifndef MOAT_REPO_NAMES_H
#define MOAT_REPO_NAMES_H

#include "storage/base/settings.h"
#include "storage/oci/ref.h"

#define NAME_MAX_BYTES (REF_HOST_MAX + 1 + REF_REPO_MAX)
#define CANDIDATES_MAX 6

/* `FROM=TO`: requests for host FROM are answered from what is stored under host TO; TO empty: from
 * what is stored without a host. */
struct host_map {
	char from[REF_HOST_MAX + 1], to[REF_HOST_MAX + 1];
};

struct repo_names {
	struct host_map *maps; /* owned */
	size_t count;
	char fallback[REF_HOST_MAX + 1]; /* host of names without one; "" = none */
};
#define REPO_NAMES_INIT                                                                            \
	{                                                                                          \
		.count = 0                                                                         \
	}

struct candidates {
	char name[CANDIDATES_MAX][NAME_MAX_BYTES + 1];
	size_t count;
};

/* maps: "FROM=TO" each; fallback: a host or "" (or NULL). ERR_INPUT names the wrong one. */
MUST int repo_names_init(
	struct repo_names *n, const struct texts *maps, const char *fallback, struct err *e);
void repo_names_release(struct repo_names *n);

/* Propose stored names, at least one, best first. path: a valid name of the API; ns: a host in its one
 * spelling (ref_normal_host()) or "". */
void repo_names_find(
	const struct repo_names *n, const char *path, const char *ns, struct candidates *out);

/* The same for a push: clients add `ns` without meaning another repository, so it counts only where the
 * administrator mapped it. The first one that exists is written to, else the path itself, which is always
 * among them. */
void repo_names_find_target(
	const struct repo_names *n, const char *path, const char *ns, struct candidates *out);

/* Write the name with ':' where the host in `localhost-5001/x` may be `localhost:5001`, or return false. */
bool repo_names_with_port(const char *path, char out[NAME_MAX_BYTES + 1]);

#endif
