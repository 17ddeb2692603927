/*
 * Decide which blob goes in which volume before a byte is written, so that no file exceeds its size
 * (M3). Pure arithmetic.
 *
 * Blobs stay in order. One that does not fit in the rest of a volume begins the next one; one that
 * fits in no volume is cut, its first part filling the current volume.
 */
#ifndef MOAT_PLAN_H
#define MOAT_PLAN_H

#include "mirror-tool/media/documents.h"
#include "mirror-tool/media/volume_map.h"
#include "storage/oci/set.h"

#define PLAN_CUT_MIN (64u << 10) /* bytes: no smaller part but the last one of a blob */

struct plan_input {
	const struct inventory *inventory;
	const uint32_t *order; /* inventory lines */
	size_t count;
	const struct documents
		*documents; /* blobs that travel packed unless they are cut; may be NULL */
	const uint32_t *index_bytes; /* by line: what it adds to index.json at most; may be NULL */
	/* of every volume: */
	uint64_t fixed; /* bytes of the entries that all have, with their tar blocks */
	uint64_t index_fixed, toc_fixed; /* bytes of index.json and of the table without blobs */
	uint64_t limit; /* bytes of a volume at most; 0: one volume */
};

struct plan_item {
	uint32_t line;
	uint32_t volume; /* from 1 */
	uint64_t at, len; /* the chunk of the blob; 0 and its size when not cut */
};

struct plan {
	struct plan_item *items; /* in the order of the medium */
	size_t count;
	uint32_t volumes;
};
#define PLAN_INIT                                                                                  \
	{                                                                                          \
		.count = 0                                                                         \
	}

/* Plan the volumes. ERR_INPUT: the limit is too small for what every volume holds (and says what is
 * enough), or more than VOLUMES_MAX would be needed. *p is owned by the caller. */
MUST int plan_make(struct plan *p, const struct plan_input *in, struct err *e);
void plan_release(struct plan *p);

/* Make the map of a plan: a line that it does not place is in every volume (the head), or in none when left_out[line]. */
void plan_map(const struct plan *p, size_t lines, const bool *left_out, struct volume_map *map);

/* Most bytes of the map of that many lines, with at most so many volumes. */
uint64_t plan_map_bytes(size_t lines, uint32_t volumes);

#endif
