/*
 * Two judges of two times: which connections are allowed in one and not in the other. Workloads are met again by
 * namespace and owner; what is in one alone is listed apart, and its connections are not. Pure.
 */
#ifndef MOAT_POLICY_DIFFERENCE_H
#define MOAT_POLICY_DIFFERENCE_H

#include "mirror-tool/policy/verdict.h"

/* A connection that changes; of two ends one may be outside: then its workload is NULL and the range is given. */
struct difference {
	const struct workload *src, *dst; /* of the old model */
	struct address first, last;
	bool was, is; /* anything allowed or unknown? */
	portset gained, lost,
		unknown; /* of the old pool: certain now, denied now, and nobody can tell now */
};
typedef void difference_fn(const struct difference *d, void *ctx);

/* Workloads of the two models with one owner each. */
struct met {
	const struct workload *old;
	uint32_t ends[2]; /* the old judge's, the new one's */
};

struct differences {
	struct judge *judges[2]; /* old, new */
	struct met *met; /* in the old one's order; pods of one owner that are alike in both once */
	size_t met_count;
	const struct workload **added, **removed; /* one of each owner */
	size_t added_count, removed_count;
};
#define DIFFERENCES_INIT                                                                           \
	{                                                                                          \
		.met_count = 0                                                                     \
	}
void differences_release(struct differences *d); /* for AUTO */

/* Find what is in both. was, is: borrowed. */
void differences_make(struct differences *d, struct judge *was, struct judge *is);

/* Tell each connection that changes. */
void differences_each(struct differences *d, difference_fn *tell, void *ctx);

#endif
