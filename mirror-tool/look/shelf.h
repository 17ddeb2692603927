/* Small blobs of a medium that are kept in memory: those that were asked for, by digest. */
#ifndef MOAT_SHELF_H
#define MOAT_SHELF_H

#include "storage/base/buf.h"
#include "storage/oci/digest.h"

struct shelf_item {
	struct digest digest;
	uint64_t limit; /* bytes: what is larger is nothing that anybody asked for */
	struct buf bytes;
	/* The last one that brought some of it: one part of a blob stands in each, and all that came is hashed
	 * with each. 0: none. */
	unsigned volume;
	bool whole; /* all bytes are there, and the digest is theirs */
};

struct shelf;
struct shelf *shelf_new(void);
void shelf_free(struct shelf **s); /* for AUTO */

/* Ask for a blob. What whoever asks says of its size is not believed; of several limits the largest
 * holds. */
void shelf_want(struct shelf *s, const struct digest *d, uint64_t limit);

/* What was asked for under this digest, or NULL. Valid until shelf_free(). */
struct shelf_item *shelf_find(struct shelf *s, const struct digest *d);

/* Bytes of it have come: are they all now? */
bool shelf_is_whole(struct shelf_item *item);

#endif
