/*
 * What policies are judged in: namespaces, workloads, sets of addresses, and every policy turned into one form, whatever
 * kind it is of. Made once from objects; nothing is evaluated here (verdict.h).
 *
 * A policy has a subject (which pods it is about), and for each direction rules in order. Tiers are passed in order;
 * within one the first rule that matches decides. NetworkPolicy, which has no order, is a tier of Allow rules whose end
 * denies what it isolates, so one form serves all: the readers (read_*.c) and the engine say the differences.
 * (network-policy-api 0.3, Calico 3.32, Cilium 1.20; HACKING.md, "Policies")
 */
#ifndef MOAT_POLICY_MODEL_H
#define MOAT_POLICY_MODEL_H

#include "mirror-tool/k8s/fields.h"
#include "mirror-tool/policy/address.h"
#include "mirror-tool/policy/cond.h"
#include "mirror-tool/policy/names.h"
#include "mirror-tool/policy/ports.h"

enum engine { ENGINE_API, ENGINE_CALICO, ENGINE_CILIUM };

/* Does a block match pods by their addresses? AUTO: as the engine does. */
enum block_pods { BLOCK_PODS_AUTO, BLOCK_PODS_NEVER, BLOCK_PODS_MATCH, BLOCK_PODS_UNKNOWN };

struct policy_options {
	enum engine engine;
	enum k8s_decode decode;
	enum block_pods block_pods;
};

/* --- the world ----------------------------------------------------------------------------------- */

struct label {
	const char *key, *value;
};

struct labels {
	struct label *items; /* in the arena */
	size_t count;
};

struct namespace
{
	const char *name;
	struct labels labels; /* kubernetes.io/metadata.name among them */
	const struct k8s_object *object; /* NULL: something names it, nothing defines it */
};

struct named_port {
	const char *name;
	enum proto proto;
	unsigned number;
};

struct host_port { /* of its node, that leads to the pod's */
	enum proto proto;
	unsigned number, host;
};

#define WORKLOAD_ADDRESSES_MAX 2 /* of each family one */

/* A pod, or the pods of a template. */
struct workload {
	const struct k8s_object *object;
	uint32_t ns; /* in the model's namespaces */
	const char *name;
	const char *owner, *owner_kind; /* of a pod that has one; otherwise itself */
	struct labels labels;
	struct named_port *ports; /* those that have a name */
	size_t port_count;
	struct host_port *host_ports;
	size_t host_port_count;
	bool host_network;
	const char *account;
	struct address addresses[WORKLOAD_ADDRESSES_MAX];
	size_t address_count;
};

/* Addresses with labels: Calico's NetworkSet and GlobalNetworkSet. */
struct network_set {
	const struct k8s_object *object;
	bool global;
	uint32_t ns; /* in the model's namespaces, unless it is global */
	const char *name;
	struct labels labels;
	uint32_t *blocks; /* numbers in the model's list */
	size_t block_count;
};

struct account { /* a ServiceAccount, for the engines that select by its labels */
	const char *ns, *name;
	struct labels labels;
};
int account_compare(
	const void *a, const void *b); /* by namespace and name, for qsort() and bsearch() */

enum service_type {
	SERVICE_CLUSTER,
	SERVICE_NODE_PORT,
	SERVICE_LOAD_BALANCER,
	SERVICE_EXTERNAL_NAME
};

struct service_port {
	const char *name;
	enum proto proto;
	unsigned number, node_port; /* 0: not given */
	const char *target_name; /* of a port of the pods; NULL: `target` */
	unsigned target;
};

struct service {
	const struct k8s_object *object;
	uint32_t ns;
	const char *name;
	enum service_type type;
	bool headless, has_addresses; /* clusterIP None; externalIPs */
	struct labels selector; /* none: somebody else says what is behind it */
	struct service_port *ports;
	size_t port_count;
};

struct backend { /* of an Ingress */
	const struct k8s_object *object;
	uint32_t ns;
	const char *host; /* "": any */
	const char *service, *port_name; /* NULL: `port` */
	unsigned port;
};

/* --- policies -------------------------------------------------------------------------------------- */

enum direction { EGRESS, INGRESS };

enum action { ACTION_ALLOW, ACTION_DENY, ACTION_PASS, ACTION_UNKNOWN };

/* Ports of a rule: those with `without` are taken away from the others. */
struct port_term {
	bool without;
	const char *name; /* of a port of the destination; NULL: low to high */
	bool fold; /* the name in any case */
	enum proto proto;
	unsigned low, high;
};

struct rule {
	enum action action;
	struct cond *peer; /* the other end */
	struct cond *self; /* a further limit of the subject, or NULL */
	struct port_term *terms; /* none that adds: all ports */
	size_t term_count;
	unsigned reason; /* of ACTION_UNKNOWN; or why `peer` or the ports are not known in full */
	double order; /* among the rules of its tier, where the engine orders rules and not policies */
	unsigned number; /* from 0, in its list */
	const struct node *at;
};

struct rules {
	struct rule *items; /* in the arena's growing array: free() */
	size_t count;
	bool governs; /* the policy is about this direction */
	bool isolates; /* what the tier leaves undecided is denied */
};

enum policy_kind {
	POLICY_NETWORK,
	POLICY_ADMIN,
	POLICY_BASELINE,
	POLICY_CLUSTER,
	POLICY_CALICO,
	POLICY_CALICO_GLOBAL,
	POLICY_CILIUM,
	POLICY_CILIUM_CLUSTER,
};

struct policy {
	enum policy_kind kind;
	const struct k8s_object *object;
	const char *ns, *name; /* ns: "" cluster-wide */
	struct cond *subject;
	uint32_t tier; /* in the model's tiers */
	double order; /* among the policies of its tier; INFINITY: last */
	struct rules sides[2]; /* by enum direction */
};

enum tier_end {
	TIER_DENIES, /* what it isolates and leaves undecided */
	TIER_PASSES,
	TIER_DENIES_LAST, /* the same, but after all other tiers (Cilium) */
};

struct tier {
	const char *name;
	double order;
	enum tier_end end;
};

enum {
	TIER_ADMIN,
	TIER_POLICY,
	TIER_BASELINE
}; /* the first three, whatever the engine calls them */

/* What was found while reading, beside the notes of the decoder. */
enum finding_kind {
	FOUND_REFUSED, /* the engine refuses the whole object */
	FOUND_IGNORED, /* a field, or the object, has no effect under the engine */
	FOUND_UNKNOWN, /* cannot be told offline */
	FOUND_ODD, /* it is read, and hardly what was meant */
	FOUND_BLOCK, /* a block in a form that is refused when it is new */
	FOUND_PRIORITY, /* which of two policies is first nobody can say */
};
struct finding {
	enum finding_kind kind;
	const struct k8s_object *object;
	const struct node *at;
	char *text;
};

struct model {
	struct policy_options options;
	struct arena arena;
	struct port_pool *ports;
	struct namespace *namespaces; /* each name once, in the order in which they were met */
	size_t namespace_count;
	struct names namespace_names, tier_names; /* their numbers */
	struct workload *workloads;
	size_t workload_count;
	struct network_set *sets;
	size_t set_count;
	struct account *accounts; /* by account_compare() */
	size_t account_count;
	struct service *services;
	size_t service_count;
	struct backend *backends;
	size_t backend_count;
	struct block *blocks;
	size_t block_count;
	struct tier *tiers;
	size_t tier_count;
	struct policy *policies; /* in the order in which they are tried */
	size_t policy_count;
	struct cond *
		idle; /* peers of rules without effect, of which a policy that is read again may make use; or NULL */
	struct k8s_notes notes;
	struct finding *findings;
	size_t finding_count;
};
#define MODEL_INIT                                                                                 \
	{                                                                                          \
		.arena = ARENA_INIT, .notes = K8S_NOTES_INIT                                       \
	}
void model_release(struct model *m); /* for AUTO */

#define MODEL_WORKLOADS_MAX 200000
#define MODEL_POLICIES_MAX 100000
#define MODEL_BLOCKS_MAX 100000

/*
 * Read all objects. *m borrows texts and nodes from them.
 *
 * Fails: ERR_INPUT with file and line: an object that the API server would refuse (a wrong type, a selector without
 *        values, a port out of range, two objects of one name); with DECODE_STRICT also an unknown field.
 */
MUST int model_make(struct model *m, const struct k8s_objects *objects,
	const struct policy_options *options, struct err *e);

/* What an object is here; SUPPORT: tiers and sets, for which only policies ask. */
enum object_role { ROLE_WORLD, ROLE_POLICY, ROLE_SUPPORT };
enum object_role model_role(const struct k8s_object *o);

/* By kind, group, namespace and name, as strcmp: 0: one object, of which the API server has one. */
int model_identity(const struct k8s_object *a, const struct k8s_object *b);

/* Policies of one object, read again as its tree is now. They stand beside the model, which only borrows from them what
 * its tiers, namespaces and blocks need, and are released before it. */
struct model_part {
	struct policy *policies;
	size_t count;
	struct arena arena;
	size_t blocks, namespaces, tiers; /* how many the model had before */
};
MUST int model_reread(
	struct model *m, const struct k8s_object *o, struct model_part *out, struct err *e);
void model_part_release(struct model *m, struct model_part *p);

/* --- for the readers -------------------------------------------------------------------------------- */

/* A reader of one kind; f names the object. 0 or -1. */
typedef int policy_reader(struct model *m, const struct k8s_fields *f, struct err *e);
policy_reader read_namespace, read_workload, read_account, read_k8s_service, read_k8s_ingress,
	read_network_policy, read_admin_policy, read_baseline_policy, read_cluster_policy,
	read_calico_tier, read_calico_policy, read_calico_set, read_cilium_policy;

/* The number of a namespace; it is made when nothing defined it. */
uint32_t model_namespace(struct model *m, const char *name);

/* metadata.namespace, or "default". */
const char *namespace_of(const struct k8s_object *o);

/* A new policy of the object. Fails: MODEL_POLICIES_MAX. */
MUST int model_policy(struct model *m, const struct k8s_fields *f, enum policy_kind kind,
	struct policy **out, struct err *e);

/* A new rule, and a new term of a rule. */
struct rule *rules_add(struct rules *r, const struct node *at);
struct port_term *rule_term(struct model *m, struct rule *r);

/* A block as a number; each text has its own. */
MUST int model_block(struct model *m, const struct k8s_fields *f, const struct node *n,
	uint32_t *out, struct err *e);
uint32_t model_add_block(struct model *m, const struct block *b);

/* Keep a finding. */
void model_find(struct model *m, const struct k8s_fields *f, const struct node *at,
	enum finding_kind kind, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Put its name among the labels of a namespace, as the API server does. */
void namespace_label(struct model *m, struct namespace *ns);

/* metav1.LabelSelector -> a condition on labels at `place`; n: a map, or NULL and null, which select everything.
 * Of a pod is not asked: see COND_POD. */
MUST int read_selector(struct model *m, const struct k8s_fields *f, const struct node *n,
	enum cond_place place, struct cond **out, struct err *e);

/* The same in an engine's own spelling of keys: `translate` makes the condition of each label that is asked for. */
typedef struct cond *label_reader(struct model *m, const struct k8s_fields *f,
	const struct node *at, struct cond *label, void *ctx);
MUST int read_selector_as(struct model *m, const struct k8s_fields *f, const struct node *n,
	label_reader *translate, void *ctx, struct cond **out, struct err *e);

/* {a: b} -> labels, sorted by key. */
MUST int read_labels(struct model *m, const struct k8s_fields *f, const struct node *map,
	struct labels *out, struct err *e);

/* What may be a peer by its labels. A pod on its node's network answers maybe, or no where `kind` never selects it. */
struct cond *pod_peers(struct model *m, enum policy_kind kind);

/* A policy of another engine's kind: whom it selects has no known verdict. In the directions that it governs. */
void model_unknown(struct model *m, const struct k8s_fields *f, struct policy *p);

/* The condition "its namespace is called so". */
struct cond *in_namespace(struct model *m, const char *ns);

/* Do these pod labels not exist for Cilium (its default label filter)? */
bool cilium_drops_label(const char *key);

#endif
