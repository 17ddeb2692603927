/*
 * The record of imports, STORE/imports.log: who brought which set when, and what became of it. One JSON
 * object a line, of the shape of moatd's audit log; appended to, never read by moat. moat-import(1), "The
 * record", is the format.
 *
 * Two lines for a set that gets as far as the switch: "begun", durable before it, and what came of it.
 * So no set becomes active that the record does not name, whatever stops the second line.
 */
#ifndef MOAT_IMPORT_LOG_H
#define MOAT_IMPORT_LOG_H

#include "mirror-tool/media/medium.h"

#define IMPORT_LOG "imports.log"

struct import_log;

/* store: its folder, which is there. paths: of the medium; borrowed. On failure no import may begin. */
MUST int import_log_open(struct import_log **l, const char *store, const char *const *paths,
	size_t path_count, struct err *e);
void import_log_close(struct import_log **l); /* for AUTO */

/* All of the set is here, and it is about to become active. Durable on 0. */
MUST int import_log_begun(struct import_log *l, const struct medium *m, struct err *e);

/* What came of it; NULL: it is active. Durable on 0. After a failed import_log_begun() nothing is written. */
MUST int import_log_end(
	struct import_log *l, const struct medium *m, const struct err *why, struct err *e);

#endif
