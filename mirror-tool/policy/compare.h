/*
 * The same objects judged several times: by other engines, by another decoder. Which connections differ? Ends are as few
 * as no view tells apart: classes of workloads, and outside addresses where some view's ranges begin. Pure.
 */
#ifndef MOAT_POLICY_COMPARE_H
#define MOAT_POLICY_COMPARE_H

#include "mirror-tool/policy/verdict.h"

#define COMPARE_MAX 4 /* views */

struct compare_end {
	bool outside;
	uint32_t workload, alike; /* in every model; how many more are like it */
	struct address address; /* outside: this one, and those behind it up to the next end's */
	size_t ends[COMPARE_MAX]; /* its number for each judge */
};

struct compare {
	struct judge *judges[COMPARE_MAX]; /* borrowed */
	size_t judge_count;
	struct compare_end *ends;
	size_t count;
};
#define COMPARE_INIT                                                                               \
	{                                                                                          \
		.count = 0                                                                         \
	}
void compare_release(struct compare *c); /* for AUTO */

/* judges: of models with the same workloads in the same order; at most COMPARE_MAX. */
void compare_make(struct compare *c, struct judge *const judges[], size_t count);

/* Append for each judge what one end reaches of the other: "TCP 80", "all", "none", "none; unknown UDP 53". Returns whether
 * two of these differ. An end that is one workload does not differ from itself, nor does outside. */
bool compare_pair(struct compare *c, size_t src, size_t dst, struct buf texts[COMPARE_MAX]);

#endif
