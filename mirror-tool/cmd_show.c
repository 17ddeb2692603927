/* `moat show`: a store or a medium -> all about one set or one reference. Must never write. */
#include "mirror-tool/show/show.h"
#include "mirror-tool/view_open.h"
#include "storage/base/banned.h"

#define SHOW_OPTIONS(OPTION, S)                                                                    \
	OPTION(S, TEXTS, from, "from", "MEDIUM", NULL,                                             \
		"a folder or volume file instead of the store; may be repeated")
struct show_options {
	SHOW_OPTIONS(SETTING_FIELD, show_options)
};
static const struct setting options[] = { SHOW_OPTIONS(SETTING_ROW, show_options) };

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct show_options *o = given;
	AUTO(store_close) struct store *s = NULL;
	AUTO(view_release) struct view view = VIEW_INIT;
	AUTO(report_release) struct report report = REPORT_INIT(t);
	struct page page = { &view, &report };
	int rc;

	if (args->count != 1)
		return tool_usage(e, "show takes one set or reference");
	rc = view_open(t, &o->from, &view, &s, e);
	if (rc < 0)
		return rc;
	report_object(&report, NULL);
	if (show_meant(&page, args->items[0], e) < 0)
		return -1;
	report_end(&report);
	return report_print(&report, e);
}

const struct command cmd_show = {
	.name = "show",
	.args = "[--store DIR | --from MEDIUM...] SET|REF",
	.summary = "everything about one set or one reference",
	.about = "SET is NAME, NAME:VERSION or a digest. Of a reference: what moatd serves under "
		 "it\n"
		 "and which set owns it, its platforms, held or not, layers, and what is attached\n"
		 "to it. Nothing is verified: `moat verify` does that.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct show_options),
	.run = run,
};
