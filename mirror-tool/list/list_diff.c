/*
 * Compare lists: write each entry as a text, sort both lists, merge them. Must never leave anything
 * out of a text that decides what is pinned.
 */
#include "mirror-tool/list/list_diff.h"

#include <stdlib.h>

#include "mirror-tool/list/section.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

struct entries {
	struct list_entry *items; /* sorted by text */
	size_t count;
};

static void entries_release(struct entries *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->items[i].text);
	free(w->items);
}

static int by_text(const void *a, const void *b)
{
	const struct list_entry *x = a, *y = b;

	return strcmp(x->text, y->text);
}

static void read_entries(struct entries *w, const struct list *l)
{
	for (size_t i = 0; i < list_section_count; i++) {
		const struct section *s = list_sections[i];

		for (size_t k = 0; s->count && k < s->count(l); k++)
			*VEC_PUSH(w->items, w->count) = s->content(l, k);
	}
	if (w->count)
		qsort(w->items, w->count, sizeof(*w->items), by_text);
}

/* Select the tag whatever its digest is: drop the digest that the list expects of it. */
static void choose(struct choice *out, const struct list_entry *entry)
{
	struct ref ref = entry->ref;

	if (ref.tag[0])
		ref.digest = (struct digest){ .alg = DIGEST_NONE };
	choice_add(out, &ref);
}

void list_diff(struct choice *out, const struct list *old, const struct list *now)
{
	AUTO(entries_release) struct entries a = { NULL, 0 };
	AUTO(entries_release) struct entries b = { NULL, 0 };
	size_t i = 0, k = 0;

	read_entries(&a, old);
	read_entries(&b, now);
	while (i < a.count || k < b.count) {
		int order = i == a.count   ? 1
			    : k == b.count ? -1
					   : by_text(&a.items[i], &b.items[k]);

		if (order < 0)
			choose(out, &a.items[i]);
		else if (order > 0)
			choose(out, &b.items[k]);
		i += order <= 0;
		k += order >= 0;
	}
}
