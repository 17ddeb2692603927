/* `moat activate`: an accepted set -> what is served under its tags. Must never accept one. */
#include "mirror-tool/switch.h"
#include "mirror-tool/tool_audit.h"
#include "storage/base/banned.h"

#define ACTIVATE_OPTIONS(OPTION, S)                                                                \
	OPTION(S, TEXTS, take, "take", "SET", NULL,                                                \
		"take tags that this active set pins to something else; repeatable")               \
	OPTION(S, FLAG, dry_run, "dry-run", NULL, NULL, "only say what would change")
struct activate_options {
	ACTIVATE_OPTIONS(SETTING_FIELD, activate_options)
};
static const struct setting options[] = { ACTIVATE_OPTIONS(SETTING_ROW, activate_options) };

static int find(struct store *s, const char *which, struct set_info *out, struct err *e)
{
	int rc = set_find(s, which, out, e);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return err_set(e, ERR_ABSENT,
		"set %s is not accepted here: `moat import` brings it, `moat list` tells what is "
		"here",
		which);
}

/* One run. */
struct activating {
	struct switching words;
	struct store *store;
	struct set_info info; /* of the set */
	const struct activate_options *options;
};

static int activate(void *ctx, struct err *e)
{
	struct activating *a = ctx;
	const struct activate_options *o = a->options;
	struct set_offer offer = { .digest = &a->info.digest,
		.dry = o->dry_run,
		.take = o->take.items,
		.take_count = o->take.count,
		.tell = switch_tell,
		.ctx = &a->words };

	return set_activate(a->store, &offer, NULL, e);
}

static void activating_release(struct activating *a)
{
	switch_release(&a->words);
}

/* Do it on record; without one when nothing is done. */
static int switch_over(struct tool *t, struct activating *a, struct err *e)
{
	char digest[DIGEST_TEXT_SIZE];
	AUTO(mem_free) char *which = mem_printf("%s:%s", a->info.name, a->info.version);
	const struct log_field facts[] = { { "set", a->info.name, 0 },
		{ "version", a->info.version, 0 },
		{ "digest", digest_text(&a->info.digest, digest), 0 }, { NULL, NULL, 0 } };
	int rc = a->options->dry_run ? activate(a, e)
				     : tool_audited(t, "activate", facts, activate, a, e);

	return rc < 0 ? -1 : find(a->store, which, &a->info, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	AUTO(activating_release)
	struct activating a = { .words = SWITCH_INIT(t), .options = given };
	struct switch_result result = {
		.set = a.info.name, .now = &a.info, .dry = a.options->dry_run
	};

	if (args->count != 1)
		return tool_usage(e, "one set is needed: NAME or NAME:VERSION");
	if (tool_store_there(t, TOOL_STORE_MAKERS, e) < 0 ||
		(result.dry ? tool_store_read : tool_store_write)(t, &s, e) < 0 ||
		find(s, args->items[0], &a.info, e) < 0)
		return -1;
	a.store = s;
	a.words.name = a.info.name;
	a.words.version = a.info.version;
	if (switch_over(t, &a, e) < 0 || switch_report(&a.words, &result, e) < 0)
		return -1;
	return conflicts_note(s, e);
}

const struct command cmd_activate = {
	.name = "activate",
	.args = "[--take SET]... [--dry-run] NAME[:VERSION]",
	.summary = "make an accepted set what is served",
	.about = "Without VERSION it is the one that was accepted last. One transaction switches "
		 "all its\n"
		 "tags, and a running moatd serves them at once; what will change is said before. "
		 "A tag\n"
		 "that another active set pins to something else is taken only with --take SET.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct activate_options),
	.run = run,
};
