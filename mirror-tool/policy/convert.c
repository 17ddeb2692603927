/* Old kinds of the whole cluster -> the new one. Must never leave out a part of a rule. */
#include "mirror-tool/policy/convert.h"

#include "mirror-tool/policy/address.h"
#include "mirror-tool/policy/ports.h"
#include "storage/base/banned.h"

struct conversion {
	const struct k8s_fields *f;
	struct doc *out;
	struct err *e;
	bool failed; /* then nothing more is done, and the first fault stays */
};

bool convert_is_old(const struct k8s_object *o)
{
	return strcmp(o->api_version, "policy.networking.k8s.io/v1alpha1") == 0 &&
	       (strcmp(o->kind, "AdminNetworkPolicy") == 0 ||
		       strcmp(o->kind, "BaselineAdminNetworkPolicy") == 0);
}

/* --- reading: NULL when it is absent or something failed ------------------------------------------------- */

static void refuse(struct conversion *c, const struct node *at, const char *why)
{
	if (!c->failed)
		(void)k8s_err(c->f, at, c->e, "%s", why);
	c->failed = true;
}

static const struct node *map_of(struct conversion *c, const struct node *map, const char *key)
{
	const struct node *n = NULL;

	c->failed = c->failed || k8s_map(c->f, map, key, &n, c->e) < 0;
	return c->failed ? NULL : n;
}

static const struct node *list_of(struct conversion *c, const struct node *map, const char *key)
{
	const struct node *n = NULL;

	c->failed = c->failed || k8s_list(c->f, map, key, &n, c->e) < 0;
	return c->failed ? NULL : n;
}

static const char *text_of(struct conversion *c, const struct node *n)
{
	const char *text = "";

	c->failed = c->failed || k8s_text(c->f, n, &text, c->e) < 0;
	return c->failed ? "" : text;
}

static const char *member(struct conversion *c, const struct node *map, const char *key)
{
	const struct node *n = k8s_get(c->f, map, key);

	return n ? text_of(c, n) : "";
}

static int64_t number_of(struct conversion *c, const struct node *map, const char *key)
{
	int64_t number = 0;
	int rc = c->failed ? 1 : k8s_int(c->f, map, key, 0, PORT_MAX, &number, c->e);

	if (rc == 0)
		refuse(c, map, "a number is missing");
	c->failed = c->failed || rc < 0;
	return number;
}

/* The one key of a union that is there and is not null. */
static const struct node *one_of(
	struct conversion *c, const struct node *map, const char *const keys[])
{
	const struct node *found = NULL;
	unsigned count = 0;

	for (; *keys; keys++) {
		const struct node *n = k8s_get(c->f, map, *keys);

		if (n && n->kind != NODE_NULL) {
			found = n;
			count++;
		}
	}
	if (count == 1)
		return found;
	refuse(c, map, "has not exactly one of its fields");
	return NULL;
}

/* --- building ------------------------------------------------------------------------------------------- */

static struct node *put(struct conversion *c, struct node *up, const char *key, enum node_kind kind,
	const char *text)
{
	struct node *n = NULL;

	if (c->failed)
		return NULL;
	if (node_add(c->out, up, span_of(key), kind, span_of(text), c->f->object->root->line, &n,
		    c->e) < 0)
		c->failed = true;
	return n;
}

static struct node *put_map(struct conversion *c, struct node *up, const char *key)
{
	return put(c, up, key, NODE_MAP, "");
}

static struct node *put_list(struct conversion *c, struct node *up, const char *key)
{
	return put(c, up, key, NODE_LIST, "");
}

static void put_text(struct conversion *c, struct node *up, const char *key, const char *text)
{
	put(c, up, key, NODE_STRING, text);
}

static void put_number(struct conversion *c, struct node *up, const char *key, int64_t number)
{
	struct node *n = put(c, up, key, NODE_INT, "");

	if (n)
		n->number = number;
}

/* A list that the new kind takes in full. */
static const struct node *short_list(struct conversion *c, const struct node *map, const char *key)
{
	const struct node *list = list_of(c, map, key);

	if (list && list->count > CONVERT_LIST_MAX)
		refuse(c, list,
			"has more than 25 items, which ClusterNetworkPolicy does not take: "
			"there is no equal");
	return list && list->count ? list : NULL;
}

/* --- labels and selectors ---------------------------------------------------------------------------------- */

#define APPLIED "kubectl.kubernetes.io/last-applied-configuration" /* it would hold the old kind */

static void copy_texts(
	struct conversion *c, struct node *up, const char *key, const struct node *map)
{
	struct node *to;

	if (!map || !map->count)
		return;
	to = put_map(c, up, key);
	node_each(n, map)
	{
		if (strcmp(key, "annotations") != 0 || strcmp(n->key, APPLIED) != 0)
			put_text(c, to, n->key, text_of(c, n));
	}
}

static void copy_expression(struct conversion *c, struct node *list, const struct node *from)
{
	struct node *to = put_map(c, list, "");
	const struct node *values = list_of(c, from, "values");

	put_text(c, to, "key", member(c, from, "key"));
	put_text(c, to, "operator", member(c, from, "operator"));
	if (!values || !values->count)
		return;
	to = put_list(c, to, "values");
	node_each(n, values)
	{
		put_text(c, to, "", text_of(c, n));
	}
}

/* n: NULL and null are a selector of everything. */
static void put_selector(
	struct conversion *c, struct node *up, const char *key, const struct node *n)
{
	struct node *to = put_map(c, up, key);
	const struct node *list = list_of(c, n, "matchExpressions");

	copy_texts(c, to, "matchLabels", map_of(c, n, "matchLabels"));
	if (!list || !list->count)
		return;
	to = put_list(c, to, "matchExpressions");
	node_each(expression, list)
	{
		copy_expression(c, to, expression);
	}
}

/* `namespaces` or `pods`, of a subject or a peer. */
static void put_inside(struct conversion *c, struct node *to, const struct node *one)
{
	if (strcmp(one->key, "pods") != 0) {
		put_selector(c, to, "namespaces", one);
		return;
	}
	if (!k8s_get(c->f, one, "namespaceSelector"))
		refuse(c, one, "\"namespaceSelector\" is missing");
	to = put_map(c, to, "pods");
	put_selector(c, to, "namespaceSelector", k8s_get(c->f, one, "namespaceSelector"));
	put_selector(c, to, "podSelector", k8s_get(c->f, one, "podSelector"));
}

static void put_subject(struct conversion *c, struct node *to, const struct node *spec)
{
	static const char *const keys[] = { "namespaces", "pods", NULL };
	const struct node *from = map_of(c, spec, "subject"), *one;

	if (!from) {
		refuse(c, c->f->object->root, "\"subject\" is missing");
		return;
	}
	one = one_of(c, from, keys);
	to = put_map(c, to, "subject");
	if (one)
		put_inside(c, to, one);
}

/* --- rules ------------------------------------------------------------------------------------------------- */

static bool has_text(const struct node *list, const char *text)
{
	node_each(n, list)
	{
		if (strcmp(n->text, text) == 0)
			return true;
	}
	return false;
}

/* The new kind refuses bits behind the prefix, and a block that is there twice. */
static void put_network(struct conversion *c, struct node *list, const struct node *n)
{
	char first[ADDRESS_TEXT_SIZE];
	struct block b;

	if (block_parse(span_of(text_of(c, n)), &b) == BLOCK_BAD) {
		refuse(c, n, "is no block of addresses");
		return;
	}
	if (c->failed)
		return;
	AUTO(mem_free) char *text = mem_printf("%s/%u", address_text(&b.first, first), b.bits);

	if (!has_text(list, text))
		put_text(c, list, "", text);
}

static void put_peer(struct conversion *c, struct node *list, const struct node *from)
{
	static const char *const keys[] = { "namespaces", "pods", "networks", "nodes",
		"domainNames", NULL };
	const struct node *one = one_of(c, from, keys);
	struct node *to = put_map(c, list, "");

	if (!one)
		return;
	if (strcmp(one->key, "namespaces") == 0 || strcmp(one->key, "pods") == 0) {
		put_inside(c, to, one);
		return;
	}
	if (strcmp(one->key, "networks") != 0) {
		refuse(c, one,
			"has no equal in ClusterNetworkPolicy (its standard channel drops the "
			"field)");
		return;
	}
	one = short_list(c, from, "networks");
	to = put_list(c, to, "networks");
	if (one)
		node_each(n, one)
		{
			put_network(c, to, n);
		}
}

/* {portNumber: {protocol, port}} -> {tcp: {destinationPort: {number}}}; a range of one port is a number. */
static void put_port(struct conversion *c, struct node *list, const struct node *from)
{
	static const char *const keys[] = { "portNumber", "portRange", "namedPort", NULL };
	static const char *const protos[] = {
		[PROTO_TCP] = "tcp", [PROTO_UDP] = "udp", [PROTO_SCTP] = "sctp"
	};
	const struct node *one = one_of(c, from, keys);
	bool range = one && strcmp(one->key, "portRange") == 0;
	enum proto proto = PROTO_TCP;
	struct node *to = put_map(c, list, "");
	const char *text;
	int64_t low, high;

	if (!one || strcmp(one->key, "namedPort") == 0) {
		refuse(c, from,
			"a port by its name has no equal in ClusterNetworkPolicy (its standard "
			"channel drops the field)");
		return;
	}
	text = member(c, one, "protocol");
	if (*text && !proto_parse(span_of(text), &proto))
		refuse(c, one, "the protocol is none of TCP, UDP, SCTP");
	low = number_of(c, one, range ? "start" : "port");
	high = range ? number_of(c, one, "end") : low;
	to = put_map(c, put_map(c, to, protos[proto]), "destinationPort");
	if (low == high) {
		put_number(c, to, "number", low);
		return;
	}
	to = put_map(c, to, "range");
	put_number(c, to, "start", low);
	put_number(c, to, "end", high);
}

static void put_rule(
	struct conversion *c, struct node *list, const struct node *from, const char *peers)
{
	struct node *rule = put_map(c, list, ""), *to;
	const char *name = member(c, from, "name"), *action = member(c, from, "action");
	const struct node *ports = short_list(c, from, "ports"),
			  *others = short_list(c, from, peers);

	if (*name)
		put_text(c, rule, "name", name);
	put_text(c, rule, "action", strcmp(action, "Allow") == 0 ? "Accept" : action);
	to = put_list(c, rule, peers);
	if (others)
		node_each(n, others)
		{
			put_peer(c, to, n);
		}
	if (!ports)
		return;
	to = put_list(c, rule, "protocols");
	node_each(n, ports)
	{
		put_port(c, to, n);
	}
}

static void put_rules(struct conversion *c, struct node *spec, const struct node *from,
	const char *key, const char *peers)
{
	const struct node *rules = short_list(c, from, key);
	struct node *to;

	if (!rules)
		return;
	to = put_list(c, spec, key);
	node_each(n, rules)
	{
		put_rule(c, to, n, peers);
	}
}

int convert_policy(
	const struct k8s_fields *f, const char *api_version, struct doc *out, struct err *e)
{
	struct conversion c = { .f = f, .out = out, .e = e };
	bool baseline = *f->object->kind == 'B';
	const struct node *metadata = map_of(&c, f->object->root, "metadata"),
			  *from = map_of(&c, f->object->root, "spec");
	struct node *root, *to;

	out->name = f->object->doc->name;
	root = put_map(&c, NULL, "");
	put_text(&c, root, "apiVersion", api_version);
	put_text(&c, root, "kind", "ClusterNetworkPolicy");
	to = put_map(&c, root, "metadata");
	put_text(&c, to, "name", f->object->name);
	copy_texts(&c, to, "labels", map_of(&c, metadata, "labels"));
	copy_texts(&c, to, "annotations", map_of(&c, metadata, "annotations"));
	to = put_map(&c, root, "spec");
	put_text(&c, to, "tier", baseline ? "Baseline" : "Admin");
	put_number(&c, to, "priority", baseline ? CONVERT_LAST : number_of(&c, from, "priority"));
	put_subject(&c, to, from);
	put_rules(&c, to, from, "ingress", "from");
	put_rules(&c, to, from, "egress", "to");
	return c.failed ? -1 : 0;
}
