/*
 * ClusterNetworkPolicy (policy.networking.k8s.io/v1beta1 and v1alpha2, both channels), and what it replaces:
 * AdminNetworkPolicy and BaselineAdminNetworkPolicy (v1alpha1). Unlike NetworkPolicy nothing is isolated by them, an empty
 * list of rules says nothing, and a list of peers must have one.
 */
#include <math.h>

#include "mirror-tool/policy/model.h"
#include "storage/base/banned.h"

static const char *const object_keys[] = { "apiVersion", "kind", "metadata", "spec", "status",
	NULL };
static const char *const pods_keys[] = { "namespaceSelector", "podSelector", NULL };

/* How the three kinds differ. */
struct dialect {
	enum policy_kind kind;
	const char *const *spec_keys, *const *rule_keys[2];
	const char *allow; /* the word for it */
	const char *ports; /* the key of a rule */
	bool pods_anywhere; /* a missing namespaceSelector is every namespace */
};

struct reader {
	struct model *m;
	const struct k8s_fields *f;
	const struct dialect *dialect;
	struct policy *p;
	enum direction side;
};

/* --- subjects and peers by labels --------------------------------------------------------------------- */

static int read_pods(
	const struct reader *r, const struct node *map, struct cond *all, struct err *e)
{
	const struct node *namespaces = k8s_get(r->f, map, "namespaceSelector");
	struct cond *where, *which;

	if (map->kind != NODE_MAP)
		return k8s_err(r->f, map, e, "pods is a map");
	if (k8s_known(r->f, map, pods_keys, e) < 0)
		return -1;
	if (!namespaces && !r->dialect->pods_anywhere)
		return k8s_err(r->f, map, e, "\"namespaceSelector\" is missing");
	if (read_selector(r->m, r->f, namespaces, PLACE_NAMESPACE, &where, e) < 0 ||
		read_selector(r->m, r->f, k8s_get(r->f, map, "podSelector"), PLACE_POD, &which, e) <
			0)
		return -1;
	cond_add(cond_add(all, where), which);
	return 0;
}

static int read_namespaces(
	const struct reader *r, const struct node *n, struct cond *all, struct err *e)
{
	struct cond *where;

	if (read_selector(r->m, r->f, n, PLACE_NAMESPACE, &where, e) < 0)
		return -1;
	cond_add(all, where);
	return 0;
}

/* The one key of a union that is there, and is not null, and its right name; NULL after an error. */
static const struct node *one_of(const struct reader *r, const struct node *map,
	const char *const keys[], const char *what, const char **key, struct err *e)
{
	const struct node *found = NULL;
	unsigned count = 0;

	if (map->kind != NODE_MAP) {
		(void)k8s_err(r->f, map, e, "%s is a map", what);
		return NULL;
	}
	if (k8s_known(r->f, map, keys, e) < 0)
		return NULL;
	for (const char *const *k = keys; *k; k++) {
		const struct node *n = k8s_get(r->f, map, *k);

		if (n && n->kind != NODE_NULL) {
			found = n;
			*key = *k;
			count++;
		}
	}
	if (count == 1)
		return found;
	(void)k8s_err(r->f, map, e, "%s has exactly one of its fields", what);
	return NULL;
}

static int read_subject(struct reader *r, const struct node *spec, struct err *e)
{
	static const char *const keys[] = { "namespaces", "pods", NULL };
	const struct node *subject = NULL, *one;
	const char *key;

	if (k8s_map(r->f, spec, "subject", &subject, e) < 0)
		return -1;
	if (!subject)
		return k8s_err(r->f, r->f->object->root, e, "\"subject\" is missing");
	one = one_of(r, subject, keys, "a subject", &key, e);
	if (!one)
		return -1;
	r->p->subject = cond_new(&r->m->arena, COND_AND);
	if (strcmp(key, "pods") == 0)
		return read_pods(r, one, r->p->subject, e);
	return read_namespaces(r, one, r->p->subject, e);
}

/* --- peers ------------------------------------------------------------------------------------------------ */

/* What the definition of the kind refuses: another form than the plain one, and a block that is there twice. */
static int check_network(const struct reader *r, const struct node *n, struct err *e)
{
	struct block b;

	if (block_parse(span_of(n->text), &b) != BLOCK_GOOD)
		return k8s_err(
			r->f, n, e, "\"%s\" is refused here: write it in its plain form", n->text);
	for (const struct node *x = n->up->first; x != n; x = x->next)
		if (strcmp(x->text, n->text) == 0)
			return k8s_err(r->f, n, e, "\"%s\" is there twice", n->text);
	return 0;
}

static int read_networks(
	const struct reader *r, const struct node *list, struct cond *peer, struct err *e)
{
	struct cond *any = cond_add(peer, cond_new(&r->m->arena, COND_OR))->last;

	if (list->kind != NODE_LIST || !list->count)
		return k8s_err(r->f, list, e, "networks is a list of blocks, at least one");
	node_each(n, list)
	{
		uint32_t block;

		if (model_block(r->m, r->f, n, &block, e) < 0)
			return -1;
		if (r->dialect->kind == POLICY_CLUSTER && check_network(r, n, e) < 0)
			return -1;
		cond_add(any, cond_block(&r->m->arena, block));
	}
	return 0;
}

/* What Calico makes of a rule that it cannot do: it denies all, or allows nothing. The rest of the policy stays. */
static void close_rule(const struct reader *r, const struct node *at, struct rule *rule)
{
	model_find(r->m, r->f, at, FOUND_REFUSED, "Calico does not do \"%s\": the rule %s", at->key,
		rule->action == ACTION_ALLOW ? "allows nothing" : "denies everything");
	rule->peer = cond_new(&r->m->arena, rule->action == ACTION_ALLOW ? COND_NONE : COND_ANY);
	if (rule->action != ACTION_ALLOW)
		rule->action = ACTION_DENY;
}

/* Peers that the labels of pods say nothing of. */
static int read_outside(const struct reader *r, const struct node *n, const char *key,
	struct rule *rule, struct cond *peer, struct err *e)
{
	struct arena *a = &r->m->arena;
	bool names = strcmp(key, "domainNames") == 0;

	if (strcmp(key, "networks") == 0)
		return read_networks(r, n, peer, e);
	if (names && (n->kind != NODE_LIST || !n->count))
		return k8s_err(r->f, n, e, "domainNames is a list of names, at least one");
	if (!names && n->kind != NODE_MAP)
		return k8s_err(r->f, n, e, "a selector is a map");
	rule->reason |= names ? REASON_NAME : REASON_NODE;
	cond_add(
		peer, cond_entity(a, names ? ENTITY_WORLD
					   : ENTITY_HOST | ENTITY_REMOTE_NODE | ENTITY_API_SERVER));
	cond_add(peer, cond_maybe(a, names ? REASON_NAME : REASON_NODE));
	return 0;
}

static int read_peer(const struct reader *r, const struct node *n, struct rule *rule, struct err *e)
{
	static const char *const inside[] = { "namespaces", "pods", NULL };
	static const char *const outside[] = { "namespaces", "pods", "nodes", "networks",
		"domainNames", NULL };
	const char *key;
	const struct node *one =
		one_of(r, n, r->side == INGRESS ? inside : outside, "a peer", &key, e);
	struct cond *peer = cond_new(&r->m->arena, COND_AND);

	if (!one)
		return -1;
	if (strcmp(key, "namespaces") != 0 && strcmp(key, "pods") != 0) {
		cond_add(rule->peer, peer);
		return read_outside(r, one, key, rule, peer, e);
	}
	cond_add(cond_add(peer, pod_peers(r->m, r->dialect->kind)),
		cond_label(&r->m->arena, PLACE_NAME, "namespace", TEST_EXISTS, NULL, 0));
	if (r->m->options.engine ==
		ENGINE_CALICO) /* network sets of a namespace are among its peers */
		cond_add(rule->peer, cond_add(cond_new(&r->m->arena, COND_SET), peer));
	else
		cond_add(rule->peer, peer);
	if (strcmp(key, "pods") == 0)
		return read_pods(r, one, peer, e);
	return read_namespaces(r, one, peer, e);
}

/* --- ports -------------------------------------------------------------------------------------------------- */

static int read_number(const struct reader *r, const struct node *map, const char *key,
	unsigned *out, struct err *e)
{
	int64_t number = 0;
	int rc = k8s_int(r->f, map, key, 1, PORT_MAX, &number, e);

	if (rc == 0)
		return k8s_err(r->f, map, e, "\"%s\" is missing", key);
	*out = (unsigned)number;
	return rc < 0 ? -1 : 0;
}

static int read_bounds(
	const struct reader *r, const struct node *map, struct port_term *t, struct err *e)
{
	if (map->kind != NODE_MAP)
		return k8s_err(r->f, map, e, "a range is a map with start and end");
	if (read_number(r, map, "start", &t->low, e) < 0 ||
		read_number(r, map, "end", &t->high, e) < 0)
		return -1;
	if (t->high < t->low || (t->high == t->low && r->dialect->kind == POLICY_CLUSTER))
		return k8s_err(r->f, map, e, "the end of a range is behind its start");
	return 0;
}

/* ANP: {portNumber: {protocol, port}}, {portRange: {protocol, start, end}}, {namedPort: NAME}. */
static int read_admin_port(
	const struct reader *r, const struct node *n, struct rule *rule, struct err *e)
{
	static const char *const keys[] = { "portNumber", "portRange", "namedPort", NULL };
	const char *key;
	const struct node *one = one_of(r, n, keys, "a port", &key, e);
	struct port_term *t;
	const char *proto = "TCP";

	if (!one)
		return -1;
	t = rule_term(r->m, rule);
	if (strcmp(key, "namedPort") == 0) { /* of any protocol */
		t->proto = PROTO_COUNT;
		return k8s_text(r->f, one, &t->name, e) < 0 ? -1 : 0;
	}
	if (one->kind != NODE_MAP)
		return k8s_err(r->f, one, e, "%s is a map", key);
	if (k8s_string(r->f, one, "protocol", &proto, e) < 0)
		return -1;
	if (!proto_parse(span_of(proto), &t->proto))
		return k8s_err(r->f, one, e, "\"%.60s\" is no protocol: TCP, UDP, SCTP", proto);
	if (strcmp(key, "portRange") == 0)
		return read_bounds(r, one, t, e);
	if (read_number(r, one, "port", &t->low, e) < 0)
		return -1;
	t->high = t->low;
	return 0;
}

/* CNP: {tcp: {destinationPort: {number: N}}}, {udp: {destinationPort: {range: {start, end}}}}, {destinationNamedPort: NAME}.
 * Without destinationPort a protocol is all of it. */
static int read_protocol(
	const struct reader *r, const struct node *n, struct rule *rule, struct err *e)
{
	static const char *const keys[] = { "tcp", "udp", "sctp", "destinationNamedPort", NULL };
	static const char *const port_keys[] = { "number", "range", NULL };
	const char *key;
	const struct node *one = one_of(r, n, keys, "a protocol", &key, e), *port = NULL, *bound;
	struct port_term *t;

	if (!one)
		return -1;
	t = rule_term(r->m, rule);
	*t = (struct port_term){ .low = 1, .high = PORT_MAX };
	if (strcmp(key, "destinationNamedPort") == 0) {
		t->proto = PROTO_COUNT;
		return k8s_text(r->f, one, &t->name, e) < 0 ? -1 : 0;
	}
	t->proto = *key == 't' ? PROTO_TCP : *key == 'u' ? PROTO_UDP : PROTO_SCTP;
	if (one->kind != NODE_MAP)
		return k8s_err(r->f, one, e, "%s is a map", key);
	if (k8s_map(r->f, one, "destinationPort", &port, e) < 0)
		return -1;
	if (!port)
		return one->count ? k8s_err(r->f, one, e, "\"destinationPort\" is missing")
				  : k8s_err(r->f, one, e,
					    "needs a field: for all of %s the range 1 to %d", key,
					    PORT_MAX);
	bound = one_of(r, port, port_keys, "destinationPort", &key, e);
	if (!bound)
		return -1;
	if (strcmp(key, "range") == 0)
		return read_bounds(r, bound, t, e);
	if (read_number(r, port, "number", &t->low, e) < 0)
		return -1;
	t->high = t->low;
	return 0;
}

static int read_ports(
	const struct reader *r, const struct node *map, struct rule *rule, struct err *e)
{
	const struct node *list = NULL;

	if (k8s_list(r->f, map, r->dialect->ports, &list, e) < 0)
		return -1;
	if (!list)
		return 0;
	node_each(n, list)
	{
		int rc = r->dialect->kind == POLICY_CLUSTER ? read_protocol(r, n, rule, e)
							    : read_admin_port(r, n, rule, e);

		if (rc < 0)
			return -1;
	}
	return 0;
}

/* --- rules ------------------------------------------------------------------------------------------------ */

static int read_action(
	const struct reader *r, const struct node *map, struct rule *rule, struct err *e)
{
	const char *action = "";

	if (k8s_string(r->f, map, "action", &action, e) < 0)
		return -1;
	if (strcmp(action, r->dialect->allow) == 0)
		rule->action = ACTION_ALLOW;
	else if (strcmp(action, "Deny") == 0)
		rule->action = ACTION_DENY;
	else if (strcmp(action, "Pass") == 0 && r->dialect->kind != POLICY_BASELINE)
		rule->action = ACTION_PASS;
	else
		return k8s_err(r->f, map, e, "\"%.60s\" is no action: %s, Deny%s", action,
			r->dialect->allow, r->dialect->kind == POLICY_BASELINE ? "" : ", Pass");
	return 0;
}

static const char *const peer_keys[] = { [EGRESS] = "to", [INGRESS] = "from" };

static int read_peers(
	const struct reader *r, const struct node *map, struct rule *rule, struct err *e)
{
	const struct node *list = NULL;

	if (k8s_list(r->f, map, peer_keys[r->side], &list, e) < 0)
		return -1;
	if (!list || !list->count)
		return k8s_err(r->f, map, e, "\"%s\" needs at least one peer", peer_keys[r->side]);
	rule->peer = cond_new(&r->m->arena, COND_OR);
	node_each(n, list)
	{
		if (read_peer(r, n, rule, e) < 0)
			return -1;
	}
	if (r->m->options.engine != ENGINE_CALICO)
		return 0;
	node_each(n, list)
	{
		const struct node *nodes = k8s_get(r->f, n, "nodes"),
				  *names = k8s_get(r->f, n, "domainNames");
		const struct node *one = nodes && nodes->kind != NODE_NULL ? nodes : names;

		if (one && one->kind != NODE_NULL) {
			close_rule(r, one, rule);
			return 0;
		}
	}
	return 0;
}

static int read_rule(const struct reader *r, const struct node *n, struct err *e)
{
	struct rule *rule = rules_add(&r->p->sides[r->side], n);
	const char *name = NULL;

	if (n->kind != NODE_MAP)
		return k8s_err(r->f, n, e, "a rule is a map");
	if (k8s_known(r->f, n, r->dialect->rule_keys[r->side], e) < 0 ||
		k8s_string(r->f, n, "name", &name, e) < 0 || read_action(r, n, rule, e) < 0 ||
		read_ports(r, n, rule, e) < 0 || read_peers(r, n, rule, e) < 0)
		return -1;
	rule->order = r->p->order + rule->number / 100.0;
	return 0;
}

static int read_rules(struct reader *r, const struct node *spec, enum direction side, struct err *e)
{
	static const char *const keys[] = { [EGRESS] = "egress", [INGRESS] = "ingress" };
	const unsigned most = r->dialect->kind == POLICY_CLUSTER ? 25 : 100;
	const struct node *list = NULL;

	r->side = side;
	if (k8s_list(r->f, spec, keys[side], &list, e) < 0)
		return -1;
	if (!list)
		return 0;
	if (list->count > most)
		return k8s_err(r->f, list, e, "more than %u rules", most);
	node_each(n, list)
	{
		if (read_rule(r, n, e) < 0)
			return -1;
	}
	r->p->sides[side].governs = list->count > 0;
	return 0;
}

/* Cilium 1.20 takes no part of a policy with a rule that it cannot do. */
static bool cilium_refuses(const struct policy *p)
{
	for (unsigned side = 0; side < 2; side++)
		for (size_t i = 0; i < p->sides[side].count; i++) {
			const struct rule *rule = &p->sides[side].items[i];

			if (rule->reason & REASON_NODE ||
				(rule->reason & REASON_NAME && rule->action == ACTION_DENY))
				return true;
		}
	return false;
}

static void drop_rules(struct policy *p)
{
	for (unsigned side = 0; side < 2; side++) {
		mem_free(&p->sides[side].items);
		p->sides[side] = (struct rules){ .count = 0 };
	}
}

/* Cilium lets who may reach a name ask for it too. */
static void allow_dns(struct model *m, struct policy *p)
{
	for (size_t i = 0, count = p->sides[EGRESS].count; i < count; i++) {
		static const char *const ports[] = { "dns", "dns-tcp" };
		struct rule *more, *of = &p->sides[EGRESS].items[i];
		const struct node *at = of->at;
		double order = of->order;

		if (!(of->reason & REASON_NAME) || of->action != ACTION_ALLOW)
			continue;
		more = rules_add(&p->sides[EGRESS], at);
		more->order = order;
		more->peer = cond_and(&m->arena, pod_peers(m, POLICY_CLUSTER),
			cond_equal(&m->arena, PLACE_POD, "k8s-app", "kube-dns"));
		for (size_t n = 0; n < ARRAY_SIZE(ports); n++)
			*rule_term(m, more) = (struct port_term){
				.name = ports[n], .fold = true, .proto = PROTO_COUNT
			};
	}
}

static int read_policy(struct model *m, const struct k8s_fields *f, const struct dialect *dialect,
	uint32_t tier, double order, const struct node *spec, struct err *e)
{
	struct reader r = { .m = m, .f = f, .dialect = dialect };

	if (model_policy(m, f, dialect->kind, &r.p, e) < 0)
		return -1;
	r.p->tier = tier;
	r.p->order = order;
	if (*f->object->ns)
		model_find(m, f, f->object->root, FOUND_IGNORED,
			"metadata.namespace says nothing in a kind of the whole cluster");
	if (k8s_known(f, f->object->root, object_keys, e) < 0 ||
		k8s_known(f, spec, dialect->spec_keys, e) < 0 || read_subject(&r, spec, e) < 0 ||
		read_rules(&r, spec, EGRESS, e) < 0 || read_rules(&r, spec, INGRESS, e) < 0)
		return -1;
	if (m->options.engine != ENGINE_CILIUM)
		return 0;
	if (cilium_refuses(r.p)) {
		model_find(m, f, f->object->root, FOUND_REFUSED,
			"Cilium refuses the whole policy for a rule that it cannot do: nothing of "
			"it is enforced");
		drop_rules(r.p);
	}
	allow_dns(m, r.p);
	return 0;
}

/* --- the three kinds ----------------------------------------------------------------------------------------- */

static int read_priority(
	const struct k8s_fields *f, const struct node *spec, int64_t *out, struct err *e)
{
	int rc = k8s_int(f, spec, "priority", 0, 1000, out, e);

	return rc ? rc : k8s_err(f, f->object->root, e, "\"priority\" is missing");
}

static int need_spec(const struct k8s_fields *f, const struct node **spec, struct err *e)
{
	int rc = k8s_map(f, f->object->root, "spec", spec, e);

	return rc ? rc : k8s_err(f, f->object->root, e, "\"spec\" is missing");
}

int read_cluster_policy(struct model *m, const struct k8s_fields *f, struct err *e)
{
	static const char *const spec_keys[] = { "tier", "priority", "subject", "ingress", "egress",
		NULL };
	static const char *const ingress[] = { "name", "action", "from", "protocols", NULL };
	static const char *const egress[] = { "name", "action", "to", "protocols", NULL };
	static const struct dialect dialect = { POLICY_CLUSTER, spec_keys,
		{ [EGRESS] = egress, [INGRESS] = ingress }, "Accept", "protocols", true };
	const struct node *spec = NULL;
	const char *tier = "";
	int64_t priority = 0;

	if (need_spec(f, &spec, e) < 0 || k8s_string(f, spec, "tier", &tier, e) < 0 ||
		read_priority(f, spec, &priority, e) < 0)
		return -1;
	if (strcmp(tier, "Admin") != 0 && strcmp(tier, "Baseline") != 0)
		return k8s_err(f, spec, e, "\"%.60s\" is no tier: Admin, Baseline", tier);
	return read_policy(m, f, &dialect, *tier == 'A' ? TIER_ADMIN : TIER_BASELINE,
		(double)priority, spec, e);
}

/* The engines that let go of these kinds. */
static bool is_past(struct model *m, const struct k8s_fields *f)
{
	if (m->options.engine == ENGINE_API)
		return false;
	model_find(m, f, f->object->root, FOUND_REFUSED, "%s does not enforce this kind",
		m->options.engine == ENGINE_CALICO ? "Calico 3.32" : "Cilium 1.20");
	return true;
}

int read_admin_policy(struct model *m, const struct k8s_fields *f, struct err *e)
{
	static const char *const spec_keys[] = { "priority", "subject", "ingress", "egress", NULL };
	static const char *const ingress[] = { "name", "action", "from", "ports", NULL };
	static const char *const egress[] = { "name", "action", "to", "ports", NULL };
	static const struct dialect dialect = { POLICY_ADMIN, spec_keys,
		{ [EGRESS] = egress, [INGRESS] = ingress }, "Allow", "ports", false };
	const struct node *spec = NULL;
	int64_t priority = 0;

	if (is_past(m, f))
		return 0;
	if (need_spec(f, &spec, e) < 0 || read_priority(f, spec, &priority, e) < 0)
		return -1;
	return read_policy(m, f, &dialect, TIER_ADMIN, (double)priority, spec, e);
}

int read_baseline_policy(struct model *m, const struct k8s_fields *f, struct err *e)
{
	static const char *const spec_keys[] = { "subject", "ingress", "egress", NULL };
	static const char *const ingress[] = { "name", "action", "from", "ports", NULL };
	static const char *const egress[] = { "name", "action", "to", "ports", NULL };
	static const struct dialect dialect = { POLICY_BASELINE, spec_keys,
		{ [EGRESS] = egress, [INGRESS] = ingress }, "Allow", "ports", false };
	const struct node *spec = NULL;

	if (is_past(m, f))
		return 0;
	if (strcmp(f->object->name, "default") != 0)
		return k8s_err(f, f->object->root, e, "the one of this kind is called \"default\"");
	if (need_spec(f, &spec, e) < 0)
		return -1;
	return read_policy(m, f, &dialect, TIER_BASELINE, INFINITY, spec, e);
}
