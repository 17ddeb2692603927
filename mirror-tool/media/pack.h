/*
 * Documents as they travel in a delta: a zstd frame, made with a document of the base as its prefix, so that little but the
 * differences is in it; or without one. `zstd -d --patch-from=BASE` reads the first kind and `zstd -d` the second. Pure.
 */
#ifndef MOAT_PACK_H
#define MOAT_PACK_H

#include "storage/base/buf.h"
#include "storage/base/err.h"

#define PACK_WHOLE_MAX                                                                             \
	(64u << 20) /* bytes of a document, and of the one that it builds on: two fit zstd's 128 MiB */

/* Append the frame of `whole`, which has at most PACK_WHOLE_MAX bytes, as base. base: empty, or what the frame builds on. The
 * same library gives the same bytes. */
void pack(struct span base, struct span whole, struct buf *out);

/* What the frame says of the size of what is in it: UINT64_MAX when it does not. */
uint64_t pack_size(struct span packed);

/*
 * Append what pack() was given.
 *
 * size:  bytes that it must have, from what is trusted; no more is allocated, whatever the frame says.
 * Fails: ERR_CORRUPT, with out as it was: it is not one frame of that size, or does not build on this base as far as zstd
 *        can tell; whether the bytes are right, only their digest says.
 */
MUST int unpack(struct span base, struct span packed, size_t size, struct buf *out, struct err *e);

#endif
