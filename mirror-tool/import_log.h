/*
 * The record of imports, STORE/imports.log: user, set, time and result of each. One JSON object a line, of the shape
 * of moatd's audit log; appended to, never read by moat. moat-import(1), "The record", is the format.
 *
 * Two lines for a set that gets as far as the switch: "begun", durable before it, and what came of it.
 * So no set becomes active that the record does not name, whatever stops the second line.
 */
#ifndef MOAT_IMPORT_LOG_H
#define MOAT_IMPORT_LOG_H

#include "mirror-tool/media/medium.h"

#define IMPORT_LOG "imports.log"

struct import_log;

/*
 * Open the record for one import; import_log_close() afterwards.
 *
 * store: its folder, which exists. paths: of the medium; copied.
 * Fails: ERR_RIGHTS, ERR_IO; then no import may begin.
 */
MUST int import_log_open(struct import_log **l, const char *store, const char *const *paths,
	size_t path_count, struct err *e);
void import_log_close(struct import_log **l); /* for AUTO */

/* Write the line "begun": all of the set is here, and it is about to become active. Durable on 0. */
MUST int import_log_begun(struct import_log *l, const struct medium *m, struct err *e);

/* Write the line of the result; why NULL: the set is active. Durable on 0. After a failed import_log_begun() nothing
 * is written. */
MUST int import_log_end(
	struct import_log *l, const struct medium *m, const struct err *why, struct err *e);

#endif
