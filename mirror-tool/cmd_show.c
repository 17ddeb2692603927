/* `moat show`: a store or a medium -> all about one set or one reference. Must never write. */
#include "mirror-tool/show/show.h"
#include "mirror-tool/view/operand.h"
#include "storage/base/banned.h"

#define SHOW_OPTIONS(OPTION, S)                                                                    \
	OPTION(S, TEXTS, from, "from", "MEDIUM", NULL,                                             \
		"a folder or volume file instead of the store; may be repeated")                   \
	OPTION(S, TEXTS, keys, "key", "PUB", NULL,                                                 \
		"verify the signatures of a set by this public key; repeatable "                   \
		"(default: " TRUST_DIR "/*.pub)")
struct show_options {
	SHOW_OPTIONS(SETTING_FIELD, show_options)
};
static const struct setting options[] = { SHOW_OPTIONS(SETTING_ROW, show_options) };

/* A set by itself, or a lock. */
static int show_operand(struct page *page, struct operand *o, struct err *e)
{
	if (o->kind == OPERAND_LOCK) {
		show_lock(page->report, &o->lock);
		return 0;
	}
	return operand_need_set(o, e) < 0 ? -1 : show_set(page, o->sets[0], e);
}

/* A reference of what was named in front. */
static int show_within(struct page *page, struct operand *o, const char *which, struct err *e)
{
	if (o->kind == OPERAND_LOCK)
		return operand_need_set(o, e);
	page->sets_only = o->kind == OPERAND_SET;
	if (page->sets_only)
		operand_narrow(o);
	return show_meant(page, which, e);
}

/* Without a key, given or there, signatures are told and not verified. */
static int load_trust(struct trust *trust, const struct texts *keys, struct err *e)
{
	struct err why = ERR_INIT;

	if (trust_load(trust, keys->items, keys->count, &why) == 0)
		return 1;
	if (why.code == ERR_UNTRUSTED)
		return 0;
	*e = why;
	return -1;
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct show_options *o = given;
	bool named = args->count == 2 || (args->count == 1 && operand_is_named(args->items[0]));
	AUTO(operand_release) struct operand where = OPERAND_INIT;
	AUTO(report_release) struct report report = REPORT_INIT(t);
	AUTO(trust_release) struct trust trust = TRUST_INIT;
	struct page page = { .view = &where.view, .report = &report };
	int rc;

	if (args->count != 1 && args->count != 2)
		return tool_usage(e, "show takes one set or reference, and where to look in front");
	rc = operand_open(t, &o->from, named ? args->items[0] : NULL, &where, e);
	if (rc < 0)
		return rc;
	rc = load_trust(&trust, &o->keys, e);
	if (rc < 0)
		return -1;
	page.trust = rc > 0 ? &trust : NULL;
	report_object(&report, NULL);
	rc = !named             ? show_meant(&page, args->items[0], e)
	     : args->count == 2 ? show_within(&page, &where, args->items[1], e)
				: show_operand(&page, &where, e);
	if (rc < 0)
		return -1;
	report_end(&report);
	return report_print(&report, e);
}

const struct command cmd_show = {
	.name = "show",
	.args = "[--store DIR | --from MEDIUM...] SET|[WHERE] REF",
	.summary = "everything about one set or one reference",
	.about = "SET is NAME, NAME:VERSION or a digest, a store, a medium or a lock; set:, "
		 "store:, medium:\n"
		 "or lock: in front says which. WHERE is one of these. Of a reference: what moatd "
		 "serves under "
		 "it\n"
		 "and which set owns it, its platforms, held or not, layers, and what is attached\n"
		 "to it. Nothing is verified: `moat verify` does that.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct show_options),
	.run = run,
};
