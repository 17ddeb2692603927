/* Read and merge exceptions. Must never be laxer than the list says. */
#include "mirror-tool/list/exceptions.h"

#include <stdlib.h>

#include "storage/base/banned.h"

struct word {
	const char *text;
	int value;
};

/* Find the value of a key in `words` (ended by NULL). Returns 1, 0 the key is absent, -1. */
static int read_word(const struct doc *d, const struct node *map, const char *key,
	const struct word words[], int *out, struct err *e)
{
	AUTO(buf_release) struct buf all = BUF_INIT;
	const char *text = NULL;
	int rc = node_string(d, map, key, OPTIONAL, &text, e);

	if (rc <= 0)
		return rc;
	for (const struct word *w = words; w->text; w++) {
		if (strcmp(w->text, text) == 0) {
			*out = w->value;
			return 1;
		}
		buf_printf(&all, "%s%s", all.len ? ", " : "", w->text);
	}
	return node_err(d, node_get(map, key), e, "\"%.60s\" is none of: %s", text, all.data);
}

static int read_type(struct exceptions *x, const struct doc *d, const struct node *n, struct err *e)
{
	struct pattern p;

	if (n->kind != NODE_STRING)
		return node_err(d, n, e, "a type, a glob over types, .sig, .att or .sbom");
	if (pattern_parse(&p, span_of(n->text), e) < 0)
		return node_err(d, n, e, "%s", e->text);
	if (p.kind != PATTERN_GLOB) {
		pattern_release(&p);
		return node_err(d, n, e, "a glob over types is needed here");
	}
	x->types[x->type_count++] = p;
	return 0;
}

static void types_release(struct exceptions *x)
{
	for (size_t i = 0; i < x->type_count; i++)
		pattern_release(&x->types[i]);
	free(x->types);
	x->types = NULL;
	x->type_count = 0;
}

static int read_types(
	struct exceptions *x, const struct doc *d, const struct node *list, struct err *e)
{
	if (list->count == 0 || list->count > EXCEPTION_TYPES_MAX)
		return node_err(d, list, e, "1 to %d types are needed; for none write none",
			EXCEPTION_TYPES_MAX);
	types_release(x);
	x->attachments = ATTACH_TYPES;
	x->types = mem_alloc(list->count * sizeof(*x->types));
	node_each(n, list) if (read_type(x, d, n, e) < 0) return -1;
	return 0;
}

static int read_attachments(
	struct exceptions *x, const struct doc *d, const struct node *map, struct err *e)
{
	static const struct word words[] = { { "all", ATTACH_ALL }, { "optional", ATTACH_OPTIONAL },
		{ "none", ATTACH_NONE }, { NULL, 0 } };
	const struct node *n = node_get(map, "attachments");
	int value = (int)x->attachments, rc;

	if (n && n->kind == NODE_LIST)
		return read_types(x, d, n, e);
	rc = read_word(d, map, "attachments", words, &value, e);
	if (rc > 0)
		types_release(x);
	x->attachments = (enum attachments)value;
	return rc < 0 ? -1 : 0;
}

int exceptions_read(struct exceptions *x, const struct exceptions *defaults, const struct doc *d,
	const struct node *map, struct err *e)
{
	static const struct word foreign[] = { { "fetch", false }, { "leave", true }, { NULL, 0 } };
	static const struct word on_error[] = { { "fail", false }, { "skip", true }, { NULL, 0 } };
	int leave = defaults->leave_foreign, skip = defaults->skip;

	exceptions_copy(x, defaults);
	if (read_attachments(x, d, map, e) < 0 ||
		read_word(d, map, "foreign-layers", foreign, &leave, e) < 0 ||
		read_word(d, map, "on-error", on_error, &skip, e) < 0) {
		exceptions_release(x);
		return -1;
	}
	x->leave_foreign = leave;
	x->skip = skip;
	return 0;
}

void exceptions_copy(struct exceptions *to, const struct exceptions *from)
{
	struct err ignored;

	*to = *from;
	to->types = from->type_count ? mem_alloc(from->type_count * sizeof(*to->types)) : NULL;
	for (size_t i = 0; i < from->type_count; i++)
		if (pattern_parse(&to->types[i], span_of(from->types[i].text), &ignored) < 0)
			BUG("a pattern that was read once");
}

void exceptions_release(struct exceptions *x)
{
	types_release(x);
	*x = (struct exceptions){ .attachments = ATTACH_ALL };
}

/* Do not merge two lists of types: take all attachments instead, which is stricter than either. */
void exceptions_unite(struct exceptions *x, const struct exceptions *other)
{
	bool both = x->attachments == ATTACH_TYPES && other->attachments == ATTACH_TYPES;
	bool leave = x->leave_foreign && other->leave_foreign, skip = x->skip && other->skip;

	if (both || other->attachments < x->attachments) {
		exceptions_release(x);
		if (!both)
			exceptions_copy(x, other);
	}
	x->leave_foreign = leave;
	x->skip = skip;
}

bool exceptions_want(const struct exceptions *x, const char *type, const char *suffix)
{
	if (x->attachments != ATTACH_TYPES)
		return x->attachments != ATTACH_NONE;
	for (size_t i = 0; i < x->type_count; i++)
		if (pattern_match(&x->types[i], *suffix ? suffix : type))
			return true;
	return false;
}
