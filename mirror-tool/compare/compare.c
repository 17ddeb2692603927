/* Two sides, each sorted -> what differs, by one merge of their entries and one of their inventories. */
#include "mirror-tool/compare/compare.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

void comparison_release(struct comparison *c)
{
	int saved = errno;

	free(c->changes);
	*c = (struct comparison)COMPARISON_INIT;
	errno = saved;
}

static void add_pair(void *ctx, const struct set_entry *a, const struct set_entry *b)
{
	struct comparison *c = ctx;

	if (a && b && digest_eq(&a->digest, &b->digest)) {
		c->same++;
		return;
	}
	*VEC_PUSH(c->changes, c->count) = (struct difference){ a, b };
	c->added += !a;
	c->removed += !b;
	c->moved += a && b;
}

static void count(struct amount *sum, const struct inventory_line *line)
{
	sum->blobs++;
	sum->bytes += line->size;
}

static void compare_blobs(
	struct comparison *c, const struct inventory *a, const struct inventory *b)
{
	size_t i = 0, k = 0;

	while (i < a->count || k < b->count) {
		int order = i == a->count   ? 1
			    : k == b->count ? -1
					    : digest_cmp(&a->lines[i].digest, &b->lines[k].digest);

		if (order < 0)
			count(&c->gone, &a->lines[i]);
		else
			count(order > 0 ? &c->fresh : &c->shared, &b->lines[k]);
		i += order <= 0;
		k += order >= 0;
	}
}

void compare_sides(struct comparison *c, const struct side *a, const struct side *b)
{
	c->a = a;
	c->b = b;
	set_merge(&a->set, &b->set, add_pair, c);
	c->counted = a->has_inventory && b->has_inventory;
	if (c->counted)
		compare_blobs(c, &a->held, &b->held);
}

bool comparison_is_equal(const struct comparison *c)
{
	return c->count == 0 && c->fresh.blobs == 0 && c->gone.blobs == 0;
}
