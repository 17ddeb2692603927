/*
 * What an export leaves out: what sets that are elsewhere hold, what a receipt says is held, or all but what a
 * need list names.
 */
#ifndef MOAT_DELTA_H
#define MOAT_DELTA_H

#include "mirror-tool/media/base.h"
#include "storage/store.h"

struct delta {
	struct base base; /* BASE_NONE: nothing is left out */
	bool whole_documents; /* the set's own documents do not travel as differences on those of the base */
	struct inventory blobs; /* sorted: those left out; of BASE_NEED: those written */
	struct inventory lacking; /* sorted: those written all the same, as a receipt says */
};
#define DELTA_INIT                                                                                 \
	{                                                                                          \
		.base = {.kind = BASE_NONE }                                                       \
	}
void delta_release(struct delta *d); /* for AUTO */

/*
 * Leave out what a set of this store holds.
 *
 * Result: d->base.kind is `kind`, and the set is one of its sets; d is not sorted: delta_ready() does it.
 * Fails:  ERR_CORRUPT, ERR_INCOMPLETE its inventory cannot be read.
 */
MUST int delta_leave_set(struct delta *d, enum base_kind kind, struct store *s,
	const struct set_info *set, struct err *e);

/* Sort, once everything was added. */
void delta_ready(struct delta *d);

/* Is the blob written? */
bool delta_carries(const struct delta *d, const struct digest *blob);

#endif
