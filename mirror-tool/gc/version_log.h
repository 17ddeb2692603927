/*
 * What collection does to versions of sets, in the audit log: a record "remove" of each, begun before any goes and then
 * what came of it, as `moat remove` leaves them; so `moat log --set NAME` has them.
 */
#ifndef MOAT_VERSION_LOG_H
#define MOAT_VERSION_LOG_H

#include "mirror-tool/tool_audit.h"
#include "storage/gc.h"

struct version_log {
	struct tool_audit *audit; /* borrowed; it has begun */
	uint64_t *begun; /* of each AUDIT_RECORDS_MAX versions, the number of the first record */
	size_t count;
};
void version_log_release(struct version_log *l); /* for AUTO */

/* Record that these are about to go. Durable on 0; on -1 none may go. */
MUST int version_log_begin(struct version_log *l, const struct gc_versions *v, struct err *e);
/* Record of each whether it went, as gc_versions_remove() left them. */
MUST int version_log_end(struct version_log *l, const struct gc_versions *v, struct err *e);

#endif
