/*
 * CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (cilium.io/v2), layers 3 and 4, as Cilium 1.20 enforces them. Here
 * absent, null and empty lists differ: a list of peers that is there and empty makes its rule match nothing.
 */
#include <stdlib.h>

#include "mirror-tool/policy/model.h"
#include "storage/base/number.h"
#include "storage/base/banned.h"

static const char *const object_keys[] = { "apiVersion", "kind", "metadata", "spec", "specs",
	"status", NULL };
static const char *const spec_keys[] = { "endpointSelector", "nodeSelector", "ingress",
	"ingressDeny", "egress", "egressDeny", "enableDefaultDeny", "labels", "description", "log",
	NULL };
static const char *const flag_keys[] = { "ingress", "egress", NULL };
static const char *const ingress_keys[] = { "fromEndpoints", "fromRequires", "fromCIDR",
	"fromCIDRSet", "fromEntities", "fromGroups", "fromNodes", "toPorts", "icmps",
	"authentication", NULL };
static const char *const egress_keys[] = { "toEndpoints", "toRequires", "toCIDR", "toCIDRSet",
	"toEntities", "toServices", "toGroups", "toNodes", "toFQDNs", "toPorts", "icmps",
	"authentication", NULL };

struct reader {
	struct model *m;
	const struct k8s_fields *f;
	struct policy *p;
	enum direction side;
	bool clusterwide;
};

/* --- labels ------------------------------------------------------------------------------------------------ */

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

#define NAMESPACE_KEY "io.kubernetes.pod.namespace"
#define NAMESPACE_LABELS "io.cilium.k8s.namespace.labels."
#define ACCOUNT_KEY "io.cilium.k8s.policy.serviceaccount"
#define CLUSTER_KEY "io.cilium.k8s.policy.cluster"

/* What a selector says beside labels of pods. */
struct asked {
	bool namespace; /* it names the namespace or its labels, so that its own is no limit */
	bool reserved; /* it names no pods */
	bool subject; /* of a namespaced policy: "k8s:io.kubernetes.pod.namespace: x" is overwritten by its own */
};

static struct cond *reserved(struct model *m, const char *name)
{
	static const struct {
		const char *name;
		unsigned entity;
	} known[] = { { "host", ENTITY_HOST },
		{ "remote-node", ENTITY_REMOTE_NODE | ENTITY_API_SERVER },
		{ "kube-apiserver", ENTITY_API_SERVER }, { "world", ENTITY_WORLD } };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(name, known[i].name) == 0)
			return cond_entity(&m->arena, known[i].entity);
	return cond_new(&m->arena, COND_NONE);
}

/* A key of Cilium's with its source ("k8s:", "any:", "reserved:") -> where the label is looked up. */
static struct cond *read_key(struct model *m, const struct k8s_fields *f, const struct node *at,
	struct cond *label, void *ctx)
{
	struct asked *asked = ctx;
	const char *key = label->key;

	if (begins(key, "reserved:")) {
		asked->reserved = true;
		return reserved(m, key + strlen("reserved:"));
	}
	key += begins(key, "k8s:") || begins(key, "any:") ? strlen("k8s:") : 0;
	label->key = key;
	if (asked->subject && at->kind != NODE_MAP && strcmp(at->key, "k8s:" NAMESPACE_KEY) == 0) {
		model_find(m, f, at, FOUND_ODD,
			"the namespace in endpointSelector does not count: the policy's own does");
		return cond_new(&m->arena, COND_ANY);
	}
	if (strcmp(key, NAMESPACE_KEY) == 0 || strcmp(key, ACCOUNT_KEY) == 0) {
		asked->namespace |= *key == 'i' && strcmp(key, NAMESPACE_KEY) == 0;
		label->place = PLACE_NAME;
		label->key = strcmp(key, ACCOUNT_KEY) == 0 ? "account" : "namespace";
	} else if (begins(key, NAMESPACE_LABELS)) {
		asked->namespace = true;
		label->place = PLACE_NAMESPACE;
		label->key = key + strlen(NAMESPACE_LABELS);
	} else if (strcmp(key, CLUSTER_KEY) == 0) {
		return cond_maybe(&m->arena, REASON_KIND);
	} else if (cilium_drops_label(key)) {
		model_find(m, f, at, FOUND_IGNORED,
			"Cilium does not see the label \"%s\": this can never match", key);
		return cond_new(&m->arena, COND_NONE);
	}
	return label;
}

/* --- peers ---------------------------------------------------------------------------------------------------- */

static int read_endpoint(
	const struct reader *r, const struct node *n, struct cond *any, struct err *e)
{
	struct arena *a = &r->m->arena;
	struct cond *all = cond_new(a, COND_AND), *which;
	struct asked asked = { .subject = false };

	if (read_selector_as(r->m, r->f, n, read_key, &asked, &which, e) < 0)
		return -1;
	cond_add(any, all);
	if (!asked.reserved) {
		cond_add(all, pod_peers(r->m, POLICY_CILIUM));
		if (!asked.namespace && !r->clusterwide)
			cond_add(all, in_namespace(r->m, r->p->ns));
	}
	cond_add(all, which);
	return 0;
}

/* "10.0.0.0/8" or one address. */
static int read_cidr(const struct reader *r, const struct node *n, uint32_t *out, struct err *e)
{
	struct address one;
	struct block b;

	if (n->kind != NODE_STRING || !address_parse(span_of(n->text), &one))
		return model_block(r->m, r->f, n, out, e);
	b = block_of(&one);
	*out = model_add_block(r->m, &b);
	return 0;
}

static int read_cidr_set(
	const struct reader *r, const struct node *n, struct cond *any, struct err *e)
{
	struct arena *a = &r->m->arena;
	const struct node *cidr = k8s_get(r->f, n, "cidr"), *except = NULL;
	struct cond *all = cond_new(a, COND_AND);
	uint32_t block;

	if (n->kind != NODE_MAP)
		return k8s_err(r->f, n, e, "a map with cidr is needed here");
	if (k8s_list(r->f, n, "except", &except, e) < 0)
		return -1;
	cond_add(any, all);
	if (!cidr) {
		model_find(r->m, r->f, n, FOUND_UNKNOWN, "groups of CIDRs are not looked up");
		cond_add(cond_add(all, cond_entity(a, ENTITY_WORLD)), cond_maybe(a, REASON_KIND));
		return 0;
	}
	if (read_cidr(r, cidr, &block, e) < 0)
		return -1;
	cond_add(all, cond_block(a, block));
	if (except)
		node_each(x, except)
		{
			if (read_cidr(r, x, &block, e) < 0)
				return -1;
			cond_add(all, cond_not(a, cond_block(a, block)));
		}
	return 0;
}

static int read_one_cidr(
	const struct reader *r, const struct node *n, struct cond *any, struct err *e)
{
	uint32_t block;

	if (read_cidr(r, n, &block, e) < 0)
		return -1;
	cond_add(any, cond_block(&r->m->arena, block));
	return 0;
}

static int read_entity(
	const struct reader *r, const struct node *n, struct cond *any, struct err *e)
{
	static const struct {
		const char *name;
		unsigned bits;
	} entities[] = { { "world", ENTITY_WORLD }, { "host", ENTITY_HOST },
		{ "remote-node", ENTITY_REMOTE_NODE | ENTITY_API_SERVER },
		{ "kube-apiserver", ENTITY_API_SERVER },
		{ "cluster", ENTITY_HOST | ENTITY_REMOTE_NODE | ENTITY_API_SERVER }, { "init", 0 },
		{ "health", 0 }, { "unmanaged", 0 }, { "ingress", 0 }, { "none", 0 } };
	struct arena *a = &r->m->arena;

	if (strcmp(n->text, "world-ipv4") == 0 || strcmp(n->text, "world-ipv6") == 0) {
		struct block b;

		(void)block_parse(span_of(n->text[9] == '4' ? "0.0.0.0/0" : "::/0"), &b);
		cond_add(any, cond_and(a, cond_entity(a, ENTITY_WORLD),
				      cond_block(a, model_add_block(r->m, &b))));
		return 0;
	}
	if (strcmp(n->text, "all") == 0) {
		cond_add(any, cond_new(a, COND_ANY));
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(entities); i++) {
		if (strcmp(n->text, entities[i].name) != 0)
			continue;
		if (strcmp(n->text, "cluster") == 0)
			cond_add(any, pod_peers(r->m, POLICY_CILIUM));
		if (any->last &&
			any->last->op ==
				COND_ENTITY) /* asked together: [host, remote-node] is every node */
			any->last->bits |= entities[i].bits;
		else
			cond_add(any, cond_entity(a, entities[i].bits));
		return 0;
	}
	return k8s_err(r->f, n, e, "\"%.60s\" is no entity", n->text);
}

static int read_name(const struct reader *r, const struct node *n, struct cond *any, struct err *e)
{
	(void)e;
	(void)n;
	cond_add(any, cond_and(&r->m->arena, cond_entity(&r->m->arena, ENTITY_WORLD),
			      cond_maybe(&r->m->arena, REASON_NAME)));
	return 0;
}

static int read_node_peer(
	const struct reader *r, const struct node *n, struct cond *any, struct err *e)
{
	(void)e;
	(void)n;
	cond_add(any, cond_and(&r->m->arena,
			      cond_entity(&r->m->arena,
				      ENTITY_HOST | ENTITY_REMOTE_NODE | ENTITY_API_SERVER),
			      cond_maybe(&r->m->arena, REASON_NODE)));
	return 0;
}

static int read_service(
	const struct reader *r, const struct node *n, struct cond *any, struct err *e)
{
	(void)e;
	(void)n;
	cond_add(any, cond_maybe(&r->m->arena, REASON_SERVICE));
	return 0;
}

struct peers {
	const char *keys[2]; /* by direction; NULL: there is none */
	int (*read)(const struct reader *r, const struct node *n, struct cond *any, struct err *e);
};

static const struct peers peer_kinds[] = {
	{ { [EGRESS] = "toEndpoints", [INGRESS] = "fromEndpoints" }, read_endpoint },
	{ { [EGRESS] = "toCIDR", [INGRESS] = "fromCIDR" }, read_one_cidr },
	{ { [EGRESS] = "toCIDRSet", [INGRESS] = "fromCIDRSet" }, read_cidr_set },
	{ { [EGRESS] = "toEntities", [INGRESS] = "fromEntities" }, read_entity },
	{ { [EGRESS] = "toNodes", [INGRESS] = "fromNodes" }, read_node_peer },
	{ { [EGRESS] = "toGroups", [INGRESS] = "fromGroups" }, read_service },
	{ { [EGRESS] = "toServices", [INGRESS] = NULL }, read_service },
	{ { [EGRESS] = "toFQDNs", [INGRESS] = NULL }, read_name },
};

/* 1 the rule has peers of this kind, 0, -1. *nothing: the list is there and empty. */
static int read_peers(const struct reader *r, const struct node *map, const struct peers *kind,
	struct cond *any, bool *nothing, struct err *e)
{
	const char *key = kind->keys[r->side];
	const struct node *list = NULL;
	int rc = key ? k8s_list(r->f, map, key, &list, e) : 0;

	if (rc <= 0)
		return rc;
	if (!list->count) {
		model_find(r->m, r->f, list, FOUND_ODD,
			"%s is empty: the whole rule matches nothing, whatever else it has", key);
		*nothing = true;
	}
	node_each(n, list)
	{
		if (kind->read(r, n, any, e) < 0)
			return -1;
	}
	return 1;
}

/* --- ports ------------------------------------------------------------------------------------------------------ */

/* A number as C writes it: a leading 0 makes it octal. False: it is a name. */
static int read_number(const struct reader *r, const struct node *n, unsigned *out, struct err *e)
{
	unsigned base = n->text[0] == '0' && n->text[1] ? 8 : 10;
	unsigned long value = 0;
	char *end;

	if (strspn(n->text, "0123456789") != strlen(n->text) || !*n->text)
		return 0;
	value = strtoul(n->text, &end, (int)base);
	if (*end || value > PORT_MAX || strlen(n->text) > 6)
		return k8s_err(r->f, n, e, "\"%.60s\" is no port", n->text);
	if (base == 8)
		model_find(r->m, r->f, n, FOUND_ODD, "\"%s\" is octal for Cilium: port %lu",
			n->text, value);
	*out = (unsigned)value;
	return 1;
}

static int read_port(
	const struct reader *r, const struct node *map, struct rule *rule, struct err *e)
{
	const struct node *port = k8s_get(r->f, map, "port");
	struct port_term *t = rule_term(r->m, rule);
	const char *proto = "ANY";
	int64_t last = 0;
	int rc;

	*t = (struct port_term){ .proto = PROTO_COUNT };
	if (map->kind != NODE_MAP || !port || port->kind == NODE_NULL || !*port->text)
		return k8s_err(r->f, map, e, "a port has a \"port\"");
	if (k8s_string(r->f, map, "protocol", &proto, e) < 0 ||
		k8s_int(r->f, map, "endPort", 0, PORT_MAX, &last, e) < 0)
		return -1;
	if (*proto && strcmp(proto, "ANY") != 0 && !proto_parse(span_of(proto), &t->proto))
		return k8s_err(
			r->f, map, e, "\"%.60s\" is no protocol: TCP, UDP, SCTP, ANY", proto);
	rc = read_number(r, port, &t->low, e);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		t->name = port->text;
		t->fold = true;
	} else if (t->low == 0) {
		t->low = 1;
		t->high = PORT_MAX;
	} else {
		t->high = last > t->low ? (unsigned)last : t->low;
	}
	if (last && (rc == 0 || last < t->low))
		model_find(r->m, r->f, map, FOUND_ODD, "Cilium ignores this endPort");
	return 0;
}

/* *some: a port can match. */
static int read_port_rule(
	const struct reader *r, const struct node *n, struct rule *rule, bool *some, struct err *e)
{
	static const char *const inside[] = { "rules", "listener", "terminatingTLS",
		"originatingTLS", "serverNames" };
	const struct node *ports = NULL;

	if (k8s_list(r->f, n, "ports", &ports, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(inside); i++) {
		const struct node *x = k8s_get(r->f, n, inside[i]);

		if (x && x->kind != NODE_NULL)
			rule->reason |= REASON_L7;
	}
	if (ports)
		node_each(p, ports)
		{
			*some = true;
			if (read_port(r, p, rule, e) < 0)
				return -1;
		}
	return 0;
}

/* 1 the rule says ports, 0 it does not, -1. *nothing: none can match. */
static int read_ports(const struct reader *r, const struct node *map, struct rule *rule,
	bool *nothing, struct err *e)
{
	const struct node *list = NULL;
	bool some = false;

	if (k8s_list(r->f, map, "toPorts", &list, e) < 0)
		return -1;
	if (!list || !list->count)
		return 0;
	node_each(n, list)
	{
		if (read_port_rule(r, n, rule, &some, e) < 0)
			return -1;
	}
	if (!some) {
		model_find(r->m, r->f, list, FOUND_ODD, "toPorts without a port matches none");
		*nothing = true;
	}
	return 1;
}

/* --- rules ------------------------------------------------------------------------------------------------------ */

static bool has_items(const struct reader *r, const struct node *map, const char *key)
{
	const struct node *n = k8s_get(r->f, map, key);

	return n && n->kind != NODE_NULL && (n->kind != NODE_LIST || n->count);
}

static int read_rule(const struct reader *r, const struct node *n, bool denies, struct err *e)
{
	struct rule *rule = rules_add(&r->p->sides[r->side], n);
	bool nothing = false, has_peers = false;
	int rc;

	if (n->kind != NODE_MAP)
		return k8s_err(r->f, n, e, "a rule is a map");
	if (k8s_known(r->f, n, r->side == INGRESS ? ingress_keys : egress_keys, e) < 0)
		return -1;
	rule->action = denies ? ACTION_DENY : ACTION_ALLOW;
	rule->peer = cond_new(&r->m->arena, COND_OR);
	for (size_t i = 0; i < ARRAY_SIZE(peer_kinds); i++) {
		rc = read_peers(r, n, &peer_kinds[i], rule->peer, &nothing, e);
		if (rc < 0)
			return -1;
		has_peers |= rc > 0;
	}
	if (has_items(r, n, r->side == INGRESS ? "fromRequires" : "toRequires"))
		return k8s_err(
			r->f, n, e, "Cilium 1.20 has no fromRequires and toRequires any more");
	rc = read_ports(r, n, rule, &nothing, e);
	if (rc < 0)
		return -1;
	if (!has_peers && rc > 0)
		rule->peer = cond_new(&r->m->arena, COND_ANY);
	if (nothing || has_items(r, n, "icmps")) /* ICMP has no ports */
		rule->peer = cond_new(&r->m->arena, COND_NONE);
	return 0;
}

static int read_rules(const struct reader *r, const struct node *spec, const char *key, bool denies,
	struct err *e)
{
	const struct node *list = NULL;

	if (k8s_list(r->f, spec, key, &list, e) < 0)
		return -1;
	if (list)
		node_each(n, list)
		{
			if (read_rule(r, n, denies, e) < 0)
				return -1;
		}
	return 0;
}

/* A direction isolates by having a rule, whatever that matches, unless the policy says it shall not. */
static int settle_side(
	const struct reader *r, const struct node *spec, const char *key, struct err *e)
{
	struct rules *rules = &r->p->sides[r->side];
	const struct node *flags = NULL;
	bool deny = true;
	int rc;

	if (k8s_map(r->f, spec, "enableDefaultDeny", &flags, e) < 0 ||
		k8s_known(r->f, flags, flag_keys, e) < 0)
		return -1;
	rc = k8s_bool(r->f, flags, key, &deny, e);
	if (rc < 0)
		return -1;
	if (rc > 0 && deny && !rules->count)
		model_find(r->m, r->f, flags, FOUND_ODD,
			"enableDefaultDeny does nothing for %s without a rule: [{}] denies", key);
	rules->governs = rules->count > 0;
	rules->isolates = rules->governs && deny;
	return 0;
}

static int read_side(struct reader *r, const struct node *spec, enum direction side, struct err *e)
{
	static const char *const keys[][2] = {
		[EGRESS] = { "egress", "egressDeny" }, [INGRESS] = { "ingress", "ingressDeny" }
	};

	r->side = side;
	if (read_rules(r, spec, keys[side][0], false, e) < 0 ||
		read_rules(r, spec, keys[side][1], true, e) < 0)
		return -1;
	return settle_side(r, spec, keys[side][0], e);
}

static int read_subject(const struct reader *r, const struct node *spec, struct err *e)
{
	struct arena *a = &r->m->arena;
	struct asked asked = { .subject = !r->clusterwide };
	struct cond *which;

	if (read_selector_as(r->m, r->f, k8s_get(r->f, spec, "endpointSelector"), read_key, &asked,
		    &which, e) < 0)
		return -1;
	r->p->subject = cond_and(a, pod_peers(r->m, POLICY_CILIUM), which);
	if (!r->clusterwide)
		cond_add(r->p->subject, in_namespace(r->m, r->p->ns));
	return 0;
}

static int read_spec(struct reader *r, const struct node *spec, struct err *e)
{
	if (spec->kind != NODE_MAP)
		return k8s_err(r->f, spec, e, "a spec is a map");
	if (k8s_known(r->f, spec, spec_keys, e) < 0)
		return -1;
	if (k8s_get(r->f, spec, "nodeSelector")) {
		model_find(r->m, r->f, spec, FOUND_IGNORED, "policies of nodes are not evaluated");
		return 0;
	}
	if (model_policy(r->m, r->f, r->clusterwide ? POLICY_CILIUM_CLUSTER : POLICY_CILIUM, &r->p,
		    e) < 0)
		return -1;
	r->p->tier = TIER_POLICY;
	if (!r->clusterwide)
		r->p->ns = namespace_of(r->f->object);
	if (read_subject(r, spec, e) < 0 || read_side(r, spec, EGRESS, e) < 0 ||
		read_side(r, spec, INGRESS, e) < 0)
		return -1;
	if (!r->p->sides[EGRESS].count && !r->p->sides[INGRESS].count)
		return k8s_err(r->f, spec, e, "Cilium refuses a policy without a rule");
	if (r->m->options.engine != ENGINE_CILIUM)
		model_unknown(r->m, r->f, r->p);
	return 0;
}

int read_cilium_policy(struct model *m, const struct k8s_fields *f, struct err *e)
{
	struct reader r = { .m = m,
		.f = f,
		.clusterwide = strcmp(f->object->kind, "CiliumClusterwideNetworkPolicy") == 0 };
	const struct node *spec = NULL, *specs = NULL;

	if (k8s_known(f, f->object->root, object_keys, e) < 0 ||
		k8s_map(f, f->object->root, "spec", &spec, e) < 0 ||
		k8s_list(f, f->object->root, "specs", &specs, e) < 0)
		return -1;
	if (!r.clusterwide)
		(void)model_namespace(m, namespace_of(f->object));
	if (spec && read_spec(&r, spec, e) < 0)
		return -1;
	if (specs)
		node_each(n, specs)
		{
			if (read_spec(&r, n, e) < 0)
				return -1;
		}
	return 0;
}
