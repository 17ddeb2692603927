/*
 * Items that failed while others went on: kept, listed at the end, and turned into one exit status.
 */
#ifndef MOAT_FAILURES_H
#define MOAT_FAILURES_H

#include "mirror-tool/tool.h"
#include "storage/base/buf.h"

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

void failures_add(struct failures *f, const char *item, const struct err *e);
void failures_release(struct failures *f); /* for AUTO */

/* "moat: failed: ITEM: TEXT" on stderr, sorted by item. */
void failures_print(struct failures *f);
/* A JSON list of {"ref","error"}, sorted. */
void failures_json(struct failures *f, struct buf *out);

/* One error for all of them: their code when they share an exit status, else ERR_INCOMPLETE.
 * Returns -1. `what`: "images". */
int failures_err(const struct failures *f, size_t of, const char *what, struct err *e);

#endif
