/*
 * What is wrong, or hardly meant, in network policies: findings of rules, each with its place and a sentence. The rules
 * are one table, which also makes the manual's and SARIF's.
 *
 * Severity is the rule's: an error is refused by an API server or means something else under another engine, a warning
 * is hardly what was meant, a note is worth a look. Pure: objects in, findings out.
 */
#ifndef MOAT_POLICY_LINT_H
#define MOAT_POLICY_LINT_H

#include "mirror-tool/policy/verdict.h"

enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR };

/* RULE(constant, id, severity, what it is, what to do) */
#define LINT_RULES(RULE)                                                                           \
	RULE(UNKNOWN_FIELD, "unknown-field", ERROR,                                                \
		"a key that is no field is dropped, and a selector that lost its only key "        \
		"selects everything",                                                              \
		"write the field's name")                                                          \
	RULE(WRONG_CASE, "wrong-case", ERROR,                                                      \
		"a key in another case is dropped by the API server and taken by some clients",    \
		"write the field's name in its case")                                              \
	RULE(DUPLICATE_KEY, "duplicate-key", ERROR,                                                \
		"a key is there twice: the last one counts, and a strict server refuses it",       \
		"keep one of them")                                                                \
	RULE(NOT_STRING, "value-not-string", ERROR,                                                \
		"a number or truth value stands where a string is needed: refused, or made a "     \
		"string by some clients",                                                          \
		"put it in quotes")                                                                \
	RULE(DUPLICATE_OBJECT, "duplicate-object", ERROR,                                          \
		"two objects of one kind, namespace and name: the later one replaces the other",   \
		"give one of them another name, or leave it out")                                  \
	RULE(REMOVED_API, "removed-api-group", ERROR,                                              \
		"NetworkPolicy of extensions/v1beta1 is gone since Kubernetes 1.16",               \
		"write apiVersion: networking.k8s.io/v1")                                          \
	RULE(NAMESPACE_MISSING, "namespace-missing", WARNING,                                      \
		"metadata.namespace is missing: the policy lands where it happens to be applied",  \
		"write metadata.namespace")                                                        \
	RULE(NAMESPACE_ABSENT, "namespace-not-in-set", WARNING,                                    \
		"the policy's namespace is not among the objects",                                 \
		"correct the name, or give the namespace and its pods")                            \
	RULE(ALIAS, "yaml-alias", NOTE,                                                            \
		"a part stands there by a YAML alias or merge key and is not read where it "       \
		"counts",                                                                          \
		"write it out")                                                                    \
	RULE(UNJUSTIFIED, "justification-missing", ERROR,                                          \
		"a policy that allows something says no reason (only with "                        \
		"--require-justification)",                                                        \
		"add the annotation moat.local/justification")                                     \
	RULE(SELECTOR_ALL, "selector-null-means-all", WARNING,                                     \
		"a selector with nothing behind its key selects everything",                       \
		"write {} if everything is meant, or the labels")                                  \
	RULE(SELECTOR_ABSENT, "selector-null-means-absent", WARNING,                               \
		"a peer's selector with nothing behind its key is as if it were not there",        \
		"write {} if everything is meant, or leave the key out")                           \
	RULE(LABEL_NULL, "label-value-null", WARNING,                                              \
		"a label without a value means the empty value", "write the value, or \"\"")       \
	RULE(ANY_PEER, "rule-any-peer-explicit-empty", WARNING,                                    \
		"an empty list of peers is everyone, inside and outside, and not no one",          \
		"leave the rule out to allow nothing; leave the key out to allow everyone")        \
	RULE(ALLOW_ALL, "rule-allow-all", WARNING,                                                 \
		"a rule without peers and ports allows everything",                                \
		"name peers and ports, or leave the rule out to allow nothing")                    \
	RULE(ANY_PORT, "rule-any-port-explicit-empty", WARNING,                                    \
		"an empty list of ports is every port, and not none",                              \
		"name the ports, or leave the key out")                                            \
	RULE(PEER_OR, "peer-or-suspect", WARNING,                                                  \
		"two items of a list are either of both; in one item they would be both at once",  \
		"if both are meant, take the \"- \" of the second away")                           \
	RULE(PEER_EVERYWHERE, "peer-all-namespaces", WARNING,                                      \
		"an empty namespaceSelector without a podSelector is every pod of the cluster",    \
		"name the namespaces, or the pods too")                                            \
	RULE(PEER_BY_OWNER, "peer-labels-of-owners", NOTE,                                         \
		"pods of any namespace are chosen by labels that their owners set",                \
		"name the namespaces too")                                                         \
	RULE(TYPES_IMPLIED, "policytypes-implied-ingress", WARNING,                                \
		"without policyTypes a policy of egress rules closes ingress too",                 \
		"write policyTypes: [Egress], or [Ingress, Egress]")                               \
	RULE(TYPES_IGNORED, "policytypes-rules-ignored", ERROR,                                    \
		"rules of a direction that policyTypes leaves out: the API ignores them, Cilium "  \
		"enforces them",                                                                   \
		"add the direction to policyTypes, or take the rules away")                        \
	RULE(EGRESS_EMPTY, "egress-empty-without-policytypes", WARNING,                            \
		"an empty egress without policyTypes closes nothing",                              \
		"write policyTypes: [Egress]")                                                     \
	RULE(SUBJECT_NOTHING, "subject-matches-nothing", WARNING, "the policy selects no pod",     \
		"correct the labels")                                                              \
	RULE(PEER_NOTHING, "peer-matches-nothing", WARNING,                                        \
		"a peer selects no pod or no namespace", "correct the labels")                     \
	RULE(PEER_EMPTY, "peer-namespace-empty", NOTE, "a peer selects namespaces without pods",   \
		"give their pods, or leave the peer out")                                          \
	RULE(NAME_LABEL, "namespace-name-label", NOTE,                                             \
		"the label \"name\" of a namespace is set by hand and may be missing or wrong",    \
		"select kubernetes.io/metadata.name, which the API server sets")                   \
	RULE(NOT_ISOLATED, "pod-not-isolated", WARNING,                                            \
		"pods that a policy seems to be meant for are isolated by none",                   \
		"correct the labels of the policy that selects nothing")                           \
	RULE(NOT_IN_ABSENT, "notin-matches-absent", WARNING,                                       \
		"NotIn selects what does not have the label at all, too",                          \
		"add the operator Exists for the key, or use In")                                  \
	RULE(HOST_NETWORK, "host-network-bypass", WARNING,                                         \
		"a policy selects pods on their node's network, which it does not bind",           \
		"take hostNetwork away, or filter on the node")                                    \
	RULE(NODE_PORT, "node-port-bypass", WARNING,                                               \
		"isolated pods are reached through a port of the nodes, where a policy may see "   \
		"the node in place of the client",                                                 \
		"use a ClusterIP Service, or externalTrafficPolicy: Local and an ipBlock")         \
	RULE(PORT_PROTOCOL, "port-protocol-defaulted", WARNING,                                    \
		"a port without protocol is TCP, and something listens there with another",        \
		"write the protocol, for each an item")                                            \
	RULE(PORT_NAMED, "named-port-unmatched", WARNING,                                          \
		"no pod has a port of this name and protocol: nothing is allowed",                 \
		"correct the name or protocol, or write the number")                               \
	RULE(PORT_SERVICE, "service-port-used", WARNING,                                           \
		"the port is a Service's; policies see the pod's, behind the translation",         \
		"write the Service's targetPort")                                                  \
	RULE(BLOCK_ANY, "ipblock-any-without-except", WARNING,                                     \
		"every address without an except: pods, Services and 169.254.169.254 are among "   \
		"them",                                                                            \
		"add except for the ranges of pods, Services and metadata")                        \
	RULE(BLOCK_FORM, "ipblock-not-canonical", ERROR,                                           \
		"a block with host bits, leading zeros or a mapped address is refused when it is " \
		"new",                                                                             \
		"write the block's first address")                                                 \
	RULE(DNS_MISSING, "dns-egress-missing", WARNING,                                           \
		"pods isolated for egress cannot reach the cluster's DNS",                         \
		"allow UDP and TCP 53 to k8s-app: kube-dns in kube-system")                        \
	RULE(DNS_UDP, "dns-udp-missing", WARNING, "DNS is allowed over TCP and not over UDP",      \
		"allow UDP 53 as well")                                                            \
	RULE(DNS_TCP, "dns-tcp-missing", WARNING,                                                  \
		"DNS is allowed over UDP and not over TCP, which long answers need",               \
		"allow TCP 53 as well")                                                            \
	RULE(DNS_CACHE, "dns-node-cache-missing", NOTE,                                            \
		"DNS is allowed to kube-dns and not to the node's cache, 169.254.20.10",           \
		"where node-local-dns is used, allow port 53 to 169.254.20.10/32")                 \
	RULE(SHADOWED, "policy-shadowed", WARNING,                                                 \
		"all that a policy allows others allow too: it limits nothing and adds nothing",   \
		"narrow the other policy, or take this one away")                                  \
	RULE(ONE_SIDED, "one-sided-allow", WARNING,                                                \
		"a rule allows at one end what the other end's policies deny",                     \
		"allow it at the other end too, or take the rule away")                            \
	RULE(OPEN_INGRESS, "no-default-deny-ingress", NOTE,                                        \
		"pods of a namespace take connections from everywhere",                            \
		"add a policy with podSelector: {} and policyTypes: [Ingress]")                    \
	RULE(OPEN_EGRESS, "no-default-deny-egress", NOTE,                                          \
		"pods of a namespace connect to everywhere",                                       \
		"add a policy with podSelector: {} and policyTypes: [Egress], and allow DNS")      \
	RULE(PRIORITY, "equal-priority", ERROR,                                                    \
		"two policies of one tier have one priority: which is first differs by engine",    \
		"give each its own")                                                               \
	RULE(CILIUM_LABEL, "label-unseen-by-cilium", WARNING,                                      \
		"Cilium does not see this label of pods: the selector never matches there",        \
		"select another label")                                                            \
	RULE(REFUSED, "refused-by-engine", ERROR, "the engine refuses the whole policy",           \
		"write what the engine takes")                                                     \
	RULE(NO_EFFECT, "no-effect", WARNING, "a part has no effect under the engine",             \
		"take it away, or write what has")                                                 \
	RULE(NOT_EVALUATED, "not-evaluated", NOTE, "a part cannot be judged from manifests",       \
		"judge it with its engine, or by hand")                                            \
	RULE(ODD, "hardly-meant", WARNING, "a part means something else than it seems to",         \
		"write what is meant")

#define LINT_CONSTANT(name, id, severity, what, fix) LINT_##name,
enum lint_id { LINT_RULES(LINT_CONSTANT) LINT_COUNT };

struct lint_rule {
	const char *id;
	enum severity severity;
	const char *what, *fix; /* clauses without a full stop */
};
extern const struct lint_rule lint_rules[LINT_COUNT];
extern const char *const severity_names[]; /* by enum severity, NULL behind them */

struct lint_finding {
	enum lint_id rule;
	const struct k8s_object *object;
	const struct node *at;
	char *text;
};

struct lint {
	struct lint_finding *items; /* by file and line */
	size_t count;
	struct k8s_objects objects; /* those that are judged, borrowed; its array is the lint's */
	const struct k8s_object **services; /* those of them that are Services */
	size_t service_count;
	struct model model;
	struct judge judge;
};
#define LINT_INIT                                                                                  \
	{                                                                                          \
		.model = MODEL_INIT, .judge = JUDGE_INIT                                           \
	}
void lint_release(struct lint *l); /* for AUTO */

/*
 * Find. objects: borrowed, must outlive *l. options->decode is not asked: keys are taken as the API server does, and
 * scalars as strings where nothing else can be read.
 *
 * Fails: ERR_INPUT with file and line: an object that cannot be read.
 */
MUST int lint_make(struct lint *l, const struct k8s_objects *objects,
	const struct policy_options *options, bool justified, struct err *e);

/* --- for the groups of rules: lint_*.c ------------------------------------------------------------ */

/* Keep a finding: its place, and a sentence without a full stop that fits in front of what the rule says to do. */
void lint_add(struct lint *l, enum lint_id rule, const struct k8s_object *o, const struct node *at,
	const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Of all objects; of one policy that is a NetworkPolicy of Kubernetes; of all pods. */
void lint_objects(struct lint *l, const struct k8s_objects *all, bool justified);
void lint_duplicates(struct lint *l, const struct k8s_objects *all);
void lint_shape(struct lint *l, const struct policy *p);
void lint_match(struct lint *l, const struct policy *p);
void lint_ports(struct lint *l, const struct policy *p);
void lint_reach(struct lint *l);

/* Append "prod/web, prod/api and 3 more", "nothing": the pods of these ends, and "outside" where an address is. */
void lint_names(const struct lint *l, const uint64_t *ends, struct buf *out);

/* The first policy that isolates an end in a direction, or NULL. */
const struct policy *lint_isolator(const struct lint *l, size_t end, enum direction side);

/* The value of a key as the model read it, or NULL. */
const struct node *lint_get(
	const struct lint *l, const struct policy *p, const struct node *map, const char *key);

#endif
