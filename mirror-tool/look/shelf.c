/* Keeps only what was asked for, and believes no byte before the digest is there. */
#include "mirror-tool/look/shelf.h"

#include <stdlib.h>

#include "storage/oci/digest_map.h"
#include "storage/base/banned.h"

struct shelf {
	struct digest_map items; /* struct shelf_item */
};

static void item_done(void *item)
{
	buf_release(&((struct shelf_item *)item)->bytes);
}

struct shelf *shelf_new(void)
{
	struct shelf *s = mem_alloc(sizeof(*s));

	s->items.done = item_done;
	return s;
}

void shelf_free(struct shelf **s)
{
	if (*s)
		digest_map_release(&(*s)->items);
	free(*s);
	*s = NULL;
}

void shelf_want(struct shelf *s, const struct digest *d, uint64_t limit)
{
	struct shelf_item *item = digest_map_add(&s->items, d, sizeof(*item));

	if (!item->bytes.data)
		item->bytes = (struct buf)BUF_INIT;
	if (limit > item->limit)
		item->limit = limit;
}

struct shelf_item *shelf_find(struct shelf *s, const struct digest *d)
{
	return digest_map_find(&s->items, d);
}

bool shelf_is_whole(struct shelf_item *item)
{
	struct digest have;

	digest_of(&have, item->digest.alg, buf_span(&item->bytes));
	item->whole = digest_eq(&have, &item->digest);
	return item->whole;
}
