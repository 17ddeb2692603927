/* What the audit log has of an import: the set, who signed it, and the medium. tool_audit.h; moat-import(1), "The
 * record". */
#ifndef MOAT_IMPORT_AUDIT_H
#define MOAT_IMPORT_AUDIT_H

#include "mirror-tool/media/medium.h"
#include "mirror-tool/tool_audit.h"

/* One import; begins with its operands, which are borrowed. */
struct import_audit {
	const char *const *paths;
	size_t path_count;
	const char *override; /* a constant, or NULL */
	struct tool_audit *log; /* open, the caller's */
};

/* Record that all of the set is here, and that it is about to be accepted: tool_audit_begin(). */
MUST int import_audit_begin(struct import_audit *a, const struct medium *m, struct err *e);

/* Record what came of it: tool_audit_end(). */
MUST int import_audit_end(struct import_audit *a, const struct medium *m, int rc, struct err *e);

#endif
