/*
 * Small blobs of a medium, cached in memory by digest: those that were asked for while the medium is read once.
 * Owns the bytes. One thread at a time; memory that runs out ends the program, so limits come first.
 */
#ifndef MOAT_BLOB_CACHE_H
#define MOAT_BLOB_CACHE_H

#include "storage/base/buf.h"
#include "storage/oci/digest.h"

struct cached_blob {
	struct digest digest;
	uint64_t limit; /* bytes; a larger blob is not read */
	struct buf bytes; /* so far, from its first byte on */
	/* Number of the last volume that had a part of it, from 1; 0: none. A volume has at most one part, so all bytes
	 * are hashed once a volume and not more. */
	unsigned volume;
	bool whole; /* all bytes are here, and the digest is theirs */
};

struct blob_cache;
/* An empty cache, the caller's. Never NULL. */
struct blob_cache *blob_cache_new(void);
void blob_cache_free(struct blob_cache **c); /* for AUTO */

/* Ask for a blob of at most `limit` bytes; of several limits the largest counts. A size that a manifest claims is
 * no limit. */
void blob_cache_want(struct blob_cache *c, const struct digest *d, uint64_t limit);

/* A blob that was asked for, or NULL. Valid until blob_cache_free(). */
struct cached_blob *blob_cache_find(struct blob_cache *c, const struct digest *d);

/* Hash the bytes after some were added. Returns and records whether they are the whole blob. */
bool blob_cache_is_whole(struct cached_blob *blob);

#endif
