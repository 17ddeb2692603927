/* Changes and conflicts of tags, for people and as JSON. Decides nothing. */
#include "mirror-tool/changes.h"

#include <inttypes.h>
#include <stdio.h>

#include "storage/base/banned.h"

#define LINES_MAX 10

static bool is_none(const struct tag_owner *o)
{
	return o->digest.alg == DIGEST_NONE;
}

/* --- words ----------------------------------------------------------------------------------- */

/* "sha256:0123456789ab (platform 1)" */
static void add_owner(struct buf *out, const struct tag_owner *o)
{
	char digest[DIGEST_TEXT_SIZE];

	if (is_none(o)) {
		buf_str(out, "nothing");
		return;
	}
	digest_short(&o->digest, digest);
	if (*o->set)
		buf_printf(out, "%s (%s %s)", digest, o->set, o->version);
	else
		buf_printf(out, "%s (pushed)", digest);
}

static void note_tag(const struct tool *t, const struct tag_change *change)
{
	AUTO(buf_release) struct buf line = BUF_INIT;

	add_owner(&line, &change->from);
	buf_str(&line, " -> ");
	add_owner(&line, &change->to);
	tool_note(t, "  %s: %s", change->name, line.data);
}

static void add_count(struct buf *out, uint64_t count, const char *what)
{
	if (count)
		buf_printf(out, "%s%" PRIu64 " %s", out->len ? ", " : "", count, what);
}

/* Call it for each set that it needs consent of, once. */
static void each_refused(
	const struct set_changes *c, void (*fn)(void *ctx, const char *set), void *ctx)
{
	for (size_t i = 0; i < c->count; i++) {
		bool again = !c->items[i].refused;

		for (size_t k = 0; k < i && !again; k++)
			again = c->items[k].refused &&
				strcmp(c->items[k].from.set, c->items[i].from.set) == 0;
		if (!again)
			fn(ctx, c->items[i].from.set);
	}
}

static void add_option(void *ctx, const char *set)
{
	struct buf *out = ctx;

	buf_printf(out, "%s--take %s", out->len ? " " : "", set);
}

void changes_options(const struct set_changes *c, struct buf *out)
{
	each_refused(c, add_option, out);
}

static void note_refused(const struct tool *t, const struct set_changes *c)
{
	AUTO(buf_release) struct buf options = BUF_INIT;

	if (!c->refused)
		return;
	changes_options(c, &options);
	tool_note(t,
		"  %" PRIu64
		" tag%s that another active set pins to something else: activating needs %s",
		c->refused, c->refused == 1 ? "" : "s", options.data);
}

void changes_note(
	const struct tool *t, const char *name, const char *version, const struct set_changes *c)
{
	AUTO(buf_release) struct buf line = BUF_INIT;

	add_count(&line, c->added, "new");
	add_count(&line, c->moved, "moved");
	add_count(&line, c->gone, "gone");
	add_count(&line, c->owner, "with another owner");
	add_count(&line, c->same, "as before");
	tool_note(t, "set %s %s: tags: %s", name, version, line.len ? line.data : "none");
	if (c->gap)
		tool_note(t,
			"  it does not follow the newest set of its name here: a version between "
			"them was not imported");
	note_refused(t, c);
	for (size_t i = 0; i < c->count && i < LINES_MAX; i++)
		note_tag(t, &c->items[i]);
	if (c->count > LINES_MAX)
		tool_note(t, "  ... and %zu more; --json lists them", c->count - LINES_MAX);
}

/* --- JSON ------------------------------------------------------------------------------------ */

static const char *kind_of(const struct tag_change *change)
{
	if (is_none(&change->to))
		return "gone";
	return strcmp(change->from.set, change->to.set) == 0 ? "moved" : "owner";
}

static void report_owner(struct report *r, const char *key, const struct tag_owner *o)
{
	report_object(r, key);
	report_digest(r, "digest", &o->digest);
	report_text(r, "set", o->set);
	report_text(r, "version", o->version);
	report_end(r);
}

static void report_change(struct report *r, const struct tag_change *change)
{
	report_object(r, NULL);
	report_text(r, "reference", change->name);
	report_text(r, "change", kind_of(change));
	report_owner(r, "from", &change->from);
	report_owner(r, "to", &change->to);
	report_end(r);
}

static void report_set(void *ctx, const char *set)
{
	report_text(ctx, NULL, set);
}

void changes_report_needs(struct report *r, const struct set_changes *c)
{
	report_array(r, "needs");
	each_refused(c, report_set, r);
	report_end(r);
}

void changes_report(struct report *r, const struct set_changes *c)
{
	report_object(r, "changes");
	report_number(r, "new", c->added);
	report_number(r, "moved", c->moved);
	report_number(r, "gone", c->gone);
	report_number(r, "owner", c->owner);
	report_number(r, "taken", c->taken);
	report_number(r, "same", c->same);
	report_end(r);
	report_flag(r, "gap", c->gap);
	report_array(r, "tags");
	for (size_t i = 0; i < c->count; i++)
		report_change(r, &c->items[i]);
	report_end(r);
}

/* --- conflicts ------------------------------------------------------------------------------- */

struct first_conflict {
	size_t count;
	struct buf text;
};

static void first_release(struct first_conflict *f)
{
	buf_release(&f->text);
}

static int count_conflict(void *ctx, const struct tag_conflict *c, struct err *e)
{
	struct first_conflict *f = ctx;

	(void)e;
	if (f->count++)
		return 0;
	buf_printf(&f->text, "%s:%s: ", c->repo, c->tag);
	add_owner(&f->text, &c->served);
	buf_str(&f->text, " is served, not ");
	add_owner(&f->text, &c->other);
	return 0;
}

int conflicts_note(struct store *s, struct err *e)
{
	AUTO(first_release) struct first_conflict f = { 0, BUF_INIT };

	if (list_conflicts(s, count_conflict, &f, e) < 0)
		return -1;
	if (f.count)
		tool_warn("%zu pin%s not served, as another active set pins the tag to something "
			  "else and was activated later; %s",
			f.count, f.count == 1 ? " is" : "s are", f.text.data);
	return 0;
}

struct conflicts_of {
	const char *set; /* NULL: of all */
	struct report *report;
};

static int report_conflict(void *ctx, const struct tag_conflict *c, struct err *e)
{
	const struct conflicts_of *of = ctx;
	AUTO(mem_free) char *reference = mem_printf("%s:%s", c->repo, c->tag);

	(void)e;
	if (of->set && strcmp(of->set, c->served.set) != 0 && strcmp(of->set, c->other.set) != 0)
		return 0;
	report_object(of->report, NULL);
	report_text(of->report, "reference", reference);
	report_owner(of->report, "served", &c->served);
	report_owner(of->report, "other", &c->other);
	report_end(of->report);
	return 0;
}

int conflicts_report(struct report *r, struct store *s, const char *set, struct err *e)
{
	struct conflicts_of of = { set, r };

	report_array(r, "conflicts");
	if (s && list_conflicts(s, report_conflict, &of, e) < 0)
		return -1;
	report_end(r);
	return 0;
}
