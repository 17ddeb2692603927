/*
 * Who may reach whom: three-valued, for each direction apart, on every port at once.
 *
 * A side is one end's view in one direction: to every other end (egress) or from it (ingress), the ports that its
 * policies certainly allow and those that nobody can tell; all others are denied. A connection is allowed when both
 * sides allow it. Ends that policies do not select, and ends outside, allow everything on their side.
 */
#ifndef MOAT_POLICY_VERDICT_H
#define MOAT_POLICY_VERDICT_H

#include "mirror-tool/policy/ends.h"

enum verdict { VERDICT_DENY, VERDICT_ALLOW, VERDICT_UNKNOWN };
const char *verdict_name(enum verdict v); /* "deny", "allow", "unknown" */
/* And back: exactly so written. */
bool verdict_parse(struct span text, enum verdict *out);

/* One end to another on every port: what is certainly allowed, what nobody can tell and why (REASON_ bits). */
struct reach {
	portset allow, maybe;
	unsigned reasons;
};

/* By other end: what is certain, and what may be (nothing of it certain). */
struct side {
	portset *allow, *maybe;
};

struct judge {
	const struct model *model;
	struct ends ends;
	struct judged_policy *policies; /* in the model's order */
	struct side *sides[2]; /* by direction and end, made when asked for */
	struct side all; /* of every end that no policy binds */
	size_t *selected, *selected_from; /* by end: the policies that select it */
};
#define JUDGE_INIT                                                                                 \
	{                                                                                          \
		.ends = ENDS_INIT                                                                  \
	}
void judge_release(struct judge *j); /* for AUTO */

/* m: borrowed, and must not change any more; its pool of ports grows. */
void judge_make(struct judge *j, struct model *m);

/* Both sides of a connection, each made when it is first asked for; and one of them alone. */
struct reach judge_reach(struct judge *j, size_t src, size_t dst);
struct reach judge_side_reach(struct judge *j, enum direction d, size_t src, size_t dst);

/* Does every policy treat two ends alike, as subjects and as peers? */
bool judge_alike(const struct judge *j, size_t a, size_t b);

/* Append "a block of addresses may match pods, domain names". */
void verdict_reasons(unsigned reasons, struct buf *out);
/* Valid until the judge ends. */
const struct side *judge_side(struct judge *j, enum direction d, size_t end);

/* The ends that a policy selects, as bits. */
const uint64_t *judge_subjects(const struct judge *j, size_t policy);

/*
 * Another policy in the place of one of the model, of the same tier and order. p: borrowed until stand_in_free().
 * judge_swap() puts it in, and called again takes it out; the sides of ends that either selects are the caller's to
 * drop (free j->sides[d][end].allow and clear it).
 */
struct stand_in *stand_in_new(struct judge *j, const struct policy *p);
void stand_in_free(struct stand_in *s);
const uint64_t *stand_in_subjects(const struct stand_in *s);
void judge_swap(struct judge *j, struct model *m, size_t policy, struct stand_in *s);

/* Which policies select an end: numbers in the model's list. */
const size_t *judge_policies(const struct judge *j, size_t end, size_t *count);

/* The ports that a rule of a policy means where dst is the destination. */
portset judge_ports(
	const struct judge *j, enum direction d, size_t policy, const struct rule *r, size_t dst);

/* What the pass met that decided one connection on one side, in order. */
enum step_kind {
	STEP_RULE, /* it matches */
	STEP_DOUBT, /* nobody can tell whether it does */
	STEP_ISOLATED, /* no rule: what this policy isolates and its tier leaves undecided is denied */
};
struct step {
	enum step_kind kind;
	size_t policy; /* in the model's list */
	const struct rule *rule; /* NULL: STEP_ISOLATED */
	enum action action; /* as it was applied */
	unsigned reasons; /* of STEP_DOUBT and ACTION_UNKNOWN: REASON_ bits */
};

/* What decides a side. */
enum ground {
	GROUND_POLICIES, /* the last step; without a step that decides: nothing is against it */
	GROUND_FREE, /* the end is no pod on the pod network: nothing binds it */
	GROUND_SELF, /* a pod reaches itself */
	GROUND_NODE, /* its node reaches it */
	GROUND_SAME_NODE, /* the other end is on a node's network, which may be the same node */
};
struct trace {
	enum verdict verdict;
	enum ground ground;
	struct step *steps;
	size_t count;
};
void trace_release(struct trace *t); /* for AUTO */

/* subject: the end whose side it is; port: of the destination, as ever. */
void judge_trace(struct judge *j, enum direction d, size_t subject, size_t other, enum proto proto,
	unsigned port, struct trace *out);

/* Which policies select an end: numbers in the model's list. */
const size_t *judge_policies(const struct judge *j, size_t end, size_t *count);

/* The ports that an Allow rule, or all Allow rules, of a policy certainly let through between its subject, which it
 * selects, and another end, whatever else is there. */
portset judge_rule_ports(const struct judge *j, size_t policy, enum direction d, size_t rule,
	size_t subject, size_t other);
portset judge_policy_ports(
	const struct judge *j, size_t policy, enum direction d, size_t subject, size_t other);

/* One connection. */
struct judgement {
	enum verdict verdict, egress, ingress;
};
struct judgement judge_probe(
	struct judge *j, size_t src, size_t dst, enum proto proto, unsigned port);

#endif
