/* The folder that a run fills, beside its name until it is whole. For this folder only. */
#ifndef MOAT_EXTRACT_FOLDER_H
#define MOAT_EXTRACT_FOLDER_H

#include "storage/base/err.h"

struct folder {
	const char *to; /* as it was named; borrowed */
	char *base, *name, *part; /* base: what `to` is in */
	int parent, root; /* descriptors of base and of what is filled */
	const char *made; /* what goes with everything in it unless it is kept: NULL, part, name */
};
#define FOLDER_INIT                                                                                \
	{                                                                                          \
		.parent = -1, .root = -1                                                           \
	}
void folder_release(struct folder *f); /* for AUTO: nothing is left of one that was not kept */

/* Make ".NAME.part", or empty the one that a run that was killed has left. Begin with FOLDER_INIT. ERR_INPUT: `to` is
 * there, or is no name; ERR_BUSY. */
MUST int folder_make(struct folder *f, const char *to, struct err *e);

/* Make the folders in which the file is. Durable after folder_sync_above(). */
MUST int folder_make_above(const struct folder *f, const char *path, struct err *e);

/* Sync the folders in which the file is, and give them mode 0755; but not those of `before`, the path of the file in
 * front of it, or NULL. */
MUST int folder_sync_above(
	const struct folder *f, const char *path, const char *before, struct err *e);

/* Give it its name, durably. ERR_INPUT: the name was taken meanwhile. */
MUST int folder_keep(struct folder *f, struct err *e);

#endif
