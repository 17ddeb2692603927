/*
 * `moat rebuild`: a store -> its database made again from its files, the old one kept aside. Must never take the database
 * from a process that has it open.
 */
#include "mirror-tool/report.h"
#include "mirror-tool/tool.h"
#include "mirror-tool/tool_audit.h"
#include "storage/store_write.h"
#include "storage/base/banned.h"

#define REBUILD_OPTIONS(OPTION, S)                                                                 \
	OPTION(S, FLAG, yes, "yes", NULL, NULL, "that is meant, with what is lost by it")
struct rebuild_options {
	REBUILD_OPTIONS(SETTING_FIELD, rebuild_options)
};
static const struct setting options[] = { REBUILD_OPTIONS(SETTING_ROW, rebuild_options) };

/* One run. */
struct rebuilding {
	const struct tool *tool;
	struct store *store; /* with the new database */
	char aside[STORE_ASIDE_SIZE];
	struct store_totals totals;
	uint64_t tags, references, missing;
};

static void rebuilding_release(struct rebuilding *r)
{
	store_close(&r->store);
}

static int make(void *ctx, struct err *e)
{
	struct rebuilding *r = ctx;

	return store_remake(&r->store, r->tool->store, r->aside, e);
}

/* --- what came back ----------------------------------------------------------------------------- */

static int add_set(void *ctx, const struct set_info *info, struct err *e)
{
	struct rebuilding *r = ctx;

	(void)e;
	r->references += info->active ? info->pins : 0;
	r->missing += info->missing;
	return 0;
}

static int say_set(void *ctx, const struct set_info *info, struct err *e)
{
	struct report *r = ctx;

	(void)e;
	if (!info->missing)
		return 0;
	report_object(r, NULL);
	report_text(r, "set", info->name);
	report_text(r, "version", info->version);
	report_number(r, "missing", info->missing);
	report_line(r, "%s:%s: %llu blob%s missing; an import of its medium brings them back",
		info->name, info->version, (unsigned long long)info->missing,
		info->missing == 1 ? " is" : "s are");
	report_end(r);
	return 0;
}

static int report(const struct rebuilding *b, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(b->tool);
	const struct store_totals *n = &b->totals;

	report_object(&r, NULL);
	report_text(&r, "aside", b->aside);
	report_number(&r, "sets", n->sets);
	report_number(&r, "references", b->references);
	report_number(&r, "tags", b->tags);
	report_number(&r, "blobs", n->blobs);
	report_number(&r, "bytes", n->bytes);
	report_number(&r, "missing", b->missing);
	report_line(&r,
		"%s: made again: %llu set%s, %llu reference%s of active ones, %llu other tag%s, "
		"%llu blob%s",
		b->tool->store, (unsigned long long)n->sets, n->sets == 1 ? "" : "s",
		(unsigned long long)b->references, b->references == 1 ? "" : "s",
		(unsigned long long)b->tags, b->tags == 1 ? "" : "s", (unsigned long long)n->blobs,
		n->blobs == 1 ? "" : "s");
	report_list(&r, "incomplete");
	if (list_sets(b->store, say_set, &r, e) < 0)
		return -1;
	report_end(&r);
	report_end(&r);
	return report_print(&r, e);
}

static int rebuild(struct tool *t, struct err *e)
{
	AUTO(rebuilding_release) struct rebuilding r = { .tool = t };

	if (tool_audited(t, "rebuild", NULL, make, &r, e) < 0)
		return -1;
	if (store_totals(r.store, &r.totals, e) < 0 || store_tags(r.store, &r.tags, e) < 0 ||
		list_sets(r.store, add_set, &r, e) < 0)
		return -1;
	if (*r.aside)
		tool_note(t,
			"the database of before is %s/%s; nothing uses it, and it may be removed",
			t->store, r.aside);
	return report(&r, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct rebuild_options *o = given;

	if (args->count)
		return tool_usage(e, "no word but --yes is needed");
	if (!o->yes)
		return tool_usage(e,
			"--yes is needed: what no file tells is lost, as pushes of the last "
			"seconds "
			"before a crash, and links of blobs that no whole manifest of their "
			"repository names (moat help rebuild)");
	if (tool_store_there(t, TOOL_STORE_MAKERS, e) < 0 || tool_store_owner(t, e) < 0)
		return -1;
	return rebuild(t, e);
}

const struct command cmd_rebuild = {
	.name = "rebuild",
	.args = "--yes",
	.summary = "make the database of a store again from its files",
	.about = "Also when it is damaged. The database of before is kept as meta-TIME in the "
		 "store. Lost\n"
		 "are changes of the last seconds before a crash, links of blobs that no manifest "
		 "of "
		 "their\n"
		 "repository names, or only sparse ones, and what was pushed beside a set's own "
		 "children\n"
		 "of an index that the set pins; pushing again brings it back.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct rebuild_options),
	.run = run,
};
