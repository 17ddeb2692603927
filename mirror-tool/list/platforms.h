/* A choice of platforms, as a list makes it. Pure. */
#ifndef MOAT_PLATFORMS_H
#define MOAT_PLATFORMS_H

#include "storage/base/tree.h"
#include "storage/oci/manifest.h"

/* Platforms that are wanted; none: all that there are. */
struct platforms {
	struct platform *items;
	size_t count;
	bool by_default; /* said for the whole list, not for this entry */
};

/* `platforms: [..]` or `platforms: all` of a map: 1 when it was there, 0, -1 with nothing owned. */
MUST int platforms_read(
	struct platforms *p, const struct doc *d, const struct node *map, struct err *e);

void platforms_add(struct platforms *p, const struct platform *platform); /* once each */
void platforms_copy(struct platforms *to, const struct platforms *from); /* as a default */
bool platforms_want(const struct platforms *p, const struct platform *have);
void platforms_release(struct platforms *p);

#endif
