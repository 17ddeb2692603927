/* `moat backup`: a store, while others write -> a copy of its database. Must never replace a file. */
#include "mirror-tool/report.h"
#include "mirror-tool/tool.h"
#include "mirror-tool/tool_audit.h"
#include "storage/store.h"
#include "storage/base/banned.h"

static int report(const struct tool *t, const char *to, uint64_t bytes, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(t);
	char size[SIZE_TEXT_SIZE];

	report_object(&r, NULL);
	report_text(&r, "to", to);
	report_number(&r, "bytes", bytes);
	report_line(&r, "%s: the database of %s, %s; no blob is in it", to, t->store,
		size_text(bytes, size));
	report_end(&r);
	return report_print(&r, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	AUTO(tool_audit_release) struct tool_audit log = TOOL_AUDIT_INIT;
	AUTO(store_close) struct store *s = NULL;
	uint64_t bytes = 0;
	int rc;

	(void)given;
	if (args->count != 1)
		return tool_usage(e, "the name of one new file is needed");
	const struct log_field facts[] = { { "to", args->items[0], 0 }, { NULL, NULL, 0 } };
	if (tool_store_read(t, &s, e) < 0 || tool_audit_open_reader(&log, t, "backup", e) < 0 ||
		tool_audit_begin(&log, facts, e) < 0)
		return -1;
	rc = tool_audit_end(&log, store_backup(s, args->items[0], &bytes, e), facts, e);
	return rc < 0 ? -1 : report(t, args->items[0], bytes, e);
}

const struct command cmd_backup = {
	.name = "backup",
	.args = "FILE",
	.summary = "copy the database of a store into a new file",
	.about = "One state of it, also while others write. Blobs are not in it: copy blobs/ and "
		 "index.json\n"
		 "by other means, or keep the media.",
	.run = run,
};
