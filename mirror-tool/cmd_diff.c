/* `moat diff`: two of sets, stores, media and locks -> what differs between them. Must never write. */
#include "mirror-tool/compare/compare.h"
#include "mirror-tool/report.h"
#include "mirror-tool/tool.h"
#include "storage/base/banned.h"

#define DIFF_OPTIONS(OPTION, S)                                                                    \
	OPTION(S, TEXTS, keys, "key", "PUB", NULL,                                                 \
		"verify the signature of a medium by this public key; repeatable")
struct diff_options {
	DIFF_OPTIONS(SETTING_FIELD, diff_options)
};
static const struct setting options[] = { DIFF_OPTIONS(SETTING_ROW, diff_options) };

/* One run. */
struct comparing {
	struct operand operands[2];
	struct side sides[2];
	struct comparison found;
};

static void comparing_release(struct comparing *c)
{
	comparison_release(&c->found);
	for (size_t i = 0; i < 2; i++) {
		side_release(&c->sides[i]);
		operand_release(&c->operands[i]);
	}
}

static int compare(struct comparing *c, const struct tool *t, const struct diff_options *o,
	const struct texts *args, struct err *e)
{
	for (size_t i = 0; i < 2; i++)
		if (operand_open(t, NULL, args->items[i], &c->operands[i], e) < 0 ||
			side_fill(&c->sides[i], &c->operands[i], &o->keys, e) < 0)
			return -1;
	return compare_sides(&c->found, &c->sides[0], &c->sides[1], e);
}

/* --- the two sides --------------------------------------------------------------------------- */

/* Add "platform 2026.11" of each set, or the name of a lock. */
static void add_sets(const struct operand *o, struct buf *out)
{
	for (size_t i = 0; i < o->count; i++)
		buf_printf(out, "%s%s %s", i ? ", " : "", o->sets[i]->info.name,
			o->sets[i]->info.version);
	if (o->kind == OPERAND_LOCK)
		buf_printf(
			out, "%s%s%s", o->lock.name, *o->lock.version ? " " : "", o->lock.version);
}

static void say_signers(struct report *r, const struct side *s, struct buf *line)
{
	char short_text[DIGEST_TEXT_SIZE], hex[DIGEST_HEX_SIZE];

	report_array(r, "signers");
	for (size_t i = 0; i < s->signers.count; i++) {
		const struct digest *id = verify_key_id(s->signers.keys[i]);

		report_text(r, NULL, digest_hex(id, hex));
		buf_printf(
			line, "%s%s", i ? ", " : ", signed by key ", digest_short(id, short_text));
	}
	report_end(r);
	report_flag(r, "verified", s->verified);
	if (s->from->kind == OPERAND_MEDIUM && !s->verified)
		buf_str(line, ": it says so of itself, not verified");
}

static void say_side(struct report *r, const char *key, const char *label, const struct side *s)
{
	const struct operand *o = s->from;
	AUTO(buf_release) struct buf sets = BUF_INIT, line = BUF_INIT;
	uint64_t bytes = inventory_bytes(&s->held);
	char size[SIZE_TEXT_SIZE];

	add_sets(o, &sets);
	report_object(r, key);
	report_text(r, "operand", o->word);
	report_text(r, "kind", operand_name(o->kind));
	report_text(r, "chosen", o->chosen);
	report_array(r, "sets");
	for (size_t i = 0; i < o->count; i++) {
		report_object(r, NULL);
		report_text(r, "set", o->sets[i]->info.name);
		report_text(r, "version", o->sets[i]->info.version);
		report_digest(r, "digest", &o->sets[i]->info.digest);
		report_end(r);
	}
	report_end(r);
	report_number(r, "references", s->references);
	report_number(r, "bytes", bytes);
	buf_printf(&line, "%s%s%s: %s%s%s, %zu reference%s", operand_name(o->kind),
		o->kind == OPERAND_SET ? "" : " ", o->kind == OPERAND_SET ? "" : o->what, sets.data,
		*o->chosen ? ", which is " : "", o->chosen, s->references,
		s->references == 1 ? "" : "s");
	if (s->has_inventory)
		buf_printf(&line, ", %s", size_text(bytes, size));
	say_signers(r, s, &line);
	report_line(r, "%s  %s", label, line.data);
	report_end(r);
}

/* --- what differs ---------------------------------------------------------------------------- */

static const char *kind_name(const struct set_entry *entry)
{
	switch (view_kind_of(entry)) {
	case VIEW_IMAGE:
		return "image";
	case VIEW_FILE:
		return "file";
	case VIEW_ATTACHED:
	case VIEW_OWN:
		break;
	}
	return "attached";
}

static const struct report_column added_columns[] = {
	{ "reference", "ADDED" },
	{ "kind", "KIND" },
	{ "digest", "DIGEST" },
};
static const struct report_column removed_columns[] = {
	{ "reference", "REMOVED" },
	{ "kind", "KIND" },
	{ "digest", "DIGEST" },
};
static const struct report_column moved_columns[] = {
	{ "reference", "MOVED" },
	{ "kind", "KIND" },
	{ "from", "FROM" },
	{ "to", "TO" },
};

static void say_reference(struct report *r, const struct set_entry *entry)
{
	char reference[REF_TEXT_SIZE];

	report_row(r, true);
	report_text(r, "reference", view_reference(entry, reference));
	report_text(r, "kind", kind_name(entry));
}

static void say_alone(struct report *r, const struct comparison *c, bool added)
{
	report_table(r, added ? "added" : "removed", added ? added_columns : removed_columns,
		ARRAY_SIZE(added_columns), false);
	for (size_t i = 0; i < c->count; i++) {
		const struct difference *d = &c->changes[i];
		const struct set_entry *entry = added ? d->b : d->a;

		if (d->a && d->b)
			continue;
		if (!entry)
			continue;
		say_reference(r, entry);
		report_digest(r, "digest", &entry->digest);
		report_end(r);
	}
	report_end(r);
}

static void say_moved(struct report *r, const struct comparison *c)
{
	report_table(r, "moved", moved_columns, ARRAY_SIZE(moved_columns), false);
	for (size_t i = 0; i < c->count; i++) {
		const struct difference *d = &c->changes[i];

		if (!d->a || !d->b)
			continue;
		say_reference(r, d->b);
		report_digest(r, "from", &d->a->digest);
		report_digest(r, "to", &d->b->digest);
		report_end(r);
	}
	report_end(r);
}

static const struct report_column platforms_columns[] = {
	{ "reference", "PLATFORMS OF" },
	{ "added", "ADDED" },
	{ "removed", "REMOVED" },
};
static const struct report_column files_columns[] = {
	{ "file", "FILE" },
	{ "platform", "PLATFORM" },
	{ "reference", "OF" },
	{ "from", "FROM" },
	{ "to", "TO" },
	{ "size", "SIZE" },
};

static void say_platforms(struct report *r, const struct comparison *c)
{
	char reference[REF_TEXT_SIZE];

	report_table(r, "platforms", platforms_columns, ARRAY_SIZE(platforms_columns), false);
	for (size_t i = 0; i < c->platforms_count; i++) {
		const struct platforms_change *p = &c->platforms[i];

		report_row(r, true);
		report_text(r, "reference", view_reference(p->entry, reference));
		report_words(r, "added", p->added, ' ');
		report_words(r, "removed", p->removed, ' ');
		report_end(r);
	}
	report_end(r);
}

static void say_files(struct report *r, const struct comparison *c)
{
	char reference[REF_TEXT_SIZE];

	report_table(r, "files", files_columns, ARRAY_SIZE(files_columns), false);
	for (size_t i = 0; i < c->files_count; i++) {
		const struct file_change *f = &c->files[i];

		report_row(r, true);
		report_text(r, "file", f->file.title);
		report_text(r, "platform", f->file.platform);
		report_text(r, "reference", view_reference(f->entry, reference));
		report_digest(r, "from", &f->from);
		report_digest(r, "to", &f->to);
		report_bytes(r, "size", f->file.size);
		report_end(r);
	}
	report_end(r);
}

static void say_amount(struct report *r, const char *key, const struct amount *sum)
{
	report_object(r, key);
	report_number(r, "blobs", sum->blobs);
	report_number(r, "bytes", sum->bytes);
	report_end(r);
}

static void say_blobs(struct report *r, const struct comparison *c)
{
	char fresh[SIZE_TEXT_SIZE], gone[SIZE_TEXT_SIZE], shared[SIZE_TEXT_SIZE];

	report_flag(r, "counted", c->counted);
	say_amount(r, "new", &c->fresh);
	say_amount(r, "gone", &c->gone);
	say_amount(r, "shared", &c->shared);
	if (c->counted)
		report_line(r, "blobs: %s in %zu new in B, %s in %zu gone, %s in %zu shared",
			size_text(c->fresh.bytes, fresh), c->fresh.blobs,
			size_text(c->gone.bytes, gone), c->gone.blobs,
			size_text(c->shared.bytes, shared), c->shared.blobs);
	else
		report_line(r, "blobs: not compared, a lock has no inventory");
}

static int report(const struct tool *t, const struct comparison *c, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(t);

	report_object(&r, NULL);
	say_side(&r, "a", "A", c->a);
	say_side(&r, "b", "B", c->b);
	report_flag(&r, "equal", comparison_is_equal(c));
	report_number(&r, "same", c->same);
	say_alone(&r, c, true);
	say_alone(&r, c, false);
	say_moved(&r, c);
	say_platforms(&r, c);
	say_files(&r, c);
	report_line(&r, "references: %zu added, %zu removed, %zu moved, %zu the same", c->added,
		c->removed, c->moved, c->same);
	say_blobs(&r, c);
	report_end(&r);
	return report_print(&r, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	AUTO(comparing_release)
	struct comparing c = { .operands = { OPERAND_INIT, OPERAND_INIT },
		.sides = { SIDE_INIT, SIDE_INIT },
		.found = COMPARISON_INIT };

	if (args->count != 2)
		return tool_usage(e, "diff takes two of sets, stores, media and locks");
	if (compare(&c, t, given, args, e) < 0 || report(t, &c.found, e) < 0)
		return -1;
	if (comparison_is_equal(&c.found))
		return 0;
	return err_set(e, ERR_DIFFERS, "%s and %s differ", args->items[0], args->items[1]);
}

const struct command cmd_diff = {
	.name = "diff",
	.args = "[--store DIR] [--key PUB]... A B",
	.summary = "what differs between two sets, stores, media or locks",
	.about =
		"A and B are each a set of the store (NAME, NAME:VERSION or a digest), the folder\n"
		"of a store, which is its active sets, a medium, or a lock. A path that exists is\n"
		"what is found there; set:, store:, medium: or lock: in front says which is "
		"meant.\n"
		"Nothing is verified but the signature of a medium by --key. The exit status is 0\n"
		"when they are equal, and 10 when they differ.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct diff_options),
	.run = run,
};
