/*
 * The fault sweep of a store (tests/support/faults.h), and the same with each statement of its database in
 * the place of the fault points. After each fault: the store opens, store_check() finds nothing, the same
 * operation simply succeeds, and what it promised is there.
 */
#ifndef MOAT_TEST_SWEEP_H
#define MOAT_TEST_SWEEP_H

#include "tests/support/sandbox.h"

struct sweep {
	const char *name;
	/* Before faults: make the store `dir` and what the operation needs. */
	void (*prepare)(const struct sandbox *sb, const char *dir);
	/* The operation, on a freshly opened store. Must not use cmocka's asserts: it runs in a
	 * child too. */
	int (*run)(const struct sandbox *sb, struct store *s, struct err *e);
	/* After it succeeded. */
	void (*verify)(const struct sandbox *sb, struct store *s);
	unsigned least; /* fault points that there are at least, or the sweep proves nothing */
	/* One transaction: readers see what was there before, or everything. Else what each part of the
	 * operation left may be seen. */
	bool whole;
};

void sweep_run(const struct sandbox *sb, const struct sweep *sweep);

/* The same of a store that is not sound to begin with: may it still have this problem, before the operation
 * has succeeded? */
typedef bool excused_fn(const char *problem);
void sweep_run_damaged(const struct sandbox *sb, const struct sweep *sweep, excused_fn *excused);

#endif
