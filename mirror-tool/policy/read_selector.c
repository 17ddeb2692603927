/* Label selectors and labels of Kubernetes (metav1.LabelSelector). */
#include <stdlib.h>

#include "mirror-tool/policy/model.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

static const char *const selector_keys[] = { "matchLabels", "matchExpressions", NULL };
static const char *const expression_keys[] = { "key", "operator", "values", NULL };

/* --- what keys and values may be ------------------------------------------------------------------ */

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A name of labels: up to 63 letters, digits, '-', '_', '.', at both ends a letter or digit. */
static bool is_label_word(struct span s)
{
	if (s.len == 0 || s.len > 63 || !is_alnum(s.data[0]) || !is_alnum(s.data[s.len - 1]))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum(s.data[i]) && !strchr("-_.", s.data[i]))
			return false;
	return true;
}

/* A DNS subdomain in front of '/'. */
static bool is_label_prefix(struct span s)
{
	if (s.len == 0 || s.len > 253)
		return false;
	while (s.len) {
		struct span part = span_until(&s, '.');

		if (!is_label_word(part))
			return false;
		for (size_t i = 0; i < part.len; i++)
			if (part.data[i] == '_' || (part.data[i] >= 'A' && part.data[i] <= 'Z'))
				return false;
	}
	return true;
}

static int check_label_key(
	const struct k8s_fields *f, const struct node *at, const char *key, struct err *e)
{
	struct span rest = span_of(key), prefix = { NULL, 0 };

	if (strchr(key, '/'))
		prefix = span_until(&rest, '/');
	if ((prefix.data && !is_label_prefix(prefix)) || !is_label_word(rest))
		return k8s_err(f, at, e, "\"%.200s\" is no key of a label", key);
	return 0;
}

static int check_label_value(
	const struct k8s_fields *f, const struct node *at, const char *value, struct err *e)
{
	if (*value && !is_label_word(span_of(value)))
		return k8s_err(f, at, e, "\"%.200s\" is no value of a label", value);
	return 0;
}

bool cilium_drops_label(const char *key)
{
	static const char *const begins_with[] = { "statefulset.kubernetes.io/pod-name",
		"apps.kubernetes.io/pod-index", "pod-template-hash", "pod-template-generation",
		"controller-revision-hash", "controller-uid", "batch.kubernetes.io/controller-uid",
		"batch.kubernetes.io/job-completion-index", "topology.kubernetes.io/",
		"kubernetes.io/", "io.kubernetes", "k8s.io/", "etcd_node", "annotation" };

	for (size_t i = 0; i < ARRAY_SIZE(begins_with); i++)
		if (strncmp(key, begins_with[i], strlen(begins_with[i])) == 0)
			return true;
	return strstr(key, "beta.kubernetes.io/") != NULL;
}

/* How selectors are read: whose labels, and what an engine makes of a key. */
struct style {
	struct model *m;
	const struct k8s_fields *f;
	enum cond_place place;
	label_reader *translate; /* NULL: Kubernetes' own keys */
	void *ctx;
};

/* Cilium makes no identity of these: what asks for them never matches. */
static struct cond *seen_label(const struct style *s, const struct node *at, struct cond *label)
{
	struct model *m = s->m;
	const struct k8s_fields *f = s->f;

	if (s->translate)
		return s->translate(m, f, at, label, s->ctx);
	if (m->options.engine != ENGINE_CILIUM || label->place != PLACE_POD ||
		!cilium_drops_label(label->key))
		return label;
	model_find(m, f, at, FOUND_IGNORED,
		"Cilium does not see the label \"%s\": this can never match", label->key);
	return cond_new(&m->arena, COND_NONE);
}

/* --- selectors --------------------------------------------------------------------------------------- */

#define LABELS_MAX 1000 /* of one map */

/* No more than that, and what is there twice is noted. */
static int check_labels(const struct k8s_fields *f, const struct node *map, struct err *e)
{
	if (map->count > LABELS_MAX)
		return k8s_err(f, map, e, "more than %d labels", LABELS_MAX);
	return k8s_once(f, map, e);
}

/* Of a key that is there twice the last counts. */
static bool is_last(const struct node *n)
{
	for (const struct node *x = n->next; x; x = x->next)
		if (x->flags & NODE_AGAIN && strcmp(x->key, n->key) == 0)
			return false;
	return true;
}

static int add_match_labels(
	const struct style *s, const struct node *map, struct cond *all, struct err *e)
{
	struct model *m = s->m;
	const struct k8s_fields *f = s->f;

	if (check_labels(f, map, e) < 0)
		return -1;
	node_each(n, map)
	{
		const char *value = "";

		if (!is_last(n))
			continue;
		if (k8s_text(f, n, &value, e) < 0 ||
			(!s->translate && check_label_key(f, n, n->key, e) < 0) ||
			check_label_value(f, n, value, e) < 0)
			return -1;
		if (n->kind == NODE_NULL)
			model_find(m, f, n, FOUND_ODD,
				"the label \"%s\" has no value here, which means the empty one",
				n->key);
		cond_add(all, seen_label(s, n, cond_equal(&m->arena, s->place, n->key, value)));
	}
	return 0;
}

static int read_values(struct model *m, const struct k8s_fields *f, const struct node *map,
	struct cond *label, struct err *e)
{
	const struct node *list = NULL;

	if (k8s_list(f, map, "values", &list, e) < 0)
		return -1;
	label->values = arena_alloc(&m->arena, (list ? list->count : 0) * sizeof(*label->values));
	if (!list)
		return 0;
	node_each(n, list)
	{
		const char *value = "";

		if (k8s_text(f, n, &value, e) < 0 || check_label_value(f, n, value, e) < 0)
			return -1;
		label->values[label->value_count++] = value;
	}
	return 0;
}

static int add_expression(
	const struct style *s, const struct node *map, struct cond *all, struct err *e)
{
	struct model *m = s->m;
	const struct k8s_fields *f = s->f;
	static const struct {
		const char *name;
		enum cond_test test;
		bool negative, valued;
	} operators[] = { { "In", TEST_IN, false, true }, { "NotIn", TEST_IN, true, true },
		{ "Exists", TEST_EXISTS, false, false },
		{ "DoesNotExist", TEST_EXISTS, true, false } };
	const char *key = NULL, *operator= NULL;
	struct cond *label;

	if (map->kind != NODE_MAP)
		return k8s_err(f, map, e, "a map with key and operator is needed here");
	if (k8s_known(f, map, expression_keys, e) < 0 || k8s_string(f, map, "key", &key, e) < 0 ||
		k8s_string(f, map, "operator", &operator, e) < 0)
		return -1;
	if (!key || !operator)
		return k8s_err(f, map, e, "\"%s\" is missing", key ? "operator" : "key");
	if (!s->translate && check_label_key(f, map, key, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
		if (strcmp(operators[i].name, operator) != 0)
			continue;
		label = cond_label(&m->arena, s->place, key, operators[i].test, NULL, 0);
		if (read_values(m, f, map, label, e) < 0)
			return -1;
		if (operators[i].valued != (label->value_count > 0))
			return k8s_err(f, map, e,
				operators[i].valued ? "%s needs values" : "%s takes no values",
				operator);
		label = seen_label(s, map, label);
		cond_add(all, operators[i].negative ? cond_not(&m->arena, label) : label);
		return 0;
	}
	return k8s_err(
		f, map, e, "\"%.100s\" is no operator: In, NotIn, Exists, DoesNotExist", operator);
}

static int read_style(const struct style *s, const struct node *n, struct cond **out, struct err *e)
{
	const struct node *labels = NULL, *expressions = NULL;
	struct cond *all = cond_new(&s->m->arena, COND_AND);

	*out = all;
	if (!n || n->kind == NODE_NULL)
		return 0;
	if (n->kind != NODE_MAP)
		return k8s_err(s->f, n, e, "a selector is a map");
	if (k8s_known(s->f, n, selector_keys, e) < 0 ||
		k8s_map(s->f, n, "matchLabels", &labels, e) < 0 ||
		k8s_list(s->f, n, "matchExpressions", &expressions, e) < 0)
		return -1;
	if (labels && add_match_labels(s, labels, all, e) < 0)
		return -1;
	if (expressions)
		node_each(x, expressions)
		{
			if (add_expression(s, x, all, e) < 0)
				return -1;
		}
	return 0;
}

int read_selector(struct model *m, const struct k8s_fields *f, const struct node *n,
	enum cond_place place, struct cond **out, struct err *e)
{
	return read_style(&(struct style){ m, f, place, NULL, NULL }, n, out, e);
}

int read_selector_as(struct model *m, const struct k8s_fields *f, const struct node *n,
	label_reader *translate, void *ctx, struct cond **out, struct err *e)
{
	return read_style(&(struct style){ m, f, PLACE_POD, translate, ctx }, n, out, e);
}

/* --- labels ------------------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	const struct label *x = a, *y = b;

	return strcmp(x->key, y->key);
}

int read_labels(struct model *m, const struct k8s_fields *f, const struct node *map,
	struct labels *out, struct err *e)
{
	*out = (struct labels){ .count = 0 };
	if (!map)
		return 0;
	if (check_labels(f, map, e) < 0)
		return -1;
	out->items = arena_alloc(&m->arena, map->count * sizeof(*out->items));
	node_each(n, map)
	{
		const char *value = "";

		if (!is_last(n))
			continue;
		if (k8s_text(f, n, &value, e) < 0)
			return -1;
		out->items[out->count++] = (struct label){ n->key, value };
	}
	if (out->count)
		qsort(out->items, out->count, sizeof(*out->items), by_key);
	return 0;
}
