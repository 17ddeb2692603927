/*
 * Memory that is freed at once: for trees and texts that end together. ARENA_INIT, and arena_release() (usually by
 * AUTO, or by the owner's release). Running out of memory aborts: sizes from outside pass a named limit before.
 */
#ifndef MOAT_ARENA_H
#define MOAT_ARENA_H

#include "storage/base/buf.h"

struct arena {
	struct arena_block *blocks;
	size_t bytes; /* taken from the system */
};
#define ARENA_INIT                                                                                 \
	{                                                                                          \
		.bytes = 0                                                                         \
	}
void arena_release(struct arena *a); /* back to ARENA_INIT */

void *arena_alloc(struct arena *a, size_t size); /* zeroed, aligned to 16 bytes */

/* Room for one more item of `size` bytes behind `count` of them, as vec_room() makes it. Returns the array, which has
 * moved where its room was full. */
void *arena_room(struct arena *a, void *items, size_t count, size_t size);
char *arena_text(struct arena *a, struct span text); /* a copy, NUL-terminated */

#endif
