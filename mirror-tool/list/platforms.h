/* The platforms that an entry of a list wants. Pure. */
#ifndef MOAT_PLATFORMS_H
#define MOAT_PLATFORMS_H

#include "storage/base/tree.h"
#include "storage/oci/manifest.h"

/* No items: all platforms. */
struct platforms {
	struct platform *items;
	size_t count;
	bool by_default; /* set for the whole list, not for this entry */
};

/* Read the key `platforms` of a map: a list, or `all`. Returns 1, 0 it is absent, -1 ERR_INPUT with
 * file, line and path; then *p is empty. */
MUST int platforms_read(
	struct platforms *p, const struct doc *d, const struct node *map, struct err *e);

/* Add a copy unless one that matches is there. */
void platforms_add(struct platforms *p, const struct platform *platform);
/* Add all of `from` and set by_default. */
void platforms_copy(struct platforms *to, const struct platforms *from);
bool platforms_want(const struct platforms *p, const struct platform *have);
void platforms_release(struct platforms *p); /* leaves it empty */

#endif
