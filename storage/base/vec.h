/*
 * Arrays that grow, kept as a pointer and a count:
 *
 *	*VEC_PUSH(list->items, list->count) = (struct item){ ... };
 *
 * The room follows from the count (powers of two from 4), so no structure needs a third member. An array that
 * is pushed to must have got all its items that way. Running out of memory aborts: what comes from outside
 * passes a named limit first. The owner ends it with free() or mem_free().
 */
#ifndef MOAT_VEC_H
#define MOAT_VEC_H

#include "storage/base/buf.h"

/* Room for one more item of `size` bytes behind `count` of them, zeroed. Returns the array. */
void *vec_room(void *items, size_t count, size_t size);

/* Append a zeroed item. Returns it, typed; valid until the next push. */
#define VEC_PUSH(items, count)                                                                     \
	({                                                                                         \
		(items) = vec_room((items), (count), sizeof(*(items)));                            \
		&(items)[(count)++];                                                               \
	})

#endif
