/* tsearch(3) over items that begin with their digest. */
#include "storage/oci/digest_map.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>

#include "storage/base/banned.h"

static int by_digest(const void *a, const void *b)
{
	return digest_cmp(a, b);
}

void *digest_map_find(const struct digest_map *map, const struct digest *d)
{
	void *const *at = tfind(d, &map->root, by_digest);

	return at ? *at : NULL;
}

void *digest_map_add(struct digest_map *map, const struct digest *d, size_t size)
{
	void *item = digest_map_find(map, d);

	if (item)
		return item;
	item = mem_alloc(size);
	*(struct digest *)item = *d;
	if (!tsearch(item, &map->root, by_digest))
		BUG("out of memory");
	map->count++;
	return item;
}

static void item_free(struct digest_map *map, void *item)
{
	if (map->done)
		map->done(item);
	free(item);
}

void digest_map_release(struct digest_map *map)
{
	int saved = errno;

	while (map->root) {
		void *item = *(void **)map->root;

		tdelete(item, &map->root, by_digest);
		item_free(map, item);
	}
	map->count = 0;
	errno = saved;
}
