/* A verdict and its way. Must never say another verdict than the judge. */
#include "mirror-tool/policy/explain.h"

#include "mirror-tool/policy/words.h"
#include "storage/base/err.h"
#include "storage/base/banned.h"

void explanation_release(struct explanation *x)
{
	trace_release(&x->sides[EGRESS]);
	trace_release(&x->sides[INGRESS]);
}

static bool is_itself(const struct explanation *x)
{
	return strcmp(x->names[EGRESS], x->names[INGRESS]) == 0;
}

struct judgement explain_verdict(const struct explanation *x, struct judge *j)
{
	if (is_itself(x))
		return (struct judgement){ VERDICT_ALLOW, VERDICT_ALLOW, VERDICT_ALLOW };
	return judge_probe(j, x->ends[EGRESS], x->ends[INGRESS], x->proto, x->port);
}

void explain(struct explanation *x, struct judge *j)
{
	x->is = explain_verdict(x, j);
	for (enum direction d = EGRESS; d <= INGRESS; d++) {
		if (is_itself(x))
			x->sides[d] = (struct trace){ VERDICT_ALLOW, GROUND_SELF, NULL, 0 };
		else
			judge_trace(j, d, x->ends[d], x->ends[!d], x->proto, x->port, &x->sides[d]);
	}
	if (x->sides[EGRESS].verdict != x->is.egress || x->sides[INGRESS].verdict != x->is.ingress)
		BUG("an explanation of another verdict");
}

enum direction explain_side(const struct explanation *x)
{
	if (x->is.egress == x->is.verdict && x->is.verdict != VERDICT_ALLOW)
		return EGRESS;
	return INGRESS;
}

static const char *did(const struct step *s)
{
	static const char *const words[] = { [ACTION_ALLOW] = "allows it",
		[ACTION_DENY] = "denies it",
		[ACTION_PASS] = "passes it on",
		[ACTION_UNKNOWN] = "may decide it" };

	return s->kind == STEP_DOUBT ? "may match" : words[s->action];
}

void step_text(const struct explanation *x, const struct judge *j, enum direction d,
	const struct step *s, struct buf *out)
{
	const struct policy *p = &j->model->policies[s->policy];

	if (s->kind == STEP_ISOLATED) {
		buf_printf(out, "%s:%u: ", p->object->doc->name, p->object->root->line);
		policy_text(p, out);
		buf_str(out, " isolates it, and no rule allows it");
		return;
	}
	buf_printf(out, "%s:%u: rule %u of ", p->object->doc->name, s->rule->at->line,
		s->rule->number + 1);
	policy_text(p, out);
	buf_printf(out, " %s: ", did(s));
	cond_text(j->model, s->rule->peer, out);
	buf_str(out, ", ports ");
	ports_text(j->model->ports, judge_ports(j, d, s->policy, s->rule, x->ends[INGRESS]), out);
	if (!s->reasons)
		return;
	buf_str(out, " (");
	verdict_reasons(s->reasons, out);
	buf_str(out, ")");
}

/* The step that decides: the last one, or of what is unknown the first that nobody can tell. */
static const struct step *decider(const struct trace *t)
{
	for (size_t i = 0; t->verdict == VERDICT_UNKNOWN && i < t->count; i++)
		if (t->steps[i].kind == STEP_DOUBT || t->steps[i].action == ACTION_UNKNOWN)
			return &t->steps[i];
	if (!t->count || t->steps[t->count - 1].action == ACTION_PASS)
		return NULL;
	return &t->steps[t->count - 1];
}

void side_text(
	const struct explanation *x, const struct judge *j, enum direction d, struct buf *out)
{
	static const char *const grounds[] = { [GROUND_POLICIES] = "no policy is against it",
		[GROUND_FREE] = "no policy binds it: it is no pod on the pod network",
		[GROUND_SELF] = "a pod reaches itself",
		[GROUND_NODE] = "a pod and its node reach each other",
		[GROUND_SAME_NODE] = "a pod on the network of its node may be on the same node" };
	const struct trace *t = &x->sides[d];
	const struct step *s = t->ground == GROUND_POLICIES ? decider(t) : NULL;

	if (s)
		step_text(x, j, d, s, out);
	else
		buf_str(out, grounds[t->ground]);
}
