/*
 * What a command does to a store is recorded in the store's audit log (storage/audit/audit.h): "begun", durable before
 * anything becomes visible, and what came of it. So nothing becomes visible that the log does not name, whatever stops
 * the second line; and where the first one cannot be written, nothing is done.
 *
 *	AUTO(tool_audit_release) struct tool_audit log = TOOL_AUDIT_INIT;
 *	struct log_field facts[] = { { "set", name, 0 }, { "version", version, 0 }, { NULL, NULL, 0 } };
 *
 *	if (tool_audit_open(&log, t, "activate", e) < 0)	before anything is done
 *		return -1;
 *	rc = prepare(...);					what refuses leaves one line
 *	if (rc == 0)
 *		rc = tool_audit_begin(&log, facts, e);
 *	if (rc == 0)
 *		rc = set_activate(...);
 *	return tool_audit_end(&log, rc, facts, e);
 *
 * or, where nothing refuses beforehand, tool_audited(). The names of facts that several actions share: "set", "version",
 * "digest", "repository", "reference", "medium", "keys" (fingerprints with commas between), "bytes", "blobs".
 */
#ifndef MOAT_TOOL_AUDIT_H
#define MOAT_TOOL_AUDIT_H

#include "mirror-tool/tool.h"
#include "storage/audit/audit.h"

/* One action of a command. */
struct tool_audit {
	/* To be set before tool_audit_end(): a failure is a refusal, whatever its code. */
	bool refused;
	bool frees; /* to be set before tool_audit_begin(): it frees space, and is recorded on a full disk too */
	const char *action; /* may be made more precise before tool_audit_begin() */
	/* Private. */
	struct audit *log;
	uint64_t begun; /* number of that record; 0 there is none */
	bool broken; /* it could not be written, so there is no second one */
};
#define TOOL_AUDIT_INIT                                                                            \
	{                                                                                          \
		.refused = false                                                                   \
	}
void tool_audit_release(struct tool_audit *a); /* for AUTO */

/* What the record says of the overrides that were given, as its fact "override": a constant; NULL: none was. */
const char *tool_audit_override(bool older, bool expired);

/* Open the log of t->store, which is there. action: a constant. Fails as audit_open(); then nothing may be done. */
MUST int tool_audit_open(
	struct tool_audit *a, const struct tool *t, const char *action, struct err *e);

/* Give up the reserve of the log, for what frees space; what comes of it shows in what is written then. */
void tool_audit_give_room(struct tool_audit *a);

/* Append records of their own, as a part of what was begun; seq: the number of the first, 0 when nothing is recorded. */
MUST int tool_audit_add(struct tool_audit *a, const struct audit_record records[], size_t count,
	uint64_t *seq, struct err *e);

/* The same for an action that changes nothing in the store: where nothing may be written there it warns, and nothing is
 * recorded. */
MUST int tool_audit_open_reader(
	struct tool_audit *a, const struct tool *t, const char *action, struct err *e);

/* Record "begun". facts: what is known of it, ended by a NULL key; at most TOOL_AUDIT_FACTS_MAX. Durable on 0; on -1 the
 * action must not go on. */
#define TOOL_AUDIT_FACTS_MAX (AUDIT_FACTS_MAX - 3)
MUST int tool_audit_begin(struct tool_audit *a, const struct log_field facts[], struct err *e);

/*
 * Record what came of it: rc and e, as the action returned them.
 *
 * Returns: rc; or -1 when it was done (rc 0) and that could not be recorded. A failure stays the one it was, with a
 *          warning when that could not be recorded.
 */
MUST int tool_audit_end(
	struct tool_audit *a, int rc, const struct log_field facts[], struct err *e);

/* All of it in one call: begun, fn(ctx, e), and what it returned. */
MUST int tool_audited(const struct tool *t, const char *action, const struct log_field facts[],
	int (*fn)(void *ctx, struct err *e), void *ctx, struct err *e);

#endif
