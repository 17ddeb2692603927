/* Objects as their decoders see them. Must never guess what a key means that it does not know. */
#include "mirror-tool/k8s/fields.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

void k8s_notes_release(struct k8s_notes *n)
{
	free(n->items);
	*n = (struct k8s_notes)K8S_NOTES_INIT;
}

int(k8s_err)(const struct k8s_fields *f, const struct node *n, struct err *e, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return node_err(f->object->doc, n, e, "%s %s%s%s: %s", f->object->kind, f->object->ns,
		*f->object->ns ? "/" : "", f->object->name, text);
}

const struct node *k8s_get(const struct k8s_fields *f, const struct node *map, const char *key)
{
	const struct node *found = NULL;

	if (!map || map->kind != NODE_MAP)
		return NULL;
	node_each(n, map)
	{
		if (strcmp(n->key, key) == 0 ||
			(f->decode == DECODE_FOLDING && strcasecmp(n->key, key) == 0))
			found = n;
	}
	return found;
}

static int find_kind(const struct k8s_fields *f, const struct node *map, const char *key,
	enum node_kind kind, const char *name, const struct node **out, struct err *e)
{
	const struct node *n = k8s_get(f, map, key);

	if (!n || n->kind == NODE_NULL)
		return 0;
	if (n->kind != kind)
		return k8s_err(f, n, e, "%s is needed here", name);
	*out = n;
	return 1;
}

int k8s_map(const struct k8s_fields *f, const struct node *map, const char *key,
	const struct node **out, struct err *e)
{
	return find_kind(f, map, key, NODE_MAP, "a map", out, e);
}

int k8s_list(const struct k8s_fields *f, const struct node *map, const char *key,
	const struct node **out, struct err *e)
{
	return find_kind(f, map, key, NODE_LIST, "a list", out, e);
}

int k8s_int(const struct k8s_fields *f, const struct node *map, const char *key, int64_t min,
	int64_t max, int64_t *out, struct err *e)
{
	const struct node *n = NULL;
	int rc = find_kind(f, map, key, NODE_INT, "an integer", &n, e);

	if (rc <= 0)
		return rc;
	if (n->number < min || n->number > max)
		return k8s_err(f, n, e, "%s is not between %lld and %lld", n->text, (long long)min,
			(long long)max);
	*out = n->number;
	return 1;
}

int k8s_bool(const struct k8s_fields *f, const struct node *map, const char *key, bool *out,
	struct err *e)
{
	const struct node *n = NULL;
	int rc = find_kind(f, map, key, NODE_BOOL, "true or false", &n, e);

	if (rc > 0)
		*out = n->number != 0;
	return rc;
}

/* --- strings ----------------------------------------------------------------------------------- */

/* YAML 1.1, which kubectl reads: words that are true or false there. */
static bool is_old_bool(const char *text)
{
	static const char *const words[] = { "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n",
		"N", "no", "No", "NO", "off", "Off", "OFF" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

static const char *skip_digits(const char *p, bool *any)
{
	for (; isdigit((unsigned char)*p) || *p == '_'; p++)
		*any |= *p != '_';
	return p;
}

/* Is a plain scalar a number for YAML 1.1: 1.10, 1e3, 0x1F, 0b1, 1_000, .inf? */
static bool is_old_number(const char *text)
{
	const char *p = text + (*text == '-' || *text == '+');
	bool any = false;

	if (strcasecmp(p, ".inf") == 0 || strcasecmp(text, ".nan") == 0)
		return true;
	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'b' || p[1] == 'o') && p[2])
		return strspn(p + 2, "0123456789abcdefABCDEF_") == strlen(p + 2);
	p = skip_digits(p, &any);
	if (*p == '.')
		p = skip_digits(p + 1, &any);
	if (any && (*p == 'e' || *p == 'E')) {
		bool exponent = false;

		p = skip_digits(p + 1 + (p[1] == '-' || p[1] == '+'), &exponent);
		any &= exponent;
	}
	return any && !*p;
}

/* What a scalar is besides a string, or NULL. */
static const char *other_kind(const struct node *n)
{
	switch (n->kind) {
	case NODE_STRING:
		if (!(n->flags & NODE_PLAIN))
			return NULL;
		return is_old_bool(n->text)     ? "a truth value"
		       : is_old_number(n->text) ? "a number"
						: NULL;
	case NODE_BOOL:
		return "a truth value";
	case NODE_INT:
	case NODE_REAL:
		return "a number";
	default:
		return "no scalar";
	}
}

int k8s_text(const struct k8s_fields *f, const struct node *n, const char **out, struct err *e)
{
	const char *other;

	if (n->kind == NODE_NULL)
		return 0;
	other = other_kind(n);
	if (n->kind == NODE_LIST || n->kind == NODE_MAP)
		return k8s_err(f, n, e, "a string is needed here");
	if (other && f->decode != DECODE_FOLDING)
		return k8s_err(
			f, n, e, "%s is %s, and a string is needed: quote it", n->text, other);
	if (other)
		*VEC_PUSH(f->notes->items, f->notes->count) =
			(struct k8s_note){ K8S_NOT_A_STRING, f->object, n, NULL };
	*out = n->text;
	return 1;
}

int k8s_string(const struct k8s_fields *f, const struct node *map, const char *key,
	const char **out, struct err *e)
{
	const struct node *n = k8s_get(f, map, key);

	return n ? k8s_text(f, n, out, e) : 0;
}

/* --- keys ---------------------------------------------------------------------------------------- */

/* Are the words one letter apart, or two that are next to each other swapped? */
static bool is_near(const char *a, const char *b)
{
	size_t same = 0, len_a = strlen(a), len_b = strlen(b);

	while (a[same] && tolower((unsigned char)a[same]) == tolower((unsigned char)b[same]))
		same++;
	a += same;
	b += same;
	if (len_a == len_b)
		return *a &&
		       (strcasecmp(a + 1, b + 1) == 0 || (a[1] && a[0] == b[1] && a[1] == b[0] &&
								 strcasecmp(a + 2, b + 2) == 0));
	if (len_a + 1 == len_b)
		return strcasecmp(a, b + 1) == 0;
	return len_a == len_b + 1 && strcasecmp(a + 1, b) == 0;
}

static int note_key(const struct k8s_fields *f, const struct node *n, enum k8s_note_kind kind,
	const char *near, struct err *e)
{
	if (f->decode == DECODE_STRICT)
		return k8s_err(f, n, e,
			kind == K8S_DUPLICATE_KEY ? "the key \"%s\" is there twice"
						  : "unknown field \"%s\"",
			n->key);
	*VEC_PUSH(f->notes->items, f->notes->count) = (struct k8s_note){ kind, f->object, n, near };
	return 0;
}

static int check_key(
	const struct k8s_fields *f, const struct node *n, const char *const known[], struct err *e)
{
	for (const char *const *k = known; *k; k++) {
		if (strcmp(*k, n->key) != 0)
			continue;
		return n->flags & NODE_AGAIN ? note_key(f, n, K8S_DUPLICATE_KEY, NULL, e) : 0;
	}
	for (const char *const *k = known; *k; k++)
		if (strcasecmp(*k, n->key) == 0)
			return note_key(f, n, K8S_WRONG_CASE, *k, e);
	for (const char *const *k = known; *k; k++)
		if (is_near(*k, n->key))
			return note_key(f, n, K8S_UNKNOWN_FIELD, *k, e);
	return note_key(f, n, K8S_UNKNOWN_FIELD, NULL, e);
}

int k8s_known(const struct k8s_fields *f, const struct node *map, const char *const known[],
	struct err *e)
{
	if (!map || map->kind != NODE_MAP)
		return 0;
	node_each(n, map)
	{
		if (check_key(f, n, known, e) < 0)
			return -1;
	}
	return 0;
}

int k8s_once(const struct k8s_fields *f, const struct node *map, struct err *e)
{
	node_each(n, map)
	{
		if (n->flags & NODE_AGAIN && note_key(f, n, K8S_DUPLICATE_KEY, NULL, e) < 0)
			return -1;
	}
	return 0;
}
