/* What a marking is, for the two files of collection. Other files may not include it. */
#ifndef MOAT_GC_PRIVATE_H
#define MOAT_GC_PRIVATE_H

#include "storage/store_private.h"

/* Who keeps a blob: nobody, those of enum owner, then each set by its place. */
enum owner { OWNER_NONE, OWNER_TAG, OWNER_KEEP, OWNER_GRACE, OWNER_SETS };

struct gc_node {
	uint64_t size;
	uint32_t owner; /* the first that keeps it: enum owner, or OWNER_SETS + the set's place */
	uint32_t seen; /* the last owner that reached it */
	uint32_t
		needs; /* of what is unused: how many unused ones refer to it and are not in `order` yet */
	uint32_t keep; /* OWNER_KEEP: which */
	bool known, live, manifest, fresh, shared;
};

struct gc_edge {
	uint32_t from, to;
};

/* A set that is held. */
struct gc_owner {
	struct set_row row;
	bool goes;
	struct gc_count only, shared;
};

struct gc_plan {
	int64_t cutoff; /* touched before it, or then: may go */
	struct gc_node *nodes; /* by row number */
	size_t count;
	size_t *first; /* where the edges of a node begin in `to`; one more than nodes */
	uint32_t *to;
	struct gc_owner *sets;
	size_t set_count;
	const char **keeps; /* why, each */
	struct gc_totals totals;
	/* What is unused: each behind all that refer to it, level by level. levels[i] is where level i ends. */
	uint32_t *order;
	size_t *levels;
	size_t level_count;
	size_t circles; /* from this level on, each is blobs that refer to each other, and go together */
};

#endif
