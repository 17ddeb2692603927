/* A list of what failed. Must keep the order of output independent of the network's. */
#include "mirror-tool/pin/failures.h"

#include <stdlib.h>
#include <string.h>

#include "storage/base/tree.h"
#include "storage/base/banned.h"

void failures_add(struct failures *f, const char *item, const struct err *e)
{
	f->items = mem_grow(f->items, f->count + 1, sizeof(*f->items));
	f->items[f->count++] = (struct failure){
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

static void sort(struct failures *f)
{
	if (f->count)
		qsort(f->items, f->count, sizeof(*f->items), by_item);
}

void failures_print(struct failures *f)
{
	sort(f);
	for (size_t i = 0; i < f->count; i++)
		tool_say("failed: %s: %s", f->items[i].item, f->items[i].text);
}

void failures_json(struct failures *f, struct buf *out)
{
	sort(f);
	buf_char(out, '[');
	for (size_t i = 0; i < f->count; i++) {
		buf_str(out, i ? ",{\"ref\":" : "{\"ref\":");
		json_quote(out, f->items[i].item, false);
		buf_str(out, ",\"error\":");
		json_quote(out, f->items[i].text, false);
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

int failures_err(const struct failures *f, size_t of, const char *what, struct err *e)
{
	enum err_code code = f->count ? f->items[0].code : ERR_INCOMPLETE;

	for (size_t i = 1; i < f->count; i++)
		if (tool_exit_status(f->items[i].code) != tool_exit_status(code))
			code = ERR_INCOMPLETE;
	return err_set(e, code, "%zu of %zu %s failed", f->count, of, what);
}
