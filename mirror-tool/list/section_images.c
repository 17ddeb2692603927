/* Read `images:` of a list: references, tags to select, where an image comes from. */
#include <stdlib.h>

#include "mirror-tool/list/section.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

static void image_release(struct list_image *image)
{
	for (size_t i = 0; i < image->pattern_count; i++)
		pattern_release(&image->patterns[i]);
	free(image->patterns);
	platforms_release(&image->platforms);
	source_ref_release(&image->from);
	exceptions_release(&image->exceptions);
}

/* Read one item of `tags:`: a tag as it is, or a pattern. */
static int read_tag(
	struct list_image *image, const struct doc *d, const struct node *n, struct err *e)
{
	struct pattern p;

	if (n->kind >= NODE_LIST || n->kind == NODE_NULL)
		return node_err(d, n, e, "a tag, glob or range of versions is needed here");
	if (pattern_is_plain(span_of(n->text)) && ref_check_tag(span_of(n->text), e) < 0)
		return node_err(d, n, e, "%s", e->text);
	if (pattern_parse(&p, span_of(n->text), e) < 0)
		return node_err(d, n, e, "%s", e->text);
	if (p.kind == PATTERN_GLOB && strchr(p.text, '+')) {
		pattern_release(&p);
		return node_err(d, n, e, "no tag has a plus; helm pushes a version with _ for it");
	}
	*VEC_PUSH(image->patterns, image->pattern_count) = p;
	return 0;
}

static int read_tags(
	struct list_image *image, const struct doc *d, const struct node *map, struct err *e)
{
	const struct node *n = node_get(map, "tags");

	if (!n)
		return 0;
	if (image->ref.tag[0] || image->ref.digest.alg)
		return node_err(d, n, e, "the name has a tag or digest already");
	if (n->kind != NODE_LIST)
		return read_tag(image, d, n, e);
	if (n->count == 0)
		return node_err(d, n, e, "an empty list of tags");
	node_each(item, n) if (read_tag(image, d, item, e) < 0) return -1;
	return 0;
}

/* Take the tag from the source where the name has none: the name in the layout, when that is or has
 * a tag. */
static int tag_from_source(
	struct list_image *image, const struct doc *d, const struct node *n, struct err *e)
{
	struct span name = span_of(image->from.name);
	struct ref r;

	if (image->ref.tag[0] || image->ref.digest.alg)
		return 0;
	if (ref_is_tag(name)) {
		memcpy(image->ref.tag, name.data, name.len + 1);
		return 0;
	}
	if (name.len && ref_parse(&r, name, e) == 0 && r.tag[0]) {
		memcpy(image->ref.tag, r.tag, sizeof(r.tag));
		return 0;
	}
	return node_err(d, n, e, "the name needs a tag: the source has none");
}

static int check_source(
	struct list_image *image, const struct doc *d, const struct node *n, struct err *e)
{
	if (image->pattern_count && source_is_local(&image->from))
		return node_err(d, n, e, "a local source has no tags to choose from");
	if (image->pattern_count && *image->from.name)
		return node_err(
			d, n, e, "`tags:` says which tags; leave :%s out", image->from.name);
	if (image->pattern_count || (!source_is_local(&image->from) && !*image->from.name))
		return 0;
	return tag_from_source(image, d, n, e);
}

static int read_from(
	struct list_image *image, const struct doc *d, const struct node *map, struct err *e)
{
	const struct node *n = node_get(map, "from");
	const char *text = NULL;
	int rc = node_string(d, map, "from", OPTIONAL, &text, e);

	if (rc <= 0)
		return rc;
	if (source_ref_parse(&image->from, text, e) < 0)
		return node_err(d, n, e, "%s", e->text);
	return check_source(image, d, n, e);
}

/* Read `source: PLACE`, which is `from: docker://PLACE`. */
static int read_source(
	struct list_image *image, const struct doc *d, const struct node *map, struct err *e)
{
	const struct node *n = node_get(map, "source");
	const char *text = NULL;
	int rc = node_string(d, map, "source", OPTIONAL, &text, e);

	if (rc <= 0)
		return rc;
	if (image->from.kind != SOURCE_REGISTRY)
		return node_err(d, n, e, "it has a `from:` already");
	if (source_ref_place(&image->from, text, e) < 0)
		return node_err(d, n, e, "%s", e->text);
	return check_source(image, d, n, e);
}

static int check_selection(
	const struct list_image *image, const struct doc *d, const struct node *n, struct err *e)
{
	char name[REF_TEXT_SIZE];

	if (image->ref.tag[0] || image->ref.digest.alg || image->pattern_count)
		return 0;
	return node_err(d, n, e, "%s has no tag; write %s:latest if that is meant",
		ref_name(&image->ref, name), name);
}

static int read_image_map(
	struct list_reader *r, struct list_image *image, const struct node *n, struct err *e)
{
	static const char *const known[] = { "name", "tags", "platforms", "from", "source",
		"attachments", "foreign-layers", "on-error", NULL };
	const char *name;
	int rc;

	if (node_only(r->doc, n, known, e) < 0 ||
		node_string(r->doc, n, "name", REQUIRED, &name, e) < 0 ||
		section_ref(&image->ref, r->doc, node_get(n, "name"), name, e) < 0 ||
		read_tags(image, r->doc, n, e) < 0 || read_from(image, r->doc, n, e) < 0 ||
		read_source(image, r->doc, n, e) < 0 ||
		exceptions_read(&image->exceptions, &r->exceptions, r->doc, n, e) < 0)
		return -1;
	rc = platforms_read(&image->platforms, r->doc, n, e);
	if (rc == 0)
		platforms_copy(&image->platforms, &r->platforms);
	return rc < 0 ? -1 : check_selection(image, r->doc, n, e);
}

static int read_image(
	struct list_reader *r, struct list_image *image, const struct node *n, struct err *e)
{
	image->line = n->line;
	if (n->kind == NODE_MAP)
		return read_image_map(r, image, n, e);
	if (n->kind != NODE_STRING)
		return node_err(r->doc, n, e, "an image is a reference or a map with \"name\"");
	if (section_ref(&image->ref, r->doc, n, n->text, e) < 0)
		return -1;
	platforms_copy(&image->platforms, &r->platforms);
	exceptions_copy(&image->exceptions, &r->exceptions);
	return check_selection(image, r->doc, n, e);
}

static int read(struct list_reader *r, const struct node *root, struct err *e)
{
	const struct node *images = NULL;
	int rc = node_list(r->doc, root, "images", OPTIONAL, &images, e);

	if (rc <= 0)
		return rc;
	if (images->count > LIST_ENTRIES_MAX)
		return node_err(r->doc, images, e, "more than %d images", LIST_ENTRIES_MAX);
	r->list->images = mem_alloc(images->count * sizeof(*r->list->images));
	node_each(n, images) if (read_image(r, &r->list->images[r->list->image_count++], n, e) <
				 0) return -1;
	return 0;
}

static void release(struct list *l)
{
	for (size_t i = 0; i < l->image_count; i++)
		image_release(&l->images[i]);
	free(l->images);
}

/* --- entries -------------------------------------------------------------------------------- */

static size_t count(const struct list *l)
{
	return l->image_count;
}

static struct list_entry entry_of(const struct list_image *image, struct buf *text)
{
	return (struct list_entry){ buf_detach(text), image->ref, image->line };
}

static struct list_entry identity(const struct list *l, size_t i)
{
	const struct list_image *image = &l->images[i];
	AUTO(buf_release) struct buf key = BUF_INIT;
	char text[REF_TEXT_SIZE];

	buf_str(&key, ref_name(&image->ref, text));
	if (image->ref.tag[0])
		buf_printf(&key, ":%s", image->ref.tag);
	else if (image->ref.digest.alg)
		buf_printf(&key, "@%s",
			digest_text(&image->ref.digest, (char[DIGEST_TEXT_SIZE]){ 0 }));
	for (size_t k = 0; k < image->pattern_count; k++)
		buf_printf(&key, " %s", image->patterns[k].text);
	return entry_of(image, &key);
}

static void put_exceptions(struct buf *out, const struct exceptions *x)
{
	buf_printf(out, "\nattachments %d, foreign %d, skip %d", (int)x->attachments,
		x->leave_foreign, x->skip);
	for (size_t i = 0; i < x->type_count; i++)
		entry_put(out, "type", x->types[i].text);
}

static struct list_entry content(const struct list *l, size_t i)
{
	const struct list_image *image = &l->images[i];
	AUTO(buf_release) struct buf out = BUF_INIT;
	char ref[REF_TEXT_SIZE];

	buf_str(&out, ref_text(&image->ref, ref));
	for (size_t k = 0; k < image->pattern_count; k++)
		entry_put(&out, "tag", image->patterns[k].text);
	for (size_t k = 0; k < image->platforms.count; k++)
		entry_put_platform(&out, &image->platforms.items[k]);
	entry_put(&out, "from", image->from.text ? image->from.text : "");
	put_exceptions(&out, &image->exceptions);
	entry_put_rules(&out, l, &image->ref);
	return entry_of(image, &out);
}

const struct section section_images = { "images", read, release, count, identity, content, NULL };
