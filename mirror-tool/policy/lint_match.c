/* Rules about what selectors of a NetworkPolicy match in the world. Must never take a near miss for a match. */
#include "mirror-tool/policy/lint.h"

#include <ctype.h>
#include <strings.h>

#include "storage/base/banned.h"

/* --- near misses ------------------------------------------------------------------------------------- */

#define NEAR_TEXT_MAX 64 /* longer ones are not compared */

/* How many letters are changed, added or taken away, case apart. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NEAR_TEXT_MAX + 1];
	size_t len_a = strlen(a), len_b = strlen(b);

	if (len_a > NEAR_TEXT_MAX || len_b > NEAR_TEXT_MAX)
		return NEAR_TEXT_MAX;
	for (size_t k = 0; k <= len_b; k++)
		row[k] = (unsigned)k;
	for (size_t i = 1; i <= len_a; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t k = 1; k <= len_b; k++) {
			bool same = tolower((unsigned char)a[i - 1]) ==
				    tolower((unsigned char)b[k - 1]);
			unsigned best = diagonal + !same;

			if (row[k] + 1 < best)
				best = row[k] + 1;
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			diagonal = row[k];
			row[k] = best;
		}
	}
	return row[len_b];
}

/* One or two letters apart, of short words one; or only by case. */
static bool is_near(const char *a, const char *b)
{
	size_t len = strlen(a) < strlen(b) ? strlen(a) : strlen(b);

	return distance(a, b) <= (len > 4 ? 2u : len > 1 ? 1u : 0u);
}

enum nearness { NEAR_NOT, NEAR_KEY, NEAR_LABEL }; /* another value of the key; almost the label */

/* How near a label comes to one that is wanted and not there. */
static enum nearness nearness(const struct cond *wanted, const struct label *l)
{
	bool is_key = strcmp(wanted->key, l->key) == 0;

	if (wanted->op != COND_LABEL || wanted->test != TEST_IN)
		return NEAR_NOT;
	for (size_t i = 0; i < wanted->value_count; i++) {
		if (is_key ? is_near(wanted->values[i], l->value)
			   : strcasecmp(wanted->values[i], l->value) == 0 &&
					is_near(wanted->key, l->key))
			return NEAR_LABEL;
	}
	return is_key ? NEAR_KEY : NEAR_NOT;
}

static bool has_label(const struct cond *wanted, const struct labels *labels)
{
	for (size_t i = 0; i < labels->count; i++) {
		const struct label *l = &labels->items[i];

		if (strcmp(l->key, wanted->key) != 0)
			continue;
		for (size_t v = 0; v < wanted->value_count; v++)
			if (strcmp(wanted->values[v], l->value) == 0)
				return true;
		return wanted->test == TEST_EXISTS;
	}
	return false;
}

/* Does a selector's condition hold of labels? Of those that Kubernetes' selectors become. */
static bool holds(const struct cond *c, const struct labels *labels)
{
	switch (c->op) {
	case COND_AND:
		for (const struct cond *k = c->first; k; k = k->next)
			if (!holds(k, labels))
				return false;
		return true;
	case COND_NOT:
		return !holds(c->first, labels);
	case COND_LABEL:
		return has_label(c, labels);
	default:
		return c->op == COND_ANY;
	}
}

/* --- selectors and whom they are asked of ------------------------------------------------------------- */

/* A selector as read and the things whose labels it asks for. */
struct asked {
	const struct lint *l;
	const struct cond *selector;
	enum cond_place place;
	const char *ns; /* pods of this namespace only, or NULL */
};

static size_t thing_count(const struct asked *a)
{
	return a->place == PLACE_POD ? a->l->model.workload_count : a->l->model.namespace_count;
}

static const struct labels *labels_of(const struct asked *a, size_t i)
{
	const struct model *m = &a->l->model;

	if (a->place != PLACE_POD)
		return m->namespaces[i].object ? &m->namespaces[i].labels : NULL;
	if (a->ns && strcmp(m->namespaces[m->workloads[i].ns].name, a->ns) != 0)
		return NULL;
	return &m->workloads[i].labels;
}

/* The terms of a selector that nothing has, each with what comes near. */
static enum nearness say_term(const struct asked *a, const struct cond *term, struct buf *out)
{
	const struct label *best = NULL;
	enum nearness how = NEAR_NOT;

	if (term->op != COND_LABEL)
		return NEAR_NOT;
	for (size_t i = 0; i < thing_count(a); i++) {
		const struct labels *labels = labels_of(a, i);

		if (labels && has_label(term, labels))
			return NEAR_NOT;
		for (size_t k = 0; labels && k < labels->count; k++) {
			enum nearness is = nearness(term, &labels->items[k]);

			if (is > how) {
				best = &labels->items[k];
				how = is;
			}
		}
	}
	buf_printf(out, "; no %s has %s%s%s", a->place == PLACE_POD ? "pod" : "namespace",
		term->key, term->value_count ? "=" : "", term->value_count ? term->values[0] : "");
	if (best)
		buf_printf(out, how == NEAR_LABEL ? ", is %s=%s meant?" : ", there is %s=%s",
			best->key, best->value);
	if (a->place == PLACE_NAMESPACE && strcmp(term->key, "name") == 0)
		buf_str(out,
			" (the API server sets kubernetes.io/metadata.name, and not \"name\")");
	return how;
}

static void say_near(const struct asked *a, struct buf *out)
{
	for (const struct cond *term = a->selector->first; term; term = term->next)
		(void)say_term(a, term, out);
}

/* Would the thing be selected if each term that fails were the label that comes near it? */
static bool is_nearly(const struct asked *a, size_t thing)
{
	const struct labels *labels = labels_of(a, thing);
	const struct cond *term = a->selector->first;

	for (; labels && term; term = term->next) {
		bool near = holds(term, labels);

		for (size_t k = 0; !near && k < labels->count; k++)
			near = term->op == COND_LABEL &&
			       nearness(term, &labels->items[k]) == NEAR_LABEL;
		if (!near)
			return false;
	}
	return labels != NULL;
}

/* --- subjects ------------------------------------------------------------------------------------------- */

/* Of a policy that selects nothing: the pods that it seems to be meant for, as long as nothing else isolates them. */
static void check_open(struct lint *l, const struct policy *p, const struct asked *a)
{
	AUTO(buf_release) struct buf names = BUF_INIT;
	bool any_near = false;
	size_t count = 0;

	for (size_t i = 0; i < l->model.workload_count; i++)
		any_near |= is_nearly(a, i);
	for (size_t i = 0; i < l->model.workload_count; i++) {
		size_t end = l->judge.ends.of_workload[i];
		bool open = false;

		for (unsigned side = 0; side < 2; side++)
			open |= p->sides[side].isolates &&
				!lint_isolator(l, end, (enum direction)side);
		if (!open || !labels_of(a, i) || (any_near && !is_nearly(a, i)))
			continue;
		buf_printf(&names, "%s%s", count++ ? ", " : "", l->model.workloads[i].name);
	}
	if (count)
		lint_add(l, LINT_NOT_ISOLATED, p->object, p->object->root,
			"no policy isolates %s of %s as this one seems to be meant to", names.data,
			p->ns);
}

static void check_host_network(
	struct lint *l, const struct policy *p, const struct answers *subject)
{
	for (size_t i = 0; i < l->model.workload_count; i++) {
		const struct workload *w = &l->model.workloads[i];

		if (w->host_network && bit_get(subject->yes, l->judge.ends.of_workload[i]))
			lint_add(l, LINT_HOST_NETWORK, p->object, p->object->root,
				"%s/%s is on its node's network: the policy selects it and does "
				"not bind it",
				l->model.namespaces[w->ns].name, w->name);
	}
}

static bool any_end(const struct lint *l, const struct answers *a)
{
	const struct ends *s = &l->judge.ends;

	return bit_next(a->yes, 0, s->count) < s->count ||
	       bit_next(a->maybe, 0, s->count) < s->count;
}

static bool has_pods(const struct lint *l, const char *ns)
{
	for (size_t i = 0; i < l->model.workload_count; i++)
		if (strcmp(l->model.namespaces[l->model.workloads[i].ns].name, ns) == 0)
			return true;
	return false;
}

static void check_not_in(struct lint *l, const struct policy *p, const struct node *at,
	const struct cond *c, const struct answers *is);

static void check_subject(struct lint *l, const struct policy *p)
{
	const struct node *spec = lint_get(l, p, p->object->root, "spec"),
			  *at = lint_get(l, p, spec, "podSelector");
	AUTO(answers_release) struct answers is = { NULL, NULL };
	AUTO(buf_release) struct buf near = BUF_INIT;
	struct asked pods = { l, p->subject->last, PLACE_POD, p->ns };

	answers_make(&l->judge.ends, &is);
	ends_ask(&l->judge.ends, p->subject, &is);
	check_host_network(l, p, &is);
	check_not_in(l, p, at ? at : p->object->root, p->subject, &is);
	if (any_end(l, &is) || !has_pods(l, p->ns))
		return;
	say_near(&pods, &near);
	lint_add(l, LINT_SUBJECT_NOTHING, p->object, at ? at : p->object->root,
		"podSelector selects no pod of %s%s", p->ns, near.data);
	check_open(l, p, &pods);
}

/* --- peers ------------------------------------------------------------------------------------------------ */

/* Namespaces that are among the objects and match. */
static size_t count_namespaces(const struct asked *a)
{
	size_t count = 0;

	for (size_t i = 0; i < thing_count(a); i++)
		count += labels_of(a, i) && holds(a->selector, labels_of(a, i));
	return count;
}

static bool asks_name_label(const struct cond *selector)
{
	for (const struct cond *c = selector->first; c; c = c->next)
		if (c->op == COND_LABEL && strcmp(c->key, "name") == 0)
			return true;
	return false;
}

/* spaces: NULL, pods of the own namespace. */
static void say_nothing(struct lint *l, const struct policy *p, const struct node *item,
	const struct cond *spaces, const struct cond *pods)
{
	AUTO(buf_release) struct buf near = BUF_INIT;
	struct asked of_spaces = { l, spaces, PLACE_NAMESPACE, NULL };
	struct asked of_pods = { l, pods, PLACE_POD, spaces ? NULL : p->ns };

	if (spaces && !count_namespaces(&of_spaces)) {
		say_near(&of_spaces, &near);
		lint_add(l, LINT_PEER_NOTHING, p->object, item,
			"namespaceSelector selects no namespace%s", near.data);
		return;
	}
	if (!pods->first) {
		lint_add(l, LINT_PEER_EMPTY, p->object, item,
			"the namespaces that this selects have no pods here");
		return;
	}
	say_near(&of_pods, &near);
	lint_add(l, LINT_PEER_NOTHING, p->object, item, "podSelector selects no pod of %s%s",
		spaces ? "the namespaces" : p->ns, near.data);
}

/* A peer that is no block: the pod network, where, which (read_network_policy.c). */
static void check_peer(
	struct lint *l, const struct policy *p, const struct node *item, const struct cond *peer)
{
	const struct cond *where = peer->first->next, *which = where->next;
	const struct node *spaces = lint_get(l, p, item, "namespaceSelector");
	AUTO(answers_release) struct answers is = { NULL, NULL };
	bool has_spaces = spaces && spaces->kind == NODE_MAP;

	answers_make(&l->judge.ends, &is);
	ends_ask(&l->judge.ends, peer, &is);
	if (!any_end(l, &is))
		say_nothing(l, p, item, has_spaces ? where : NULL, which);
	else if (has_spaces && asks_name_label(where))
		lint_add(l, LINT_NAME_LABEL, p->object, item,
			"the label \"name\" is set by hand: kubernetes.io/metadata.name is always "
			"there and right");
	check_not_in(l, p, item, peer, &is);
}

/* --- NotIn, and labels that an engine does not see -------------------------------------------------------------- */

static bool has_key(const struct labels *labels, const char *key)
{
	for (size_t i = 0; i < labels->count; i++)
		if (strcmp(labels->items[i].key, key) == 0)
			return true;
	return false;
}

/* Whether another term of the selector wants the key. */
static bool wants_key(const struct cond *selector, const char *key)
{
	for (const struct cond *c = selector->first; c; c = c->next)
		if (c->op == COND_LABEL && strcmp(c->key, key) == 0)
			return true;
	return false;
}

static void check_term(struct lint *l, const struct policy *p, const struct node *at,
	const struct cond *label, const struct answers *is)
{
	const struct model *m = &l->model;
	AUTO(buf_release) struct buf names = BUF_INIT;
	size_t count = 0;

	for (size_t i = 0; i < m->workload_count; i++) {
		const struct workload *w = &m->workloads[i];
		const struct namespace *ns = &m->namespaces[w->ns];

		if (!bit_get(is->yes, l->judge.ends.of_workload[i]) ||
			has_key(label->place == PLACE_POD ? &w->labels : &ns->labels, label->key))
			continue;
		if (count++ < 4)
			buf_printf(&names, "%s%s/%s", count > 1 ? ", " : "", ns->name, w->name);
	}
	if (count)
		lint_add(l, LINT_NOT_IN_ABSENT, p->object, at,
			"NotIn of \"%s\" selects what does not have the label, too: %s%s",
			label->key, names.data, count > 4 ? " and more" : "");
}

static void check_not_in(struct lint *l, const struct policy *p, const struct node *at,
	const struct cond *c, const struct answers *is)
{
	for (const struct cond *k = c->first; k; k = k->next) {
		if (k->op == COND_LABEL && k->place == PLACE_POD && cilium_drops_label(k->key))
			lint_add(l, LINT_CILIUM_LABEL, p->object, at,
				"Cilium does not see the label \"%s\" of pods: there this never "
				"matches",
				k->key);
		if (k->op == COND_NOT && k->first->op == COND_LABEL && k->first->test == TEST_IN &&
			!wants_key(c, k->first->key))
			check_term(l, p, at, k->first, is);
		if (k->op == COND_AND)
			check_not_in(l, p, at, k, is);
	}
}

static void check_rule(
	struct lint *l, const struct policy *p, enum direction side, const struct rule *r)
{
	const struct node *list = lint_get(l, p, r->at, side == EGRESS ? "to" : "from");
	const struct cond *peer = r->peer->first;

	if (!list || list->kind != NODE_LIST)
		return;
	for (const struct node *n = list->first; n && peer; n = n->next, peer = peer->next)
		if (peer->first->op == COND_POD)
			check_peer(l, p, n, peer);
}

void lint_match(struct lint *l, const struct policy *p)
{
	if (!l->model.workload_count)
		return;
	check_subject(l, p);
	for (unsigned side = 0; side < 2; side++)
		for (size_t i = 0; i < p->sides[side].count; i++)
			check_rule(l, p, (enum direction)side, &p->sides[side].items[i]);
}
