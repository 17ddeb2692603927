/* Trees of conditions, and the memory that they are in. */
#include "mirror-tool/policy/cond.h"

#include "storage/base/banned.h"

struct cond *cond_new(struct arena *a, enum cond_op op)
{
	struct cond *c = arena_alloc(a, sizeof(*c));

	c->op = op;
	return c;
}

struct cond *cond_add(struct cond *parent, struct cond *child)
{
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	return parent;
}

struct cond *cond_not(struct arena *a, struct cond *child)
{
	return cond_add(cond_new(a, COND_NOT), child);
}

struct cond *cond_and(struct arena *a, struct cond *x, struct cond *y)
{
	return cond_add(cond_add(cond_new(a, COND_AND), x), y);
}

struct cond *cond_maybe(struct arena *a, unsigned reason)
{
	struct cond *c = cond_new(a, COND_MAYBE);

	c->bits = reason;
	return c;
}

struct cond *cond_entity(struct arena *a, unsigned entities)
{
	struct cond *c = cond_new(a, COND_ENTITY);

	c->bits = entities;
	return c;
}

struct cond *cond_block(struct arena *a, uint32_t block)
{
	struct cond *c = cond_new(a, COND_BLOCK);

	c->block = block;
	return c;
}

struct cond *cond_label(struct arena *a, enum cond_place place, const char *key,
	enum cond_test test, const char *const *values, size_t count)
{
	struct cond *c = cond_new(a, COND_LABEL);

	c->place = place;
	c->key = key;
	c->test = test;
	c->value_count = count;
	c->values = arena_alloc(a, count * sizeof(*c->values));
	for (size_t i = 0; i < count; i++)
		c->values[i] = values[i];
	return c;
}

struct cond *cond_equal(struct arena *a, enum cond_place place, const char *key, const char *value)
{
	return cond_label(a, place, key, TEST_IN, &value, 1);
}

unsigned cond_reason(const struct cond *c)
{
	switch (c->op) {
	case COND_BLOCK:
	case COND_SET:
		return REASON_ADDRESS;
	case COND_ENTITY:
		return c->bits & (ENTITY_HOST | ENTITY_REMOTE_NODE) ? REASON_HOST_NETWORK : 0;
	case COND_POD:
	case COND_MAYBE:
		return c->bits;
	default:
		return 0;
	}
}
