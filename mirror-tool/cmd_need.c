/*
 * `moat need`: a store, or a medium beside it -> a list of the blobs that lack, for `moat export --need`. Must never change
 * the store.
 */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "mirror-tool/media/contents.h"
#include "mirror-tool/media/medium.h"
#include "mirror-tool/receipt/need.h"
#include "mirror-tool/report.h"
#include "mirror-tool/sign/sign.h"
#include "mirror-tool/tool.h"
#include "mirror-tool/tool_audit.h"
#include "storage/base/clock.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define NEED_OPTIONS(OPTION, S)                                                                    \
	OPTION(S, TEXTS, media, "medium", "PATH", NULL,                                            \
		"a folder or volume: what neither it nor the store has; repeatable")               \
	OPTION(S, TEXTS, keys, "key", "PUB", NULL,                                                 \
		"trust this public key for the medium; repeatable (default: " TRUST_DIR "/*.pub)") \
	OPTION(S, TEXT, to, "to", "FILE", NULL, "write the list there (default: stdout)")
struct need_options {
	NEED_OPTIONS(SETTING_FIELD, need_options)
};
static const struct setting options[] = { NEED_OPTIONS(SETTING_ROW, need_options) };

/* One run. */
struct needing {
	struct tool *tool;
	const struct need_options *options;
	struct store *store; /* NULL: there is none yet */
	const char *which; /* "": every set */
	size_t sets; /* looked at */
	struct need need;
	struct inventory asked; /* sorted: blobs that a set before has asked for */
};

static void needing_release(struct needing *n)
{
	need_release(&n->need);
	inventory_release(&n->asked);
	store_close(&n->store);
}

/* --- what lacks ---------------------------------------------------------------------------------- */

/* Is the blob held? 1, 0, -1. */
static int is_held(struct needing *n, const struct digest *d, struct err *e)
{
	uint64_t size;

	return n->store ? blob_stat(n->store, d, &size, e) : 0;
}

/* Take over what a set needs; nothing when it needs nothing. Sets hold the same blobs: each is asked for once. */
static void take(struct needing *n, struct need_set *s)
{
	if (s->blobs.count == 0) {
		inventory_release(&s->blobs);
		n->need.count--;
		return;
	}
	for (size_t i = 0; i < s->blobs.count; i++)
		inventory_add(&n->asked, &s->blobs.lines[i].digest, s->blobs.lines[i].size);
	inventory_sort(&n->asked);
}

static int ask(
	struct needing *n, struct need_set *s, const struct inventory_line *line, struct err *e)
{
	int rc = inventory_find(&n->asked, &line->digest) ? 1 : is_held(n, &line->digest, e);

	if (rc == 0)
		inventory_add(&s->blobs, &line->digest, line->size);
	return rc < 0 ? -1 : 0;
}

static int need_of_set(void *ctx, const struct set_info *info, struct err *e)
{
	struct needing *n = ctx;
	AUTO(inventory_release) struct inventory v = INVENTORY_INIT;
	struct need_set *s;

	if (set_inventory(n->store, &info->digest, &v, e) < 0)
		return err_ctx(e,
			"what set %s %s needs cannot be told without its index and inventory, "
			"which "
			"an export of all of it brings",
			info->name, info->version);
	n->sets++;
	s = need_add(&n->need, info->name, info->version, &info->digest);
	for (size_t i = 0; i < v.count; i++)
		if (ask(n, s, &v.lines[i], e) < 0)
			return -1;
	take(n, s);
	return 0;
}

static int need_of_store(struct needing *n, struct err *e)
{
	struct set_info info;
	int rc;

	if (tool_store_read(n->tool, &n->store, e) < 0)
		return -1;
	if (!*n->which)
		return list_sets(n->store, need_of_set, n, e);
	rc = set_find(n->store, n->which, &info, e);
	if (rc == 0)
		return err_set(e, ERR_ABSENT, "the store has no set \"%s\"", n->which);
	return rc < 0 ? -1 : need_of_set(n, &info, e);
}

static int need_of_head(struct needing *n, const struct medium *m, struct err *e)
{
	const struct inventory *v = &m->head.inventory;
	struct need_set *s =
		need_add(&n->need, m->head.set.name, m->head.set.version, &m->head.digest);

	n->sets++;
	for (size_t i = 0; i < v->count; i++)
		if (!medium_has_line(m, i) && ask(n, s, &v->lines[i], e) < 0)
			return -1;
	take(n, s);
	return 0;
}

/* The store may be one that the import will make. */
static int need_of_medium(struct needing *n, struct err *e)
{
	const struct texts *paths = &n->options->media;
	AUTO(trust_release) struct trust trust = TRUST_INIT;
	AUTO(medium_release) struct medium m = { .trust = &trust, .now = clock_now() };

	if (tool_trust_load(&trust, &n->options->keys, e) < 0)
		return -1;
	if (tool_store_read(n->tool, &n->store, e) < 0) {
		if (e->code != ERR_ABSENT)
			return -1;
		err_clear(e);
	}
	m.documents = n->store;
	if (medium_read_heads(&m, paths->items, paths->count, e) < 0)
		return -1;
	return need_of_head(n, &m, e);
}

/* --- the list ------------------------------------------------------------------------------------ */

static int report(struct needing *n, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(n->tool);
	char text[SIZE_TEXT_SIZE];
	uint64_t bytes;
	size_t blobs = need_total(&n->need, &bytes);

	report_object(&r, NULL);
	report_number(&r, "sets", n->need.count);
	report_number(&r, "blobs", blobs);
	report_number(&r, "bytes", bytes);
	report_text(&r, "to", n->options->to);
	report_line(&r, "%s: %zu blob%s of %zu set%s, %s", n->options->to, blobs,
		blobs == 1 ? "" : "s", n->need.count, n->need.count == 1 ? "" : "s",
		size_text(bytes, text));
	report_end(&r);
	return report_print(&r, e);
}

static int print(struct needing *n, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	need_write(&n->need, &text);
	if (n->options->to)
		return fs_replace_file(AT_FDCWD, n->options->to, buf_span(&text), 0644, e) < 0
			       ? -1
			       : report(n, e);
	/* a list for a program, as it is in the file */
	fwrite(text.data, 1, text.len, n->tool->out);
	return 0;
}

static void tell(const struct needing *n)
{
	char text[SIZE_TEXT_SIZE];
	uint64_t bytes;
	size_t blobs = need_total(&n->need, &bytes);

	if (blobs == 0)
		tool_note(n->tool, "nothing is lacking of %zu set%s", n->sets,
			n->sets == 1 ? "" : "s");
	for (size_t i = 0; i < n->need.count; i++)
		tool_note(n->tool, "set %s %s lacks %zu blob%s (%s)", n->need.sets[i].name,
			n->need.sets[i].version, n->need.sets[i].blobs.count,
			n->need.sets[i].blobs.count == 1 ? "" : "s",
			size_text(inventory_bytes(&n->need.sets[i].blobs), text));
}

/* Write the list, and record that it was: what lacks is told to others. */
static int print_recorded(struct needing *n, struct err *e)
{
	AUTO(tool_audit_release) struct tool_audit log = TOOL_AUDIT_INIT;
	char blobs[24], bytes_text[24];
	uint64_t bytes;
	const struct log_field facts[] = { { "set", n->which, 0 }, { "blobs", blobs, 0 },
		{ "bytes", bytes_text, 0 }, { NULL, NULL, 0 } };

	snprintf(blobs, sizeof(blobs), "%zu", need_total(&n->need, &bytes));
	snprintf(bytes_text, sizeof(bytes_text), "%llu", (unsigned long long)bytes);
	if (!n->store) /* nor is there a log */
		return print(n, e);
	if (tool_audit_open_reader(&log, n->tool, "need", e) < 0)
		return -1;
	return tool_audit_end(&log, print(n, e), facts, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct need_options *o = given;
	AUTO(needing_release)
	struct needing n = { .tool = t,
		.options = o,
		.which = args->count ? args->items[0] : "",
		.need = NEED_INIT };

	if (args->count > 1)
		return tool_usage(e, "one set at a time, not \"%s\" as well", args->items[1]);
	if (args->count && o->media.count)
		return tool_usage(e, "--medium names the set, so \"%s\" is too much", n.which);
	if (o->keys.count && !o->media.count)
		return tool_usage(e, "--key is for --medium");
	if (t->json && !o->to)
		return tool_usage(e, "--json needs --to: the list itself is JSON, on stdout");
	if ((o->media.count ? need_of_medium : need_of_store)(&n, e) < 0)
		return -1;
	tell(&n);
	return print_recorded(&n, e);
}

const struct command cmd_need = {
	.name = "need",
	.args = "[SET | --medium PATH... [--key PUB]...] [--to FILE]",
	.summary = "list the blobs that a store lacks",
	.about = "Of a set of the store (of all without SET): blobs that are missing, cut or in\n"
		 "quarantine. Of a medium: what neither it nor the store has, as of a delta whose\n"
		 "base is damaged, or of volumes that were lost. `moat export --need FILE` writes\n"
		 "exactly these. The list is readable, and not signed: it can only ask for blobs\n"
		 "of sets that the other side exports anyway.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct need_options),
	.run = run,
};
