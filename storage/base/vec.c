/* Growth of arrays by doubling. Must never trust a capacity that a caller could have left stale. */
#include "storage/base/vec.h"

#include "storage/base/banned.h"

#define VEC_LEAST 4

void *vec_room(void *items, size_t count, size_t size)
{
	bool is_full = count == 0 || (count >= VEC_LEAST && (count & (count - 1)) == 0);

	if (is_full)
		items = mem_grow(items, count ? 2 * count : VEC_LEAST, size);
	memset((char *)items + count * size, 0, size);
	return items;
}
