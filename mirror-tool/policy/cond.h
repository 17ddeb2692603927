/*
 * Conditions on an end of a connection: what selectors, address blocks and entities of every kind of policy become. A
 * condition is a tree and says yes, no or maybe of an end (three-valued logic), so that whatever a policy cannot decide
 * offline stays visible up to the verdict.
 *
 * Nodes live in an arena of the model that made them; texts are borrowed from the objects.
 */
#ifndef MOAT_POLICY_COND_H
#define MOAT_POLICY_COND_H

#include "storage/base/arena.h"

enum cond_op {
	COND_ANY, /* every end */
	COND_NONE,
	COND_AND, /* of all children; without any: yes */
	COND_OR, /* of any child; without any: no */
	COND_NOT, /* of the one child */
	COND_POD, /* a pod on the pod network, or a network set; bits: what one on its node's network is a maybe for */
	COND_LABEL, /* its labels: see cond_test */
	COND_BLOCK, /* its address is in the block */
	COND_SET, /* of the one child, asked of network sets as well: yes too for what a chosen set holds */
	COND_ENTITY, /* it is one of the entities (bits) */
	COND_MAYBE, /* nobody can tell: `reason` */
};

/* Where a key is looked up. */
enum cond_place {
	PLACE_POD, /* the pod's labels; of a network set: its own */
	PLACE_NAMESPACE, /* the namespace's labels */
	PLACE_NAME, /* what it is called; key: "namespace" or "account" (of service) */
	PLACE_ACCOUNT, /* the labels of its service account */
};

enum cond_test {
	TEST_IN, /* the key is there with one of the values */
	TEST_EXISTS, /* the key is there */
	TEST_PREFIX,
	TEST_SUFFIX,
	TEST_PART, /* the value has values[0] in it */
};

/* Ends that are no pod, as bits. */
enum {
	ENTITY_WORLD = 1, /* outside the cluster */
	ENTITY_HOST = 2, /* the node that the pod is on */
	ENTITY_REMOTE_NODE = 4,
	ENTITY_API_SERVER = 8,
};

/* Why an answer is no yes and no no; bits. verdict_reasons() has the words. */
enum {
	REASON_HOST_NETWORK = 1, /* a pod on its node's network as a peer */
	REASON_ADDRESS = 2, /* a block over addresses of pods, or of nodes */
	REASON_NAME = 4, /* domain names */
	REASON_NODE = 8, /* a selector of nodes */
	REASON_L7 = 16, /* rules inside the protocol */
	REASON_KIND = 32, /* a kind of policy or field that is not evaluated under this engine */
	REASON_SERVICE = 64, /* a Service as a peer */
	REASON_ICMP = 128, /* a protocol without ports */
	REASON_SOME = 256, /* only some of the pods behind a Service */
	REASON_PRIORITY = 512, /* two policies of one priority */
};

struct cond {
	enum cond_op op;
	struct cond *first, *last, *next; /* children and sibling */
	enum cond_place place;
	enum cond_test test;
	const char *key;
	const char **values;
	size_t value_count;
	uint32_t block; /* number in the model's list of blocks */
	unsigned bits; /* entities, or the reason */
};

/* Why it alone may say maybe, without its children. */
unsigned cond_reason(const struct cond *c);

/* New nodes. cond_add() appends a child and returns the parent. */
struct cond *cond_new(struct arena *a, enum cond_op op);
struct cond *cond_add(struct cond *parent, struct cond *child);
struct cond *cond_not(struct arena *a, struct cond *child);
struct cond *cond_and(struct arena *a, struct cond *x, struct cond *y);
struct cond *cond_maybe(struct arena *a, unsigned reason);
struct cond *cond_entity(struct arena *a, unsigned entities);
struct cond *cond_block(struct arena *a, uint32_t block);

/* values: copied as pointers; NULL and 0 for TEST_EXISTS. */
struct cond *cond_label(struct arena *a, enum cond_place place, const char *key,
	enum cond_test test, const char *const *values, size_t count);
struct cond *cond_equal(struct arena *a, enum cond_place place, const char *key, const char *value);

#endif
