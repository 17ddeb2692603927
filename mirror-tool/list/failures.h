/*
 * Items that failed while others went on, to be listed at the end. Pure; tool_failures() prints them and
 * makes one error of them.
 */
#ifndef MOAT_FAILURES_H
#define MOAT_FAILURES_H

#include "storage/base/buf.h"
#include "storage/base/err.h"

struct failure {
	char *item; /* "docker.io/library/nginx:1.27.3" */
	enum err_code code;
	char *text;
};

struct failures {
	struct failure *items;
	size_t count;
};
#define FAILURES_INIT                                                                              \
	{                                                                                          \
		.count = 0                                                                         \
	}

/* Append a failure. item and the error's text are copied. */
void failures_add(struct failures *f, const char *item, const struct err *e);
void failures_release(struct failures *f); /* for AUTO; leaves it empty */

void failures_sort(struct failures *f); /* by item, then text */

#endif
