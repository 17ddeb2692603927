/* Small blobs of a medium that are kept in memory: those that were asked for, by digest. */
#ifndef MOAT_SHELF_H
#define MOAT_SHELF_H

#include "storage/base/buf.h"
#include "storage/oci/digest.h"

struct shelf_item {
	struct digest digest;
	uint64_t size; /* announced by whoever asked */
	struct buf bytes;
	bool whole; /* all bytes are there, and the digest is theirs */
};

struct shelf;
struct shelf *shelf_new(void);
void shelf_free(struct shelf **s); /* for AUTO */

/* Ask for a blob; again: nothing happens. */
void shelf_want(struct shelf *s, const struct digest *d, uint64_t size);

/* What was asked for under this digest, or NULL. Valid until shelf_free(). */
struct shelf_item *shelf_find(struct shelf *s, const struct digest *d);

/* More bytes of it have come: 1 it is whole now, 0 not yet, -1 they are not what was announced. */
int shelf_add(struct shelf_item *item, struct span bytes);

#endif
