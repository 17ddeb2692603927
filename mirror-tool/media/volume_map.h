/*
 * The map `moat/volumes`: for each line of the inventory, in its order, one line with the volume
 * that holds the blob ("2"), the first and last one when it is cut ("2-4"), or "0" when a delta leaves it out. It is the same in
 * every volume, so an import that lacks some can name exactly those that it needs. Pure.
 */
#ifndef MOAT_VOLUME_MAP_H
#define MOAT_VOLUME_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"

#define VOLUME_MAP_LINE_MAX 10 /* bytes: "9999-9999\n" */

struct volume_range {
	uint16_t first, last; /* 0: in none */
};

struct volume_map {
	struct volume_range *lines;
	size_t count;
};
#define VOLUME_MAP_INIT                                                                            \
	{                                                                                          \
		.count = 0                                                                         \
	}

void volume_map_init(struct volume_map *m, size_t count); /* all {0, 0} */
void volume_map_release(struct volume_map *m); /* for AUTO */
/* Append the text. */
void volume_map_write(const struct volume_map *m, struct buf *out);

/* sparse: lines may be in no volume. ERR_CORRUPT when it has not `count` lines, a volume is not in 1..volumes, or it is
 * written in another way than volume_map_write() does. */
MUST int volume_map_parse(struct volume_map *m, const char *name, struct span bytes, size_t count,
	uint32_t volumes, bool sparse, struct err *e);

#endif
