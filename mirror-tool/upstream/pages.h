/* The next page of a list: `Link: <...>; rel="next"`, always at the same origin. */
#ifndef MOAT_UPSTREAM_PAGES_H
#define MOAT_UPSTREAM_PAGES_H

#include "mirror-tool/upstream/exchange.h"

/* *next: an exchange like x (ctx, accept, limits), not yet scheduled, or NULL after the last page.
 * Counts *pages. ERR_INPUT: a Link that is none, the same page again, over UPSTREAM_PAGES_MAX. */
MUST int page_next(struct exchange *x, unsigned *pages, const struct exchange_ops *ops,
	struct exchange **next, struct err *e);

#endif
