/* `moat activate`: an accepted set -> what is served under its tags. Must never accept one, nor go back. */
#include "mirror-tool/switch.h"
#include "mirror-tool/tool_audit.h"
#include "storage/base/banned.h"

#define ACTIVATE_OPTIONS(OPTION, S)                                                                \
	OPTION(S, TEXTS, take, "take", "SET", NULL,                                                \
		"take tags that this active set pins to something else; repeatable")               \
	OPTION(S, FLAG, allow_older, "allow-older", NULL, NULL,                                    \
		"also a version older than one that was active or removed; needs --yes")           \
	OPTION(S, FLAG, allow_expired, "allow-expired", NULL, NULL,                                \
		"also a set that has expired; needs --yes")                                        \
	OPTION(S, FLAG, yes, "yes", NULL, NULL,                                                    \
		"with --allow-older, --allow-expired: that is meant")                              \
	OPTION(S, FLAG, dry_run, "dry-run", NULL, NULL, "only say what would change")
struct activate_options {
	ACTIVATE_OPTIONS(SETTING_FIELD, activate_options)
};
static const struct setting options[] = { ACTIVATE_OPTIONS(SETTING_ROW, activate_options) };

/* One run. */
struct activating {
	struct switching words;
	const char *which; /* set */
	const struct activate_options *options;
};

static void activating_release(struct activating *a)
{
	switch_release(&a->words);
}

static int check_expiry(const struct activating *a, struct err *e)
{
	const struct set_info *info = &a->words.info;
	char text[CLOCK_TEXT_SIZE];

	if (!switch_expired(info) || (info->active && !a->options->allow_expired))
		return 0;
	clock_text(info->expires, text);
	if (!a->options->allow_expired)
		return err_set(e, ERR_UNTRUSTED,
			"set %s %s expired at %s: import a newer version; if it is meant anyway, "
			"--allow-expired --yes",
			info->name, info->version, text);
	tool_warn("set %s %s expired at %s", info->name, info->version, text);
	return 0;
}

static int activate(void *ctx, struct store *s, struct err *e)
{
	struct activating *a = ctx;
	const struct activate_options *o = a->options;
	struct set_offer offer = { .digest = &a->words.info.digest,
		.dry = o->dry_run,
		.older = o->allow_older,
		.take = o->take.items,
		.take_count = o->take.count,
		.tell = switch_tell,
		.ctx = &a->words };

	if (switch_find(s, a->which, &a->words.info, e) < 0 || check_expiry(a, e) < 0)
		return -1;
	return set_activate(s, &offer, NULL, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct activate_options *o = given;
	AUTO(activating_release) struct activating a = { .words = SWITCH_INIT(t), .options = o };
	const char *override = tool_audit_override(o->allow_older, o->allow_expired);
	const struct log_field facts[] = { { override ? "override" : NULL, override, 0 },
		{ NULL, NULL, 0 } };
	struct switch_run run = { "activate", NULL, facts, activate, &a };

	if (args->count != 1)
		return tool_usage(e, "one set is needed: NAME or NAME:VERSION");
	if ((o->allow_older || o->allow_expired) != o->yes)
		return tool_usage(
			e, "--yes and one of --allow-older, --allow-expired need each other");
	run.name = a.which = args->items[0];
	a.words.dry = o->dry_run;
	return switch_run(&a.words, t, &run, e);
}

const struct command cmd_activate = {
	.name = "activate",
	.args = "[--take SET]... [--allow-older] [--allow-expired] [--yes] [--dry-run] "
		"NAME[:VERSION]",
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
