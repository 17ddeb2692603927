/*
 * Each entry as a text, both lists sorted, one walk over them. Must never leave anything out of a text that
 * decides what is pinned.
 */
#include "mirror-tool/list/list_diff.h"

#include <stdlib.h>

#include "storage/base/banned.h"

struct wish {
	char *text;
	struct ref ref;
};

struct wishes {
	struct wish *items; /* sorted by text */
	size_t count;
};

static void wishes_release(struct wishes *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->items[i].text);
	free(w->items);
}

/* --- texts --------------------------------------------------------------------------------- */

/* With its length, so that one entry cannot look like another. */
static void put(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, "\n%s %zu %s", key, strlen(value), value);
}

static void put_platform(struct buf *out, const struct platform *p)
{
	char text[PLATFORM_TEXT_SIZE];

	put(out, "platform", platform_text(p, text));
}

static void put_exceptions(struct buf *out, const struct exceptions *x)
{
	buf_printf(out, "\nattachments %d, foreign %d, skip %d", (int)x->attachments,
		x->leave_foreign, x->skip);
	for (size_t i = 0; i < x->type_count; i++)
		put(out, "type", x->types[i].text);
}

static void put_rules(struct buf *out, const struct list *l, const struct ref *ref)
{
	for (size_t i = 0; i < l->verify_count; i++) {
		const struct list_verify *v = &l->verify[i];

		if (!list_verify_applies(v, ref))
			continue;
		put(out, "verify", v->images.text);
		for (size_t k = 0; k < v->key_count; k++)
			put(out, "key", v->keys[k]);
	}
}

static char *image_wish(const struct list *l, const struct list_image *image)
{
	AUTO(buf_release) struct buf out = BUF_INIT;
	char ref[REF_TEXT_SIZE];

	buf_str(&out, ref_text(&image->ref, ref));
	for (size_t i = 0; i < image->pattern_count; i++)
		put(&out, "tag", image->patterns[i].text);
	for (size_t i = 0; i < image->platforms.count; i++)
		put_platform(&out, &image->platforms.items[i]);
	put(&out, "from", image->from.text ? image->from.text : "");
	put_exceptions(&out, &image->exceptions);
	put_rules(&out, l, &image->ref);
	return buf_detach(&out);
}

static char *file_wish(const struct list_file *f)
{
	AUTO(buf_release) struct buf out = BUF_INIT;
	char text[REF_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];

	buf_str(&out, ref_text(&f->ref, text));
	put(&out, "url", f->url);
	put(&out, "digest", digest_text(&f->digest, digest));
	if (f->has_size)
		buf_printf(&out, "\nsize %llu", (unsigned long long)f->size);
	if (f->has_platform)
		put_platform(&out, &f->platform);
	put(&out, "type", f->media_type);
	put(&out, "artifact", f->artifact_type);
	put(&out, "title", f->title);
	return buf_detach(&out);
}

/* --- comparing ----------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	const struct wish *x = a, *y = b;

	return strcmp(x->text, y->text);
}

static void read_wishes(struct wishes *w, const struct list *l)
{
	w->items = mem_alloc((l->image_count + l->file_count) * sizeof(*w->items));
	for (size_t i = 0; i < l->image_count; i++)
		w->items[w->count++] =
			(struct wish){ image_wish(l, &l->images[i]), l->images[i].ref };
	for (size_t i = 0; i < l->file_count; i++)
		w->items[w->count++] = (struct wish){ file_wish(&l->files[i]), l->files[i].ref };
	if (w->count)
		qsort(w->items, w->count, sizeof(*w->items), by_text);
}

/* A tag is what it is now: the digest that a list expects of it does not choose. */
static void choose(struct choice *out, const struct wish *wish)
{
	struct ref ref = wish->ref;

	if (ref.tag[0])
		ref.digest = (struct digest){ .alg = DIGEST_NONE };
	choice_add(out, &ref);
}

void list_diff(struct choice *out, const struct list *old, const struct list *now)
{
	AUTO(wishes_release) struct wishes a = { NULL, 0 };
	AUTO(wishes_release) struct wishes b = { NULL, 0 };
	size_t i = 0, k = 0;

	read_wishes(&a, old);
	read_wishes(&b, now);
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
