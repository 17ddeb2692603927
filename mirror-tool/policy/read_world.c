/* Namespaces, pods and pod templates, service accounts. */
#include "mirror-tool/policy/model.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

/* --- namespaces ------------------------------------------------------------------------------------- */

int read_namespace(struct model *m, const struct k8s_fields *f, struct err *e)
{
	const struct node *metadata = NULL, *labels = NULL;
	struct namespace *ns;
	uint32_t number;

	if (k8s_map(f, f->object->root, "metadata", &metadata, e) < 0 ||
		k8s_map(f, metadata, "labels", &labels, e) < 0)
		return -1;
	number = model_namespace(m, f->object->name);
	ns = &m->namespaces[number];
	if (ns->object)
		return k8s_err(f, f->object->root, e, "is there twice, %s:%u has it too",
			ns->object->doc->name, ns->object->root->line);
	ns->object = f->object;
	if (read_labels(m, f, labels, &ns->labels, e) < 0)
		return -1;
	namespace_label(m, ns);
	return 0;
}

/* --- pods -------------------------------------------------------------------------------------------- */

static void add_host_port(struct model *m, struct workload *w, struct host_port port)
{
	w->host_ports =
		arena_room(&m->arena, w->host_ports, w->host_port_count, sizeof(*w->host_ports));
	w->host_ports[w->host_port_count++] = port;
}

static int read_port(struct model *m, const struct k8s_fields *f, const struct node *map,
	struct workload *w, struct err *e)
{
	struct named_port port = { .proto = PROTO_TCP };
	const char *proto = NULL;
	int64_t number = 0, host = 0;

	if (map->kind != NODE_MAP)
		return k8s_err(f, map, e, "a port is a map");
	if (k8s_string(f, map, "name", &port.name, e) < 0 ||
		k8s_string(f, map, "protocol", &proto, e) < 0 ||
		k8s_int(f, map, "containerPort", 1, PORT_MAX, &number, e) < 0 ||
		k8s_int(f, map, "hostPort", 0, PORT_MAX, &host, e) < 0)
		return -1;
	if (proto && *proto && !proto_parse(span_of(proto), &port.proto))
		return k8s_err(f, map, e, "\"%.60s\" is no protocol: TCP, UDP, SCTP", proto);
	port.number = (unsigned)number;
	if (host && number)
		add_host_port(m, w, (struct host_port){ port.proto, port.number, (unsigned)host });
	if (port.name && *port.name && port.number) {
		w->ports = arena_room(&m->arena, w->ports, w->port_count, sizeof(*w->ports));
		w->ports[w->port_count++] = port;
	}
	return 0;
}

static int read_containers(struct model *m, const struct k8s_fields *f, const struct node *spec,
	const char *key, struct workload *w, struct err *e)
{
	const struct node *containers = NULL, *ports = NULL;
	int rc = k8s_list(f, spec, key, &containers, e);

	if (rc <= 0)
		return rc;
	node_each(container, containers)
	{
		ports = NULL;
		if (container->kind != NODE_MAP)
			return k8s_err(f, container, e, "a container is a map");
		if (k8s_list(f, container, "ports", &ports, e) < 0)
			return -1;
		if (ports)
			node_each(port, ports)
			{
				if (read_port(m, f, port, w, e) < 0)
					return -1;
			}
	}
	return 0;
}

static void add_address(struct workload *w, const char *text)
{
	struct address a;

	if (!text || !address_parse(span_of(text), &a))
		return;
	for (size_t i = 0; i < w->address_count; i++)
		if (w->addresses[i].family == a.family)
			return;
	if (w->address_count < WORKLOAD_ADDRESSES_MAX)
		w->addresses[w->address_count++] = a;
}

static int read_addresses(const struct k8s_fields *f, struct workload *w, struct err *e)
{
	const struct node *status = NULL, *list = NULL;
	const char *text = NULL;

	if (k8s_map(f, f->object->root, "status", &status, e) < 0)
		return -1;
	if (!status)
		return 0;
	if (k8s_string(f, status, "podIP", &text, e) < 0 ||
		k8s_list(f, status, "podIPs", &list, e) < 0)
		return -1;
	add_address(w, text);
	if (list)
		node_each(item, list)
		{
			text = NULL;
			if (k8s_string(f, item, "ip", &text, e) < 0)
				return -1;
			add_address(w, text);
		}
	return 0;
}

/* A pod that has ended has no address any more. */
static int has_ended(const struct k8s_fields *f, struct err *e)
{
	const char *phase = "";

	if (k8s_string(f, node_get(f->object->root, "status"), "phase", &phase, e) < 0)
		return -1;
	return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

/* Is it made by another object that is a workload as well (a ReplicaSet of a Deployment)? */
static bool is_owned(const struct k8s_fields *f)
{
	const struct node *owners =
		node_get(node_get(f->object->root, "metadata"), "ownerReferences");

	if (strcmp(f->object->kind, "Pod") == 0 || !owners || owners->kind != NODE_LIST)
		return false;
	node_each(owner, owners)
	{
		const struct node *controller = node_get(owner, "controller");

		if (controller && controller->number)
			return true;
	}
	return false;
}

/* What made a pod: its replicas are one line for people. */
static void read_owner(const struct k8s_fields *f, struct workload *w)
{
	const struct node *owners =
		node_get(node_get(f->object->root, "metadata"), "ownerReferences");

	w->owner = w->name;
	w->owner_kind = f->object->kind;
	if (!owners || owners->kind != NODE_LIST)
		return;
	node_each(owner, owners)
	{
		const struct node *controller = node_get(owner, "controller"),
				  *name = node_get(owner, "name"), *kind = node_get(owner, "kind");

		if (!controller || !controller->number || !name || name->kind != NODE_STRING)
			continue;
		w->owner = name->text;
		w->owner_kind = kind && kind->kind == NODE_STRING ? kind->text : w->owner_kind;
	}
}

/* The map with metadata and spec of the pods. */
static int find_template(const struct k8s_fields *f, const struct node **out, struct err *e)
{
	const struct node *spec = NULL, *job = NULL;

	*out = f->object->root;
	if (strcmp(f->object->kind, "Pod") == 0)
		return 0;
	if (k8s_map(f, f->object->root, "spec", &spec, e) < 0)
		return -1;
	if (strcmp(f->object->kind, "CronJob") == 0) {
		if (k8s_map(f, spec, "jobTemplate", &job, e) < 0 ||
			k8s_map(f, job, "spec", &spec, e) < 0)
			return -1;
	}
	*out = NULL;
	return k8s_map(f, spec, "template", out, e) < 0 ? -1 : 0;
}

static int read_pod(struct model *m, const struct k8s_fields *f, const struct node *pod,
	struct workload *w, struct err *e)
{
	const struct node *metadata = NULL, *labels = NULL, *spec = NULL;

	if (k8s_map(f, pod, "metadata", &metadata, e) < 0 ||
		k8s_map(f, metadata, "labels", &labels, e) < 0 ||
		k8s_map(f, pod, "spec", &spec, e) < 0 ||
		read_labels(m, f, labels, &w->labels, e) < 0)
		return -1;
	if (!spec)
		return 0;
	if (k8s_bool(f, spec, "hostNetwork", &w->host_network, e) < 0 ||
		k8s_string(f, spec, "serviceAccountName", &w->account, e) < 0 ||
		read_containers(m, f, spec, "containers", w, e) < 0 ||
		read_containers(m, f, spec, "initContainers", w, e) < 0)
		return -1;
	if (!*w->account) /* as good as absent */
		w->account = "default";
	return 0;
}

int read_workload(struct model *m, const struct k8s_fields *f, struct err *e)
{
	const struct node *pod = NULL;
	struct workload w = { .object = f->object, .name = f->object->name, .account = "default" };
	int ended = has_ended(f, e);

	if (ended < 0)
		return -1;
	if (ended || is_owned(f))
		return 0;
	if (m->workload_count >= MODEL_WORKLOADS_MAX)
		return k8s_err(
			f, f->object->root, e, "more than %d workloads", MODEL_WORKLOADS_MAX);
	if (find_template(f, &pod, e) < 0)
		return -1;
	if (pod && read_pod(m, f, pod, &w, e) < 0)
		return -1;
	if (read_addresses(f, &w, e) < 0)
		return -1;
	read_owner(f, &w);
	w.ns = model_namespace(m, namespace_of(f->object));
	*VEC_PUSH(m->workloads, m->workload_count) = w;
	return 0;
}

int read_account(struct model *m, const struct k8s_fields *f, struct err *e)
{
	const struct node *metadata = NULL, *labels = NULL;
	struct account *a = VEC_PUSH(m->accounts, m->account_count);

	*a = (struct account){ .ns = namespace_of(f->object), .name = f->object->name };
	if (k8s_map(f, f->object->root, "metadata", &metadata, e) < 0 ||
		k8s_map(f, metadata, "labels", &labels, e) < 0)
		return -1;
	return read_labels(m, f, labels, &a->labels, e);
}
