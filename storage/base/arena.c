/* Blocks of memory in a chain. */
#include "storage/base/arena.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/base/banned.h"

#define ARENA_BLOCK (32u << 10)

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	_Alignas(16) char bytes[];
};

void arena_release(struct arena *a)
{
	int saved = errno;

	for (struct arena_block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	*a = (struct arena)ARENA_INIT;
	errno = saved;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->blocks;

	size = (size + 15) & ~(size_t)15;
	if (!b || b->size - b->used < size) {
		size_t room = size > ARENA_BLOCK ? size : ARENA_BLOCK;

		b = mem_alloc(sizeof(*b) + room);
		a->bytes += sizeof(*b) + room;
		b->size = room;
		b->next = a->blocks;
		a->blocks = b;
	}
	b->used += size;
	return b->bytes + b->used - size;
}

void *arena_room(struct arena *a, void *items, size_t count, size_t size)
{
	void *grown;

	if (count & (count - 1)) /* only powers of two are full */
		return items;
	grown = arena_alloc(a, (count ? count * 2 : 1) * size);
	if (count)
		memcpy(grown, items, count * size);
	return grown;
}

char *arena_text(struct arena *a, struct span text)
{
	char *copy = arena_alloc(a, text.len + 1);

	if (text.len)
		memcpy(copy, text.data, text.len);
	return copy;
}
