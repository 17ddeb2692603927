/* Rules about objects: keys as their decoders take them, names, namespaces, versions. Must never read what a key means. */
#include "mirror-tool/policy/lint.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define JUSTIFICATION "moat.local/justification"

/* --- keys ------------------------------------------------------------------------------------------ */

static void say_note(struct lint *l, const struct k8s_note *n)
{
	const char *key = n->at->key ? n->at->key : "";

	switch (n->kind) {
	case K8S_UNKNOWN_FIELD:
		lint_add(l, LINT_UNKNOWN_FIELD, n->object, n->at,
			n->near ? "\"%s\" is no field here and is dropped; \"%s\" is"
				: "\"%s\" is no field here and is dropped",
			key, n->near);
		return;
	case K8S_WRONG_CASE:
		lint_add(l, LINT_WRONG_CASE, n->object, n->at,
			"\"%s\" is written \"%s\": the API server drops it, some clients take it",
			key, n->near);
		return;
	case K8S_DUPLICATE_KEY:
		lint_add(l, LINT_DUPLICATE_KEY, n->object, n->at,
			"\"%s\" is there twice; the last one counts", key);
		return;
	case K8S_NOT_A_STRING:
		lint_add(l, LINT_NOT_STRING, n->object, n->at,
			"%s is no string: the API server refuses the object, some clients make it "
			"\"%s\"",
			n->at->text, n->at->text);
		return;
	}
}

/* --- names ------------------------------------------------------------------------------------------ */

static bool is_same(const struct k8s_object *a, const struct k8s_object *b)
{
	return strcmp(a->kind, b->kind) == 0 && strcmp(a->name, b->name) == 0 &&
	       strcmp(namespace_of(a), namespace_of(b)) == 0 &&
	       strcmp(a->api_version, b->api_version) == 0;
}

struct place {
	const struct k8s_object *object;
	size_t number; /* in the order of files */
};

static int by_name(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int rc = strcmp(x->object->name, y->object->name);

	if (rc == 0)
		rc = strcmp(x->object->kind, y->object->kind);
	if (rc == 0)
		rc = strcmp(namespace_of(x->object), namespace_of(y->object));
	if (rc == 0)
		rc = strcmp(x->object->api_version, y->object->api_version);
	return rc ? rc : (x->number > y->number) - (x->number < y->number);
}

static bool is_service(const struct k8s_object *o)
{
	return strcmp(o->kind, "Service") == 0 && strcmp(o->api_version, "v1") == 0;
}

/* Keep the last of each name, as applying them one after the other does. */
void lint_duplicates(struct lint *l, const struct k8s_objects *all)
{
	AUTO(mem_free) struct place *places = mem_alloc((all->count + 1) * sizeof(*places));
	AUTO(mem_free) bool *gone = mem_alloc(all->count + 1);

	for (size_t i = 0; i < all->count; i++)
		places[i] = (struct place){ &all->items[i], i };
	if (all->count)
		qsort(places, all->count, sizeof(*places), by_name);
	for (size_t i = 1; i < all->count; i++) {
		const struct k8s_object *first = places[i - 1].object, *o = places[i].object;

		if (!*o->name || !is_same(first, o))
			continue;
		gone[places[i - 1].number] = true;
		lint_add(l, LINT_DUPLICATE_OBJECT, o, o->root,
			"%s:%u has %s %s/%s too; this one replaces it", first->doc->name,
			first->root->line, o->kind, namespace_of(o), o->name);
	}
	for (size_t i = 0; i < all->count; i++)
		if (!gone[i])
			*VEC_PUSH(l->objects.items, l->objects.count) = all->items[i];
	for (size_t i = 0; i < l->objects.count; i++)
		if (is_service(&l->objects.items[i]))
			*VEC_PUSH(l->services, l->service_count) = &l->objects.items[i];
}

/* --- namespaces and versions --------------------------------------------------------------------------- */

static bool is_namespaced(const struct policy *p)
{
	return p->kind == POLICY_NETWORK || p->kind == POLICY_CALICO || p->kind == POLICY_CILIUM;
}

static const struct namespace *find_namespace(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->namespace_count; i++)
		if (strcmp(m->namespaces[i].name, name) == 0)
			return &m->namespaces[i];
	return NULL;
}

static bool has_workloads(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->workload_count; i++)
		if (strcmp(m->namespaces[m->workloads[i].ns].name, name) == 0)
			return true;
	return false;
}

static void check_namespace(struct lint *l, const struct policy *p)
{
	const struct namespace *ns = find_namespace(&l->model, namespace_of(p->object));

	if (!*p->object->ns)
		lint_add(l, LINT_NAMESPACE_MISSING, p->object, p->object->root,
			"metadata.namespace is missing: judged as \"default\", applied to the "
			"namespace at hand");
	else if (l->model.workload_count && !has_workloads(&l->model, p->object->ns) &&
		 (!ns || !ns->object))
		lint_add(l, LINT_NAMESPACE_ABSENT, p->object, p->object->root,
			"the namespace \"%s\" is not among the objects", p->object->ns);
}

static void check_version(struct lint *l, const struct k8s_object *o)
{
	if (strcmp(o->kind, "NetworkPolicy") == 0 &&
		strcmp(o->api_version, "extensions/v1beta1") == 0)
		lint_add(l, LINT_REMOVED_API, o, o->root,
			"%s is refused by the API server: nothing of it is enforced",
			o->api_version);
}

/* --- other ------------------------------------------------------------------------------------------------ */

/* The first part of a tree that stands there by an alias or merge key. */
static const struct node *find_copied(const struct node *n)
{
	const struct node *next = n;

	while (next) {
		if (next->flags & NODE_COPIED)
			return next;
		if (next->first) {
			next = next->first;
			continue;
		}
		while (next && next != n && !next->next)
			next = next->up;
		next = next && next != n ? next->next : NULL;
	}
	return NULL;
}

static bool allows(const struct policy *p)
{
	for (unsigned side = 0; side < 2; side++)
		for (size_t i = 0; i < p->sides[side].count; i++)
			if (p->sides[side].items[i].action == ACTION_ALLOW)
				return true;
	return false;
}

static void check_justified(struct lint *l, const struct policy *p)
{
	const struct node *reason = node_get(
		node_get(node_get(p->object->root, "metadata"), "annotations"), JUSTIFICATION);

	if (allows(p) && (!reason || reason->kind != NODE_STRING || !*reason->text))
		lint_add(l, LINT_UNJUSTIFIED, p->object, p->object->root,
			"it allows connections and has no annotation " JUSTIFICATION);
}

void lint_objects(struct lint *l, const struct k8s_objects *all, bool justified)
{
	for (size_t i = 0; i < l->model.notes.count; i++)
		say_note(l, &l->model.notes.items[i]);
	for (size_t i = 0; i < all->count; i++)
		check_version(l, &all->items[i]);
	for (size_t i = 0; i < l->model.policy_count; i++) {
		const struct policy *p = &l->model.policies[i];
		const struct node *copied = find_copied(p->object->root);

		if (is_namespaced(p))
			check_namespace(l, p);
		if (copied)
			lint_add(l, LINT_ALIAS, p->object, copied,
				"this stands here by an alias or merge key");
		if (justified)
			check_justified(l, p);
	}
}
