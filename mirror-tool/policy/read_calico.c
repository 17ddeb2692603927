/*
 * Calico's NetworkPolicy and GlobalNetworkPolicy, tiers and network sets (projectcalico.org/v3), layers 3 and 4, as Calico
 * 3.32 enforces them. What it refuses is refused here.
 */
#include <math.h>
#include <stdlib.h>

#include "mirror-tool/policy/calico_selector.h"
#include "mirror-tool/policy/model.h"
#include "storage/base/number.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

static const char *const object_keys[] = { "apiVersion", "kind", "metadata", "spec", "status",
	NULL };
static const char *const spec_keys[] = { "tier", "order", "ingress", "egress", "selector",
	"namespaceSelector", "serviceAccountSelector", "types", "doNotTrack", "preDNAT",
	"applyOnForward", "performanceHints", NULL };
static const char *const rule_keys[] = { "action", "protocol", "notProtocol", "source",
	"destination", "icmp", "notICMP", "ipVersion", "http", "metadata", NULL };
static const char *const entity_keys[] = { "nets", "notNets", "selector", "notSelector",
	"namespaceSelector", "ports", "notPorts", "serviceAccounts", "services", NULL };

struct reader {
	struct model *m;
	const struct k8s_fields *f;
	struct policy *p;
};

/* --- selectors ---------------------------------------------------------------------------------------- */

/* 1 it is given, 0 it is not, -1. An empty text is not given. */
static int read_expression(const struct reader *r, const struct node *map, const char *key,
	enum cond_place place, struct cond **out, bool *global, struct err *e)
{
	const struct node *n = k8s_get(r->f, map, key);
	struct err why = ERR_INIT;
	const char *text = "";

	if (!n || k8s_text(r->f, n, &text, e) <= 0)
		return n && n->kind != NODE_NULL ? -1 : 0;
	if (calico_selector(&r->m->arena, text, place, out, global, &why) < 0)
		return k8s_err(r->f, n, e, "%s", why.text);
	if (*global && strcmp(key, "namespaceSelector") != 0)
		return k8s_err(r->f, n, e, "global() is for a namespaceSelector");
	return *text != '\0';
}

static struct cond *has_namespace(const struct reader *r)
{
	return cond_label(&r->m->arena, PLACE_NAME, "namespace", TEST_EXISTS, NULL, 0);
}

/* Which namespaces: what namespaceSelector says, else the policy's own, if it has one. */
static int read_where(
	const struct reader *r, const struct node *map, struct cond **out, struct err *e)
{
	struct arena *a = &r->m->arena;
	bool global = false;
	struct cond *where = NULL;
	int rc = read_expression(r, map, "namespaceSelector", PLACE_NAMESPACE, &where, &global, e);

	if (rc < 0)
		return -1;
	*out = NULL;
	if (global)
		*out = cond_not(a, has_namespace(r));
	else if (rc)
		*out = cond_and(a, has_namespace(r), where);
	else if (*r->p->ns)
		*out = in_namespace(r->m, r->p->ns);
	return rc;
}

/* {names: [...], selector: TEXT}; without either nothing is limited, which is hardly meant. */
static int read_accounts(
	const struct reader *r, const struct node *map, struct cond *all, struct err *e)
{
	const struct node *accounts = NULL, *names = NULL;
	struct cond *which = NULL;
	bool global = false;
	int rc = k8s_map(r->f, map, "serviceAccounts", &accounts, e), by_label;

	if (rc <= 0)
		return rc;
	if (k8s_list(r->f, accounts, "names", &names, e) < 0)
		return -1;
	by_label = read_expression(r, accounts, "selector", PLACE_ACCOUNT, &which, &global, e);
	if (by_label < 0)
		return -1;
	if (by_label)
		cond_add(all, which);
	if (names && names->count) {
		struct cond *named =
			cond_label(&r->m->arena, PLACE_NAME, "account", TEST_IN, NULL, 0);

		named->values = arena_alloc(&r->m->arena, names->count * sizeof(*named->values));
		node_each(n, names)
		{
			const char *name = ""; /* of null, as Go decodes it */

			if (k8s_text(r->f, n, &name, e) < 0)
				return -1;
			named->values[named->value_count++] = name;
		}
		cond_add(all, named);
	} else if (!by_label) {
		model_find(r->m, r->f, accounts, FOUND_ODD,
			"serviceAccounts without names and selector limits nothing");
		return 0;
	}
	return 1;
}

/* --- entities: a rule's source or destination ---------------------------------------------------------- */

static int read_net(
	const struct reader *r, const struct node *n, bool negative, uint32_t *out, struct err *e)
{
	size_t before = r->m->finding_count;

	if (model_block(r->m, r->f, n, out, e) < 0)
		return -1;
	if (r->m->finding_count != before)
		return k8s_err(r->f, n, e,
			"%s is refused by Calico: write the block in its plain form", n->text);
	if (negative && r->m->blocks[*out].bits == 0)
		return k8s_err(r->f, n, e, "%s in notNets is refused by Calico", n->text);
	return 0;
}

static int read_nets(const struct reader *r, const struct node *map, const char *key,
	struct cond *all, unsigned *families, struct err *e)
{
	const struct node *list = NULL;
	struct cond *any = cond_new(&r->m->arena, COND_OR);
	bool negative = *key == 'n' && key[1] == 'o';

	if (k8s_list(r->f, map, key, &list, e) < 0)
		return -1;
	if (!list || !list->count)
		return 0;
	node_each(n, list)
	{
		uint32_t block;

		if (read_net(r, n, negative, &block, e) < 0)
			return -1;
		*families |= 1u << r->m->blocks[block].first.family;
		cond_add(any, cond_block(&r->m->arena, block));
	}
	cond_add(all, negative ? cond_not(&r->m->arena, any) : any);
	return 0;
}

/* What is chosen by labels: selector, namespaceSelector, service accounts together; notSelector takes away. */
static int read_chosen(
	const struct reader *r, const struct node *map, struct cond *all, struct err *e)
{
	struct arena *a = &r->m->arena;
	struct cond *which = NULL, *not_which = NULL, *where = NULL;
	struct cond *chosen = cond_add(cond_new(a, COND_AND), pod_peers(r->m, POLICY_CALICO));
	bool global = false;
	int by_where = read_where(r, map, &where, e), by_label, by_account, by_not;

	if (by_where < 0)
		return -1;
	by_label = read_expression(r, map, "selector", PLACE_POD, &which, &global, e);
	by_not = by_label < 0 ? -1
			      : read_expression(
					r, map, "notSelector", PLACE_POD, &not_which, &global, e);
	by_account = by_not < 0 ? -1 : read_accounts(r, map, chosen, e);
	if (by_account < 0)
		return -1;
	if (by_label)
		cond_add(chosen, which);
	if (by_where || by_label || by_account || (by_not && *r->p->ns)) {
		if (where)
			cond_add(chosen, where);
		cond_add(all, cond_add(cond_new(a, COND_SET), chosen));
	}
	if (by_not) {
		struct cond *gone = cond_and(a, pod_peers(r->m, POLICY_CALICO), not_which);

		cond_add(all, cond_not(a, cond_add(cond_new(a, COND_SET), gone)));
	}
	return 0;
}

/* The conditions of an entity; *all without children: everyone. */
static int read_entity(const struct reader *r, const struct node *rule, const char *key,
	struct cond *all, unsigned *families, const struct node **out, struct err *e)
{
	const struct node *map = NULL, *services = NULL;

	*out = NULL;
	if (k8s_map(r->f, rule, key, &map, e) < 0)
		return -1;
	if (!map)
		return 0;
	*out = map;
	if (k8s_known(r->f, map, entity_keys, e) < 0 || read_chosen(r, map, all, e) < 0 ||
		read_nets(r, map, "nets", all, families, e) < 0 ||
		read_nets(r, map, "notNets", all, families, e) < 0 ||
		k8s_map(r->f, map, "services", &services, e) < 0)
		return -1;
	if (services)
		cond_add(all, cond_maybe(&r->m->arena, REASON_SERVICE));
	return 0;
}

/* --- ports ------------------------------------------------------------------------------------------------ */

static int read_port(
	const struct reader *r, const struct node *n, struct port_term *t, struct err *e)
{
	struct span text = span_of(n->text), first;
	uint64_t low, high;

	if (n->kind == NODE_LIST || n->kind == NODE_MAP || n->kind == NODE_NULL)
		return k8s_err(r->f, n, e, "a port is a number, a range LOW:HIGH, or a name");
	first = span_until(&text, ':');
	if (!number_parse(first, PORT_MAX, &low)) {
		if (strspn(n->text,
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") !=
			strlen(n->text))
			return k8s_err(r->f, n, e,
				"\"%.60s\" is no port: a number, LOW:HIGH, or a name", n->text);
		if (strspn(n->text, "0123456789-") == strlen(n->text))
			model_find(r->m, r->f, n, FOUND_ODD,
				"\"%s\" is the name of a port for Calico: a range has a colon, "
				"LOW:HIGH",
				n->text);
		t->name = n->text;
		return 0;
	}
	high = low;
	if (strchr(n->text, ':') && !number_parse(text, PORT_MAX, &high))
		return k8s_err(r->f, n, e, "\"%.60s\" is no range of ports", n->text);
	if (high < low)
		return k8s_err(r->f, n, e, "the end of a range is before its start");
	t->low = (unsigned)low;
	t->high = (unsigned)high;
	return 0;
}

static int read_ports(const struct reader *r, const struct node *entity, const char *key,
	bool without, enum proto proto, bool has_proto, struct rule *rule, struct err *e)
{
	const struct node *list = NULL;

	if (k8s_list(r->f, entity, key, &list, e) < 0)
		return -1;
	if (!list)
		return 0;
	node_each(n, list)
	{
		struct port_term *t = rule_term(r->m, rule);

		*t = (struct port_term){ .without = without, .proto = proto };
		if (read_port(r, n, t, e) < 0)
			return -1;
		if (!has_proto && !t->name)
			return k8s_err(r->f, n, e, "a port that is a number needs a protocol");
		if (!has_proto)
			t->proto = PROTO_COUNT;
	}
	return 0;
}

/* 1 read, 0 absent or one without ports (*other), -1. */
static int read_proto(const struct reader *r, const struct node *rule, const char *key,
	enum proto *out, bool *other, struct err *e)
{
	static const char *const portless[] = { "ICMP", "ICMPv6", "UDPLite" };
	static const unsigned numbers[] = { [PROTO_TCP] = 6, [PROTO_UDP] = 17, [PROTO_SCTP] = 132 };
	const struct node *n = k8s_get(r->f, rule, key);

	*other = false;
	if (!n || n->kind == NODE_NULL)
		return 0;
	if (n->kind == NODE_STRING && proto_parse(span_of(n->text), out))
		return 1;
	for (size_t i = 0; n->kind == NODE_INT && i < ARRAY_SIZE(numbers); i++)
		if (n->number == numbers[i]) {
			*out = (enum proto)i;
			return 1;
		}
	*other = n->kind == NODE_INT && n->number > 0 && n->number < 256;
	for (size_t i = 0; i < ARRAY_SIZE(portless); i++)
		*other |= strcmp(n->text, portless[i]) == 0;
	if (*other)
		return 0;
	return k8s_err(r->f, n, e,
		"\"%.60s\" is no protocol: TCP, UDP, SCTP, ICMP, ICMPv6, UDPLite or 1 to 255",
		n->text);
}

static void add_whole(struct model *m, struct rule *rule, enum proto proto, bool without)
{
	*rule_term(m, rule) = (struct port_term){
		.without = without, .proto = proto, .low = 1, .high = PORT_MAX
	};
}

/* *none: the rule is about protocols without ports. */
static int read_protocols(const struct reader *r, const struct node *map, const struct node *dst,
	struct rule *rule, bool *none, struct err *e)
{
	enum proto proto = PROTO_TCP, not_proto = PROTO_TCP;
	bool other, not_other;
	int has = read_proto(r, map, "protocol", &proto, &other, e), has_not;

	if (has < 0)
		return -1;
	has_not = read_proto(r, map, "notProtocol", &not_proto, &not_other, e);
	if (has_not < 0)
		return -1;
	*none = other;
	if (has_not)
		add_whole(r->m, rule, not_proto, true);
	if (dst && (read_ports(r, dst, "ports", false, proto, has > 0, rule, e) < 0 ||
			   read_ports(r, dst, "notPorts", true, proto, has > 0, rule, e) < 0))
		return -1;
	for (size_t i = 0; i < rule->term_count; i++)
		if (!rule->terms[i].without)
			return 0;
	if (has > 0)
		add_whole(r->m, rule, proto, false);
	return 0;
}

/* --- rules --------------------------------------------------------------------------------------------------- */

/* 1 it decides, 0 it only logs, -1. */
static int read_action(
	const struct reader *r, const struct node *map, struct rule *rule, struct err *e)
{
	const char *action = "";

	if (k8s_string(r->f, map, "action", &action, e) < 0)
		return -1;
	if (strcmp(action, "Log") == 0)
		return 0;
	rule->action = *action == 'A' ? ACTION_ALLOW : *action == 'D' ? ACTION_DENY : ACTION_PASS;
	if (strcmp(action, "Allow") == 0 || strcmp(action, "Deny") == 0 ||
		strcmp(action, "Pass") == 0)
		return 1;
	return k8s_err(r->f, map, e, "\"%.60s\" is no action: Allow, Deny, Log, Pass", action);
}

/* What narrows a rule in a way that is not evaluated. */
static void note_limits(
	const struct reader *r, const struct node *map, const struct node *src, struct rule *rule)
{
	static const struct {
		const char *key;
		unsigned reason;
	} limits[] = { { "http", REASON_L7 }, { "icmp", REASON_ICMP }, { "notICMP", REASON_ICMP },
		{ "ipVersion", REASON_KIND } };

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (k8s_get(r->f, map, limits[i].key))
			rule->reason |= limits[i].reason;
	if (k8s_get(r->f, src, "ports") || k8s_get(r->f, src, "notPorts"))
		rule->reason |= REASON_KIND;
}

static int read_rule(
	const struct reader *r, enum direction side, const struct node *n, struct err *e)
{
	struct arena *a = &r->m->arena;
	struct cond *src = cond_new(a, COND_AND), *dst = cond_new(a, COND_AND);
	const struct node *source, *destination;
	struct rule rule = { .at = n };
	unsigned families = 0;
	bool none;
	int rc;

	if (n->kind != NODE_MAP)
		return k8s_err(r->f, n, e, "a rule is a map");
	if (k8s_known(r->f, n, rule_keys, e) < 0)
		return -1;
	rc = read_action(r, n, &rule, e);
	if (rc < 0 || read_entity(r, n, "source", src, &families, &source, e) < 0 ||
		read_entity(r, n, "destination", dst, &families, &destination, e) < 0 ||
		read_protocols(r, n, destination, &rule, &none, e) < 0)
		return -1;
	if (families == 3)
		return k8s_err(r->f, n, e, "IPv4 and IPv6 in one rule are refused by Calico");
	if (rc == 0 || none)
		return 0;
	note_limits(r, n, source, &rule);
	rule.peer = side == INGRESS ? src : dst;
	rule.self = side == INGRESS ? dst : src;
	if (!rule.self->first)
		rule.self = NULL;
	rule.number = rules_add(&r->p->sides[side], n)->number;
	r->p->sides[side].items[r->p->sides[side].count - 1] = rule;
	return 0;
}

static int read_rules(const struct reader *r, const struct node *spec, enum direction side,
	const char *key, bool *any, struct err *e)
{
	const struct node *list = NULL;

	if (k8s_list(r->f, spec, key, &list, e) < 0)
		return -1;
	*any = list && list->count;
	if (list)
		node_each(n, list)
		{
			if (read_rule(r, side, n, e) < 0)
				return -1;
		}
	return 0;
}

/* types; without it Ingress, unless there are egress rules alone; Egress where it has rules. */
static int read_types(
	const struct reader *r, const struct node *spec, bool ingress, bool egress, struct err *e)
{
	const struct node *list = NULL;

	if (k8s_list(r->f, spec, "types", &list, e) < 0)
		return -1;
	if (!list || !list->count) {
		r->p->sides[INGRESS].governs = ingress || !egress;
		r->p->sides[EGRESS].governs = egress;
		return 0;
	}
	node_each(n, list)
	{
		if (strcmp(n->text, "Ingress") != 0 && strcmp(n->text, "Egress") != 0)
			return k8s_err(
				r->f, n, e, "\"%.60s\" is no type: Ingress, Egress", n->text);
		r->p->sides[*n->text == 'I' ? INGRESS : EGRESS].governs = true;
	}
	return 0;
}

/* --- tiers and policies ------------------------------------------------------------------------------------------ */

static uint32_t find_tier(struct model *m, const char *name)
{
	uint32_t next = (uint32_t)m->tier_count, number = names_number(&m->tier_names, name, next);

	if (number == next)
		*VEC_PUSH(m->tiers, m->tier_count) = (struct tier){ name, INFINITY, TIER_DENIES };
	return number;
}

static int read_order(
	const struct k8s_fields *f, const struct node *spec, double *out, struct err *e)
{
	const struct node *n = k8s_get(f, spec, "order");
	char *end = NULL;

	*out = INFINITY;
	if (!n || n->kind == NODE_NULL)
		return 0;
	if (n->kind == NODE_INT || n->kind == NODE_REAL)
		*out = strtod(n->text, &end);
	return end && !*end && isfinite(*out) ? 0 : k8s_err(f, n, e, "order is a number");
}

int read_calico_tier(struct model *m, const struct k8s_fields *f, struct err *e)
{
	const struct node *spec = NULL;
	const char *action = "Deny";
	struct tier *tier;
	uint32_t number;
	double order;

	if (m->options.engine != ENGINE_CALICO)
		return 0;
	if (k8s_map(f, f->object->root, "spec", &spec, e) < 0 ||
		read_order(f, spec, &order, e) < 0 ||
		k8s_string(f, spec, "defaultAction", &action, e) < 0)
		return -1;
	if (strcmp(action, "Deny") != 0 && strcmp(action, "Pass") != 0)
		return k8s_err(f, spec, e, "\"%.60s\" is no action of a tier: Deny, Pass", action);
	number = find_tier(m, f->object->name);
	tier = &m->tiers[number];
	tier->order = order;
	tier->end = *action == 'D' ? TIER_DENIES : TIER_PASSES;
	return 0;
}

static int read_subject(const struct reader *r, const struct node *spec, struct err *e)
{
	struct arena *a = &r->m->arena;
	struct cond *which = NULL, *where = NULL, *account = NULL;
	bool global = false;
	int by_label, by_account;

	r->p->subject = cond_add(cond_new(a, COND_AND), pod_peers(r->m, POLICY_CALICO));
	if (read_where(r, spec, &where, e) < 0)
		return -1;
	by_label = read_expression(r, spec, "selector", PLACE_POD, &which, &global, e);
	by_account = by_label < 0 ? -1
				  : read_expression(r, spec, "serviceAccountSelector",
					    PLACE_ACCOUNT, &account, &global, e);
	if (by_account < 0)
		return -1;
	if (where)
		cond_add(r->p->subject, where);
	if (by_label)
		cond_add(r->p->subject, which);
	if (by_account)
		cond_add(r->p->subject, account);
	return 0;
}

/* Policies of hosts alone: what they say of connections before and beside pods is not a pod's. */
static int read_hosts_only(
	const struct reader *r, const struct node *spec, bool *out, struct err *e)
{
	static const char *const keys[] = { "doNotTrack", "preDNAT" };

	*out = false;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		bool set = false;

		if (k8s_bool(r->f, spec, keys[i], &set, e) < 0)
			return -1;
		if (set)
			model_find(r->m, r->f, k8s_get(r->f, spec, keys[i]), FOUND_IGNORED,
				"%s: the policy is for interfaces of hosts, no pod is bound by it",
				keys[i]);
		*out |= set;
	}
	return 0;
}

static int read_place(const struct reader *r, const struct node *spec, struct err *e)
{
	const char *tier = "default";

	if (k8s_string(r->f, spec, "tier", &tier, e) < 0 ||
		read_order(r->f, spec, &r->p->order, e) < 0)
		return -1;
	r->p->tier = r->m->options.engine == ENGINE_CALICO
			     ? find_tier(r->m, *tier ? tier : "default")
			     : (uint32_t)TIER_POLICY;
	return 0;
}

int read_calico_policy(struct model *m, const struct k8s_fields *f, struct err *e)
{
	bool global = strcmp(f->object->kind, "GlobalNetworkPolicy") == 0, ingress, egress,
	     hosts_only;
	struct reader r = { .m = m, .f = f };
	const struct node *spec = NULL;

	if (k8s_known(f, f->object->root, object_keys, e) < 0 ||
		k8s_map(f, f->object->root, "spec", &spec, e) < 0 ||
		k8s_known(f, spec, spec_keys, e) < 0 ||
		model_policy(m, f, global ? POLICY_CALICO_GLOBAL : POLICY_CALICO, &r.p, e) < 0)
		return -1;
	if (!global) {
		r.p->ns = namespace_of(f->object);
		(void)model_namespace(m, r.p->ns);
	}
	if (read_subject(&r, spec, e) < 0 || read_place(&r, spec, e) < 0 ||
		read_rules(&r, spec, INGRESS, "ingress", &ingress, e) < 0 ||
		read_rules(&r, spec, EGRESS, "egress", &egress, e) < 0 ||
		read_types(&r, spec, ingress, egress, e) < 0 ||
		read_hosts_only(&r, spec, &hosts_only, e) < 0)
		return -1;
	if (hosts_only)
		r.p->subject = cond_new(&m->arena, COND_NONE);
	for (unsigned side = 0; side < 2; side++)
		r.p->sides[side].isolates = r.p->sides[side].governs;
	if (m->options.engine != ENGINE_CALICO)
		model_unknown(m, f, r.p);
	return 0;
}

int read_calico_set(struct model *m, const struct k8s_fields *f, struct err *e)
{
	const struct node *metadata = NULL, *labels = NULL, *spec = NULL, *nets = NULL;
	struct reader r = { .m = m, .f = f };
	struct network_set set = { .object = f->object,
		.global = strcmp(f->object->kind, "NetworkSet") != 0,
		.name = f->object->name };

	if (m->options.engine != ENGINE_CALICO)
		return 0;
	if (!set.global)
		set.ns = model_namespace(m, namespace_of(f->object));
	if (k8s_map(f, f->object->root, "metadata", &metadata, e) < 0 ||
		k8s_map(f, metadata, "labels", &labels, e) < 0 ||
		read_labels(m, f, labels, &set.labels, e) < 0 ||
		k8s_map(f, f->object->root, "spec", &spec, e) < 0 ||
		k8s_list(f, spec, "nets", &nets, e) < 0)
		return -1;
	set.blocks = arena_alloc(&m->arena, (nets ? nets->count : 0) * sizeof(*set.blocks));
	if (nets)
		node_each(n, nets)
		{
			if (read_net(&r, n, false, &set.blocks[set.block_count++], e) < 0)
				return -1;
		}
	*VEC_PUSH(m->sets, m->set_count) = set;
	return 0;
}
