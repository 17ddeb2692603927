/*
 * Tiers of rules, applied to all other ends at once.
 *
 * What cannot be told is carried as bounds: each side is gone through twice, once with every maybe decided against the
 * connection and once for it; what only the second allows is unknown. That is exact as long as maybes are independent.
 */
#include "mirror-tool/policy/verdict.h"

#include <math.h>
#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

struct judged_rule {
	const struct rule *rule;
	size_t policy; /* in the model's list */
	struct answers peer, self; /* self.yes: NULL when there is no such limit */
	portset fixed; /* without named ones */
	bool has_names, has_maybe;
	unsigned reasons; /* of its maybes */
};

struct judged_policy {
	const struct policy *policy;
	struct judged_rule *rules[2];
	struct answers subject; /* yes: the ends that it selects and binds */
};

struct stand_in {
	struct policy policy;
	struct judged_policy judged;
};

static void rules_free(struct judged_rule *rules, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		answers_release(&rules[i].peer);
		answers_release(&rules[i].self);
	}
	free(rules);
}

static void sides_free(const struct judge *j, struct side *sides)
{
	for (size_t i = 0; sides && i < j->ends.count; i++)
		if (sides[i].allow != j->all.allow)
			free(sides[i].allow);
	free(sides);
}

static void judged_release(struct judged_policy *p)
{
	for (unsigned side = 0; side < 2; side++)
		rules_free(p->rules[side], p->policy->sides[side].count);
	answers_release(&p->subject);
}

void judge_release(struct judge *j)
{
	for (size_t i = 0; j->policies && i < j->model->policy_count; i++)
		judged_release(&j->policies[i]);
	free(j->policies);
	sides_free(j, j->sides[EGRESS]);
	sides_free(j, j->sides[INGRESS]);
	free(j->all.allow);
	free(j->selected);
	free(j->selected_from);
	ends_release(&j->ends);
	*j = (struct judge)JUDGE_INIT;
}

/* --- ports of rules ---------------------------------------------------------------------------------------- */

static bool is_proto(const struct port_term *t, enum proto proto)
{
	return t->proto == PROTO_COUNT || t->proto == proto;
}

static portset term_range(struct port_pool *p, const struct port_term *t)
{
	portset sum = PORTS_NONE;

	for (enum proto proto = PROTO_TCP; proto < PROTO_COUNT; proto++)
		if (is_proto(t, proto))
			sum = ports_or(p, sum, ports_range(p, proto, t->low, t->high));
	return sum;
}

static portset term_named(const struct judge *j, const struct port_term *t, size_t dst)
{
	const struct end *end = &j->ends.items[dst];
	const struct workload *w;
	portset sum = PORTS_NONE;

	if (end->kind != END_PODS)
		return PORTS_NONE;
	w = &j->model->workloads[end->of];
	for (size_t i = 0; i < w->port_count; i++) {
		const struct named_port *n = &w->ports[i];

		if (is_proto(t, n->proto) && (t->fold ? strcasecmp : strcmp)(n->name, t->name) == 0)
			sum = ports_or(j->model->ports, sum,
				ports_range(j->model->ports, n->proto, n->number, n->number));
	}
	return sum;
}

/* The terms that add, or those that take away. */
static portset sum_terms(
	const struct judge *j, const struct rule *r, bool without, size_t dst, bool names)
{
	portset sum = PORTS_NONE;

	for (size_t i = 0; i < r->term_count; i++) {
		const struct port_term *t = &r->terms[i];

		if (t->without != without)
			continue;
		if (!t->name)
			sum = ports_or(j->model->ports, sum, term_range(j->model->ports, t));
		else if (names)
			sum = ports_or(j->model->ports, sum, term_named(j, t, dst));
	}
	return sum;
}

static portset sum_rule(const struct judge *j, const struct rule *r, size_t dst, bool names)
{
	bool adds = false;

	for (size_t i = 0; i < r->term_count; i++)
		adds |= !r->terms[i].without;
	return ports_minus(j->model->ports, adds ? sum_terms(j, r, false, dst, names) : PORTS_ALL,
		sum_terms(j, r, true, dst, names));
}

static portset rule_ports(const struct judge *j, const struct judged_rule *r, size_t dst)
{
	return r->has_names ? sum_rule(j, r->rule, dst, true) : r->fixed;
}

portset judge_ports(
	const struct judge *j, enum direction d, size_t policy, const struct rule *r, size_t dst)
{
	const struct rules *side = &j->model->policies[policy].sides[d];

	return rule_ports(j, &j->policies[policy].rules[d][r - side->items], dst);
}

/* --- making ------------------------------------------------------------------------------------------------- */

static bool any_bit(const struct ends *s, const uint64_t *bits)
{
	return bit_next(bits, 0, s->count) < s->count;
}

/* Why a condition may say maybe. */
static unsigned cond_reasons(const struct cond *c)
{
	unsigned reasons = cond_reason(c);

	for (const struct cond *child = c->first; child; child = child->next)
		reasons |= cond_reasons(child);
	return reasons;
}

static void judge_rule(
	struct judge *j, struct judged_rule *out, size_t policy, const struct rule *r)
{
	out->rule = r;
	out->policy = policy;
	out->reasons = cond_reasons(r->peer) | (r->self ? cond_reasons(r->self) : 0);
	answers_make(&j->ends, &out->peer);
	ends_ask(&j->ends, r->peer, &out->peer);
	out->has_maybe = any_bit(&j->ends, out->peer.maybe);
	if (r->self) {
		answers_make(&j->ends, &out->self);
		ends_ask(&j->ends, r->self, &out->self);
		out->has_maybe |= any_bit(&j->ends, out->self.maybe);
	}
	for (size_t i = 0; i < r->term_count; i++)
		out->has_names |= r->terms[i].name != NULL;
	out->fixed = sum_rule(j, r, 0, false);
}

/* The lists of policies by end that selects them, one behind the other: counted first, then filled. */
static void select_all(struct judge *j)
{
	const struct ends *s = &j->ends;
	AUTO(mem_free) size_t *fill = mem_alloc((s->count + 1) * sizeof(*fill));

	free(j->selected);
	free(j->selected_from);
	j->selected_from = mem_alloc((s->count + 1) * sizeof(*j->selected_from));
	for (size_t p = 0; p < j->model->policy_count; p++)
		for (size_t i = bit_next(judge_subjects(j, p), 0, s->first_set); i < s->first_set;
			i = bit_next(judge_subjects(j, p), i + 1, s->first_set))
			j->selected_from[i + 1]++;
	for (size_t i = 0; i < s->count; i++) {
		j->selected_from[i + 1] += j->selected_from[i];
		fill[i] = j->selected_from[i];
	}
	j->selected = mem_alloc((j->selected_from[s->count] + 1) * sizeof(*j->selected));
	for (size_t p = 0; p < j->model->policy_count; p++)
		for (size_t i = bit_next(judge_subjects(j, p), 0, s->first_set); i < s->first_set;
			i = bit_next(judge_subjects(j, p), i + 1, s->first_set))
			j->selected[fill[i]++] = p;
}

static void judge_policy(
	struct judge *j, struct judged_policy *out, size_t number, const struct policy *p)
{
	out->policy = p;
	for (unsigned side = 0; side < 2; side++) {
		size_t count = p->sides[side].count;

		out->rules[side] = mem_alloc((count + 1) * sizeof(*out->rules[side]));
		for (size_t r = 0; r < count; r++)
			judge_rule(j, &out->rules[side][r], number, &p->sides[side].items[r]);
	}
	answers_make(&j->ends, &out->subject);
	ends_ask(&j->ends, p->subject, &out->subject);
	for (size_t w = 0; w < j->ends.words; w++)
		out->subject.yes[w] &=
			j->ends.pods[w]; /* nothing binds what is on its node's network */
}

static void new_side(const struct judge *j, struct side *side)
{
	side->allow = mem_alloc(j->ends.count * 2 * sizeof(*side->allow));
	side->maybe = side->allow + j->ends.count;
}

void judge_make(struct judge *j, struct model *m)
{
	*j = (struct judge){ .model = m };
	ends_make(&j->ends, m);
	j->policies = mem_alloc((m->policy_count + 1) * sizeof(*j->policies));
	for (size_t i = 0; i < m->policy_count; i++)
		judge_policy(j, &j->policies[i], i, &m->policies[i]);
	select_all(j);
	new_side(j, &j->all);
	for (size_t i = 0; i < j->ends.count; i++)
		j->all.allow[i] = PORTS_ALL;
	for (unsigned side = 0; side < 2; side++)
		j->sides[side] = mem_alloc(j->ends.count * sizeof(*j->sides[side]));
}

const uint64_t *judge_subjects(const struct judge *j, size_t policy)
{
	return j->policies[policy].subject.yes;
}

/* --- another policy in the place of one ------------------------------------------------------------------------ */

struct stand_in *stand_in_new(struct judge *j, const struct policy *p)
{
	struct stand_in *s = mem_alloc(sizeof(*s));

	s->policy = *p;
	judge_policy(j, &s->judged, 0, &s->policy);
	return s;
}

void stand_in_free(struct stand_in *s)
{
	judged_release(&s->judged);
	free(s);
}

const uint64_t *stand_in_subjects(const struct stand_in *s)
{
	return s->judged.subject.yes;
}

void judge_swap(struct judge *j, struct model *m, size_t policy, struct stand_in *s)
{
	struct policy old = m->policies[policy];
	struct judged_policy was = j->policies[policy];

	m->policies[policy] = s->policy;
	j->policies[policy] = s->judged;
	j->policies[policy].policy = &m->policies[policy];
	s->policy = old;
	s->judged = was;
	s->judged.policy = &s->policy;
	select_all(j);
}

const size_t *judge_policies(const struct judge *j, size_t end, size_t *count)
{
	*count = j->selected_from[end + 1] - j->selected_from[end];
	return j->selected + j->selected_from[end];
}

/* --- one side ------------------------------------------------------------------------------------------------ */

/* A connection whose way through a pass is written down. */
struct watch {
	size_t other;
	enum proto proto;
	unsigned port;
	struct step *steps;
	size_t count;
};

/* The state of one pass over the tiers. */
struct pass {
	struct judge *j;
	enum direction d;
	size_t subject;
	bool hopeful; /* maybes are decided for the connection */
	portset *allow, *open, *passed, *fog; /* by other end; fog: nobody can tell */
	bool isolated_last;
	size_t last_isolator; /* the policy that made it so */
	struct watch *watch; /* or NULL */
};

static portset *new_row(const struct judge *j)
{
	return mem_alloc(j->ends.count * sizeof(portset));
}

static void pass_release(struct pass *p)
{
	free(p->allow);
	free(p->open);
	free(p->passed);
	free(p->fog);
}

static bool is_watched(const struct pass *p, size_t other, portset hit)
{
	const struct watch *w = p->watch;

	return w && w->other == other && ports_has(p->j->model->ports, hit, w->proto, w->port);
}

static void watch_step(struct pass *p, enum step_kind kind, size_t policy,
	const struct judged_rule *r, enum action action)
{
	const struct rule *rule = r ? r->rule : NULL;
	unsigned reasons = 0;

	if (rule) {
		reasons = rule->reason | ends_reason(&p->j->ends, rule->peer, p->watch->other);
		if (rule->self)
			reasons |= ends_reason(&p->j->ends, rule->self, p->subject);
	}
	*VEC_PUSH(p->watch->steps, p->watch->count) =
		(struct step){ kind, policy, rule, action, reasons };
}

static void decide(struct pass *p, size_t other, const struct judged_rule *r, enum action action)
{
	struct port_pool *pool = p->j->model->ports;
	portset hit;

	if (p->open[other] == PORTS_NONE)
		return;
	hit = ports_and(
		pool, p->open[other], rule_ports(p->j, r, p->d == INGRESS ? p->subject : other));
	if (hit == PORTS_NONE)
		return;
	if (is_watched(p, other, hit))
		watch_step(p, STEP_RULE, r->policy, r, action);
	p->open[other] = ports_minus(pool, p->open[other], hit);
	if (action == ACTION_ALLOW)
		p->allow[other] = ports_or(pool, p->allow[other], hit);
	else if (action == ACTION_PASS)
		p->passed[other] = ports_or(pool, p->passed[other], hit);
	else if (action == ACTION_UNKNOWN)
		p->fog[other] = ports_or(pool, p->fog[other], hit);
}

/* A rule that may match: it does in the pass in which it makes for the pass's aim. */
static void decide_maybe(struct pass *p, size_t other, const struct judged_rule *r)
{
	enum action action = r->rule->action;

	if (is_watched(p, other, p->open[other]) &&
		is_watched(p, other, rule_ports(p->j, r, p->d == INGRESS ? p->subject : other)))
		watch_step(p, STEP_DOUBT, r->policy, r, action);
	if (action == ACTION_PASS)
		decide(p, other, r, ACTION_UNKNOWN);
	else if (action == ACTION_UNKNOWN || (action == ACTION_ALLOW) == p->hopeful)
		decide(p, other, r, action);
}

static void apply(struct pass *p, const struct judged_rule *r)
{
	const struct ends *s = &p->j->ends;
	bool sure = r->rule->action == ACTION_UNKNOWN || !r->rule->reason ||
		    r->rule->reason == REASON_NAME || r->rule->reason == REASON_NODE;

	if (r->self.yes) {
		if (!bit_get(r->self.yes, p->subject) && !bit_get(r->self.maybe, p->subject))
			return;
		sure &= bit_get(r->self.yes, p->subject);
	}
	for (size_t i = bit_next(r->peer.yes, 0, s->count); i < s->count;
		i = bit_next(r->peer.yes, i + 1, s->count)) {
		if (sure)
			decide(p, i, r, r->rule->action);
		else
			decide_maybe(p, i, r);
	}
	if (!r->has_maybe)
		return;
	for (size_t i = bit_next(r->peer.maybe, 0, s->count); i < s->count;
		i = bit_next(r->peer.maybe, i + 1, s->count))
		decide_maybe(p, i, r);
}

static int by_rule_order(const void *a, const void *b)
{
	const struct judged_rule *x = *(const struct judged_rule *const *)a,
				 *y = *(const struct judged_rule *const *)b;
	bool x_denies = x->rule->action == ACTION_DENY, y_denies = y->rule->action == ACTION_DENY;

	if (x->rule->order != y->rule->order)
		return x->rule->order < y->rule->order ? -1 : 1;
	return (int)y_denies - (int)x_denies;
}

static void apply_policies(struct pass *p, const size_t *policies, size_t count)
{
	AUTO(mem_free) const struct judged_rule **rules = NULL;
	size_t rule_count = 0;

	for (size_t i = 0; i < count; i++) {
		const struct judged_policy *policy = &p->j->policies[policies[i]];
		const struct rules *side = &policy->policy->sides[p->d];

		for (size_t r = 0; side->governs && r < side->count; r++)
			*VEC_PUSH(rules, rule_count) = &policy->rules[p->d][r];
	}
	/* Cilium has no order of policies: rules by their own, and denials first. */
	if (p->j->model->options.engine == ENGINE_CILIUM && rule_count)
		qsort(rules, rule_count, sizeof(*rules), by_rule_order);
	for (size_t i = 0; i < rule_count; i++)
		apply(p, rules[i]);
}

/* Are two policies, the first before the second in the model's order, of one priority, so that the API says no order? */
static bool are_rivals(const struct model *m, size_t a, size_t b)
{
	const struct policy *x = &m->policies[a], *y = &m->policies[b];

	return m->options.engine == ENGINE_API && x->tier == y->tier && x->tier != TIER_POLICY &&
	       x->order == y->order;
}

/* What policies that may be tried in any order make of what is open. */
struct decided {
	portset start, allow, deny, pass, fog;
};

static void add_decided(const struct pass *p, struct decided *sum, size_t i)
{
	struct port_pool *pool = p->j->model->ports;
	portset rest = ports_or(pool, ports_or(pool, p->open[i], p->allow[i]),
		ports_or(pool, p->passed[i], p->fog[i]));

	sum->allow = ports_or(pool, sum->allow, p->allow[i]);
	sum->deny = ports_or(pool, sum->deny, ports_minus(pool, sum->start, rest));
	sum->pass = ports_or(pool, sum->pass, p->passed[i]);
	sum->fog = ports_or(pool, sum->fog, p->fog[i]);
}

/* One of them goes alone through what is open. */
static void try_rival(const struct pass *p, size_t policy, struct decided *sums)
{
	size_t count = p->j->ends.count;
	struct pass one = *p;

	one.allow = new_row(p->j);
	one.open = new_row(p->j);
	one.passed = new_row(p->j);
	one.fog = new_row(p->j);
	for (size_t i = 0; i < count; i++)
		one.open[i] = sums[i].start;
	apply_policies(&one, &policy, 1);
	for (size_t i = 0; i < count; i++)
		add_decided(&one, &sums[i], i);
	pass_release(&one);
}

/* Where they decide otherwise nobody can tell. */
static void apply_rivals(struct pass *p, const size_t *policies, size_t count)
{
	struct port_pool *pool = p->j->model->ports;
	AUTO(mem_free) struct decided *sums = mem_alloc(p->j->ends.count * sizeof(*sums));

	for (size_t i = 0; i < p->j->ends.count; i++)
		sums[i].start = p->open[i];
	for (size_t i = 0; i < count; i++)
		try_rival(p, policies[i], sums);
	for (size_t i = 0; i < p->j->ends.count; i++) {
		const struct decided *d = &sums[i];
		portset fog =
			ports_or(pool, ports_and(pool, d->allow, ports_or(pool, d->deny, d->pass)),
				ports_or(pool, ports_and(pool, d->deny, d->pass), d->fog));

		p->fog[i] = ports_or(pool, p->fog[i], fog);
		p->allow[i] = ports_or(pool, p->allow[i], ports_minus(pool, d->allow, fog));
		p->passed[i] = ports_or(pool, p->passed[i], ports_minus(pool, d->pass, fog));
		p->open[i] = ports_minus(pool, ports_minus(pool, d->start, d->allow),
			ports_or(pool, ports_or(pool, d->deny, d->pass), fog));
	}
}

/* The policies of one tier that select the subject. */
static void apply_tier(struct pass *p, const size_t *policies, size_t count)
{
	const struct model *m = p->j->model;

	if (m->options.engine != ENGINE_API) {
		apply_policies(p, policies, count);
		return;
	}
	for (size_t run; count; policies += run, count -= run) {
		for (run = 1; run < count && are_rivals(m, policies[0], policies[run]); run++)
			;
		if (run > 1)
			apply_rivals(p, policies, run);
		else
			apply_policies(p, policies, 1);
	}
}

static void end_tier(struct pass *p, const size_t *policies, size_t count)
{
	const struct model *m = p->j->model;
	enum tier_end end = m->tiers[m->policies[policies[0]].tier].end;
	bool isolated = false;
	size_t isolator = policies[0];

	for (size_t i = 0; i < count && !isolated; i++) {
		isolated = m->policies[policies[i]].sides[p->d].isolates;
		isolator = policies[i];
	}
	if (isolated && end == TIER_DENIES_LAST) {
		p->isolated_last = true;
		p->last_isolator = isolator;
	}
	if (isolated && end == TIER_DENIES && p->watch &&
		is_watched(p, p->watch->other, p->open[p->watch->other]))
		watch_step(p, STEP_ISOLATED, isolator, NULL, ACTION_DENY);
	for (size_t i = 0; i < p->j->ends.count; i++) {
		if (isolated && end == TIER_DENIES)
			p->open[i] = PORTS_NONE;
		if (p->passed[i] != PORTS_NONE)
			p->open[i] = ports_or(m->ports, p->open[i], p->passed[i]);
		p->passed[i] = PORTS_NONE;
	}
}

static void run_pass(struct pass *p)
{
	const struct model *m = p->j->model;
	size_t count, tier_count;
	const size_t *policies = judge_policies(p->j, p->subject, &count);

	for (size_t i = 0; i < p->j->ends.count; i++)
		p->open[i] = PORTS_ALL;
	for (; count; policies += tier_count, count -= tier_count) {
		for (tier_count = 1; tier_count < count && m->policies[policies[tier_count]].tier ==
								   m->policies[policies[0]].tier;
			tier_count++)
			;
		apply_tier(p, policies, tier_count);
		end_tier(p, policies, tier_count);
	}
	for (size_t i = 0; !p->isolated_last && i < p->j->ends.count; i++)
		p->allow[i] = ports_or(m->ports, p->allow[i], p->open[i]);
	if (p->isolated_last && p->watch &&
		is_watched(p, p->watch->other, p->open[p->watch->other]))
		watch_step(p, STEP_ISOLATED, p->last_isolator, NULL, ACTION_DENY);
}

static void make_pass(struct pass *p, struct judge *j, enum direction d, size_t subject,
	bool hopeful, struct watch *watch)
{
	*p = (struct pass){ .j = j,
		.d = d,
		.subject = subject,
		.hopeful = hopeful,
		.allow = new_row(j),
		.open = new_row(j),
		.passed = new_row(j),
		.fog = new_row(j),
		.watch = watch };
	run_pass(p);
}

static bool has_maybe(const struct judge *j, enum direction d, size_t subject)
{
	size_t count;
	const size_t *policies = judge_policies(j, subject, &count);

	for (size_t i = 0; i < count; i++) {
		const struct judged_policy *p = &j->policies[policies[i]];

		if (i && are_rivals(j->model, policies[i - 1], policies[i]))
			return true;
		for (size_t r = 0; r < p->policy->sides[d].count; r++)
			if (p->rules[d][r].has_maybe || p->rules[d][r].rule->reason ||
				p->rules[d][r].rule->action == ACTION_UNKNOWN)
				return true;
	}
	return false;
}

/* What no policy decides. */
static enum ground ground_of(const struct judge *j, enum direction d, size_t subject, size_t other)
{
	const struct ends *s = &j->ends;

	if (!bit_get(s->pods, subject))
		return GROUND_FREE;
	if (other == s->first_special && (d == INGRESS || j->model->options.engine == ENGINE_API))
		return GROUND_NODE; /* the kubelet probes its pods */
	if (other == subject && ends_is_one(s, subject))
		return GROUND_SELF;
	return d == INGRESS && bit_get(s->host_pods, other) ? GROUND_SAME_NODE : GROUND_POLICIES;
}

static void add_grounds(struct judge *j, enum direction d, size_t subject, struct side *out)
{
	for (size_t i = 0; i < j->ends.count; i++) {
		enum ground ground = ground_of(j, d, subject, i);

		if (ground == GROUND_SAME_NODE)
			out->maybe[i] = PORTS_ALL;
		else if (ground != GROUND_POLICIES)
			out->allow[i] = PORTS_ALL;
		out->maybe[i] = ports_minus(j->model->ports, out->maybe[i], out->allow[i]);
	}
}

static void fill_side(struct judge *j, enum direction d, size_t subject, struct side *out)
{
	AUTO(pass_release) struct pass sure = { 0 }, hopeful = { 0 };
	struct port_pool *pool = j->model->ports;

	make_pass(&sure, j, d, subject, false, NULL);
	if (has_maybe(j, d, subject))
		make_pass(&hopeful, j, d, subject, true, NULL);
	for (size_t i = 0; i < j->ends.count; i++) {
		out->allow[i] = sure.allow[i];
		if (!hopeful.allow)
			continue;
		out->allow[i] = ports_minus(pool, sure.allow[i], hopeful.fog[i]);
		out->maybe[i] = ports_or(pool, ports_or(pool, hopeful.allow[i], sure.allow[i]),
			ports_or(pool, sure.fog[i], hopeful.fog[i]));
	}
	add_grounds(j, d, subject, out);
}

/* Made when it is first asked for. */
const struct side *judge_side(struct judge *j, enum direction d, size_t end)
{
	struct side *side = &j->sides[d][end];

	if (side->allow)
		return side;
	if (bit_get(j->ends.pods, end)) {
		new_side(j, side);
		fill_side(j, d, end, side);
	} else {
		*side = j->all;
	}
	return side;
}

/* --- two ends --------------------------------------------------------------------------------------------------- */

/* Does a rule leave open whether `other` is concerned, on some of the ports? */
static bool leaves_open(const struct judge *j, const struct judged_rule *r, size_t subject,
	size_t other, size_t dst, portset ports)
{
	bool open = r->rule->reason || r->rule->action == ACTION_UNKNOWN ||
		    bit_get(r->peer.maybe, other) ||
		    (r->self.yes && bit_get(r->self.maybe, subject));

	return open && (bit_get(r->peer.yes, other) || bit_get(r->peer.maybe, other)) &&
	       ports_and(j->model->ports, rule_ports(j, r, dst), ports) != PORTS_NONE;
}

/* Does a policy say anything of `other` on some of the ports? */
static bool says_something(const struct judge *j, size_t policy, enum direction d, size_t other,
	size_t dst, portset ports)
{
	const struct judged_policy *p = &j->policies[policy];

	for (size_t r = 0; r < p->policy->sides[d].count; r++)
		if ((bit_get(p->rules[d][r].peer.yes, other) ||
			    bit_get(p->rules[d][r].peer.maybe, other)) &&
			ports_and(j->model->ports, rule_ports(j, &p->rules[d][r], dst), ports) !=
				PORTS_NONE)
			return true;
	return false;
}

/* Do two policies of one priority speak of the ports? They are neighbours, maybe with silent ones between. */
static bool has_rivals(const struct judge *j, enum direction d, size_t subject, size_t other,
	size_t dst, portset ports)
{
	size_t count, last = 0;
	const size_t *policies = judge_policies(j, subject, &count);
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		if (!says_something(j, policies[i], d, other, dst, ports))
			continue;
		if (any && are_rivals(j->model, last, policies[i]))
			return true;
		last = policies[i];
		any = true;
	}
	return false;
}

static unsigned side_reasons(
	const struct judge *j, enum direction d, size_t subject, size_t other, portset ports)
{
	bool on_node = bit_get(j->ends.host_pods, other);
	unsigned reasons = d == INGRESS && on_node ? REASON_HOST_NETWORK : 0;
	size_t count;
	const size_t *policies = judge_policies(j, subject, &count);
	size_t dst = d == INGRESS ? subject : other;

	if (has_rivals(j, d, subject, other, dst, ports))
		reasons |= REASON_PRIORITY;
	for (size_t i = 0; i < count; i++) {
		const struct judged_policy *p = &j->policies[policies[i]];

		for (size_t r = 0; r < p->policy->sides[d].count; r++) {
			const struct judged_rule *rule = &p->rules[d][r];

			if (leaves_open(j, rule, subject, other, dst, ports))
				reasons |= rule->rule->reason | rule->reasons;
		}
	}
	return on_node ? reasons : reasons & ~(unsigned)REASON_HOST_NETWORK;
}

struct reach judge_reach(struct judge *j, size_t src, size_t dst)
{
	const struct side *out = judge_side(j, EGRESS, src), *in = judge_side(j, INGRESS, dst);
	struct port_pool *pool = j->model->ports;
	struct reach r = { .allow = ports_and(pool, out->allow[dst], in->allow[src]) };

	if (out->maybe[dst] == PORTS_NONE && in->maybe[src] == PORTS_NONE)
		return r;
	r.maybe = ports_and(pool, ports_or(pool, out->allow[dst], out->maybe[dst]),
		ports_or(pool, in->allow[src], in->maybe[src]));
	r.maybe = ports_minus(pool, r.maybe, r.allow);
	if (r.maybe == PORTS_NONE)
		return r;
	if (ports_and(pool, out->maybe[dst], r.maybe) != PORTS_NONE)
		r.reasons |= side_reasons(j, EGRESS, src, dst, r.maybe);
	if (ports_and(pool, in->maybe[src], r.maybe) != PORTS_NONE)
		r.reasons |= side_reasons(j, INGRESS, dst, src, r.maybe);
	return r;
}

struct reach judge_side_reach(struct judge *j, enum direction d, size_t src, size_t dst)
{
	size_t subject = d == EGRESS ? src : dst, other = d == EGRESS ? dst : src;
	const struct side *side = judge_side(j, d, subject);
	struct reach r = { .allow = side->allow[other], .maybe = side->maybe[other] };

	if (r.maybe != PORTS_NONE)
		r.reasons = side_reasons(j, d, subject, other, r.maybe);
	return r;
}

static bool same_bit(const uint64_t *bits, size_t a, size_t b)
{
	return !bits || bit_get(bits, a) == bit_get(bits, b);
}

static bool same_answers(const struct answers *x, size_t a, size_t b)
{
	return same_bit(x->yes, a, b) && same_bit(x->maybe, a, b);
}

static bool same_rules(const struct judge *j, const struct judged_policy *p, size_t a, size_t b)
{
	for (unsigned d = 0; d < 2; d++)
		for (size_t i = 0; i < p->policy->sides[d].count; i++) {
			const struct judged_rule *r = &p->rules[d][i];

			if (!same_answers(&r->peer, a, b) || !same_answers(&r->self, a, b))
				return false;
			if (r->has_names && rule_ports(j, r, a) != rule_ports(j, r, b))
				return false;
		}
	return true;
}

bool judge_alike(const struct judge *j, size_t a, size_t b)
{
	size_t count, other_count;
	const size_t *x = judge_policies(j, a, &count), *y = judge_policies(j, b, &other_count);

	if (count != other_count || !same_bit(j->ends.pods, a, b))
		return false;
	for (size_t i = 0; i < count; i++)
		if (x[i] != y[i])
			return false;
	for (size_t i = 0; i < j->model->policy_count; i++)
		if (!same_rules(j, &j->policies[i], a, b))
			return false;
	return true;
}

void verdict_reasons(unsigned reasons, struct buf *out)
{
	static const char *const words[] = { "a pod on its node's network",
		"a block over addresses of pods or nodes", "domain names", "a selector of nodes",
		"rules inside the protocol", "a policy or field that is not evaluated",
		"a Service as a peer", "a protocol without ports",
		"only some of the pods behind it",
		"policies of one priority that decide otherwise" };
	const char *between = "";

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (reasons >> i & 1) {
			buf_printf(out, "%s%s", between, words[i]);
			between = ", ";
		}
}

/* --- one policy ------------------------------------------------------------------------------------------------- */

portset judge_rule_ports(const struct judge *j, size_t policy, enum direction d, size_t rule,
	size_t subject, size_t other)
{
	const struct judged_rule *r = &j->policies[policy].rules[d][rule];

	if (r->rule->action != ACTION_ALLOW || !bit_get(r->peer.yes, other) ||
		(r->self.yes && !bit_get(r->self.yes, subject)))
		return PORTS_NONE;
	return rule_ports(j, r, d == INGRESS ? subject : other);
}

portset judge_policy_ports(
	const struct judge *j, size_t policy, enum direction d, size_t subject, size_t other)
{
	portset sum = PORTS_NONE;

	for (size_t i = 0; i < j->model->policies[policy].sides[d].count; i++)
		sum = ports_or(
			j->model->ports, sum, judge_rule_ports(j, policy, d, i, subject, other));
	return sum;
}

/* --- one connection --------------------------------------------------------------------------------------------- */

static enum verdict side_verdict(
	const struct judge *j, const struct side *s, size_t other, enum proto proto, unsigned port)
{
	if (ports_has(j->model->ports, s->allow[other], proto, port))
		return VERDICT_ALLOW;
	return ports_has(j->model->ports, s->maybe[other], proto, port) ? VERDICT_UNKNOWN
									: VERDICT_DENY;
}

struct judgement judge_probe(
	struct judge *j, size_t src, size_t dst, enum proto proto, unsigned port)
{
	struct judgement out = {
		.egress = side_verdict(j, judge_side(j, EGRESS, src), dst, proto, port),
		.ingress = side_verdict(j, judge_side(j, INGRESS, dst), src, proto, port),
	};

	if (out.egress == VERDICT_DENY || out.ingress == VERDICT_DENY)
		out.verdict = VERDICT_DENY;
	else if (out.egress == VERDICT_ALLOW && out.ingress == VERDICT_ALLOW)
		out.verdict = VERDICT_ALLOW;
	else
		out.verdict = VERDICT_UNKNOWN;
	return out;
}

/* --- why ----------------------------------------------------------------------------------------------------- */

void trace_release(struct trace *t)
{
	mem_free(&t->steps);
	t->count = 0;
}

static enum verdict outcome(const struct pass *p)
{
	const struct watch *w = p->watch;

	if (is_watched(p, w->other, p->fog[w->other]))
		return VERDICT_UNKNOWN;
	return is_watched(p, w->other, p->allow[w->other]) ? VERDICT_ALLOW : VERDICT_DENY;
}

/* The two passes of fill_side(), watched. What is denied is so in the hopeful one, too: that one says why. */
static void trace_policies(
	struct judge *j, enum direction d, size_t subject, struct watch *watch, struct trace *out)
{
	AUTO(pass_release) struct pass sure = { 0 }, hopeful = { 0 };
	struct watch again = { .other = watch->other, .proto = watch->proto, .port = watch->port };
	enum verdict best;

	make_pass(&sure, j, d, subject, false, watch);
	best = out->verdict = outcome(&sure);
	if (has_maybe(j, d, subject)) {
		make_pass(&hopeful, j, d, subject, true, &again);
		best = outcome(&hopeful);
		if (out->verdict == VERDICT_DENY || best == VERDICT_UNKNOWN)
			out->verdict = best == VERDICT_DENY ? VERDICT_DENY : VERDICT_UNKNOWN;
	}
	if (best == VERDICT_DENY && out->verdict == VERDICT_DENY && again.count) {
		free(watch->steps);
		*watch = again;
		again.steps = NULL;
	}
	free(again.steps);
}

void judge_trace(struct judge *j, enum direction d, size_t subject, size_t other, enum proto proto,
	unsigned port, struct trace *out)
{
	struct watch watch = { .other = other, .proto = proto, .port = port };

	*out = (struct trace){ VERDICT_ALLOW, ground_of(j, d, subject, other), NULL, 0 };
	if (out->ground != GROUND_POLICIES && out->ground != GROUND_SAME_NODE)
		return;
	trace_policies(j, d, subject, &watch, out);
	out->steps = watch.steps;
	out->count = watch.count;
	if (out->ground == GROUND_SAME_NODE && out->verdict == VERDICT_DENY)
		out->verdict = VERDICT_UNKNOWN;
	else if (out->ground == GROUND_SAME_NODE)
		out->ground = GROUND_POLICIES;
}

const char *verdict_name(enum verdict v)
{
	static const char *const names[] = { "deny", "allow", "unknown" };

	return names[v];
}

bool verdict_parse(struct span text, enum verdict *out)
{
	for (enum verdict v = VERDICT_DENY; v <= VERDICT_UNKNOWN; v++)
		if (span_is(text, verdict_name(v))) {
			*out = v;
			return true;
		}
	return false;
}
