/* Rules by what they lack. Must never call a rule near that would not allow. */
#include "mirror-tool/policy/near.h"

#include "mirror-tool/policy/words.h"
#include "storage/base/banned.h"

/* More than any condition lacks in parts. */
#define FAR 1000000u

static bool is_met(const struct judge *j, const struct cond *c, size_t end)
{
	AUTO(answers_release) struct answers a;

	answers_make(&j->ends, &a);
	ends_ask(&j->ends, c, &a);
	return bit_get(a.yes, end) || bit_get(a.maybe, end);
}

/* What no label can make good: a pod is asked for, a block, an entity. */
static bool is_label(const struct cond *c)
{
	return c->op == COND_LABEL || (c->op == COND_NOT && c->first->op == COND_LABEL);
}

/* How many parts of a condition an end lacks. */
static unsigned lacks(const struct judge *j, const struct cond *c, size_t end)
{
	unsigned sum = 0, best = FAR;

	if (is_met(j, c, end))
		return 0;
	if (c->op != COND_AND && c->op != COND_OR)
		return is_label(c) ? 1 : 100;
	for (const struct cond *child = c->first; child; child = child->next) {
		unsigned of = lacks(j, child, end);

		sum += of;
		if (of < best)
			best = of;
	}
	return c->op == COND_AND ? sum : best;
}

static unsigned lacks_of_rule(struct judge *j, const struct near_miss *n, const struct rule *r,
	size_t subject, size_t other)
{
	if (r->self && !is_met(j, r->self, subject))
		return FAR;
	/* A rule that allows no port here (a name that the pod does not have) lacks more than one with another port. */
	return lacks(j, r->peer, other) + (n->port ? 0 : n->ports == PORTS_NONE ? 2 : 1);
}

void near_find(struct judge *j, enum direction d, size_t subject, size_t other, enum proto proto,
	unsigned port, struct near_miss *out)
{
	unsigned best = FAR;
	size_t count;
	const size_t *policies = judge_policies(j, subject, &count);

	*out = (struct near_miss){ .rule = NULL };
	for (size_t i = 0; i < count; i++) {
		const struct rules *side = &j->model->policies[policies[i]].sides[d];

		for (size_t r = 0; side->governs && r < side->count; r++) {
			struct near_miss n = { .policy = policies[i], .rule = &side->items[r] };
			unsigned of;

			if (n.rule->action != ACTION_ALLOW)
				continue;
			n.ports = judge_ports(
				j, d, policies[i], n.rule, d == INGRESS ? subject : other);
			n.port = ports_has(j->model->ports, n.ports, proto, port);
			n.peer = is_met(j, n.rule->peer, other);
			of = lacks_of_rule(j, &n, n.rule, subject, other);
			if (of >= best)
				continue;
			best = of;
			*out = n;
		}
	}
}

/* --- in words ------------------------------------------------------------------------------------------ */

static const struct labels *labels_of(const struct judge *j, const struct cond *c, size_t end)
{
	const struct end *e = &j->ends.items[end];
	const struct workload *w;

	if (e->kind != END_PODS)
		return NULL;
	w = &j->model->workloads[e->of];
	if (c->place == PLACE_POD)
		return &w->labels;
	return c->place == PLACE_NAMESPACE ? &j->model->namespaces[w->ns].labels : NULL;
}

/* What the end has instead. */
static void has_text(const struct judge *j, const struct cond *label, size_t end, struct buf *out)
{
	const struct labels *l = labels_of(j, label, end);

	for (size_t i = 0; l && i < l->count; i++)
		if (strcmp(l->items[i].key, label->key) == 0) {
			buf_printf(out, " (it has %s=%s)", l->items[i].key, l->items[i].value);
			return;
		}
	if (l)
		buf_printf(out, " (it has no %s)", label->key);
}

static const struct cond *least(const struct judge *j, const struct cond *c, size_t end)
{
	const struct cond *out = c->first;

	for (const struct cond *child = c->first; child; child = child->next)
		if (lacks(j, child, end) < lacks(j, out, end))
			out = child;
	return out;
}

void near_text(const struct judge *j, const struct cond *c, size_t end, struct buf *out)
{
	if (c->op == COND_OR && c->first) {
		near_text(j, least(j, c, end), end, out);
		return;
	}
	if (c->op != COND_AND) {
		cond_text(j->model, c, out);
		if (is_label(c))
			has_text(j, c->op == COND_NOT ? c->first : c, end, out);
		return;
	}
	for (const struct cond *child = c->first, *last = NULL; child; child = child->next) {
		if (is_met(j, child, end))
			continue;
		buf_str(out, last ? " and " : "");
		near_text(j, child, end, out);
		last = child;
	}
}
