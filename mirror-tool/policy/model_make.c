/* Objects -> the model. Must never leave out an object that could change a verdict without saying so. */
#include <stdlib.h>

#include "mirror-tool/policy/model.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

/* --- kinds -------------------------------------------------------------------------------------------------- */

struct kind {
	const char *group, *versions; /* versions: with blanks around each */
	const char *name;
	policy_reader *read;
	bool first; /* read before policies, which ask for it */
};

static const struct kind kinds[] = {
	{ "", " v1 ", "Namespace", read_namespace, true },
	{ "", " v1 ", "ServiceAccount", read_account, true },
	{ "", " v1 ", "Pod", read_workload, true },
	{ "", " v1 ", "ReplicationController", read_workload, true },
	{ "apps", " v1 v1beta1 v1beta2 ", "Deployment", read_workload, true },
	{ "apps", " v1 v1beta1 v1beta2 ", "DaemonSet", read_workload, true },
	{ "apps", " v1 v1beta1 v1beta2 ", "ReplicaSet", read_workload, true },
	{ "apps", " v1 v1beta1 v1beta2 ", "StatefulSet", read_workload, true },
	{ "batch", " v1 ", "Job", read_workload, true },
	{ "batch", " v1 v1beta1 ", "CronJob", read_workload, true },
	{ "", " v1 ", "Service", read_k8s_service, true },
	{ "networking.k8s.io", " v1 ", "Ingress", read_k8s_ingress, true },
	{ "networking.k8s.io", " v1 ", "NetworkPolicy", read_network_policy, false },
	{ "policy.networking.k8s.io", " v1alpha1 ", "AdminNetworkPolicy", read_admin_policy,
		false },
	{ "policy.networking.k8s.io", " v1alpha1 ", "BaselineAdminNetworkPolicy",
		read_baseline_policy, false },
	{ "policy.networking.k8s.io", " v1alpha2 v1beta1 ", "ClusterNetworkPolicy",
		read_cluster_policy, false },
	{ "projectcalico.org", " v3 ", "Tier", read_calico_tier, true },
	{ "projectcalico.org", " v3 ", "NetworkSet", read_calico_set, true },
	{ "projectcalico.org", " v3 ", "GlobalNetworkSet", read_calico_set, true },
	{ "projectcalico.org", " v3 ", "NetworkPolicy", read_calico_policy, false },
	{ "projectcalico.org", " v3 ", "GlobalNetworkPolicy", read_calico_policy, false },
	{ "cilium.io", " v2 ", "CiliumNetworkPolicy", read_cilium_policy, false },
	{ "cilium.io", " v2 ", "CiliumClusterwideNetworkPolicy", read_cilium_policy, false },
};

static bool has_version(const struct kind *k, const char *api_version)
{
	const char *slash = strchr(api_version, '/');
	AUTO(mem_free) char *word = mem_printf(" %s ", slash ? slash + 1 : api_version);

	return strstr(k->versions, word) != NULL;
}

static const struct kind *find_kind(const struct k8s_object *o)
{
	char group[K8S_GROUP_SIZE];

	k8s_group(o, group);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].name, o->kind) == 0 && strcmp(kinds[i].group, group) == 0 &&
			has_version(&kinds[i], o->api_version))
			return &kinds[i];
	return NULL;
}

/* A kind that sounds like a policy and is none of the above: nobody may think that it was judged. */
static bool is_unknown_policy(const struct k8s_object *o)
{
	char group[K8S_GROUP_SIZE];

	k8s_group(o, group);
	return strstr(o->kind, "NetworkPolicy") || strstr(o->kind, "NetworkPolicies") ||
	       (strcmp(group, "cilium.io") == 0 && strstr(o->kind, "Policy")) ||
	       (strcmp(group, "projectcalico.org") == 0 && strstr(o->kind, "Policy"));
}

enum object_role model_role(const struct k8s_object *o)
{
	const struct kind *kind = find_kind(o);

	if (!kind)
		return ROLE_WORLD;
	if (!kind->first)
		return ROLE_POLICY;
	return strcmp(kind->group, "projectcalico.org") == 0 ? ROLE_SUPPORT : ROLE_WORLD;
}

static int read_object(struct model *m, const struct k8s_object *o, bool first, struct err *e)
{
	const struct kind *kind = find_kind(o);
	struct k8s_fields f = { m->options.decode, o, &m->notes };

	if (!kind && !first && is_unknown_policy(o))
		model_find(m, &f, o->root, FOUND_UNKNOWN, "%s of %s is not evaluated", o->kind,
			o->api_version);
	if (!kind || kind->first != first)
		return 0;
	if (!*o->name)
		return k8s_err(&f, o->root, e, "has no name");
	return kind->read(m, &f, e);
}

/* --- names that are there twice ------------------------------------------------------------------------------- */

static int compare_texts(const char *const a[], const char *const b[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int rc = strcmp(a[i], b[i]);

		if (rc)
			return rc;
	}
	return 0;
}

int model_identity(const struct k8s_object *x, const struct k8s_object *y)
{
	char x_group[K8S_GROUP_SIZE], y_group[K8S_GROUP_SIZE];
	const char *const left[] = { x->kind, k8s_group(x, x_group), namespace_of(x), x->name };
	const char *const right[] = { y->kind, k8s_group(y, y_group), namespace_of(y), y->name };

	return compare_texts(left, right, ARRAY_SIZE(left));
}

static int by_identity(const void *a, const void *b)
{
	return model_identity(
		*(const struct k8s_object *const *)a, *(const struct k8s_object *const *)b);
}

/* The API server has one object of a name; which of two it would be nobody can say. */
static int check_names(const struct model *m, const struct k8s_objects *objects, struct err *e)
{
	AUTO(mem_free) const struct k8s_object **known =
			mem_alloc((objects->count + 1) * sizeof(*known));
	size_t count = 0;

	for (size_t i = 0; i < objects->count; i++)
		if (find_kind(&objects->items[i]))
			known[count++] = &objects->items[i];
	if (count)
		qsort(known, count, sizeof(*known), by_identity);
	for (size_t i = 1; i < count; i++) {
		struct k8s_fields f = { m->options.decode, known[i], NULL };

		if (by_identity(&known[i - 1], &known[i]) == 0)
			return k8s_err(&f, known[i]->root, e, "is there twice, %s:%u has it too",
				known[i - 1]->doc->name, known[i - 1]->root->line);
	}
	return 0;
}

/* --- order ----------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	double order;
	enum tier_end end;
} first_tiers[][3] = {
	[ENGINE_API] = { [TIER_ADMIN] = { "Admin", 1, TIER_PASSES },
		[TIER_POLICY] = { "NetworkPolicy", 2, TIER_DENIES },
		[TIER_BASELINE] = { "Baseline", 3, TIER_PASSES } },
	[ENGINE_CALICO] = { [TIER_ADMIN] = { "kube-admin", 1000, TIER_PASSES },
		[TIER_POLICY] = { "default", 1000000, TIER_DENIES },
		[TIER_BASELINE] = { "kube-baseline", 10000000, TIER_PASSES } },
	[ENGINE_CILIUM] = { [TIER_ADMIN] = { "Admin", 1, TIER_PASSES },
		[TIER_POLICY] = { "NetworkPolicy", 2, TIER_DENIES_LAST },
		[TIER_BASELINE] = { "Baseline", 3, TIER_PASSES } },
};

static void add_first_tiers(struct model *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(first_tiers[0]); i++) {
		const char *name = first_tiers[m->options.engine][i].name;

		(void)names_number(&m->tier_names, name, (uint32_t)i);
		*VEC_PUSH(m->tiers, m->tier_count) =
			(struct tier){ name, first_tiers[m->options.engine][i].order,
				first_tiers[m->options.engine][i].end };
	}
}

static int compare_orders(double a, double b)
{
	return (a > b) - (a < b);
}

static int by_order(const void *a, const void *b, void *ctx)
{
	const struct policy *x = a, *y = b;
	const struct model *m = ctx;
	const struct tier *x_tier = &m->tiers[x->tier], *y_tier = &m->tiers[y->tier];
	int rc = compare_orders(x_tier->order, y_tier->order);

	if (rc == 0)
		rc = strcmp(x_tier->name, y_tier->name);
	if (rc == 0)
		rc = compare_orders(x->order, y->order);
	if (rc == 0)
		rc = strcmp(x->name, y->name);
	if (rc == 0)
		rc = strcmp(x->ns, y->ns);
	return rc ? rc
		  : (int)x->kind -
			       (int)y->kind; /* KubernetesNetworkPolicy is before NetworkPolicy */
}

/* Policies of one tier and priority: which is first the API does not say. */
static int check_priorities(struct model *m, struct err *e)
{
	for (size_t i = 1; i < m->policy_count; i++) {
		const struct policy *a = &m->policies[i - 1], *b = &m->policies[i];
		struct k8s_fields f = { m->options.decode, b->object, &m->notes };

		if (a->tier != b->tier || a->tier == TIER_POLICY || a->order != b->order ||
			a->kind != b->kind ||
			(b->kind != POLICY_ADMIN && b->kind != POLICY_CLUSTER))
			continue;
		if (b->kind == POLICY_ADMIN)
			return k8s_err(&f, b->object->root, e,
				"has the same priority as %s (%s:%u): which is first nobody can "
				"say",
				a->name, a->object->doc->name, a->object->root->line);
		model_find(m, &f, b->object->root, FOUND_PRIORITY,
			"has the same priority as %s: which is first the API does not say",
			a->name);
	}
	return 0;
}

int model_make(struct model *m, const struct k8s_objects *objects,
	const struct policy_options *options, struct err *e)
{
	*m = (struct model)MODEL_INIT;
	m->options = *options;
	m->ports = port_pool_new();
	add_first_tiers(m);
	if (check_names(m, objects, e) < 0)
		return -1;
	for (unsigned pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < objects->count; i++)
			if (read_object(m, &objects->items[i], pass == 0, e) < 0)
				return -1;
	if (m->account_count)
		qsort(m->accounts, m->account_count, sizeof(*m->accounts), account_compare);
	if (m->policy_count)
		qsort_r(m->policies, m->policy_count, sizeof(*m->policies), by_order, m);
	return check_priorities(m, e);
}

int model_reread(struct model *m, const struct k8s_object *o, struct model_part *out, struct err *e)
{
	struct model aside = MODEL_INIT, kept = *m;
	int rc;

	*out = (struct model_part){ .arena = ARENA_INIT,
		.blocks = m->block_count,
		.namespaces = m->namespace_count,
		.tiers = m->tier_count };
	m->arena = out->arena;
	m->policies = NULL;
	m->policy_count = 0;
	m->idle = NULL;
	m->notes = aside.notes;
	m->findings = NULL;
	m->finding_count = 0;
	rc = read_object(m, o, false, e);
	for (size_t i = 0; i < m->finding_count; i++)
		free(m->findings[i].text);
	free(m->findings);
	k8s_notes_release(&m->notes);
	out->arena = m->arena;
	out->policies = m->policies;
	out->count = m->policy_count;
	m->arena = kept.arena;
	m->policies = kept.policies;
	m->policy_count = kept.policy_count;
	m->idle = kept.idle;
	m->notes = kept.notes;
	m->findings = kept.findings;
	m->finding_count = kept.finding_count;
	return rc;
}

void model_part_release(struct model *m, struct model_part *p)
{
	for (size_t i = 0; i < p->count; i++)
		for (unsigned side = 0; side < 2; side++)
			free(p->policies[i].sides[side].items);
	free(p->policies);
	arena_release(&p->arena);
	for (size_t i = p->namespaces; i < m->namespace_count; i++)
		names_drop(&m->namespace_names, m->namespaces[i].name);
	for (size_t i = p->tiers; i < m->tier_count; i++)
		names_drop(&m->tier_names, m->tiers[i].name);
	m->block_count = p->blocks;
	m->namespace_count = p->namespaces;
	m->tier_count = p->tiers;
}
