/* Compare two sets: what stands in one and not in the other, as pairs or as words. Pure. */
#include "storage/oci/set.h"

#include "storage/base/banned.h"

/* Which of the next entries comes first? 0: they stand at the same place. */
static int next_cmp(const struct set *a, size_t i, const struct set *b, size_t k)
{
	if (i == a->count)
		return 1;
	return k == b->count ? -1 : set_entry_cmp(&a->entries[i], &b->entries[k]);
}

void set_merge(const struct set *a, const struct set *b, set_pair_fn *fn, void *ctx)
{
	size_t i = 0, k = 0;

	while (i < a->count || k < b->count) {
		int c = next_cmp(a, i, b, k);

		fn(ctx, c <= 0 ? &a->entries[i] : NULL, c >= 0 ? &b->entries[k] : NULL);
		i += c <= 0;
		k += c >= 0;
	}
}

/* --- as words ------------------------------------------------------------------------------- */

#define ITEMS_MAX 5 /* that are named; the others are counted */

struct diff {
	struct buf *out;
	size_t count;
};

static void add(struct diff *d, const char *what, const char *how)
{
	if (d->count++ < ITEMS_MAX)
		buf_printf(d->out, "%s%s%s", d->count > 1 ? ", " : "", what, how);
}

static void add_time(struct diff *d, const char *what, const char *a, const char *b)
{
	AUTO(mem_free) char *text = NULL;

	if (strcmp(a, b) == 0)
		return;
	text = mem_printf("%s %s instead of %s", what, *a ? a : "never", *b ? b : "never");
	add(d, text, "");
}

static void add_entry(struct diff *d, const struct set_entry *entry, const char *how)
{
	char digest[DIGEST_TEXT_SIZE];
	AUTO(mem_free) char *text = NULL;

	switch (entry->role) {
	case SET_PIN:
	case SET_ATTACHED:
		text = mem_printf("%s%s%s", entry->name, *entry->tag ? ":" : "@",
			*entry->tag ? entry->tag : digest_text(&entry->digest, digest));
		add(d, text, how);
		return;
	case SET_LIST:
		add(d, "the list", "");
		return;
	case SET_LOCK: /* they follow from the others */
	case SET_INVENTORY:
		return;
	}
}

/* Entries are sorted in both; a tag with another digest stands at the same place. */
static void add_pair(void *ctx, const struct set_entry *a, const struct set_entry *b)
{
	struct diff *d = ctx;

	if (a && !b)
		add_entry(d, a, " is new");
	else if (!a && b && b->role <= SET_ATTACHED)
		add_entry(d, b, " is gone");
	else if (a && b && !digest_eq(&a->digest, &b->digest))
		add_entry(d, a, " is another image");
}

void set_difference(const struct set *a, const struct set *b, struct buf *out)
{
	struct diff d = { out, 0 };

	add_time(&d, "it expires", a->expires, b->expires);
	set_merge(a, b, add_pair, &d);
	if (d.count == 0)
		add_time(&d, "the lock was changed", a->created, b->created);
	if (d.count == 0)
		add(&d, "the lock", "");
	if (d.count > ITEMS_MAX)
		buf_printf(out, " and %zu more", d.count - ITEMS_MAX);
}
