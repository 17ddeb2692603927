/*
 * The nearest miss of a connection that is denied: of all rules that might have allowed it, the one that lacks least,
 * and what it lacks. Answers come from the judge; only their parts are looked at here.
 */
#ifndef MOAT_POLICY_NEAR_H
#define MOAT_POLICY_NEAR_H

#include "mirror-tool/policy/verdict.h"

struct near_miss {
	size_t policy; /* in the model's list */
	const struct rule *rule; /* NULL: no rule would allow anything */
	bool peer, port; /* what of it matches */
	portset ports; /* those that it allows */
};

/* Of the denied side of `subject`; the connection's other end is `other`. */
void near_find(struct judge *j, enum direction d, size_t subject, size_t other, enum proto proto,
	unsigned port, struct near_miss *out);

/* Append what `end` would have to be for the condition: "app=web (it has app=db)". */
void near_text(const struct judge *j, const struct cond *c, size_t end, struct buf *out);

#endif
