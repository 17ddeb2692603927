/* Services and Ingresses: what stands in front of pods. They change no verdict, only names. */
#include "mirror-tool/policy/model.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define SERVICE_PORTS_MAX 1000 /* of one Service */

/* A number, or the name of a port of the pods; without one the port itself. */
static int read_target(
	const struct k8s_fields *f, const struct node *map, struct service_port *out, struct err *e)
{
	const struct node *n = k8s_get(f, map, "targetPort");
	int64_t number = out->number;

	if (n && n->kind == NODE_STRING) {
		out->target_name = n->text;
		return 0;
	}
	if (k8s_int(f, map, "targetPort", 0, PORT_MAX, &number, e) < 0)
		return -1;
	out->target = (unsigned)(number ? number : out->number);
	return 0;
}

static int read_port(
	const struct k8s_fields *f, const struct node *map, struct service_port *out, struct err *e)
{
	const char *proto = NULL;
	int64_t number = 0, node_port = 0;

	*out = (struct service_port){ .name = "", .proto = PROTO_TCP };
	if (map->kind != NODE_MAP)
		return k8s_err(f, map, e, "a port is a map");
	if (k8s_string(f, map, "name", &out->name, e) < 0 ||
		k8s_string(f, map, "protocol", &proto, e) < 0 ||
		k8s_int(f, map, "port", 1, PORT_MAX, &number, e) < 0 ||
		k8s_int(f, map, "nodePort", 0, PORT_MAX, &node_port, e) < 0)
		return -1;
	if (proto && *proto && !proto_parse(span_of(proto), &out->proto))
		return k8s_err(f, map, e, "\"%.60s\" is no protocol: TCP, UDP, SCTP", proto);
	out->number = (unsigned)number;
	out->node_port = (unsigned)node_port;
	return read_target(f, map, out, e);
}

static int read_ports(struct model *m, const struct k8s_fields *f, const struct node *spec,
	struct service *s, struct err *e)
{
	const struct node *list = NULL;
	int rc = k8s_list(f, spec, "ports", &list, e);

	if (rc <= 0)
		return rc;
	if (list->count > SERVICE_PORTS_MAX)
		return k8s_err(f, list, e, "more than %d ports", SERVICE_PORTS_MAX);
	s->ports = arena_alloc(&m->arena, (list->count + 1) * sizeof(*s->ports));
	node_each(n, list)
	{
		if (read_port(f, n, &s->ports[s->port_count++], e) < 0)
			return -1;
	}
	return 0;
}

static enum service_type type_of(const char *text)
{
	static const char *const names[] = { "ClusterIP", "NodePort", "LoadBalancer",
		"ExternalName" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i]) == 0)
			return (enum service_type)i;
	return SERVICE_CLUSTER;
}

int read_k8s_service(struct model *m, const struct k8s_fields *f, struct err *e)
{
	const struct node *spec = NULL, *selector = NULL, *ips = NULL;
	const char *type = "", *address = "";
	struct service s = { .object = f->object, .name = f->object->name };

	if (k8s_map(f, f->object->root, "spec", &spec, e) < 0 ||
		k8s_string(f, spec, "type", &type, e) < 0 ||
		k8s_string(f, spec, "clusterIP", &address, e) < 0 ||
		k8s_map(f, spec, "selector", &selector, e) < 0 ||
		k8s_list(f, spec, "externalIPs", &ips, e) < 0 ||
		read_labels(m, f, selector, &s.selector, e) < 0 ||
		read_ports(m, f, spec, &s, e) < 0)
		return -1;
	s.type = type_of(type);
	s.headless = strcmp(address, "None") == 0;
	s.has_addresses = ips && ips->count;
	s.ns = model_namespace(m, namespace_of(f->object));
	*VEC_PUSH(m->services, m->service_count) = s;
	return 0;
}

/* --- Ingress ------------------------------------------------------------------------------------------ */

static int read_backend(struct model *m, const struct k8s_fields *f, const struct node *map,
	const char *host, struct err *e)
{
	const struct node *service = NULL, *port = NULL;
	struct backend b = { .object = f->object, .host = host };
	int64_t number = 0;

	if (k8s_map(f, map, "service", &service, e) < 0 ||
		k8s_string(f, service, "name", &b.service, e) < 0 ||
		k8s_map(f, service, "port", &port, e) < 0 ||
		k8s_string(f, port, "name", &b.port_name, e) < 0 ||
		k8s_int(f, port, "number", 0, PORT_MAX, &number, e) < 0)
		return -1;
	if (!b.service)
		return 0; /* a resource of another kind */
	b.port = (unsigned)number;
	b.ns = model_namespace(m, namespace_of(f->object));
	*VEC_PUSH(m->backends, m->backend_count) = b;
	return 0;
}

static int read_paths(
	struct model *m, const struct k8s_fields *f, const struct node *rule, struct err *e)
{
	const struct node *http = NULL, *paths = NULL, *backend = NULL;
	const char *host = "";

	if (rule->kind != NODE_MAP)
		return k8s_err(f, rule, e, "a rule is a map");
	if (k8s_string(f, rule, "host", &host, e) < 0 || k8s_map(f, rule, "http", &http, e) < 0 ||
		k8s_list(f, http, "paths", &paths, e) < 0)
		return -1;
	if (!paths)
		return 0;
	node_each(path, paths)
	{
		backend = NULL;
		if (path->kind != NODE_MAP)
			return k8s_err(f, path, e, "a path is a map");
		if (k8s_map(f, path, "backend", &backend, e) < 0 ||
			(backend && read_backend(m, f, backend, host, e) < 0))
			return -1;
	}
	return 0;
}

int read_k8s_ingress(struct model *m, const struct k8s_fields *f, struct err *e)
{
	const struct node *spec = NULL, *backend = NULL, *rules = NULL;

	if (k8s_map(f, f->object->root, "spec", &spec, e) < 0 ||
		k8s_map(f, spec, "defaultBackend", &backend, e) < 0 ||
		k8s_list(f, spec, "rules", &rules, e) < 0)
		return -1;
	if (backend && read_backend(m, f, backend, "", e) < 0)
		return -1;
	if (!rules)
		return 0;
	node_each(rule, rules)
	{
		if (read_paths(m, f, rule, e) < 0)
			return -1;
	}
	return 0;
}
