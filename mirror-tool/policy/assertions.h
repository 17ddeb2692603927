/*
 * Assertions about connections, as lines of a file:
 *
 *	allow prod/web prod/db TCP/5432 owner=shop because the shop reads its orders
 *	deny  dev/a* prod/db TCP/5432 # and a comment
 *
 * or the columns of a file of probes (probes.h), with tabs between and the verdict stated. An end may be a pattern:
 * NAMESPACE/NAME with `*` and `?`, ext:CIDR, `ext:*`; then the assertion is about every connection between ends that
 * match, but for that of a pod and itself. Pure.
 */
#ifndef MOAT_POLICY_ASSERTIONS_H
#define MOAT_POLICY_ASSERTIONS_H

#include "mirror-tool/policy/probes.h"

/* One class of ends that a pattern matches, with up to two of its members. */
struct chosen {
	size_t end;
	const char *names[2]; /* the second: NULL when one matches */
};

struct choice {
	struct chosen *items;
	size_t count;
	uint64_t *bits; /* by end */
	bool is_name; /* no pattern */
};

struct assertion {
	struct probe probe; /* stated[0] is never -1 */
	const char *owner, *because; /* "" when nothing is said */
	struct choice src, dst; /* of assertions_bind() */
};

struct assertions {
	struct assertion *items;
	size_t count;
	struct arena arena;
};
#define ASSERTIONS_INIT                                                                            \
	{                                                                                          \
		.arena = ARENA_INIT                                                                \
	}
void assertions_release(struct assertions *a); /* for AUTO */

/* ERR_INPUT with NAME:LINE. */
MUST int assertions_parse(struct assertions *a, const char *name, struct span text, struct err *e);

/* Find the ends of all. ERR_INPUT with NAME:LINE: one that matches no end, which would hold whatever policies say. */
MUST int assertions_bind(
	struct assertions *a, const struct ends *s, const char *name, struct err *e);

/* What became of one. */
struct assertion_result {
	size_t asked, failed; /* connections between classes of ends */
	const char *src, *dst; /* the first that failed */
	size_t ends[2];
	struct judgement is;
};

/* touched: only connections with an end of these bits; NULL: all. stop: at the first that fails. */
void assertion_judge(const struct assertion *a, struct judge *j, const uint64_t *touched, bool stop,
	struct assertion_result *out);

#endif
