/* `moat deactivate`: a set's name -> none of its versions is served. Must never forget one. */
#include "mirror-tool/switch.h"
#include "storage/base/banned.h"

#define DEACTIVATE_OPTIONS(OPTION, S)                                                              \
	OPTION(S, FLAG, dry_run, "dry-run", NULL, NULL, "only say what would change")
struct deactivate_options {
	DEACTIVATE_OPTIONS(SETTING_FIELD, deactivate_options)
};
static const struct setting options[] = { DEACTIVATE_OPTIONS(SETTING_ROW, deactivate_options) };

/* One run. */
struct deactivating {
	struct switching words;
	const char *name;
};

static void deactivating_release(struct deactivating *d)
{
	switch_release(&d->words);
}

static int deactivate(void *ctx, struct store *s, struct err *e)
{
	struct deactivating *d = ctx;
	struct set_offer how = { .dry = d->words.dry, .tell = switch_tell, .ctx = &d->words };

	return set_deactivate(s, d->name, &how, &d->words.info, NULL, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct deactivate_options *o = given;
	AUTO(deactivating_release) struct deactivating d = { .words = SWITCH_INIT(t) };
	struct switch_run run = { "deactivate", NULL, NULL, deactivate, &d };

	if (args->count != 1 || strchr(args->items[0], ':'))
		return tool_usage(e, "the name of one set is needed");
	run.name = d.name = args->items[0];
	d.words.dry = o->dry_run;
	d.words.off = true;
	return switch_run(&d.words, t, &run, e);
}

const struct command cmd_deactivate = {
	.name = "deactivate",
	.args = "[--dry-run] NAME",
	.summary = "serve no version of a set",
	.about = "Its versions stay accepted. `moat rollback NAME` serves again what was active.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct deactivate_options),
	.run = run,
};
