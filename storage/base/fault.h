/*
 * Numbered fault points: each step of a durable operation passes one. Always compiled in, inert
 * unless a test arms them.
 *
 *	if (fault("blob.link", e) < 0)
 *		return -1;
 *
 * A sweep arms point 0, 1, 2 ... of an operation, once failing and once dying (`_exit`, as if the
 * power had gone, without the power cut's loss of unsynced bytes), until none fires any more.
 */
#ifndef MOAT_FAULT_H
#define MOAT_FAULT_H

#include "storage/base/err.h"

enum fault_mode { FAULT_OFF, FAULT_FAIL, FAULT_EXIT };

#define FAULT_EXIT_STATUS 70 /* what a process dies with in FAULT_EXIT mode */

/* Step `name` begins. 0, or -1 with e: ERR_IO "fault point NAME" when this one is armed. */
MUST int fault(const char *name, struct err *e);

/* Arm the n-th point (from 0) to be passed from now on, in this process and its children.
 * For tests only. */
void fault_arm(enum fault_mode mode, unsigned n);

/* Write the name of each point that fires to fd, "fail NAME" or "die NAME", a line each; -1: none. The
 * descriptor stays the caller's. For tests only. */
void fault_record(int fd);

/* Name of the point that fired since fault_arm(), or NULL when none did. */
const char *fault_fired(void);

#endif
