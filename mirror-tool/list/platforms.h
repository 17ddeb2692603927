/* A choice of platforms, as a list makes it. Pure. */
#ifndef MOAT_PLATFORMS_H
#define MOAT_PLATFORMS_H

#include "storage/oci/manifest.h"

/* Platforms that are wanted; none: all that there are. */
struct platforms {
	struct platform *items;
	size_t count;
	bool by_default; /* said for the whole list, not for this entry */
};

void platforms_add(struct platforms *p, const struct platform *platform); /* once each */
bool platforms_want(const struct platforms *p, const struct platform *have);
void platforms_release(struct platforms *p);

#endif
