/* `moat extract`: files of a set, of a store or a medium -> a new folder. Must never replace anything. */
#include "mirror-tool/extract/extract.h"
#include "mirror-tool/report.h"
#include "mirror-tool/view/operand.h"
#include "storage/base/banned.h"

#define EXTRACT_OPTIONS(OPTION, S)                                                                 \
	OPTION(S, PATH, to, "to", "DIR", NULL, "the folder that is made")                          \
	OPTION(S, TEXTS, from, "from", "MEDIUM", NULL,                                             \
		"a folder or volume file instead of the store; may be repeated")
struct extract_options {
	EXTRACT_OPTIONS(SETTING_FIELD, extract_options)
};
static const struct setting options[] = { EXTRACT_OPTIONS(SETTING_ROW, extract_options) };

static void report_file(struct report *r, const struct extract_file *f)
{
	report_row(r, true);
	report_text(r, "path", f->path);
	report_text(r, "reference", f->reference);
	report_digest(r, "digest", &f->digest);
	report_bytes(r, "size", f->size);
	report_end(r);
}

static int report(const struct tool *t, const struct view_set *s, const struct extract_files *f,
	const char *to, struct err *e)
{
	static const struct report_column columns[] = { { "path", "FILE" },
		{ "reference", "REFERENCE" }, { "digest", "DIGEST" }, { "size", "SIZE" } };
	AUTO(report_release) struct report r = REPORT_INIT(t);
	char size[SIZE_TEXT_SIZE];

	report_object(&r, NULL);
	report_text(&r, "set", s->info.name);
	report_text(&r, "version", s->info.version);
	report_digest(&r, "digest", &s->info.digest);
	report_text(&r, "to", to);
	report_number(&r, "bytes", extract_bytes(f));
	report_table(&r, "files", columns, ARRAY_SIZE(columns), true);
	for (size_t i = 0; i < f->count; i++)
		report_file(&r, &f->items[i]);
	report_end(&r);
	report_line(&r, "%s: %zu %s of %s:%s, %s", to, f->count, f->count == 1 ? "file" : "files",
		s->info.name, s->info.version, size_text(extract_bytes(f), size));
	report_end(&r);
	return report_print(&r, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct extract_options *o = given;
	const struct texts globs = { .items = args->items + 1, .count = args->count - 1 };
	AUTO(operand_release) struct operand set = OPERAND_INIT;
	AUTO(extract_files_release) struct extract_files files = EXTRACT_FILES_INIT;
	struct texts medium = { .items = &set.what, .count = 1 };
	int rc;

	if (!args->count)
		return tool_usage(e, "extract needs a set");
	if (!o->to)
		return tool_usage(e, "--to is needed: a new folder");
	rc = operand_open(t, &o->from, args->items[0], &set, e);
	if (rc < 0)
		return rc;
	if (operand_need_set(&set, e) < 0 ||
		extract_choose(&set.view, set.sets[0], &globs, &files, e) < 0 ||
		extract_write(&files, set.store, o->from.count ? &o->from : &medium, o->to, e) < 0)
		return -1;
	return report(t, set.sets[0], &files, o->to, e);
}

const struct command cmd_extract = {
	.name = "extract",
	.args = "[--store DIR | --from MEDIUM...] --to DIR SET [FILE...]",
	.summary = "take the files of a set out, byte for byte, into a new folder",
	.about = "SET is a set of the store, a store, a medium or what set:, store: or medium: in "
		 "front says.\n"
		 "FILE is a glob over names as the list has them (cni/plugins:v1.9.1), over file "
		 "names,\n"
		 "and over paths in the folder; without one every file is taken, moat.yaml and\n"
		 "moat.lock too. Each is compared with its digest. Signatures are not looked at:\n"
		 "`moat verify` does that.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct extract_options),
	.run = run,
};
