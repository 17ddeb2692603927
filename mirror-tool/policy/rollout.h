/*
 * From one state of policies to another, one object a step: an order in which no state between them opens a connection
 * that neither has, or closes one that both have. Each state is judged as if it were all there is.
 *
 * The world (namespaces, workloads, sets) is the new one's for all states; tiers and sets that only the old one has are
 * added to it. A policy is changed when its version or spec differs. Pure.
 */
#ifndef MOAT_POLICY_ROLLOUT_H
#define MOAT_POLICY_ROLLOUT_H

#include "mirror-tool/policy/verdict.h"

#define ROLLOUT_CHANGES_MAX 1000
#define ROLLOUT_STATES_MAX 2000 /* judged while an order is searched */

enum rollout_goal {
	ROLLOUT_SECURE, /* nothing is open that is not open in either; unknown is open */
	ROLLOUT_AVAILABLE, /* nothing is closed that both allow; unknown is closed */
};
enum rollout_action { ROLLOUT_CREATE, ROLLOUT_UPDATE, ROLLOUT_DELETE };

struct rollout_change {
	enum rollout_action action;
	const struct k8s_object *was, *is; /* NULL: there is none */
};

/* A change, and what is wrong in the state behind it. */
struct rollout_step {
	size_t change;
	uint64_t
		faults; /* pairs with a connection against the goal; ROLLOUT_REFUSED: there is no such state */
	char *src, *dst, *ports; /* of the first of them, or NULL */
	char *refusal;
};
#define ROLLOUT_REFUSED (1ull << 40)
void rollout_step_release(struct rollout_step *s);

struct rollout_view { /* a state */
	struct k8s_objects objects; /* of which only the array is its own */
	struct model model;
	struct judge judge;
};

struct rollout {
	enum rollout_goal goal;
	struct policy_options options;
	struct k8s_objects
		world; /* of which only the array is its own; policies that stay are in it */
	struct rollout_change *changes; /* creates, updates, deletes */
	size_t count;
	size_t *order; /* numbers of changes */
	bool is_searched; /* all that could be better was tried */
	size_t states; /* judged for it */
	struct rollout_view ends[2]; /* old, new */
};
#define ROLLOUT_INIT                                                                               \
	{                                                                                          \
		.count = 0                                                                         \
	}
void rollout_release(struct rollout *p); /* for AUTO */

/* Find the changes, and the order with the fewest faults in all. Objects are borrowed.
 *
 * Fails: ERR_INPUT: more than ROLLOUT_CHANGES_MAX, or a state that is no model. */
MUST int rollout_make(struct rollout *p, const struct k8s_objects *old,
	const struct k8s_objects *new, const struct policy_options *options, enum rollout_goal goal,
	struct err *e);

/* Judge the state behind each step of an order, which names each change once; steps: p->count of them, released by the
 * caller. Returns whether all are without faults. */
bool rollout_check(struct rollout *p, const size_t *order, struct rollout_step *steps);

#endif
