/*
 * NetworkPolicy (networking.k8s.io/v1). What is null, absent or empty has four meanings here: a policy's podSelector
 * selects all, a peer's is not given, an empty list of peers or ports is everyone and all, an empty list of rules none.
 */
#include <stdlib.h>

#include "mirror-tool/policy/model.h"
#include "storage/base/banned.h"

static const char *const object_keys[] = { "apiVersion", "kind", "metadata", "spec", "status",
	NULL };
static const char *const spec_keys[] = { "podSelector", "policyTypes", "ingress", "egress", NULL };
static const char *const peer_keys[] = { "podSelector", "namespaceSelector", "ipBlock", NULL };
static const char *const block_keys[] = { "cidr", "except", NULL };
static const char *const port_keys[] = { "port", "endPort", "protocol", NULL };

/* --- peers --------------------------------------------------------------------------------------------- */

static int read_except(struct model *m, const struct k8s_fields *f, const struct node *list,
	uint32_t whole, struct cond *all, struct err *e)
{
	node_each(n, list)
	{
		uint32_t block;

		if (model_block(m, f, n, &block, e) < 0)
			return -1;
		if (!block_covers(&m->blocks[whole], &m->blocks[block]) ||
			m->blocks[whole].bits == m->blocks[block].bits)
			return k8s_err(f, n, e, "%s is not inside the block", n->text);
		cond_add(all, cond_not(&m->arena, cond_block(&m->arena, block)));
	}
	return 0;
}

static int read_block(struct model *m, const struct k8s_fields *f, const struct node *map,
	struct cond **out, struct err *e)
{
	const struct node *cidr = k8s_get(f, map, "cidr"), *except = NULL;
	struct cond *all = cond_new(&m->arena, COND_AND);
	uint32_t block;

	if (k8s_known(f, map, block_keys, e) < 0 || k8s_list(f, map, "except", &except, e) < 0)
		return -1;
	if (!cidr || cidr->kind == NODE_NULL)
		return k8s_err(f, map, e, "\"cidr\" is missing");
	if (model_block(m, f, cidr, &block, e) < 0)
		return -1;
	cond_add(all, cond_block(&m->arena, block));
	if (except && read_except(m, f, except, block, all, e) < 0)
		return -1;
	*out = all;
	return 0;
}

static int read_pods(struct model *m, const struct k8s_fields *f, const struct policy *p,
	const struct node *pods, const struct node *namespaces, struct cond **out, struct err *e)
{
	struct cond *all = cond_add(cond_new(&m->arena, COND_AND), pod_peers(m, POLICY_NETWORK));
	struct cond *where = in_namespace(m, p->ns), *which;

	if (namespaces && read_selector(m, f, namespaces, PLACE_NAMESPACE, &where, e) < 0)
		return -1;
	if (read_selector(m, f, pods, PLACE_POD, &which, e) < 0)
		return -1;
	*out = cond_add(cond_add(all, where), which);
	return 0;
}

static int read_peer(struct model *m, const struct k8s_fields *f, const struct policy *p,
	const struct node *map, struct cond **out, struct err *e)
{
	const struct node *pods = NULL, *namespaces = NULL, *block = NULL;

	if (map->kind != NODE_MAP)
		return k8s_err(f, map, e, "a peer is a map with a selector or an ipBlock");
	if (k8s_known(f, map, peer_keys, e) < 0 || k8s_map(f, map, "podSelector", &pods, e) < 0 ||
		k8s_map(f, map, "namespaceSelector", &namespaces, e) < 0 ||
		k8s_map(f, map, "ipBlock", &block, e) < 0)
		return -1;
	if (block && (pods || namespaces))
		return k8s_err(f, map, e, "ipBlock stands alone, without a selector");
	if (block)
		return read_block(m, f, block, out, e);
	if (pods || namespaces)
		return read_pods(m, f, p, pods, namespaces, out, e);
	return k8s_err(f, map, e, "a peer needs podSelector, namespaceSelector or ipBlock");
}

/* No peers: everyone. */
static int read_peers(struct model *m, const struct k8s_fields *f, const struct policy *p,
	const struct node *map, const char *key, struct rule *r, struct err *e)
{
	const struct node *list = NULL;

	if (k8s_list(f, map, key, &list, e) < 0)
		return -1;
	if (!list || !list->count) {
		r->peer = cond_new(&m->arena, COND_ANY);
		return 0;
	}
	r->peer = cond_new(&m->arena, COND_OR);
	node_each(n, list)
	{
		struct cond *peer = NULL;

		if (read_peer(m, f, p, n, &peer, e) < 0)
			return -1;
		cond_add(r->peer, peer);
	}
	return 0;
}

/* --- ports ------------------------------------------------------------------------------------------------ */

static int read_number(const struct k8s_fields *f, const struct node *map, const struct node *port,
	struct port_term *t, struct err *e)
{
	int64_t end = 0;
	int rc = k8s_int(f, map, "endPort", 1, PORT_MAX, &end, e);

	if (rc < 0)
		return -1;
	if (port->number < 1 || port->number > PORT_MAX)
		return k8s_err(f, port, e, "%s is not between 1 and %d", port->text, PORT_MAX);
	t->low = (unsigned)port->number;
	t->high = rc ? (unsigned)end : t->low;
	if (t->high < t->low)
		return k8s_err(f, map, e, "endPort is less than port");
	return 0;
}

static int read_port(struct model *m, const struct k8s_fields *f, const struct node *map,
	struct rule *r, struct err *e)
{
	struct port_term *t = rule_term(m, r);
	const struct node *port = k8s_get(f, map, "port");
	const char *proto = NULL;

	*t = (struct port_term){ .proto = PROTO_TCP, .low = 1, .high = PORT_MAX };
	if (map->kind == NODE_NULL)
		return 0;
	if (map->kind != NODE_MAP)
		return k8s_err(f, map, e, "a port is a map");
	if (k8s_known(f, map, port_keys, e) < 0 || k8s_string(f, map, "protocol", &proto, e) < 0)
		return -1;
	if (proto && *proto && !proto_parse(span_of(proto), &t->proto))
		return k8s_err(f, map, e, "\"%.60s\" is no protocol: TCP, UDP, SCTP", proto);
	if (port && port->kind == NODE_INT)
		return read_number(f, map, port, t, e);
	if (k8s_get(f, map, "endPort") && k8s_get(f, map, "endPort")->kind != NODE_NULL)
		return k8s_err(f, map, e, "endPort needs a port that is a number");
	if (!port || port->kind == NODE_NULL)
		return 0;
	if (k8s_text(f, port, &t->name, e) < 0)
		return -1;
	if (strspn(t->name, "0123456789") == strlen(t->name))
		return k8s_err(f, port, e,
			"\"%s\" is no name of a port: write the number without quotes", t->name);
	return 0;
}

static int read_ports(struct model *m, const struct k8s_fields *f, const struct node *map,
	struct rule *r, struct err *e)
{
	const struct node *list = NULL;

	if (k8s_list(f, map, "ports", &list, e) < 0)
		return -1;
	if (list)
		node_each(n, list)
		{
			if (read_port(m, f, n, r, e) < 0)
				return -1;
		}
	return 0;
}

/* --- rules and directions ------------------------------------------------------------------------------------ */

static int read_rule(struct model *m, const struct k8s_fields *f, struct policy *p,
	enum direction side, const struct node *n, struct err *e)
{
	static const char *const keys[][3] = {
		[EGRESS] = { "to", "ports", NULL }, [INGRESS] = { "from", "ports", NULL }
	};
	struct rule *r = rules_add(&p->sides[side], n);

	r->peer = cond_new(&m->arena, COND_ANY);
	if (n->kind == NODE_NULL)
		return 0;
	if (n->kind != NODE_MAP)
		return k8s_err(f, n, e, "a rule is a map");
	if (k8s_known(f, n, keys[side], e) < 0 || read_peers(m, f, p, n, keys[side][0], r, e) < 0 ||
		read_ports(m, f, n, r, e) < 0)
		return -1;
	return 0;
}

static const char *const side_keys[] = { [EGRESS] = "egress", [INGRESS] = "ingress" };
static const char *const side_types[] = { [EGRESS] = "Egress", [INGRESS] = "Ingress" };

static int read_rules(struct model *m, const struct k8s_fields *f, struct policy *p,
	enum direction side, const struct node *spec, struct err *e)
{
	const struct node *list = NULL;

	if (k8s_list(f, spec, side_keys[side], &list, e) < 0)
		return -1;
	if (list)
		node_each(n, list)
		{
			if (read_rule(m, f, p, side, n, e) < 0)
				return -1;
		}
	return 0;
}

/* Which directions it governs: what policyTypes says; without it Ingress, and Egress when it has rules. */
static int read_types(
	const struct k8s_fields *f, struct policy *p, const struct node *spec, struct err *e)
{
	const struct node *list = NULL;

	if (k8s_list(f, spec, "policyTypes", &list, e) < 0)
		return -1;
	if (!list || !list->count) {
		p->sides[INGRESS].governs = true;
		p->sides[EGRESS].governs = p->sides[EGRESS].count > 0;
		return 0;
	}
	if (list->count > 2)
		return k8s_err(f, list, e, "more than two policyTypes");
	node_each(n, list)
	{
		const char *type = "";

		if (k8s_text(f, n, &type, e) < 0)
			return -1;
		if (strcmp(type, "Ingress") != 0 && strcmp(type, "Egress") != 0)
			return k8s_err(
				f, n, e, "\"%.60s\" is no policy type: Ingress, Egress", type);
		p->sides[strcmp(type, "Ingress") == 0 ? INGRESS : EGRESS].governs = true;
	}
	return 0;
}

/* Rules of a direction that policyTypes leaves out: no effect, but Cilium enforces them (cilium issue 48703). */
static void settle_side(
	struct model *m, const struct k8s_fields *f, struct policy *p, enum direction side)
{
	struct rules *r = &p->sides[side];

	if (r->governs || !r->count) {
		r->isolates = r->governs;
		return;
	}
	if (m->options.engine == ENGINE_CILIUM) {
		model_find(m, f, r->items[0].at, FOUND_ODD,
			"policyTypes leaves %s out, and Cilium enforces its rules all the same",
			side_types[side]);
		r->governs = r->isolates = true;
		return;
	}
	model_find(m, f, r->items[0].at, FOUND_IGNORED,
		"policyTypes leaves %s out: its rules have no effect", side_types[side]);
	if (!m->idle)
		m->idle = cond_new(&m->arena, COND_OR);
	for (size_t i = 0; i < r->count; i++)
		cond_add(m->idle, r->items[i].peer);
	free(r->items);
	*r = (struct rules){ .count = 0 };
}

int read_network_policy(struct model *m, const struct k8s_fields *f, struct err *e)
{
	const struct node *root = f->object->root, *spec = NULL;
	struct cond *pods;
	struct policy *p;

	if (k8s_known(f, root, object_keys, e) < 0 || k8s_map(f, root, "spec", &spec, e) < 0 ||
		k8s_known(f, spec, spec_keys, e) < 0 ||
		model_policy(m, f, POLICY_NETWORK, &p, e) < 0 ||
		read_selector(m, f, k8s_get(f, spec, "podSelector"), PLACE_POD, &pods, e) < 0)
		return -1;
	p->ns = namespace_of(f->object);
	(void)model_namespace(m, p->ns);
	p->subject = cond_and(&m->arena, in_namespace(m, p->ns), pods);
	p->tier = TIER_POLICY;
	p->order = 1000;
	if (read_rules(m, f, p, EGRESS, spec, e) < 0 || read_rules(m, f, p, INGRESS, spec, e) < 0 ||
		read_types(f, p, spec, e) < 0)
		return -1;
	settle_side(m, f, p, EGRESS);
	settle_side(m, f, p, INGRESS);
	return 0;
}
