/*
 * A map from digests to the caller's items. A balanced tree and not a hash table, as digests come from
 * untrusted manifests: no choice of keys makes it slow.
 *
 * An item is a struct whose first member is its struct digest.
 */
#ifndef MOAT_DIGEST_MAP_H
#define MOAT_DIGEST_MAP_H

#include "storage/oci/digest.h"

struct digest_map {
	void *root; /* tsearch(3) */
	size_t count;
	void (*done)(void *item); /* releases what an item owns, not the item; NULL: nothing */
};
#define DIGEST_MAP_INIT                                                                            \
	{                                                                                          \
		.root = NULL                                                                       \
	}

/* The item under the digest, or NULL. It stays where it is until the map is released. */
void *digest_map_find(const struct digest_map *map, const struct digest *d);

/* The item under the digest; a new one of `size` bytes is zeroed but for its digest. */
void *digest_map_add(struct digest_map *map, const struct digest *d, size_t size);

void digest_map_release(struct digest_map *map); /* for AUTO; empty afterwards */

#endif
