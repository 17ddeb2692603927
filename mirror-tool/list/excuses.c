/* Excuses and skipped references. Must give equal bytes for equal content, in whatever order it was
 * added. */
#include "mirror-tool/list/excuses.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/oci/digest_node.h"
#include "storage/base/banned.h"

static const char *const names[] = {
	[EXCUSE_ATTACHMENTS] = "attachments",
	[EXCUSE_ATTACHMENT] = "attachment",
	[EXCUSE_FOREIGN_LAYER] = "foreign-layer",
};

const char *excuse_name(enum excuse_kind kind)
{
	return names[kind];
}

/* --- of a pin -------------------------------------------------------------------------------- */

bool excuses_has(const struct excuses *x, enum excuse_kind kind, const struct digest *d)
{
	for (size_t i = 0; i < x->count; i++)
		if (x->items[i].kind == kind && digest_eq(&x->items[i].digest, d))
			return true;
	return false;
}

void excuses_add(struct excuses *x, enum excuse_kind kind, const struct digest *d, const char *why)
{
	if (excuses_has(x, kind, d))
		return;
	*VEC_PUSH(x->items, x->count) = (struct excuse){ kind, *d, mem_strdup(why) };
}

static int excuse_cmp(const void *a, const void *b)
{
	const struct excuse *left = a, *right = b;
	int order = (int)left->kind - (int)right->kind;

	return order ? order : digest_cmp(&left->digest, &right->digest);
}

void excuses_sort(struct excuses *x)
{
	if (x->count)
		qsort(x->items, x->count, sizeof(*x->items), excuse_cmp);
}

void excuses_release(struct excuses *x)
{
	for (size_t i = 0; i < x->count; i++)
		free(x->items[i].why);
	free(x->items);
	*x = (struct excuses){ NULL, 0 };
}

void excuses_write(const struct excuses *x, struct buf *out)
{
	char digest[DIGEST_TEXT_SIZE];

	for (size_t i = 0; i < x->count; i++) {
		buf_printf(out,
			"%s{\"kind\":\"%s\",\"digest\":\"%s\",\"why\":", i ? "," : ",\"excused\":[",
			names[x->items[i].kind], digest_text(&x->items[i].digest, digest));
		json_quote(out, x->items[i].why, false);
		buf_char(out, '}');
	}
	buf_str(out, x->count ? "]" : "");
}

static int read_kind(
	const struct doc *d, const struct node *n, enum excuse_kind *out, struct err *e)
{
	const char *text = NULL;

	if (node_string(d, n, "kind", REQUIRED, &text, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], text) == 0) {
			*out = (enum excuse_kind)i;
			return 0;
		}
	}
	return node_err(d, node_get(n, "kind"), e, "\"%.60s\" is no kind of excuse", text);
}

static int read_excuse(struct excuses *x, const struct doc *d, const struct node *n, struct err *e)
{
	static const char *const known[] = { "kind", "digest", "why", NULL };
	const char *why = NULL;
	enum excuse_kind kind = EXCUSE_ATTACHMENTS;
	struct digest digest;

	if (node_only(d, n, known, e) < 0 || read_kind(d, n, &kind, e) < 0 ||
		node_digest(d, n, "digest", &digest, e) < 0 ||
		node_string(d, n, "why", REQUIRED, &why, e) < 0)
		return -1;
	excuses_add(x, kind, &digest, why);
	return 0;
}

int excuses_read(struct excuses *x, const struct doc *d, const struct node *map, struct err *e)
{
	const struct node *list = NULL;
	int rc = node_list(d, map, "excused", OPTIONAL, &list, e);

	if (rc <= 0)
		return rc;
	if (list->count > EXCUSES_MAX)
		return node_err(d, list, e, "more than %d excuses", EXCUSES_MAX);
	node_each(n, list) if (read_excuse(x, d, n, e) < 0) return -1;
	excuses_sort(x);
	return 0;
}

/* --- of a lock --------------------------------------------------------------------------------- */

const struct skip *skips_find(const struct skips *s, const char *ref)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->items[i].ref, ref) == 0)
			return &s->items[i];
	return NULL;
}

void skips_add(struct skips *s, const char *ref, const char *why)
{
	if (skips_find(s, ref))
		return;
	*VEC_PUSH(s->items, s->count) = (struct skip){ mem_strdup(ref), mem_strdup(why) };
}

static int skip_cmp(const void *a, const void *b)
{
	return strcmp(((const struct skip *)a)->ref, ((const struct skip *)b)->ref);
}

void skips_sort(struct skips *s)
{
	if (s->count)
		qsort(s->items, s->count, sizeof(*s->items), skip_cmp);
}

void skips_release(struct skips *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->items[i].ref);
		free(s->items[i].why);
	}
	free(s->items);
	*s = (struct skips){ NULL, 0 };
}

void skips_json(const struct skips *s, struct buf *out)
{
	buf_char(out, '[');
	for (size_t i = 0; i < s->count; i++) {
		buf_str(out, i ? ",\n{\"ref\":" : "\n{\"ref\":");
		json_quote(out, s->items[i].ref, false);
		buf_str(out, ",\"error\":");
		json_quote(out, s->items[i].why, false);
		buf_char(out, '}');
	}
	buf_str(out, s->count ? "\n]" : "]");
}

static int read_skip(struct skips *s, const struct doc *d, const struct node *n, struct err *e)
{
	static const char *const known[] = { "ref", "error", NULL };
	const char *ref = NULL, *why = NULL;

	if (node_only(d, n, known, e) < 0 || node_string(d, n, "ref", REQUIRED, &ref, e) < 0 ||
		node_string(d, n, "error", REQUIRED, &why, e) < 0)
		return -1;
	skips_add(s, ref, why);
	return 0;
}

int skips_read(
	struct skips *s, const struct doc *d, const struct node *map, size_t max, struct err *e)
{
	const struct node *list = NULL;
	int rc = node_list(d, map, "skipped", OPTIONAL, &list, e);

	if (rc <= 0)
		return rc;
	if (list->count > max)
		return node_err(d, list, e, "more than %zu entries", max);
	node_each(n, list) if (read_skip(s, d, n, e) < 0) return -1;
	skips_sort(s);
	return 0;
}
