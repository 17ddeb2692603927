/*
 * Where blobs are on the volumes of a medium, so that those that are asked for are read when they are, and no others.
 * Knows names and lengths; of bytes that are read the digest is compared. One thread at a time; memory that runs out ends
 * the program, so limits come first.
 */
#ifndef MOAT_PLACES_H
#define MOAT_PLACES_H

#include "mirror-tool/media/tar_read.h"
#include "storage/oci/digest.h"

#define PLACES_MAX 2000000 /* blobs and parts of blobs of one view; some 100 bytes each */

struct places;
struct store;
struct base;
/* None yet, the caller's. Never NULL. documents: where those are that packed ones build on, borrowed; NULL: nowhere. */
struct places *places_new(struct store *documents);
void places_free(struct places **p); /* for AUTO */

/* Entries that are added from here on are in this file, which is copied. */
void places_in(struct places *p, const char *path);

/* What the file builds on, for messages; copied. */
void places_on(struct places *p, const struct base *on);

/* Add an entry of the file that is being read; one that is neither a blob, packed or not, nor a part of one is passed over. ERR_CORRUPT: more
 * than PLACES_MAX. */
MUST int places_add(struct places *p, const struct tar_entry *entry, struct err *e);

/*
 * Append a blob of at most `limit` bytes to out.
 *
 * Returns: 1; 0: it is not there, or not all parts of it are; -1, out as it was: ERR_INPUT: it is larger; ERR_INCOMPLETE:
 *          it is packed, and what it builds on is not there; ERR_CORRUPT names the
 *          file and the entry: another blob is under its name; ERR_IO, ERR_ABSENT: the file.
 */
MUST int places_read(
	struct places *p, const struct digest *d, size_t limit, struct buf *out, struct err *e);

#endif
