/* A cache by digest. Must never take bytes for a blob before their digest was compared. */
#include "mirror-tool/view/blob_cache.h"

#include <stdlib.h>

#include "storage/oci/digest_map.h"
#include "storage/base/banned.h"

struct blob_cache {
	struct digest_map items; /* struct cached_blob */
};

static void item_done(void *item)
{
	buf_release(&((struct cached_blob *)item)->bytes);
}

struct blob_cache *blob_cache_new(void)
{
	struct blob_cache *c = mem_alloc(sizeof(*c));

	c->items.done = item_done;
	return c;
}

void blob_cache_free(struct blob_cache **c)
{
	if (*c)
		digest_map_release(&(*c)->items);
	free(*c);
	*c = NULL;
}

void blob_cache_want(struct blob_cache *c, const struct digest *d, uint64_t limit)
{
	struct cached_blob *item = digest_map_add(&c->items, d, sizeof(*item));

	if (!item->bytes.data)
		item->bytes = (struct buf)BUF_INIT;
	if (limit > item->limit)
		item->limit = limit;
}

struct cached_blob *blob_cache_find(struct blob_cache *c, const struct digest *d)
{
	return digest_map_find(&c->items, d);
}

bool blob_cache_is_whole(struct cached_blob *blob)
{
	struct digest have;

	digest_of(&have, blob->digest.alg, buf_span(&blob->bytes));
	blob->whole = digest_eq(&have, &blob->digest);
	return blob->whole;
}
