/* Read and match the platforms of an entry. */
#include "mirror-tool/list/platforms.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

void platforms_add(struct platforms *p, const struct platform *platform)
{
	for (size_t i = 0; i < p->count; i++)
		if (platform_match(&p->items[i], platform))
			return;
	*VEC_PUSH(p->items, p->count) = *platform;
}

bool platforms_want(const struct platforms *p, const struct platform *have)
{
	for (size_t i = 0; i < p->count; i++)
		if (platform_match(&p->items[i], have))
			return true;
	return p->count == 0;
}

void platforms_release(struct platforms *p)
{
	free(p->items);
	*p = (struct platforms){ .count = 0 };
}

void platforms_copy(struct platforms *to, const struct platforms *from)
{
	for (size_t i = 0; i < from->count; i++)
		platforms_add(to, &from->items[i]);
	to->by_default = true;
}

static int platform_item(
	struct platforms *p, const struct doc *d, const struct node *n, struct err *e)
{
	struct platform one;
	size_t before = p->count;

	if (n->kind != NODE_STRING)
		return node_err(d, n, e, "a platform is text: os/arch or os/arch/variant");
	if (platform_parse(&one, span_of(n->text), e) < 0)
		return node_err(d, n, e, "%s", e->text);
	platforms_add(p, &one);
	if (p->count == before)
		return node_err(d, n, e, "%s is there twice", n->text);
	return 0;
}

int platforms_read(struct platforms *p, const struct doc *d, const struct node *map, struct err *e)
{
	const struct node *n = node_get(map, "platforms");
	const struct node *list = NULL;
	int rc;

	if (n && n->kind == NODE_STRING && strcmp(n->text, "all") == 0)
		return 1;
	rc = node_list(d, map, "platforms", OPTIONAL, &list, e);
	if (rc <= 0)
		return rc;
	if (list->count == 0)
		return node_err(
			d, list, e, "an empty list of platforms; write all, or leave the key out");
	node_each(item, list)
	{
		if (platform_item(p, d, item, e) < 0) {
			platforms_release(p);
			return -1;
		}
	}
	return 1;
}
