/* `moat remove`: forget an accepted version of a set. Must never touch one that is active, nor bytes. */
#include "mirror-tool/report.h"
#include "mirror-tool/switch.h"
#include "mirror-tool/tool_audit.h"
#include "storage/base/banned.h"

#define REMOVE_OPTIONS(OPTION, S) OPTION(S, FLAG, yes, "yes", NULL, NULL, "that is meant")
struct remove_options {
	REMOVE_OPTIONS(SETTING_FIELD, remove_options)
};
static const struct setting options[] = { REMOVE_OPTIONS(SETTING_ROW, remove_options) };

/* One run. */
struct removing {
	struct store *store;
	struct set_info info;
	size_t others; /* versions of its name */
};

static int count_other(void *ctx, const struct set_info *info, struct err *e)
{
	struct removing *r = ctx;

	(void)e;
	r->others +=
		strcmp(info->name, r->info.name) == 0 && !digest_eq(&info->digest, &r->info.digest);
	return 0;
}

static int forget(void *ctx, struct err *e)
{
	struct removing *r = ctx;

	return set_remove(r->store, &r->info.digest, e);
}

static int report(const struct tool *t, const struct removing *r, struct err *e)
{
	AUTO(report_release) struct report out = REPORT_INIT(t);
	char digest[DIGEST_TEXT_SIZE];

	report_object(&out, NULL);
	report_text(&out, "set", r->info.name);
	report_text(&out, "version", r->info.version);
	report_digest(&out, "digest", &r->info.digest);
	report_number(&out, "versions", r->others);
	report_line(&out, "%s %s %s: removed", r->info.name, r->info.version,
		digest_text(&r->info.digest, digest));
	report_end(&out);
	return report_print(&out, e);
}

static int remove_set(struct tool *t, struct removing *r, const char *which, struct err *e)
{
	char digest[DIGEST_TEXT_SIZE];
	struct log_field facts[] = { { "set", which, 0 }, { "version", r->info.version, 0 },
		{ "digest", digest, 0 }, { NULL, NULL, 0 } };

	if (switch_find(r->store, which, &r->info, e) < 0 ||
		list_sets(r->store, count_other, r, e) < 0)
		return -1;
	facts[0].text = r->info.name;
	digest_text(&r->info.digest, digest);
	if (tool_audited(t, "remove", facts, forget, r, e) < 0)
		return -1;
	tool_note(t, "its bytes stay until they are collected");
	if (!r->others)
		tool_note(t,
			"it was the last version of %s here: any trusted key that may sign that "
			"name "
			"may sign the next one, which may not be older",
			r->info.name);
	return report(t, r, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct remove_options *o = given;
	AUTO(store_close) struct store *s = NULL;
	struct removing r = { .others = 0 };

	if (args->count != 1 || !strchr(args->items[0], ':'))
		return tool_usage(e, "one version of a set is needed: NAME:VERSION");
	if (!o->yes)
		return tool_usage(e, "--yes is needed: only a medium brings it back");
	if (tool_store_there(t, TOOL_STORE_MAKERS, e) < 0 || tool_store_write(t, &s, e) < 0)
		return -1;
	r.store = s;
	return remove_set(t, &r, args->items[0], e);
}

const struct command cmd_remove = {
	.name = "remove",
	.args = "--yes NAME:VERSION",
	.summary = "forget an accepted version of a set",
	.about = "It must not be active. Its bytes stay until they are collected. An older version "
		 "than\n"
		 "the newest that was ever here is still not imported by accident.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct remove_options),
	.run = run,
};
