/* Two sides, each sorted -> what differs, by one merge of their entries and one of their inventories. */
#include "mirror-tool/compare/compare.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

void comparison_release(struct comparison *c)
{
	int saved = errno;

	for (size_t i = 0; i < c->platforms_count; i++) {
		free(c->platforms[i].added);
		free(c->platforms[i].removed);
	}
	for (size_t i = 0; i < c->files_count; i++)
		free(c->files[i].file.title);
	free(c->platforms);
	free(c->files);
	free(c->alike);
	free(c->changes);
	*c = (struct comparison)COMPARISON_INIT;
	errno = saved;
}

static void add_pair(void *ctx, const struct set_entry *a, const struct set_entry *b)
{
	struct comparison *c = ctx;

	if (a && b && digest_eq(&a->digest, &b->digest)) {
		c->same++;
		if (media_kind_of(b->media_type) == MEDIA_INDEX)
			*VEC_PUSH(c->alike, c->alike_count) = b;
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

/* --- platforms and files --------------------------------------------------------------------- */

static void compare_platforms(struct comparison *c, const struct set_entry *entry,
	const struct parts *a, const struct parts *b)
{
	AUTO(buf_release) struct buf added = BUF_INIT, removed = BUF_INIT;

	if (a->platforms.count == 0 || b->platforms.count == 0)
		return; /* one side does not say */
	parts_platforms_beyond(b, a, &added);
	parts_platforms_beyond(a, b, &removed);
	if (added.len || removed.len)
		*VEC_PUSH(c->platforms, c->platforms_count) =
			(struct platforms_change){ entry, mem_strdup(added.len ? added.data : ""),
				mem_strdup(removed.len ? removed.data : "") };
}

/* a, b: NULL on the side that has no such file. */
static void add_file(struct comparison *c, const struct set_entry *entry, const struct part_file *a,
	const struct part_file *b)
{
	const struct part_file *named = b ? b : a;
	struct file_change *f;

	if (!named || (a && b && digest_eq(&a->digest, &b->digest)))
		return;
	f = VEC_PUSH(c->files, c->files_count);
	f->entry = entry;
	f->file = *named;
	f->file.title = mem_strdup(f->file.title);
	if (a)
		f->from = a->digest;
	if (b)
		f->to = b->digest;
}

static void compare_files(struct comparison *c, const struct difference *d, const struct parts *a,
	const struct parts *b)
{
	size_t i = 0, k = 0;

	while (i < a->count || k < b->count) {
		int order = i == a->count   ? 1
			    : k == b->count ? -1
					    : part_file_cmp(&a->files[i], &b->files[k]);

		add_file(c, d->b ? d->b : d->a, order <= 0 ? &a->files[i] : NULL,
			order >= 0 ? &b->files[k] : NULL);
		i += order <= 0;
		k += order >= 0;
	}
}

static bool is_kind(const struct set_entry *entry, enum view_kind kind)
{
	return entry && view_kind_of(entry) == kind;
}

static int compare_change(struct comparison *c, const struct difference *d, struct err *e)
{
	AUTO(parts_release) struct parts a = PARTS_INIT, b = PARTS_INIT;
	bool files = is_kind(d->a, VIEW_FILE) || is_kind(d->b, VIEW_FILE);
	bool moved = is_kind(d->a, VIEW_IMAGE) && is_kind(d->b, VIEW_IMAGE);

	if (!files && !moved)
		return 0;
	if (parts_read(c->a, d->a, &a, e) < 0 || parts_read(c->b, d->b, &b, e) < 0)
		return -1;
	if (moved)
		compare_platforms(c, d->b, &a, &b);
	else
		compare_files(c, d, &a, &b);
	return 0;
}

/* Compare what is held of an index that is the same on both sides. */
static int compare_alike(struct comparison *c, const struct set_entry *entry, struct err *e)
{
	AUTO(parts_release) struct parts a = PARTS_INIT, b = PARTS_INIT;
	int rc = parts_may_differ(c->a, c->b, entry, e);

	if (rc <= 0)
		return rc;
	if (parts_read(c->a, entry, &a, e) < 0 || parts_read(c->b, entry, &b, e) < 0)
		return -1;
	compare_platforms(c, entry, &a, &b);
	return 0;
}

static int compare_parts(struct comparison *c, struct err *e)
{
	for (size_t i = 0; i < c->count; i++)
		if (compare_change(c, &c->changes[i], e) < 0)
			return -1;
	if (c->counted && c->fresh.blobs == 0 && c->gone.blobs == 0)
		return 0;
	for (size_t i = 0; i < c->alike_count; i++)
		if (compare_alike(c, c->alike[i], e) < 0)
			return -1;
	return 0;
}

/* --------------------------------------------------------------------------------------------- */

int compare_sides(struct comparison *c, const struct side *a, const struct side *b, struct err *e)
{
	c->a = a;
	c->b = b;
	set_merge(&a->set, &b->set, add_pair, c);
	c->counted = a->has_inventory && b->has_inventory;
	if (c->counted)
		compare_blobs(c, &a->held, &b->held);
	return compare_parts(c, e);
}

bool comparison_is_equal(const struct comparison *c)
{
	return c->count == 0 && c->platforms_count == 0 && c->fresh.blobs == 0 &&
	       c->gone.blobs == 0;
}
