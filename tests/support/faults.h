/*
 * An operation fails, and in a child dies, at its 1st, 2nd, 3rd ... fault point, until none fires any
 * more. What a fault must leave, and that the operation simply succeeds when it is done again, is for the
 * caller to look at.
 *
 * With MOAT_FAULT_RECORD, a file, in the environment each point that fired is written there, "fail NAME"
 * or "die NAME", a line each: tests/fault/points.sh looks whether one was missed.
 */
#ifndef MOAT_TEST_FAULTS_H
#define MOAT_TEST_FAULTS_H

#include "tests/support/sandbox.h"

struct faults {
	const char *name;
	/* Before faults: make what the operation needs; dir, a name in the sandbox, is of this attempt
	 * alone and removed after it. */
	void (*prepare)(void *ctx, const char *dir);
	/* The operation, from opening its stores on. Must not use cmocka's asserts: it runs in a child too. */
	int (*run)(void *ctx, const char *dir, struct err *e);
	/* Look at what is left, run it again, look again. */
	void (*recover)(void *ctx, const char *dir);
	unsigned least; /* fault points that there are at least, or the sweep proves nothing */
};

void faults_sweep(const struct sandbox *sb, const struct faults *f, void *ctx);

#endif
