/*
 * moat.yaml to struct list. Every refusal names file, line and path; nothing is guessed. Must never
 * touch a network or a file: paths in a list are checked by whoever opens them.
 */
#include "mirror-tool/list/list.h"

#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/list/list_read.h"
#include "storage/base/banned.h"

/* --- platforms --------------------------------------------------------------------------- */

static int platform_item(
	struct platforms *p, const struct doc *d, const struct node *n, struct err *e)
{
	struct platform one;
	size_t before = p->count;

	if (n->kind != NODE_STRING)
		return node_err(d, n, e, "a platform is text: os/arch or os/arch/variant");
	if (platform_parse(&one, span_of(n->text), e) < 0)
		return node_err(d, n, e, "%s", e->text);
	platforms_add(p, &one);
	if (p->count == before)
		return node_err(d, n, e, "%s is there twice", n->text);
	return 0;
}

/* `platforms: [..]` or `platforms: all`. 1 when it was there. */
static int read_platforms(
	struct platforms *p, const struct doc *d, const struct node *map, struct err *e)
{
	const struct node *n = node_get(map, "platforms");
	const struct node *list = NULL;
	int rc;

	if (n && n->kind == NODE_STRING && strcmp(n->text, "all") == 0)
		return 1;
	rc = node_list(d, map, "platforms", OPTIONAL, &list, e);
	if (rc <= 0)
		return rc;
	if (list->count == 0)
		return node_err(d, list, e, "no platform is left; write all, or leave it out");
	node_each(item, list)
	{
		if (platform_item(p, d, item, e) < 0) {
			platforms_release(p);
			return -1;
		}
	}
	return 1;
}

static void copy_platforms(struct platforms *to, const struct platforms *from)
{
	for (size_t i = 0; i < from->count; i++)
		platforms_add(to, &from->items[i]);
	to->by_default = true;
}

/* --- images ------------------------------------------------------------------------------ */

static void image_release(struct list_image *image)
{
	for (size_t i = 0; i < image->pattern_count; i++)
		pattern_release(&image->patterns[i]);
	free(image->patterns);
	platforms_release(&image->platforms);
	source_ref_release(&image->from);
	exceptions_release(&image->exceptions);
}

int list_parse_ref(
	struct ref *r, const struct doc *d, const struct node *n, const char *text, struct err *e)
{
	if (ref_parse(r, span_of(text), e) < 0)
		return node_err(d, n, e, "%s", e->text);
	return 0;
}

/* One item of `tags:`: a tag word for word, or a pattern. */
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
	image->patterns =
		mem_grow(image->patterns, image->pattern_count + 1, sizeof(*image->patterns));
	image->patterns[image->pattern_count++] = p;
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
		return node_err(d, n, e, "no tag is wanted");
	node_each(item, n) if (read_tag(image, d, item, e) < 0) return -1;
	return 0;
}

/* `from:` without a tag in the name: the layout's name for it, when that has or is a tag. */
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
	return node_err(d, n, e, "give the name a tag: the source has none to take");
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

/* `source: PLACE` is `from: docker://PLACE`. */
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
	struct reader *r, struct list_image *image, const struct node *n, struct err *e)
{
	static const char *const known[] = { "name", "tags", "platforms", "from", "source",
		"attachments", "foreign-layers", "on-error", NULL };
	const char *name;
	int rc;

	if (node_only(r->doc, n, known, e) < 0 ||
		node_string(r->doc, n, "name", REQUIRED, &name, e) < 0 ||
		list_parse_ref(&image->ref, r->doc, node_get(n, "name"), name, e) < 0 ||
		read_tags(image, r->doc, n, e) < 0 || read_from(image, r->doc, n, e) < 0 ||
		read_source(image, r->doc, n, e) < 0 ||
		exceptions_read(&image->exceptions, &r->exceptions, r->doc, n, e) < 0)
		return -1;
	rc = read_platforms(&image->platforms, r->doc, n, e);
	if (rc == 0)
		copy_platforms(&image->platforms, &r->platforms);
	return rc < 0 ? -1 : check_selection(image, r->doc, n, e);
}

static int read_image(
	struct reader *r, struct list_image *image, const struct node *n, struct err *e)
{
	image->line = n->line;
	if (n->kind == NODE_MAP)
		return read_image_map(r, image, n, e);
	if (n->kind != NODE_STRING)
		return node_err(r->doc, n, e, "an image is a reference or a map with \"name\"");
	if (list_parse_ref(&image->ref, r->doc, n, n->text, e) < 0)
		return -1;
	copy_platforms(&image->platforms, &r->platforms);
	exceptions_copy(&image->exceptions, &r->exceptions);
	return check_selection(image, r->doc, n, e);
}

static int read_images(struct reader *r, const struct node *map, struct err *e)
{
	const struct node *images = NULL;
	int rc = node_list(r->doc, map, "images", OPTIONAL, &images, e);

	if (rc <= 0)
		return rc;
	if (images->count > LIST_ENTRIES_MAX)
		return node_err(r->doc, images, e, "more than %d images", LIST_ENTRIES_MAX);
	r->list->images = mem_alloc(images->count * sizeof(*r->list->images));
	node_each(n, images) if (read_image(r, &r->list->images[r->list->image_count++], n, e) <
				 0) return -1;
	return 0;
}

/* --- upstream signatures ----------------------------------------------------------------- */

bool list_verify_applies(const struct list_verify *rule, const struct ref *ref)
{
	char name[REF_TEXT_SIZE];

	return pattern_match(&rule->images, ref_name(ref, name));
}

static int read_keys(
	struct list_verify *v, const struct doc *d, const struct node *map, struct err *e)
{
	const struct node *keys = NULL;

	if (node_list(d, map, "keys", REQUIRED, &keys, e) < 0)
		return -1;
	if (keys->count == 0)
		return node_err(d, keys, e, "no key is given");
	v->keys = mem_alloc(keys->count * sizeof(*v->keys));
	node_each(n, keys)
	{
		if (n->kind != NODE_STRING)
			return node_err(d, n, e, "the name of a file is needed here");
		v->keys[v->key_count++] = mem_strdup(n->text);
	}
	return 0;
}

static int read_verify_item(
	struct list_verify *v, const struct doc *d, const struct node *n, struct err *e)
{
	static const char *const known[] = { "images", "keys", NULL };
	const char *images = NULL;

	v->line = n->line;
	if (node_only(d, n, known, e) < 0 || node_string(d, n, "images", REQUIRED, &images, e) < 0)
		return -1;
	if (pattern_parse(&v->images, span_of(images), e) < 0)
		return node_err(d, node_get(n, "images"), e, "%s", e->text);
	if (v->images.kind != PATTERN_GLOB)
		return node_err(d, node_get(n, "images"), e, "a glob over names is needed here");
	return read_keys(v, d, n, e);
}

static int read_verify(struct reader *r, const struct node *map, struct err *e)
{
	const struct node *items = NULL;
	int rc = node_list(r->doc, map, "verify", OPTIONAL, &items, e);

	if (rc <= 0)
		return rc;
	r->list->verify = mem_alloc(items->count * sizeof(*r->list->verify));
	node_each(n, items)
	{
		if (read_verify_item(&r->list->verify[r->list->verify_count++], r->doc, n, e) < 0)
			return -1;
	}
	return 0;
}

/* --- the whole --------------------------------------------------------------------------- */

/* What makes two entries the same wish. */
static char *image_key(const struct list_image *image)
{
	AUTO(buf_release) struct buf key = BUF_INIT;
	char text[REF_TEXT_SIZE];

	buf_str(&key, ref_name(&image->ref, text));
	if (image->ref.tag[0])
		buf_printf(&key, ":%s", image->ref.tag);
	else if (image->ref.digest.alg)
		buf_printf(&key, "@%s",
			digest_text(&image->ref.digest, (char[DIGEST_TEXT_SIZE]){ 0 }));
	for (size_t i = 0; i < image->pattern_count; i++)
		buf_printf(&key, " %s", image->patterns[i].text);
	return buf_detach(&key);
}

static char *file_key(const struct list_file *f)
{
	char text[REF_TEXT_SIZE], platform[PLATFORM_TEXT_SIZE] = "";

	if (f->has_platform)
		platform_text(&f->platform, platform);
	return mem_printf("%s %s", ref_text(&f->ref, text), platform);
}

struct wish {
	char *key;
	uint32_t line;
};

static int wish_cmp(const void *a, const void *b)
{
	const struct wish *left = a, *right = b;
	int order = strcmp(left->key, right->key);

	return order ? order : (left->line > right->line) - (left->line < right->line);
}

/* Refuse a key that is there twice, naming both lines; frees the keys. */
static int check_twice(const char *name, struct wish *wishes, size_t count, struct err *e)
{
	int rc = 0;

	if (count)
		qsort(wishes, count, sizeof(*wishes), wish_cmp);
	for (size_t i = 1; rc == 0 && i < count; i++)
		if (strcmp(wishes[i - 1].key, wishes[i].key) == 0)
			rc = err_set(e, ERR_INPUT, "%s:%u: %s is wanted twice, first at line %u",
				name, wishes[i].line, wishes[i].key, wishes[i - 1].line);
	for (size_t i = 0; i < count; i++)
		free(wishes[i].key);
	free(wishes);
	return rc;
}

static int check_images(const struct list *l, const char *name, struct err *e)
{
	struct wish *wishes = mem_alloc(l->image_count * sizeof(*wishes));

	for (size_t i = 0; i < l->image_count; i++)
		wishes[i] = (struct wish){ image_key(&l->images[i]), l->images[i].line };
	return check_twice(name, wishes, l->image_count, e);
}

static bool same_ref(const struct ref *a, const struct ref *b)
{
	return strcmp(a->host, b->host) == 0 && strcmp(a->repo, b->repo) == 0 &&
	       strcmp(a->tag, b->tag) == 0;
}

/* A file without a platform is the whole of its name. */
static int check_lone_files(const struct list *l, const char *name, struct err *e)
{
	char text[REF_TEXT_SIZE];

	for (size_t i = 0; i < l->file_count; i++) {
		for (size_t j = 0; j < l->file_count; j++) {
			const struct list_file *one = &l->files[i], *other = &l->files[j];

			if (i == j || one->has_platform || !same_ref(&one->ref, &other->ref))
				continue;
			return err_set(e, ERR_INPUT,
				"%s:%u: %s is several files (line %u): give each a platform", name,
				one->line, ref_text(&one->ref, text), other->line);
		}
	}
	return 0;
}

static int check_files(const struct list *l, const char *name, struct err *e)
{
	struct wish *wishes = mem_alloc(l->file_count * sizeof(*wishes));

	for (size_t i = 0; i < l->file_count; i++)
		wishes[i] = (struct wish){ file_key(&l->files[i]), l->files[i].line };
	if (check_twice(name, wishes, l->file_count, e) < 0)
		return -1;
	for (size_t i = 0; i < l->file_count; i++)
		for (size_t j = 0; j < l->image_count; j++)
			if (same_ref(&l->files[i].ref, &l->images[j].ref))
				return err_set(e, ERR_INPUT,
					"%s:%u: a file has the name of the image at line %u", name,
					l->files[i].line, l->images[j].line);
	return check_lone_files(l, name, e);
}

static int read_head(struct reader *r, const struct node *root, struct err *e)
{
	static const char *const known[] = { "set", "version", "platforms", "images", "files",
		"verify", "registries", "attachments", "foreign-layers", "on-error", NULL };
	static const struct exceptions strict = { .attachments = ATTACH_ALL };
	const char *name = NULL, *version = NULL;
	const struct node *registries = NULL;

	if (node_only(r->doc, root, known, e) < 0 ||
		node_string(r->doc, root, "set", REQUIRED, &name, e) < 0 ||
		node_string(r->doc, root, "version", OPTIONAL, &version, e) < 0 ||
		node_map(r->doc, root, "registries", OPTIONAL, &registries, e) < 0)
		return -1;
	if (set_check_name(span_of(name), e) < 0)
		return node_err(r->doc, node_get(root, "set"), e, "%s", e->text);
	if (version && (ref_check_tag(span_of(version), e) < 0))
		return node_err(r->doc, node_get(root, "version"), e, "%s", e->text);
	memcpy(r->list->name, name, strlen(name));
	if (version)
		snprintf(r->list->version, sizeof(r->list->version), "%s", version);
	if (read_platforms(&r->platforms, r->doc, root, e) < 0 ||
		exceptions_read(&r->exceptions, &strict, r->doc, root, e) < 0)
		return -1;
	return registry_confs_read(&r->list->registries, r->doc, registries, e);
}

static int read_all(struct reader *r, const struct node *root, struct err *e)
{
	if (read_head(r, root, e) < 0 || read_images(r, root, e) < 0 ||
		list_read_files(r, root, e) < 0 || read_verify(r, root, e) < 0)
		return -1;
	if (r->list->image_count + r->list->file_count == 0)
		return node_err(r->doc, root, e, "no images and no files: nothing is wanted");
	if (check_images(r->list, r->doc->name, e) < 0)
		return -1;
	return check_files(r->list, r->doc->name, e);
}

int list_parse(struct list *l, const char *name, struct span bytes, struct err *e)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	struct reader r = { .list = l, .doc = &d };
	int rc;

	*l = (struct list)LIST_INIT;
	if (bytes.len > LIST_BYTES_MAX)
		return err_set(e, ERR_INPUT, "%s: larger than %u bytes", name, LIST_BYTES_MAX);
	if (yaml_parse(&d, name, bytes, e) < 0)
		return -1;
	rc = read_all(&r, d.root, e);
	platforms_release(&r.platforms);
	exceptions_release(&r.exceptions);
	if (rc < 0)
		list_release(l);
	return rc;
}

void list_release(struct list *l)
{
	for (size_t i = 0; i < l->image_count; i++)
		image_release(&l->images[i]);
	for (size_t i = 0; i < l->file_count; i++)
		free(l->files[i].url);
	for (size_t i = 0; i < l->verify_count; i++) {
		pattern_release(&l->verify[i].images);
		for (size_t k = 0; k < l->verify[i].key_count; k++)
			free(l->verify[i].keys[k]);
		free(l->verify[i].keys);
	}
	free(l->images);
	free(l->files);
	free(l->verify);
	registry_confs_release(&l->registries);
	*l = (struct list)LIST_INIT;
}
