/*
 * How many bytes a repository may link by pushes: `quota: [PATTERN=SIZE, ...]` of moatd.yaml. Of the patterns that match a
 * name (access_match()) the longest counts, of two as long the first.
 *
 * Read-only but for the counters: any thread.
 */
#ifndef MOAT_QUOTA_H
#define MOAT_QUOTA_H

#include "registry/access/access.h"
#include "storage/base/settings.h"

#define QUOTAS_MAX 1000 /* each is matched at each push */

struct quota {
	char pattern[PATTERN_MAX + 1];
	uint64_t bytes; /* at least 1 */
	_Atomic uint64_t refused; /* requests so far */
};

struct quotas {
	struct quota *items; /* owned */
	size_t count;
};
#define QUOTAS_INIT                                                                                \
	{                                                                                          \
		.count = 0                                                                         \
	}

/* rules: "PATTERN=SIZE" each; NULL: none. ERR_INPUT names the wrong one. */
MUST int quotas_init(struct quotas *q, const struct texts *rules, struct err *e);
void quotas_release(struct quotas *q);

/* The rule for a repository, as the store names it; NULL: there is none, or no quotas. */
struct quota *quota_find(const struct quotas *q, const char *repo);

#endif
