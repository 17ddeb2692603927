/* Failures. Must make the order of output independent of the order of answers. */
#include "mirror-tool/list/failures.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

void failures_add(struct failures *f, const char *item, const struct err *e)
{
	*VEC_PUSH(f->items, f->count) = (struct failure){
		.item = mem_strdup(item),
		.code = e->code,
		.text = mem_strdup(e->text),
	};
}

void failures_release(struct failures *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->items[i].item);
		free(f->items[i].text);
	}
	free(f->items);
	*f = (struct failures)FAILURES_INIT;
}

static int by_item(const void *a, const void *b)
{
	const struct failure *left = a, *right = b;
	int order = strcmp(left->item, right->item);

	return order ? order : strcmp(left->text, right->text);
}

void failures_sort(struct failures *f)
{
	if (f->count)
		qsort(f->items, f->count, sizeof(*f->items), by_item);
}
