/* `moat rollback`: an earlier version of a set -> what is served again. Must never go forward, nor need a medium. */
#include "mirror-tool/switch.h"
#include "storage/base/banned.h"

#define ROLLBACK_OPTIONS(OPTION, S)                                                                \
	OPTION(S, TEXT, to, "to", "VERSION", NULL, "to this accepted version")                     \
	OPTION(S, TEXTS, take, "take", "SET", NULL,                                                \
		"take tags that this active set pins to something else; repeatable")               \
	OPTION(S, FLAG, dry_run, "dry-run", NULL, NULL, "only say what would change")
struct rollback_options {
	ROLLBACK_OPTIONS(SETTING_FIELD, rollback_options)
};
static const struct setting options[] = { ROLLBACK_OPTIONS(SETTING_ROW, rollback_options) };

/* One run. */
struct going_back {
	struct switching words;
	const char *name;
	const struct rollback_options *options;
};

static void going_back_release(struct going_back *g)
{
	switch_release(&g->words);
}

static void tell(void *ctx, const struct set_changes *c)
{
	struct switching *w = ctx;
	char text[CLOCK_TEXT_SIZE];

	if (switch_expired(&w->info))
		tool_warn("set %s %s expired at %s", w->info.name, w->info.version,
			clock_text(w->info.expires, text));
	switch_tell(w, c);
}

static int go_back(void *ctx, struct store *s, struct err *e)
{
	struct going_back *g = ctx;
	const struct rollback_options *o = g->options;
	struct set_offer how = { .dry = o->dry_run,
		.take = o->take.items,
		.take_count = o->take.count,
		.tell = tell,
		.ctx = &g->words };

	return set_rollback(s, g->name, o->to, &how, &g->words.info, NULL, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct rollback_options *o = given;
	AUTO(going_back_release) struct going_back g = { .words = SWITCH_INIT(t), .options = o };
	struct switch_run run = { "rollback", NULL, NULL, go_back, &g };

	if (args->count != 1 || strchr(args->items[0], ':'))
		return tool_usage(e, "the name of one set is needed; a version is named by --to");
	run.name = g.name = args->items[0];
	g.words.dry = o->dry_run;
	return switch_run(&g.words, t, &run, e);
}

const struct command cmd_rollback = {
	.name = "rollback",
	.args = "[--to VERSION] [--take SET]... [--dry-run] NAME",
	.summary = "serve again what was active before",
	.about = "The same switch back, without the medium; again goes one further back. What was "
		 "taken\n"
		 "from other sets then is taken again. An expired version comes back with a "
		 "warning.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct rollback_options),
	.run = run,
};
