/* Rules about how a NetworkPolicy is written: what is null, absent or empty, and what is one item or two. */
#include "mirror-tool/policy/lint.h"
#include "storage/base/banned.h"

static bool is_null(const struct node *n)
{
	return n && n->kind == NODE_NULL;
}

static bool is_empty_list(const struct node *n)
{
	return n && (n->kind == NODE_NULL || (n->kind == NODE_LIST && !n->count));
}

/* Has a key that the decoder dropped? Then what seems absent is misspelt, and that is said already. */
static bool has_dropped(const struct lint *l, const struct policy *p)
{
	for (size_t i = 0; i < l->model.notes.count; i++)
		if (l->model.notes.items[i].object == p->object &&
			l->model.notes.items[i].kind != K8S_NOT_A_STRING)
			return true;
	return false;
}

/* --- selectors --------------------------------------------------------------------------------------- */

/* "matchLabels:" with nothing behind it, and labels without a value. */
static void check_selector(struct lint *l, const struct policy *p, const struct node *selector)
{
	static const char *const keys[] = { "matchLabels", "matchExpressions" };
	const struct node *labels = lint_get(l, p, selector, keys[0]);

	if (!selector || selector->kind != NODE_MAP)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct node *n = lint_get(l, p, selector, keys[i]);

		if (is_null(n) && selector->count == 1)
			lint_add(l, LINT_SELECTOR_ALL, p->object, n,
				"%s of %s has nothing behind it: everything is selected", keys[i],
				selector->key);
	}
	if (!labels || labels->kind != NODE_MAP)
		return;
	node_each(n, labels)
	{
		if (is_null(n))
			lint_add(l, LINT_LABEL_NULL, p->object, n,
				"the label \"%s\" has no value here: only what has the empty one "
				"is selected",
				n->key);
	}
}

static void check_subject(struct lint *l, const struct policy *p, const struct node *spec)
{
	const struct node *n = lint_get(l, p, spec, "podSelector");

	if (is_null(n) || (!n && !has_dropped(l, p)))
		lint_add(l, LINT_SELECTOR_ALL, p->object,
			n      ? n
			: spec ? spec
			       : p->object->root,
			"podSelector %s: every pod of %s is selected",
			n ? "has nothing behind it" : "is not there", p->ns);
	check_selector(l, p, n);
}

/* --- peers --------------------------------------------------------------------------------------------- */

/* What is set in an item: null is not. */
static const struct node *selector_of(
	const struct lint *l, const struct policy *p, const struct node *item, const char *key)
{
	const struct node *n = lint_get(l, p, item, key);

	return n && n->kind == NODE_MAP ? n : NULL;
}

static bool selects_all(const struct node *selector)
{
	node_each(n, selector)
	{
		if (n->count)
			return false;
	}
	return true;
}

/* The peers of a rule, as written and as read. */
struct peers {
	struct lint *l;
	const struct policy *p;
	const struct node *list;
	const struct cond *conds; /* the first one */
};

static void ask_names(const struct lint *l, const struct cond *c, struct buf *out)
{
	AUTO(answers_release) struct answers is = { NULL, NULL };

	answers_make(&l->judge.ends, &is);
	ends_ask(&l->judge.ends, c, &is);
	lint_names(l, is.yes, out);
}

/* Two items, one of namespaces and one of pods. */
static void check_or(const struct peers *s, const struct node *a, const struct node *b,
	const struct cond *a_cond, const struct cond *b_cond)
{
	static const char *const keys[] = { "namespaceSelector", "podSelector" };
	AUTO(buf_release) struct buf a_names = BUF_INIT, b_names = BUF_INIT;
	const struct node *a_has[2], *b_has[2], *pods;

	for (size_t i = 0; i < 2; i++) {
		a_has[i] = selector_of(s->l, s->p, a, keys[i]);
		b_has[i] = selector_of(s->l, s->p, b, keys[i]);
	}
	if (!!a_has[0] + !!a_has[1] != 1 || !!b_has[0] + !!b_has[1] != 1 || !a_has[0] == !b_has[0])
		return;
	pods = a_has[1] ? a_has[1] : b_has[1];
	if (selects_all(pods)) /* as one item it would be the same as without it */
		return;
	ask_names(s->l, a_cond, &a_names);
	ask_names(s->l, b_cond, &b_names);
	lint_add(s->l, LINT_PEER_OR, s->p->object, b,
		"the %s of line %u selects %s; the %s of line %u, an item of its own, selects %s; "
		"either is let through",
		keys[!a_has[0]], a->line, a_names.data, keys[!b_has[0]], b->line, b_names.data);
}

static void check_item(const struct peers *s, const struct node *item, const struct cond *cond)
{
	const struct node *raw[] = { lint_get(s->l, s->p, item, "namespaceSelector"),
		lint_get(s->l, s->p, item, "podSelector") };
	const struct node *spaces = selector_of(s->l, s->p, item, "namespaceSelector");
	const struct node *pods = selector_of(s->l, s->p, item, "podSelector");
	AUTO(buf_release) struct buf names = BUF_INIT;

	ask_names(s->l, cond, &names);
	for (size_t i = 0; i < 2; i++) {
		check_selector(s->l, s->p, raw[i]);
		if (is_null(raw[i]))
			lint_add(s->l, LINT_SELECTOR_ABSENT, s->p->object, raw[i],
				"%s has nothing behind it and is as if it were not there: the item "
				"selects %s%s%s",
				raw[i]->key, names.data, i ? "" : ", all in ", i ? "" : s->p->ns);
	}
	if (!spaces || !selects_all(spaces))
		return;
	if (!pods || selects_all(pods))
		lint_add(s->l, LINT_PEER_EVERYWHERE, s->p->object, item,
			"namespaceSelector is empty: every pod of the cluster (%s)", names.data);
	else
		lint_add(s->l, LINT_PEER_BY_OWNER, s->p->object, item,
			"pods of any namespace that have the labels (%s)", names.data);
}

static void check_peers(const struct peers *s)
{
	const struct cond *cond = s->conds, *before_cond = NULL;
	const struct node *before = NULL;

	node_each(n, s->list)
	{
		check_item(s, n, cond);
		if (before)
			check_or(s, before, n, before_cond, cond);
		before = n;
		before_cond = cond;
		cond = cond->next;
	}
}

/* --- rules ------------------------------------------------------------------------------------------------ */

static void check_rule(
	struct lint *l, const struct policy *p, enum direction side, const struct rule *r)
{
	const char *key = side == EGRESS ? "to" : "from";
	const struct node *peers = lint_get(l, p, r->at, key),
			  *ports = lint_get(l, p, r->at, "ports");
	bool any_port = !ports || is_empty_list(ports);

	if (is_empty_list(peers))
		lint_add(l, LINT_ANY_PEER, p->object, peers,
			"\"%s\" is empty: that is everyone, inside and outside", key);
	else if (!peers && any_port && !(r->at->count && has_dropped(l, p)))
		lint_add(l, LINT_ALLOW_ALL, p->object, r->at,
			"no peers and no ports: %s everyone on every port is allowed",
			side == EGRESS ? "to" : "from");
	else if (is_empty_list(ports))
		lint_add(l, LINT_ANY_PORT, p->object, ports,
			"\"ports\" is empty: that is every port");
	if (peers && peers->kind == NODE_LIST && peers->count)
		check_peers(&(struct peers){ l, p, peers, r->peer->first });
}

/* --- directions --------------------------------------------------------------------------------------------- */

static void check_types(struct lint *l, const struct policy *p, const struct node *spec)
{
	const struct node *types = lint_get(l, p, spec, "policyTypes"),
			  *egress = lint_get(l, p, spec, "egress"),
			  *ingress = lint_get(l, p, spec, "ingress");

	if ((types && !is_empty_list(types)) || has_dropped(l, p) || !egress)
		return;
	if (is_empty_list(egress))
		lint_add(l, LINT_EGRESS_EMPTY, p->object, egress,
			"egress is empty and policyTypes is missing: egress stays open, ingress "
			"is %s",
			ingress && ingress->count ? "limited" : "closed");
	else if (!ingress)
		lint_add(l, LINT_TYPES_IMPLIED, p->object, egress,
			"policyTypes is missing, so Ingress is implied: nothing may come in");
}

/* Rules that the policy's policyTypes leave out. */
static void check_left_out(struct lint *l, const struct policy *p, const struct node *spec)
{
	static const char *const keys[] = { "egress", "ingress" }, *const types[] = { "Egress",
		"Ingress" };
	const struct node *list = lint_get(l, p, spec, "policyTypes");

	if (!list || !list->count)
		return;
	for (size_t i = 0; i < 2; i++) {
		const struct node *rules = lint_get(l, p, spec, keys[i]);
		bool listed = false;

		node_each(n, list)
		{
			listed |= strcmp(n->text, types[i]) == 0;
		}
		if (!listed && rules && rules->count)
			lint_add(l, LINT_TYPES_IGNORED, p->object, rules,
				"policyTypes leaves %s out: the API ignores these rules, Cilium "
				"isolates the pods by them",
				types[i]);
	}
}

void lint_shape(struct lint *l, const struct policy *p)
{
	const struct node *spec = lint_get(l, p, p->object->root, "spec");

	check_subject(l, p, spec);
	check_types(l, p, spec);
	check_left_out(l, p, spec);
	for (unsigned side = 0; side < 2; side++)
		for (size_t i = 0; i < p->sides[side].count; i++)
			check_rule(l, p, (enum direction)side, &p->sides[side].items[i]);
}
