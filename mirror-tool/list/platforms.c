/* A choice of platforms. */
#include "mirror-tool/list/platforms.h"

#include <stdlib.h>

#include "storage/base/banned.h"

void platforms_add(struct platforms *p, const struct platform *platform)
{
	for (size_t i = 0; i < p->count; i++)
		if (platform_match(&p->items[i], platform))
			return;
	p->items = mem_grow(p->items, p->count + 1, sizeof(*p->items));
	p->items[p->count++] = *platform;
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
