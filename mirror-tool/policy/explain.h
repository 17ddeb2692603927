/*
 * Why a connection is allowed, denied or unknown: the way of the judge on both sides, with what decided it. Pure.
 */
#ifndef MOAT_POLICY_EXPLAIN_H
#define MOAT_POLICY_EXPLAIN_H

#include "mirror-tool/policy/verdict.h"

struct explanation {
	const char *names
		[2]; /* by enum direction whose side it is: the source, the destination; borrowed */
	size_t ends[2];
	enum proto proto;
	unsigned port;
	struct judgement is;
	struct trace sides[2];
};
void explanation_release(struct explanation *x); /* for AUTO */

/* Fill in `is` and `sides`; the other members are given. One name for both: a pod and itself, which is allowed. */
void explain(struct explanation *x, struct judge *j);

/* The verdict alone, without its way. */
struct judgement explain_verdict(const struct explanation *x, struct judge *j);

/* Append a step: "db.yaml:9: rule 1 of NetworkPolicy prod/db allows it: app=web, TCP 5432". */
void step_text(const struct explanation *x, const struct judge *j, enum direction d,
	const struct step *s, struct buf *out);

/* Append what decides a side, in one line. */
void side_text(
	const struct explanation *x, const struct judge *j, enum direction d, struct buf *out);

/* The side that decides: the one that denies, or is unknown; else the destination's. */
enum direction explain_side(const struct explanation *x);

#endif
