/* Read `verify:` of a list: which images need a signature of upstream, by which keys. */
#include <stdlib.h>

#include "mirror-tool/list/section.h"
#include "storage/base/banned.h"

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

static int read(struct list_reader *r, const struct node *root, struct err *e)
{
	const struct node *items = NULL;
	int rc = node_list(r->doc, root, "verify", OPTIONAL, &items, e);

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

static void release(struct list *l)
{
	for (size_t i = 0; i < l->verify_count; i++) {
		pattern_release(&l->verify[i].images);
		for (size_t k = 0; k < l->verify[i].key_count; k++)
			free(l->verify[i].keys[k]);
		free(l->verify[i].keys);
	}
	free(l->verify);
}

void entry_put_rules(struct buf *out, const struct list *l, const struct ref *ref)
{
	for (size_t i = 0; i < l->verify_count; i++) {
		const struct list_verify *v = &l->verify[i];

		if (!list_verify_applies(v, ref))
			continue;
		entry_put(out, "verify", v->images.text);
		for (size_t k = 0; k < v->key_count; k++)
			entry_put(out, "key", v->keys[k]);
	}
}

const struct section section_verify = { .key = "verify", .read = read, .release = release };
