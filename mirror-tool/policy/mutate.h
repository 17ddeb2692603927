/*
 * Policies with a part of them taken away: which connections that opens or closes, and whether an assertion notices.
 *
 * A mutant is the tree of one object without one key, item of a list, or the whole policy; it is read as any other. A
 * key that is misspelt is dropped by the API server, so that is the same mutant. Only ends that the policy selects,
 * with the part or without it, are judged again.
 */
#ifndef MOAT_POLICY_MUTATE_H
#define MOAT_POLICY_MUTATE_H

#include "mirror-tool/policy/assertions.h"

#define MUTANTS_MAX 1000000

enum mutant_fate {
	MUTANT_REFUSED, /* the API server would refuse the object */
	MUTANT_SAME, /* no connection changes */
	MUTANT_MOVED, /* not tried: the policy comes at another place in the order, or a key that is there again */
	MUTANT_KILLED, /* an assertion notices */
	MUTANT_SURVIVED,
};

/* A connection that changes. */
struct change {
	size_t src, dst; /* ends */
	enum proto proto;
	unsigned port;
	enum verdict was, is;
};

struct mutant {
	const struct policy *policy; /* the first of its object */
	const struct node *at; /* what is taken away; NULL: the policy */
	enum mutant_fate fate;
	size_t opened, closed; /* pairs of ends between which more, or less, is allowed */
	struct change first; /* of opened, else of closed */
	uint32_t line; /* of the assertion that notices */
};

struct mutants {
	struct mutant *items;
	size_t count;
	size_t fates[MUTANT_SURVIVED + 1]; /* how many of each */
};
#define MUTANTS_INIT                                                                               \
	{                                                                                          \
		.count = 0                                                                         \
	}
void mutants_release(struct mutants *m); /* for AUTO */

/*
 * Try all. more: gets a line for each connection of a survivor that no line of `tests` or of itself notices, and is
 * asked like them from then on; NULL: nothing is added. m and j are of each other, and as before afterwards.
 *
 * Fails: ERR_INPUT: more than MUTANTS_MAX.
 */
MUST int mutate(struct model *m, struct judge *j, const struct assertions *tests,
	struct assertions *more, struct buf *lines, struct mutants *out, struct err *e);

#endif
