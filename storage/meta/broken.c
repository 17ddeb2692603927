/* The search for rows that break an invariant. */
#include "storage/meta/meta.h"

#include "storage/base/banned.h"

int meta_broken(struct db *db, broken_fn *fn, void *ctx, struct err *e)
{
	static const enum query_name proofs[] = { Q_ALL_BROKEN_PAGES, Q_ALL_BROKEN_IMAGES,
		Q_ALL_BROKEN_NAMES, Q_ALL_BROKEN_COUNTS, Q_ALL_BROKEN_SETS };

	for (size_t i = 0; i < ARRAY_SIZE(proofs); i++) {
		AUTO(query_end) struct query q = query_begin(db, proofs[i]);
		int rc;

		while ((rc = query_step(&q, e)) > 0)
			if (fn(ctx, query_get_text(&q, 0), query_get_text(&q, 1), e) < 0)
				return -1;
		if (rc < 0)
			return -1;
	}
	return 0;
}
