/* Rules about ports and blocks of a NetworkPolicy. Must never ask a Service who a peer is: only which port it stands for. */
#include "mirror-tool/policy/lint.h"

#include <inttypes.h>

#include "storage/base/banned.h"

#define DNS_PORT 53

/* A rule, and the pods whose ports it names. */
struct ported {
	struct lint *l;
	const struct policy *p;
	const struct rule *rule;
	struct answers to; /* of ingress the subject, of egress the peers */
};

static const struct workload *next_pod(const struct ported *s, size_t *i)
{
	const struct lint *l = s->l;

	for (; *i < l->model.workload_count; (*i)++)
		if (bit_get(s->to.yes, l->judge.ends.of_workload[*i]))
			return &l->model.workloads[(*i)++];
	return NULL;
}

/* --- names -------------------------------------------------------------------------------------------- */

static void check_name(const struct ported *s, const struct port_term *t, const struct node *at)
{
	AUTO(buf_release) struct buf others = BUF_INIT, names = BUF_INIT;
	const struct workload *w;
	size_t i = 0, pods = 0;

	while ((w = next_pod(s, &i))) {
		pods++;
		for (size_t k = 0; k < w->port_count; k++) {
			if (strcmp(w->ports[k].name, t->name) != 0)
				continue;
			if (w->ports[k].proto == t->proto)
				return;
			buf_printf(&others, "%s%s has it with %s", others.len ? ", " : "; ",
				w->name, proto_name(w->ports[k].proto));
		}
	}
	if (!pods)
		return; /* another rule says that nothing is selected */
	lint_names(s->l, s->to.yes, &names);
	lint_add(s->l, LINT_PORT_NAMED, s->p->object, at,
		"no pod of these has a port \"%s\" of %s: %s%s", t->name, proto_name(t->proto),
		names.data, others.data);
}

/* --- protocols ------------------------------------------------------------------------------------------- */

static void check_protocol(const struct ported *s, const struct port_term *t, const struct node *at)
{
	const struct workload *w;
	size_t i = 0;

	if (t->low != t->high)
		return;
	if (t->low == DNS_PORT) {
		lint_add(s->l, LINT_PORT_PROTOCOL, s->p->object, at,
			"port 53 without a protocol is TCP: DNS asks over UDP first");
		return;
	}
	while ((w = next_pod(s, &i)))
		for (size_t k = 0; k < w->port_count; k++) {
			if (w->ports[k].number != t->low || w->ports[k].proto == PROTO_TCP)
				continue;
			lint_add(s->l, LINT_PORT_PROTOCOL, s->p->object, at,
				"port %u without a protocol is TCP: %s has it with %s", t->low,
				w->name, proto_name(w->ports[k].proto));
			return;
		}
}

/* --- Services --------------------------------------------------------------------------------------------- */

static bool is_selected(const struct node *selector, const struct labels *labels)
{
	node_each(n, selector)
	{
		bool has = false;

		for (size_t i = 0; i < labels->count; i++)
			has |= strcmp(labels->items[i].key, n->key) == 0 &&
			       strcmp(labels->items[i].value, n->text) == 0;
		if (!has)
			return false;
	}
	return selector->count > 0;
}

static const struct node *service_part(const struct k8s_object *o, const char *key)
{
	const struct node *n = node_get(node_get(o->root, "spec"), key);

	return n && (n->kind == NODE_MAP || n->kind == NODE_LIST) ? n : NULL;
}

/* A pod of the rule that a Service stands for, or NULL. */
static const struct workload *served(const struct ported *s, const struct k8s_object *service)
{
	const struct node *selector = service_part(service, "selector");
	const struct workload *w;
	size_t i = 0;

	while (selector && (w = next_pod(s, &i)))
		if (strcmp(s->l->model.namespaces[w->ns].name, namespace_of(service)) == 0 &&
			is_selected(selector, &w->labels))
			return w;
	return NULL;
}

/* The number behind targetPort; 0: not known. */
static unsigned target_of(const struct node *port, const struct workload *w)
{
	const struct node *target = node_get(port, "targetPort"), *number = node_get(port, "port");

	if (!target || target->kind == NODE_NULL)
		return number && number->kind == NODE_INT ? (unsigned)number->number : 0;
	if (target->kind == NODE_INT)
		return (unsigned)target->number;
	for (size_t i = 0; i < w->port_count; i++)
		if (strcmp(w->ports[i].name, target->text) == 0)
			return w->ports[i].number;
	return 0;
}

static bool has_number(const struct rule *r, unsigned number)
{
	for (size_t i = 0; i < r->term_count; i++)
		if (!r->terms[i].name && r->terms[i].low <= number && r->terms[i].high >= number)
			return true;
	return false;
}

static bool listens(const struct workload *w, unsigned number)
{
	for (size_t i = 0; i < w->port_count; i++)
		if (w->ports[i].number == number)
			return true;
	return false;
}

/* One port of a Service, of the number that a rule names. */
static void check_service_port(const struct ported *s, const struct port_term *t,
	const struct node *at, const struct k8s_object *service, const struct node *port)
{
	const struct workload *w = served(s, service);
	unsigned target = w ? target_of(port, w) : 0;

	if (!target || target == t->low || listens(w, t->low) || has_number(s->rule, target))
		return;
	lint_add(s->l, LINT_PORT_SERVICE, s->p->object, at,
		"%u is the port of the Service %s/%s; its pods, %s among them, get it on %u",
		t->low, namespace_of(service), service->name, w->name, target);
}

static void check_service(const struct ported *s, const struct port_term *t, const struct node *at,
	const struct k8s_object *service)
{
	const struct node *ports = service_part(service, "ports");

	if (!ports || t->low != t->high)
		return;
	node_each(port, ports)
	{
		const struct node *number = node_get(port, "port");

		if (number && number->number == (int64_t)t->low)
			check_service_port(s, t, at, service, port);
	}
}

/* --- blocks -------------------------------------------------------------------------------------------------- */

static void check_block(const struct ported *s, const struct node *peer)
{
	const struct node *map = lint_get(s->l, s->p, peer, "ipBlock");
	const struct node *cidr = lint_get(s->l, s->p, map, "cidr"),
			  *except = lint_get(s->l, s->p, map, "except");
	struct block b;

	if (!cidr || block_parse(span_of(cidr->text), &b) == BLOCK_BAD || b.bits ||
		(except && except->count))
		return;
	lint_add(s->l, LINT_BLOCK_ANY, s->p->object, cidr,
		"%s is every address: pods, Services, nodes and 169.254.169.254 are among them",
		cidr->text);
}

/* --- a rule ---------------------------------------------------------------------------------------------------- */

static void check_port(const struct ported *s, const struct port_term *t, const struct node *at)
{
	const struct node *proto = lint_get(s->l, s->p, at, "protocol");

	if (t->name) {
		check_name(s, t, at);
		return;
	}
	if (!proto || proto->kind == NODE_NULL)
		check_protocol(s, t, at);
	for (size_t i = 0; i < s->l->service_count; i++)
		check_service(s, t, at, s->l->services[i]);
}

static void check_rule(const struct ported *s, enum direction side)
{
	const struct node *ports = lint_get(s->l, s->p, s->rule->at, "ports"),
			  *peers =
				  lint_get(s->l, s->p, s->rule->at, side == EGRESS ? "to" : "from");
	const struct node *n = ports && ports->kind == NODE_LIST ? ports->first : NULL;

	for (size_t i = 0; i < s->rule->term_count && n; i++, n = n->next)
		check_port(s, &s->rule->terms[i], n);
	if (peers && peers->kind == NODE_LIST)
		node_each(peer, peers)
		{
			check_block(s, peer);
		}
}

/* --- Services that lead around a policy ----------------------------------------------------------------------- */

static bool is_open_service(const struct k8s_object *o)
{
	const struct node *type = node_get(node_get(o->root, "spec"), "type");
	const struct node *local = node_get(node_get(o->root, "spec"), "externalTrafficPolicy");

	return type && type->text &&
	       (strcmp(type->text, "NodePort") == 0 || strcmp(type->text, "LoadBalancer") == 0) &&
	       !(local && local->text && strcmp(local->text, "Local") == 0);
}

static void check_services(const struct ported *s)
{
	for (size_t i = 0; i < s->l->service_count; i++) {
		const struct k8s_object *o = s->l->services[i];
		const struct workload *w = is_open_service(o) ? served(s, o) : NULL;

		if (w)
			lint_add(s->l, LINT_NODE_PORT, s->p->object, s->p->object->root,
				"%s/%s is reached through the nodes by the Service %s "
				"(%s:%" PRIu32
				"): the policy may see a node in place of the client",
				s->p->ns, w->name, o->name, o->doc->name, o->root->line);
	}
}

/* A container port that is also one of the node, anywhere in the object. */
static const struct node *find_host_port(const struct node *n)
{
	const struct node *found = n->key && strcmp(n->key, "hostPort") == 0 ? n : NULL;

	for (const struct node *k = n->first; k && !found; k = k->next)
		found = find_host_port(k);
	return found;
}

static void check_host_ports(const struct ported *s)
{
	const struct workload *w;
	size_t i = 0;

	while ((w = next_pod(s, &i))) {
		const struct node *port = find_host_port(w->object->root);

		if (port && !w->host_network)
			lint_add(s->l, LINT_NODE_PORT, s->p->object, s->p->object->root,
				"%s/%s is reached through the node by hostPort %s (%s:%" PRIu32
				"): the policy may see a node in place of the client",
				s->p->ns, w->name, port->text, w->object->doc->name, port->line);
	}
}

/* What leads around a policy that limits ingress. */
static void check_bypasses(struct lint *l, const struct policy *p)
{
	struct ported s = { l, p, NULL, { NULL, NULL } };

	answers_make(&l->judge.ends, &s.to);
	ends_ask(&l->judge.ends, p->subject, &s.to);
	check_services(&s);
	check_host_ports(&s);
	answers_release(&s.to);
}

void lint_ports(struct lint *l, const struct policy *p)
{
	if (p->sides[INGRESS].isolates)
		check_bypasses(l, p);
	for (unsigned side = 0; side < 2; side++) {
		for (size_t i = 0; i < p->sides[side].count; i++) {
			const struct rule *r = &p->sides[side].items[i];
			struct ported s = { l, p, r, { NULL, NULL } };

			answers_make(&l->judge.ends, &s.to);
			ends_ask(&l->judge.ends, side == EGRESS ? r->peer : p->subject, &s.to);
			check_rule(&s, (enum direction)side);
			answers_release(&s.to);
		}
	}
}
