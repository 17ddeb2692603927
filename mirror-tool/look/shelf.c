/* A hash table by digest (a digest is its own hash). Keeps only what was asked for. */
#include "mirror-tool/look/shelf.h"

#include <stdlib.h>

#include "storage/base/banned.h"

struct shelf {
	struct shelf_item *slots; /* open addressing; alg DIGEST_NONE: empty */
	size_t size, used; /* size: a power of two */
};

struct shelf *shelf_new(void)
{
	struct shelf *s = mem_alloc(sizeof(*s));

	s->size = 1024;
	s->slots = mem_alloc(s->size * sizeof(*s->slots));
	return s;
}

void shelf_free(struct shelf **s)
{
	if (!*s)
		return;
	for (size_t i = 0; i < (*s)->size; i++)
		if ((*s)->slots[i].digest.alg != DIGEST_NONE)
			buf_release(&(*s)->slots[i].bytes);
	free((*s)->slots);
	free(*s);
	*s = NULL;
}

static struct shelf_item *slot_of(const struct shelf *s, const struct digest *d)
{
	size_t at;

	memcpy(&at, d->bytes, sizeof(at));
	for (;; at++) {
		struct shelf_item *item = &s->slots[at & (s->size - 1)];

		if (item->digest.alg == DIGEST_NONE || digest_eq(&item->digest, d))
			return item;
	}
}

static void grow(struct shelf *s)
{
	struct shelf old = *s;

	s->size *= 2;
	s->slots = mem_alloc(s->size * sizeof(*s->slots));
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i].digest.alg != DIGEST_NONE)
			*slot_of(s, &old.slots[i].digest) = old.slots[i];
	free(old.slots);
}

void shelf_want(struct shelf *s, const struct digest *d, uint64_t size)
{
	struct shelf_item *item;

	if (2 * (s->used + 1) > s->size)
		grow(s);
	item = slot_of(s, d);
	if (item->digest.alg != DIGEST_NONE)
		return;
	*item = (struct shelf_item){ .digest = *d, .size = size, .bytes = BUF_INIT };
	s->used++;
}

struct shelf_item *shelf_find(struct shelf *s, const struct digest *d)
{
	struct shelf_item *item = slot_of(s, d);

	return item->digest.alg == DIGEST_NONE ? NULL : item;
}

int shelf_add(struct shelf_item *item, struct span bytes)
{
	struct digest have;

	if (bytes.len > item->size - item->bytes.len)
		return -1;
	buf_add(&item->bytes, bytes.data, bytes.len);
	if (item->bytes.len < item->size)
		return 0;
	digest_of(&have, item->digest.alg, buf_span(&item->bytes));
	item->whole = digest_eq(&have, &item->digest);
	return item->whole ? 1 : -1;
}
