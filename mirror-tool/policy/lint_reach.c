/* Rules that need verdicts: who reaches DNS, what a policy adds, what one end allows and the other denies. */
#include "mirror-tool/policy/lint.h"

#include <stdlib.h>

#include "storage/base/banned.h"

#define DNS_PORT 53
#define DNS_CACHE "169.254.20.10"

/* --- DNS ------------------------------------------------------------------------------------------------ */

static bool is_dns(const struct workload *w)
{
	static const char *const known[][2] = { { "k8s-app", "kube-dns" }, { "k8s-app", "coredns" },
		{ "app.kubernetes.io/name", "coredns" } };

	for (size_t i = 0; i < w->labels.count; i++)
		for (size_t k = 0; k < ARRAY_SIZE(known); k++)
			if (strcmp(w->labels.items[i].key, known[k][0]) == 0 &&
				strcmp(w->labels.items[i].value, known[k][1]) == 0)
				return true;
	return false;
}

static bool may_ask(struct lint *l, size_t src, size_t dst, enum proto proto)
{
	struct reach r = judge_side_reach(&l->judge, EGRESS, src, dst);

	return ports_has(l->model.ports, r.allow, proto, DNS_PORT) ||
	       ports_has(l->model.ports, r.maybe, proto, DNS_PORT);
}

/* May an end ask DNS by the protocol, as its own policies say? With no DNS pods here: anyone at all on the port. */
static bool asks_dns(struct lint *l, size_t end, enum proto proto)
{
	const struct ends *s = &l->judge.ends;
	bool any_dns = false;

	for (size_t i = 0; i < l->model.workload_count; i++) {
		if (!is_dns(&l->model.workloads[i]))
			continue;
		any_dns = true;
		if (may_ask(l, end, s->of_workload[i], proto))
			return true;
	}
	for (size_t i = 0; !any_dns && i < s->first_special; i++)
		if (i != end && may_ask(l, end, i, proto))
			return true;
	return false;
}

/* The cache on the node is an address like any other for most engines. */
static bool asks_cache(struct lint *l, size_t end)
{
	size_t cache;

	return !ends_find(&l->judge.ends, "ext:" DNS_CACHE, &cache) ||
	       may_ask(l, end, cache, PROTO_UDP);
}

static enum lint_id dns_rule(struct lint *l, size_t end)
{
	bool udp = asks_dns(l, end, PROTO_UDP), tcp = asks_dns(l, end, PROTO_TCP);

	if (!udp)
		return tcp ? LINT_DNS_UDP : LINT_DNS_MISSING;
	if (!tcp)
		return LINT_DNS_TCP;
	return asks_cache(l, end) ? LINT_COUNT : LINT_DNS_CACHE;
}

/* Where a policy says that it closes egress. */
static const struct node *egress_of(const struct lint *l, const struct policy *p)
{
	const struct node *spec = lint_get(l, p, p->object->root, "spec");
	const struct node *types = lint_get(l, p, spec, "policyTypes"),
			  *rules = lint_get(l, p, spec, "egress");

	return rules ? rules : types ? types : p->object->root;
}

static void say_dns(struct lint *l, enum lint_id rule, const struct policy *p, const uint64_t *ends)
{
	AUTO(buf_release) struct buf names = BUF_INIT;

	lint_names(l, ends, &names);
	lint_add(l, rule, p->object, egress_of(l, p), "%s: %s", lint_rules[rule].what, names.data);
}

static void check_dns_of(struct lint *l, const struct policy *p)
{
	const struct ends *s = &l->judge.ends;
	uint64_t *groups[LINT_COUNT] = { NULL };

	for (size_t i = 0; i < s->first_set; i++) {
		enum lint_id rule;

		if (!bit_get(s->pods, i) || lint_isolator(l, i, EGRESS) != p ||
			is_dns(&l->model.workloads[s->items[i].of]))
			continue;
		rule = dns_rule(l, i);
		if (rule == LINT_COUNT)
			continue;
		if (!groups[rule])
			groups[rule] = mem_alloc(s->words * sizeof(*groups[rule]));
		bit_set(groups[rule], i);
	}
	for (size_t rule = 0; rule < LINT_COUNT; rule++) {
		if (groups[rule])
			say_dns(l, (enum lint_id)rule, p, groups[rule]);
		free(groups[rule]);
	}
}

/* --- what a policy adds ------------------------------------------------------------------------------------- */

/* For each policy: does it allow anything, and is anything other without it? */
struct worth {
	bool *allows, *adds;
};

/* One subject and direction: what each of its policies allows to or from one other end. */
static void weigh(struct lint *l, struct worth *w, size_t subject, enum direction d, size_t other)
{
	struct port_pool *pool = l->model.ports;
	size_t count;
	const size_t *policies = judge_policies(&l->judge, subject, &count);

	for (size_t i = 0; i < count; i++) {
		portset own = judge_policy_ports(&l->judge, policies[i], d, subject, other);
		portset rest = PORTS_NONE;

		if (own == PORTS_NONE)
			continue;
		w->allows[policies[i]] = true;
		for (size_t k = 0; k < count && !w->adds[policies[i]]; k++)
			if (k != i)
				rest = ports_or(pool, rest,
					judge_policy_ports(
						&l->judge, policies[k], d, subject, other));
		w->adds[policies[i]] |= ports_minus(pool, own, rest) != PORTS_NONE;
	}
}

/* A policy that alone isolates an end counts for that. */
static void weigh_isolation(const struct lint *l, struct worth *w, size_t subject, enum direction d)
{
	size_t count, isolating = 0, last = 0;
	const size_t *policies = judge_policies(&l->judge, subject, &count);

	for (size_t i = 0; i < count; i++)
		if (l->model.policies[policies[i]].sides[d].isolates) {
			isolating++;
			last = policies[i];
		}
	if (isolating == 1)
		w->adds[last] = true;
}

static void check_shadows(struct lint *l)
{
	const struct ends *s = &l->judge.ends;
	AUTO(mem_free) bool *allows = mem_alloc(l->model.policy_count + 1);
	AUTO(mem_free) bool *adds = mem_alloc(l->model.policy_count + 1);
	struct worth w = { allows, adds };

	for (size_t i = 0; i < s->first_set; i++)
		for (unsigned d = 0; d < 2; d++) {
			weigh_isolation(l, &w, i, (enum direction)d);
			for (size_t k = 0; k < s->count; k++)
				weigh(l, &w, i, (enum direction)d, k);
		}
	for (size_t i = 0; i < l->model.policy_count; i++) {
		const struct policy *p = &l->model.policies[i];

		if (p->kind == POLICY_NETWORK && allows[i] && !adds[i])
			lint_add(l, LINT_SHADOWED, p->object, p->object->root,
				"other policies of %s allow all that this one allows to the pods "
				"that it selects",
				p->ns);
	}
}

/* --- one-sided rules ------------------------------------------------------------------------------------------ */

/* The ends of a rule that is looked at. */
struct one_sided {
	struct lint *l;
	size_t policy, rule;
	enum direction d;
	bool any, works; /* a pair of pods that it allows; one that the other end lets through */
	size_t other; /* of the last pair that it does not */
};

static void look_at(struct one_sided *o, size_t subject, size_t other)
{
	struct lint *l = o->l;
	portset ports = judge_rule_ports(&l->judge, o->policy, o->d, o->rule, subject, other);
	struct reach r;

	if (ports == PORTS_NONE || o->works)
		return;
	o->any = true;
	r = o->d == EGRESS ? judge_side_reach(&l->judge, INGRESS, subject, other)
			   : judge_side_reach(&l->judge, EGRESS, other, subject);
	if (ports_and(l->model.ports, ports, r.allow) != PORTS_NONE ||
		ports_and(l->model.ports, ports, r.maybe) != PORTS_NONE)
		o->works = true;
	else
		o->other = other;
}

static void check_one_sided(struct lint *l, size_t policy, enum direction d, size_t rule)
{
	const struct policy *p = &l->model.policies[policy];
	const struct ends *s = &l->judge.ends;
	struct one_sided o = { l, policy, rule, d, false, false, 0 };
	const struct workload *w;

	for (size_t i = 0; i < s->first_set; i++) {
		size_t count;
		const size_t *policies = judge_policies(&l->judge, i, &count);
		bool selected = false;

		for (size_t k = 0; k < count; k++)
			selected |= policies[k] == policy;
		for (size_t k = 0; selected && k < s->count; k++)
			look_at(&o, i, k);
	}
	if (!o.any || o.works)
		return;
	w = &l->model.workloads[s->items[o.other].of];
	lint_add(l, LINT_ONE_SIDED, p->object, p->sides[d].items[rule].at,
		"nothing that this rule allows gets through: the %s policies of %s/%s deny it",
		d == EGRESS ? "ingress" : "egress", l->model.namespaces[w->ns].name, w->name);
}

/* --- namespaces that are open ----------------------------------------------------------------------------------- */

static void check_open(struct lint *l, uint32_t ns, enum direction d)
{
	const struct model *m = &l->model;
	const struct k8s_object *object = m->namespaces[ns].object;
	AUTO(mem_free) uint64_t *open = mem_alloc(l->judge.ends.words * sizeof(*open));
	AUTO(buf_release) struct buf names = BUF_INIT;
	bool any = false;

	for (size_t i = 0; i < m->workload_count; i++) {
		size_t end = l->judge.ends.of_workload[i];

		if (m->workloads[i].ns != ns || m->workloads[i].host_network ||
			lint_isolator(l, end, d))
			continue;
		if (!object)
			object = m->workloads[i].object;
		bit_set(open, end);
		any = true;
	}
	if (!any)
		return;
	lint_names(l, open, &names);
	lint_add(l, d == EGRESS ? LINT_OPEN_EGRESS : LINT_OPEN_INGRESS, object, object->root,
		"no policy of %s isolates for %s: %s", m->namespaces[ns].name,
		d == EGRESS ? "egress" : "ingress", names.data);
}

void lint_reach(struct lint *l)
{
	const struct model *m = &l->model;

	for (size_t i = 0; i < m->policy_count; i++) {
		check_dns_of(l, &m->policies[i]);
		for (unsigned d = 0; m->policies[i].kind == POLICY_NETWORK && d < 2; d++)
			for (size_t r = 0; r < m->policies[i].sides[d].count; r++)
				check_one_sided(l, i, (enum direction)d, r);
	}
	check_shadows(l);
	for (size_t i = 0; i < m->namespace_count; i++)
		for (unsigned d = 0; d < 2; d++)
			check_open(l, (uint32_t)i, (enum direction)d);
}
