/* What is behind Services, and in front of pods. Must never call a port reached that one pod behind it refuses. */
#include "mirror-tool/policy/services.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

void targets_release(struct targets *t)
{
	free(t->items);
	*t = (struct targets)TARGETS_INIT;
}

void ways_release(struct ways *w)
{
	free(w->items);
	*w = (struct ways)WAYS_INIT;
}

static const struct workload *pod_of(const struct map *m, const struct map_group *g, size_t i)
{
	return &m->judge->model->workloads[m->workloads[g->first + i]];
}

/* --- targets ---------------------------------------------------------------------------------------------- */

static bool has_label(const struct labels *all, const struct label *want)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->items[i].key, want->key) == 0)
			return strcmp(all->items[i].value, want->value) == 0;
	return false;
}

static bool selects(const struct service *s, const struct workload *w)
{
	if (w->ns != s->ns || !s->selector.count || s->type == SERVICE_EXTERNAL_NAME)
		return false;
	for (size_t i = 0; i < s->selector.count; i++)
		if (!has_label(&w->labels, &s->selector.items[i]))
			return false;
	return true;
}

/* The number of a Service's port at a pod; 0: the pod has none of that name. */
static unsigned number_at(const struct workload *w, const struct service_port *p)
{
	if (!p->target_name)
		return p->target;
	for (size_t i = 0; i < w->port_count; i++)
		if (w->ports[i].proto == p->proto && strcmp(w->ports[i].name, p->target_name) == 0)
			return w->ports[i].number;
	return 0;
}

static void add_target(struct targets *t, uint32_t port, uint32_t group, unsigned number)
{
	for (size_t i = t->count; i-- && t->items[i].port == port && t->items[i].group == group;)
		if (t->items[i].number == number)
			return;
	*VEC_PUSH(t->items, t->count) = (struct target){ port, group, number };
}

void targets_make(struct targets *t, const struct map *m, const struct service *s)
{
	const char *ns = m->judge->model->namespaces[s->ns].name;

	*t = (struct targets)TARGETS_INIT;
	for (uint32_t p = 0; p < s->port_count; p++)
		for (uint32_t g = 0; g < m->group_count; g++) {
			const struct map_group *group = &m->groups[g];

			for (size_t i = 0; group->ns == ns && i < group->pods; i++) {
				const struct workload *w = pod_of(m, group, i);
				unsigned number = selects(s, w) ? number_at(w, &s->ports[p]) : 0;

				if (number)
					add_target(t, p, g, number);
			}
		}
}

/* How many of the targets of a port are reached, may be, are not. */
struct tally {
	size_t all, sure, open;
	unsigned reasons;
};

static struct tally tally_port(const struct targets *t, const struct map *m,
	const struct service *s, uint32_t port, size_t src)
{
	const struct port_pool *pool = m->judge->model->ports;
	enum proto proto = s->ports[port].proto;
	struct tally sum = { 0 };

	for (size_t i = 0; i < t->count; i++) {
		const struct target *x = &t->items[i];
		struct reach r;

		if (x->port != port)
			continue;
		r = map_reach(m, m->groups[src].end, m->groups[x->group].end);
		sum.all++;
		sum.sure += ports_has(pool, r.allow, proto, x->number);
		if (ports_has(pool, r.maybe, proto, x->number)) {
			sum.open++;
			sum.reasons |= r.reasons;
		}
	}
	return sum;
}

struct reach targets_reach(
	const struct targets *t, const struct map *m, const struct service *s, size_t src_group)
{
	struct port_pool *pool = m->judge->model->ports;
	struct reach out = { PORTS_NONE, PORTS_NONE, 0 };

	for (uint32_t p = 0; p < s->port_count; p++) {
		struct tally sum = tally_port(t, m, s, p, src_group);
		unsigned number = s->headless ? s->ports[p].target : s->ports[p].number;
		portset port = ports_range(pool, s->ports[p].proto, number, number);

		if (!number || !(sum.sure + sum.open))
			continue;
		if (sum.sure == sum.all) {
			out.allow = ports_or(pool, out.allow, port);
			continue;
		}
		out.maybe = ports_or(pool, out.maybe, port);
		out.reasons |= sum.reasons | (sum.sure + sum.open < sum.all ? REASON_SOME : 0u);
	}
	return out;
}

/* --- ways in ------------------------------------------------------------------------------------------------ */

static enum way_verdict verdict_of(
	const struct port_pool *pool, const struct reach *r, enum proto proto, unsigned port)
{
	if (port ? ports_has(pool, r->allow, proto, port) : r->allow == PORTS_ALL)
		return WAY_ALLOWED;
	if (port ? ports_has(pool, r->maybe, proto, port) : r->maybe != PORTS_NONE)
		return WAY_UNKNOWN;
	return WAY_DENIED;
}

/* Of all outside addresses. */
static enum way_verdict from_outside(struct map *m, const struct way *w)
{
	AUTO(mem_free) struct map_range *ranges = NULL;
	size_t count = map_outside(m, w->group, INGRESS, &ranges), found[WAY_UNKNOWN + 1] = { 0 };

	for (size_t i = 0; i < count; i++)
		found[verdict_of(m->judge->model->ports, &ranges[i].reach, w->proto, w->target)]++;
	if (found[WAY_ALLOWED])
		return found[WAY_ALLOWED] == count ? WAY_ALLOWED : WAY_SOME;
	return found[WAY_UNKNOWN] ? WAY_UNKNOWN : WAY_DENIED;
}

/* Several paths of an Ingress are one way. */
static bool is_there(const struct ways *ways, const struct way *w)
{
	for (size_t i = ways->count; i-- && ways->items[i].name == w->name;) {
		const struct way *x = &ways->items[i];

		if (x->kind == w->kind && strcmp(x->host, w->host) == 0 && x->port == w->port &&
			x->proto == w->proto && x->group == w->group && x->target == w->target)
			return true;
	}
	return false;
}

static void add_way(struct ways *ways, struct map *m, struct way way)
{
	struct reach node =
		map_reach(m, m->judge->ends.first_special + 1, m->groups[way.group].end);

	if (is_there(ways, &way))
		return;
	way.node = verdict_of(m->judge->model->ports, &node, way.proto, way.target);
	way.outside = from_outside(m, &way);
	*VEC_PUSH(ways->items, ways->count) = way;
}

static void add_service(struct ways *ways, struct map *m, const struct service *s)
{
	AUTO(targets_release) struct targets t = TARGETS_INIT;
	const char *ns = m->judge->model->namespaces[s->ns].name;
	bool balanced = s->type == SERVICE_LOAD_BALANCER;

	if (!balanced && s->type != SERVICE_NODE_PORT && !s->has_addresses)
		return;
	targets_make(&t, m, s);
	for (size_t i = 0; i < t.count; i++) {
		const struct service_port *p = &s->ports[t.items[i].port];
		struct way way = { WAY_LOAD_BALANCER, ns, s->name, "", p->proto, p->number,
			t.items[i].group, t.items[i].number, WAY_DENIED, WAY_DENIED };

		if (balanced)
			add_way(ways, m, way);
		way.kind = WAY_ADDRESS;
		if (s->has_addresses)
			add_way(ways, m, way);
		way.kind = WAY_NODE_PORT;
		way.port = p->node_port;
		if (s->type == SERVICE_NODE_PORT || (balanced && p->node_port))
			add_way(ways, m, way);
	}
}

static bool is_port(const struct service_port *p, const struct backend *b)
{
	return b->port_name && *b->port_name ? strcmp(p->name, b->port_name) == 0
					     : p->number == b->port;
}

static void add_backend(struct ways *ways, struct map *m, const struct backend *b)
{
	const struct model *model = m->judge->model;

	for (size_t i = 0; i < model->service_count; i++) {
		const struct service *s = &model->services[i];
		AUTO(targets_release) struct targets t = TARGETS_INIT;

		if (s->ns != b->ns || strcmp(s->name, b->service) != 0)
			continue;
		targets_make(&t, m, s);
		for (size_t x = 0; x < t.count; x++) {
			const struct service_port *p = &s->ports[t.items[x].port];

			if (is_port(p, b))
				add_way(ways, m,
					(struct way){ WAY_INGRESS, model->namespaces[b->ns].name,
						b->object->name, b->host, p->proto, 0,
						t.items[x].group, t.items[x].number, WAY_DENIED,
						WAY_DENIED });
		}
	}
}

/* What a workload opens on its node by itself. */
static void add_group(struct ways *ways, struct map *m, uint32_t number)
{
	const struct map_group *g = &m->groups[number];
	const struct workload *w = pod_of(m, g, 0);

	if (w->host_network)
		add_way(ways, m,
			(struct way){ WAY_HOST_NETWORK, g->ns, g->name, "", PROTO_TCP, 0, number, 0,
				WAY_DENIED, WAY_DENIED });
	for (size_t i = 0; !w->host_network && i < w->host_port_count; i++) {
		const struct host_port *p = &w->host_ports[i];

		add_way(ways, m,
			(struct way){ WAY_HOST_PORT, g->ns, g->name, "", p->proto, p->host, number,
				p->number, WAY_DENIED, WAY_DENIED });
	}
}

void ways_make(struct ways *w, struct map *m)
{
	const struct model *model = m->judge->model;

	*w = (struct ways)WAYS_INIT;
	for (size_t i = 0; i < model->backend_count; i++)
		add_backend(w, m, &model->backends[i]);
	for (size_t i = 0; i < model->service_count; i++)
		add_service(w, m, &model->services[i]);
	for (uint32_t i = 0; i < m->group_count; i++)
		add_group(w, m, i);
}

const char *way_kind_name(enum way_kind kind)
{
	static const char *const names[] = { "Ingress", "LoadBalancer", "NodePort", "externalIPs",
		"hostPort", "hostNetwork" };

	return names[kind];
}

const char *way_verdict_name(enum way_verdict v)
{
	static const char *const names[] = { "deny", "allow", "some", "unknown" };

	return names[v];
}
