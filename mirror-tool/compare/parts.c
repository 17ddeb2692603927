/* Platforms and files of one entry, by the manifests of a view or by a lock. */
#include "mirror-tool/compare/parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

void parts_release(struct parts *p)
{
	int saved = errno;

	for (size_t i = 0; i < p->platforms.count; i++)
		free(p->platforms.items[i]);
	free(p->platforms.items);
	for (size_t i = 0; i < p->count; i++)
		free(p->files[i].title);
	free(p->files);
	*p = (struct parts)PARTS_INIT;
	errno = saved;
}

int part_file_cmp(const struct part_file *a, const struct part_file *b)
{
	int c = strcmp(a->title, b->title);

	return c ? c : strcmp(a->platform, b->platform);
}

static int by_title(const void *a, const void *b)
{
	const struct part_file *x = a, *y = b;
	int c = part_file_cmp(x, y);

	return c ? c : digest_cmp(&x->digest, &y->digest);
}

static struct part_file *add_file(
	struct parts *p, const char *title, const struct digest *d, uint64_t size)
{
	struct part_file *file = VEC_PUSH(p->files, p->count);

	file->title = mem_strdup(title);
	file->digest = *d;
	file->size = size;
	return file;
}

/* --- of a lock ------------------------------------------------------------------------------- */

/* Find the first of the pins, which are sorted, that has the digest or a later one. */
static size_t first_pin(const struct side *s, const struct digest *d)
{
	size_t low = 0, high = s->pin_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (digest_cmp(&s->pins[mid]->digest, d) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void add_pinned_files(struct parts *p, const struct lock_pin *pin)
{
	for (size_t i = 0; i < pin->file_count; i++) {
		const struct lock_file *from = &pin->files[i];
		struct part_file *file = add_file(p, from->title, &from->digest, from->size);

		if (from->has_platform)
			platform_text(&from->platform, file->platform);
	}
}

/* An index that is pinned twice is held for the platforms of both, as a set holds it. Its files are the same. */
static void read_pins(const struct side *s, const struct digest *d, struct parts *out)
{
	size_t first = first_pin(s, d);

	for (size_t i = first; i < s->pin_count && digest_eq(&s->pins[i]->digest, d); i++) {
		const struct platform_texts *from = &s->pins[i]->platforms;

		for (size_t k = 0; k < from->count; k++)
			platform_texts_add(&out->platforms, from->items[k]);
		if (i == first)
			add_pinned_files(out, s->pins[i]);
	}
}

/* --- of a view ------------------------------------------------------------------------------- */

static void add_child(struct parts *p, const struct view_child *c, bool files)
{
	if (c->held && !c->attestation && *c->platform)
		platform_texts_add(&p->platforms, c->platform);
	for (size_t i = 0; files && i < c->layer_count; i++) {
		const struct view_layer *layer = &c->layers[i];

		if (*layer->title)
			memcpy(add_file(p, layer->title, &layer->digest, layer->size)->platform,
				c->platform, sizeof(c->platform));
	}
}

static int read_manifests(
	const struct side *s, const struct set_entry *entry, struct parts *out, struct err *e)
{
	AUTO(view_image_release) struct view_image image = VIEW_IMAGE_INIT;
	char reference[REF_TEXT_SIZE];

	if (view_image(&s->from->view, &s->held, &entry->digest, entry->size, entry->media_type,
		    &image, e) < 0)
		return err_ctx(e, "%s", view_reference(entry, reference));
	for (size_t i = 0; i < image.count; i++)
		add_child(out, &image.children[i], view_kind_of(entry) == VIEW_FILE);
	return 0;
}

/* --------------------------------------------------------------------------------------------- */

int parts_read(
	const struct side *s, const struct set_entry *entry, struct parts *out, struct err *e)
{
	int rc = 0;

	if (!entry)
		return 0;
	if (s->from->kind == OPERAND_LOCK)
		read_pins(s, &entry->digest, out);
	else
		rc = read_manifests(s, entry, out, e);
	if (out->count)
		qsort(out->files, out->count, sizeof(*out->files), by_title);
	return rc;
}

void parts_platforms_beyond(const struct parts *a, const struct parts *b, struct buf *out)
{
	for (size_t i = 0; i < a->platforms.count; i++)
		if (!platform_texts_has(&b->platforms, a->platforms.items[i]))
			buf_printf(out, "%s%s", out->len ? " " : "", a->platforms.items[i]);
}

/* Is exactly one of the sides without it? An index in the index is not looked into here. */
static bool may_differ(const struct side *a, const struct side *b, const struct descriptor *d)
{
	return media_kind_of(d->media_type) == MEDIA_INDEX ||
	       !inventory_find(&a->held, &d->digest) != !inventory_find(&b->held, &d->digest);
}

int parts_may_differ(
	const struct side *a, const struct side *b, const struct set_entry *entry, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	char reference[REF_TEXT_SIZE];
	int rc;

	if (!a->has_inventory || !b->has_inventory)
		return 1;
	rc = view_blob(&a->from->view, &entry->digest, MANIFEST_MAX, &bytes, e);
	if (rc == 0) /* as of a delta on b */
		rc = view_blob(&b->from->view, &entry->digest, MANIFEST_MAX, &bytes, e);
	if (rc < 0 ||
		(rc > 0 && manifest_parse(&m, "index", entry->media_type, buf_span(&bytes), e) < 0))
		return err_ctx(e, "%s", view_reference(entry, reference));
	for (size_t i = 0; i < m.count; i++)
		if (may_differ(a, b, &m.items[i]))
			return 1;
	return 0;
}
