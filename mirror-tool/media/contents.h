/*
 * The blobs of a set in the order of a medium: image by image, a manifest before what it names,
 * each blob once.
 */
#ifndef MOAT_CONTENTS_H
#define MOAT_CONTENTS_H

#include "mirror-tool/media/volume_index.h"

/* One entry of the set and the blobs that it is made of. */
struct contents_entry {
	size_t first, count; /* in `needs` */
	enum index_listing listing; /* where it is whole */
};

struct contents {
	uint32_t *order; /* inventory lines; those of the head are left out */
	size_t count;
	uint32_t *needs; /* inventory lines, entry by entry */
	size_t need_count;
	struct contents_entry *entries; /* one for each entry of the set */
};
#define CONTENTS_INIT                                                                              \
	{                                                                                          \
		.count = 0                                                                         \
	}

/* The head of a set that the store holds: the set, its signatures, its inventory. ERR_UNTRUSTED
 * when it has no signature. */
MUST int head_load(struct head *h, struct store *s, const struct digest *set, struct err *e);

/* The inventory of a set that the store holds; whether it is signed, and whether its blobs are there, is not asked. */
MUST int set_inventory(
	struct store *s, const struct digest *set, struct inventory *out, struct err *e);

/* Walk the set of a loaded head into *c, which begins as CONTENTS_INIT and is to be released on failure too. Fails when a
 * manifest cannot be read or is bad; whether the other blobs are there is not asked. */
MUST int contents_load(struct contents *c, struct store *s, const struct head *h, struct err *e);
void contents_release(struct contents *c); /* for AUTO */

#endif
