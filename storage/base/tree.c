/*
 * The tree behind json.c and yaml.c, and its typed readers. All nodes live in an arena that the
 * doc owns. Must never depend on which of the two formats the tree came from.
 */
#include "storage/base/tree.h"

#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "storage/base/arena.h"
#include "storage/base/nearest.h"
#include "storage/base/banned.h"

#define TREE_FROM 16 /* maps with more keys than this are checked for duplicates by a tree */

struct doc_nodes {
	struct arena arena;
	size_t count;
	void *keys; /* tsearch(3) of the nodes of large maps */
};

/* The nodes are the arena's. */
static void forget(void *node)
{
	(void)node;
}

void doc_release(struct doc *d)
{
	int saved = errno;

	if (d->nodes) {
		tdestroy(d->nodes->keys, forget);
		arena_release(&d->nodes->arena);
		free(d->nodes);
	}
	*d = (struct doc)DOC_INIT;
	errno = saved;
}

size_t doc_memory(const struct doc *d)
{
	return d->nodes ? d->nodes->arena.bytes : 0;
}

/* --- duplicate keys ---------------------------------------------------------------------- */

static int by_map(const struct node *x, const struct node *y)
{
	return ((uintptr_t)x->up > (uintptr_t)y->up) - ((uintptr_t)x->up < (uintptr_t)y->up);
}

static int by_map_and_key(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	return x->up == y->up ? strcmp(x->key, y->key) : by_map(x, y);
}

static int by_map_and_folded_key(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	return x->up == y->up ? strcasecmp(x->key, y->key) : by_map(x, y);
}

static bool remember(struct doc *d, const struct node *n)
{
	const struct node *const *at =
		tsearch(n, &d->nodes->keys, d->is_loose ? by_map_and_key : by_map_and_folded_key);

	if (at)
		return *at == n;
	BUG("out of memory");
}

/* Is its key there already? Small maps are searched; large ones are looked up in a balanced tree, which
 * no choice of keys makes slow. */
static bool key_taken(struct doc *d, const struct node *n)
{
	const struct node *parent = n->up;

	if (parent->count < TREE_FROM) {
		node_each(other, parent)
		{
			if ((d->is_loose ? strcmp : strcasecmp)(other->key, n->key) == 0)
				return true;
		}
		return false;
	}
	if (parent->count == TREE_FROM)
		node_each(other, parent) remember(d, other);
	return !remember(d, n);
}

/* --- building ---------------------------------------------------------------------------- */

static unsigned node_depth(const struct node *n)
{
	unsigned depth = 0;

	for (; n; n = n->up)
		depth++;
	return depth;
}

static int check_new(struct doc *d, struct node *parent, uint32_t line, struct err *e)
{
	if (d->nodes->count++ >= DOC_NODES_MAX)
		return err_set(
			e, ERR_INPUT, "%s:%u: more than %d values", d->name, line, DOC_NODES_MAX);
	if (node_depth(parent) >= DOC_DEPTH_MAX)
		return err_set(
			e, ERR_INPUT, "%s:%u: nested deeper than %d", d->name, line, DOC_DEPTH_MAX);
	return 0;
}

int node_add(struct doc *d, struct node *parent, struct span key, enum node_kind kind,
	struct span text, uint32_t line, struct node **out, struct err *e)
{
	struct node *n;

	if (!d->nodes)
		d->nodes = mem_alloc(sizeof(*d->nodes));
	if (check_new(d, parent, line, e) < 0)
		return -1;
	if ((text.len && memchr(text.data, 0, text.len)) ||
		(key.len && memchr(key.data, 0, key.len)))
		return err_set(e, ERR_INPUT, "%s:%u: a NUL byte in a string", d->name, line);
	n = arena_alloc(&d->nodes->arena, sizeof(*n));
	n->kind = kind;
	n->line = line;
	n->up = parent;
	n->text = arena_text(&d->nodes->arena, text);
	n->text_len = text.len;
	if (parent && parent->kind == NODE_MAP) {
		n->key = arena_text(&d->nodes->arena, key);
		if (key_taken(d, n)) {
			if (!d->is_loose)
				return err_set(e, ERR_INPUT, "%s:%u: the key \"%s\" is there twice",
					d->name, line, n->key);
			n->flags |= NODE_AGAIN;
		}
	}
	if (!parent)
		d->root = n;
	else if (parent->last)
		parent->last->next = n;
	else
		parent->first = n;
	if (parent) {
		parent->last = n;
		parent->count++;
	}
	*out = n;
	return 0;
}

/* --- reading ----------------------------------------------------------------------------- */

const struct node *node_get(const struct node *map, const char *key)
{
	if (!map || map->kind != NODE_MAP)
		return NULL;
	node_each(n, map) if (strcmp(n->key, key) == 0) return n;
	return NULL;
}

/* Of several documents the line says which it is. */
static void path_of(struct buf *out, const struct doc *d, const struct node *n)
{
	unsigned at = 0;

	if (!n->up || (d->is_loose && n->up == d->root))
		return;
	path_of(out, d, n->up);
	if (n->key) {
		buf_printf(out, "%s%.60s", out->len ? "." : "", n->key);
		return;
	}
	node_each(sibling, n->up)
	{
		if (sibling == n)
			break;
		at++;
	}
	buf_printf(out, "[%u]", at);
}

int(node_err)(const struct doc *d, const struct node *n, struct err *e, const char *fmt, ...)
{
	AUTO(buf_release) struct buf path = BUF_INIT;
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	path_of(&path, d, n);
	if (path.len == 0)
		return err_set(e, ERR_INPUT, "%s:%u: %s", d->name, n->line, text);
	return err_set(e, ERR_INPUT, "%s:%u: at %.300s: %s", d->name, n->line, path.data, text);
}

static const char *kind_name(enum node_kind kind)
{
	static const char *const names[] = { [NODE_NULL] = "nothing",
		[NODE_BOOL] = "true or false",
		[NODE_INT] = "an integer",
		[NODE_REAL] = "a number",
		[NODE_STRING] = "a string",
		[NODE_LIST] = "a list",
		[NODE_MAP] = "a map" };

	return names[kind];
}

static int find(const struct doc *d, const struct node *map, const char *key, int required,
	const struct node **out, struct err *e)
{
	if (map->kind != NODE_MAP)
		return node_err(d, map, e, "a map is needed here, not %s", kind_name(map->kind));
	*out = node_get(map, key);
	if (*out && (*out)->kind != NODE_NULL)
		return 1;
	if (required)
		return node_err(d, map, e, "\"%s\" is missing", key);
	return 0;
}

static int wrong_kind(
	const struct doc *d, const struct node *n, enum node_kind wanted, struct err *e)
{
	return node_err(
		d, n, e, "%s is needed here, not %s", kind_name(wanted), kind_name(n->kind));
}

static int find_kind(const struct doc *d, const struct node *map, const char *key, int required,
	enum node_kind kind, const struct node **out, struct err *e)
{
	const struct node *n = NULL;
	int rc = find(d, map, key, required, &n, e);

	if (rc <= 0)
		return rc;
	if (n->kind != kind && !(kind == NODE_STRING && d->is_yaml && n->kind < NODE_LIST))
		return wrong_kind(d, n, kind, e);
	*out = n;
	return 1;
}

int node_string(const struct doc *d, const struct node *map, const char *key, int required,
	const char **out, struct err *e)
{
	const struct node *n = NULL;
	int rc = find_kind(d, map, key, required, NODE_STRING, &n, e);

	if (rc > 0)
		*out = n->text;
	return rc;
}

int node_int(const struct doc *d, const struct node *map, const char *key, int required,
	int64_t min, int64_t max, int64_t *out, struct err *e)
{
	const struct node *n = NULL;
	int rc = find_kind(d, map, key, required, NODE_INT, &n, e);

	if (rc <= 0)
		return rc;
	if (n->number < min || n->number > max)
		return node_err(d, n, e, "%s is not between %lld and %lld", n->text, (long long)min,
			(long long)max);
	*out = n->number;
	return 1;
}

int node_bool(const struct doc *d, const struct node *map, const char *key, int required, bool *out,
	struct err *e)
{
	const struct node *n = NULL;
	int rc = find_kind(d, map, key, required, NODE_BOOL, &n, e);

	if (rc > 0)
		*out = n->number != 0;
	return rc;
}

int node_list(const struct doc *d, const struct node *map, const char *key, int required,
	const struct node **out, struct err *e)
{
	return find_kind(d, map, key, required, NODE_LIST, out, e);
}

int node_map(const struct doc *d, const struct node *map, const char *key, int required,
	const struct node **out, struct err *e)
{
	return find_kind(d, map, key, required, NODE_MAP, out, e);
}

static int unknown_key(
	const struct doc *d, const struct node *n, const char *const known[], struct err *e)
{
	const char *best;
	size_t count = 0;

	while (known[count])
		count++;
	best = nearest_name(n->key, known, count);
	return node_err(d, n, e, best ? "unknown key; did you mean %s?" : "unknown key%s",
		best ? best : "");
}

int node_only(const struct doc *d, const struct node *map, const char *const known[], struct err *e)
{
	if (map->kind != NODE_MAP)
		return wrong_kind(d, map, NODE_MAP, e);
	node_each(n, map)
	{
		const char *const *k = known;

		while (*k && strcmp(*k, n->key) != 0)
			k++;
		if (!*k)
			return unknown_key(d, n, known, e);
	}
	return 0;
}
