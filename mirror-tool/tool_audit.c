/* The two records of an action. Must never turn a failure into another one. */
#include "mirror-tool/tool_audit.h"

#include "storage/base/banned.h"

void tool_audit_release(struct tool_audit *a)
{
	audit_close(&a->log);
}

const char *tool_audit_override(bool older, bool expired)
{
	if (older)
		return expired ? "older,expired" : "older";
	return expired ? "expired" : NULL;
}

int tool_audit_open(struct tool_audit *a, const struct tool *t, const char *action, struct err *e)
{
	a->action = action;
	return audit_open(&a->log, t->store, e);
}

int tool_audit_open_reader(
	struct tool_audit *a, const struct tool *t, const char *action, struct err *e)
{
	if (tool_audit_open(a, t, action, e) == 0)
		return 0;
	if (e->code != ERR_RIGHTS)
		return -1;
	tool_warn("this %s is not recorded: %s", action, e->text);
	err_clear(e);
	return 0;
}

int tool_audit_begin(struct tool_audit *a, const struct log_field facts[], struct err *e)
{
	struct audit_record record = { a->action, "begun", facts };

	if (!a->log)
		return 0;
	if (a->frees)
		audit_frees_space(a->log);
	a->broken = audit_append(a->log, &record, 1, &a->begun, e) < 0;
	return a->broken ? -1 : 0;
}

void tool_audit_give_room(struct tool_audit *a)
{
	if (a->log)
		audit_give_room(a->log);
}

int tool_audit_add(struct tool_audit *a, const struct audit_record records[], size_t count,
	uint64_t *seq, struct err *e)
{
	*seq = 0;
	return a->log && count ? audit_append(a->log, records, count, seq, e) : 0;
}

/* In the words of moatd: what was refused is "denied", what could not be done "failed". */
static const char *result_of(const struct tool_audit *a, const struct err *why)
{
	if (!why)
		return "allowed";
	switch (why->code) {
	case ERR_CORRUPT:
	case ERR_UNTRUSTED:
	case ERR_DENIED:
		return "denied";
	default:
		return a->refused ? "denied" : "failed";
	}
}

static int write_end(
	struct tool_audit *a, const struct err *why, const struct log_field facts[], struct err *e)
{
	struct log_field all[AUDIT_FACTS_MAX + 1];
	struct audit_record record = { a->action, result_of(a, why), all };
	size_t count = 0;

	for (; facts && facts->key; facts++) {
		if (count == TOOL_AUDIT_FACTS_MAX)
			BUG("too many facts of %s", a->action);
		all[count++] = *facts;
	}
	all[count++] = (struct log_field){ "status", NULL,
		why ? (uint64_t)tool_exit_status(why->code) : 0 };
	if (why)
		all[count++] = (struct log_field){ "why", why->text, 0 };
	if (a->begun)
		all[count++] = (struct log_field){ "begun", NULL, a->begun };
	all[count] = (struct log_field){ NULL, NULL, 0 };
	return audit_append(a->log, &record, 1, NULL, e);
}

int tool_audit_end(struct tool_audit *a, int rc, const struct log_field facts[], struct err *e)
{
	struct err lost = ERR_INIT;

	if (a->log && a->frees)
		audit_keep_room(a->log);
	if (!a->log || a->broken || write_end(a, rc < 0 ? e : NULL, facts, &lost) == 0)
		return rc;
	if (rc < 0) {
		tool_warn("this failure is not recorded: %s", lost.text);
		return rc;
	}
	*e = lost;
	return err_ctx(e, "%s is done, and that is not recorded", a->action);
}

int tool_audited(const struct tool *t, const char *action, const struct log_field facts[],
	int (*fn)(void *ctx, struct err *e), void *ctx, struct err *e)
{
	AUTO(tool_audit_release) struct tool_audit log = TOOL_AUDIT_INIT;
	int rc;

	if (tool_audit_open(&log, t, action, e) < 0 || tool_audit_begin(&log, facts, e) < 0)
		return -1;
	rc = fn(ctx, e);
	return tool_audit_end(&log, rc, facts, e);
}
