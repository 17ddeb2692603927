/* Names -> numbers. */
#include "mirror-tool/policy/names.h"

#include <search.h>
#include <stdlib.h>

#include "storage/base/buf.h"
#include "storage/base/banned.h"

struct numbered {
	const char *name;
	uint32_t number;
};

static int compare(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	return strcmp(x->name, y->name);
}

void names_release(struct names *n)
{
	tdestroy(n->root, free);
	n->root = NULL;
}

uint32_t names_number(struct names *n, const char *name, uint32_t next)
{
	struct numbered *one = mem_alloc(sizeof(*one)), *found;

	*one = (struct numbered){ name, next };
	found = *(struct numbered **)tsearch(one, &n->root, compare);
	if (found != one)
		free(one);
	return found->number;
}

void names_drop(struct names *n, const char *name)
{
	struct numbered key = { name, 0 }, **found = tfind(&key, &n->root, compare), *one;

	if (!found)
		return;
	one = *found;
	tdelete(&key, &n->root, compare);
	free(one);
}
