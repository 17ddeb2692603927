/* Changes and conflicts of tags, for people and as JSON. Decides nothing. */
#include "mirror-tool/changes.h"

#include <inttypes.h>
#include <stdio.h>

#include "mirror-tool/json_out.h"
#include "storage/base/tree.h"
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
	digest_text(&o->digest, digest);
	digest[strlen(digest_alg_name(o->digest.alg)) + 1 + 12] = '\0';
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

void changes_note(const struct tool *t, const struct set *s, const struct set_changes *c)
{
	AUTO(buf_release) struct buf line = BUF_INIT;

	add_count(&line, c->added, "new");
	add_count(&line, c->moved, "moved");
	add_count(&line, c->gone, "gone");
	add_count(&line, c->owner, "with another owner");
	add_count(&line, c->same, "as before");
	tool_note(t, "set %s %s: tags: %s", s->name, s->version, line.len ? line.data : "none");
	if (c->gap)
		tool_note(t,
			"  it does not follow the newest set of its name here: one between was "
			"not imported");
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

static void json_owner(struct buf *out, const char *key, const struct tag_owner *o)
{
	char digest[DIGEST_TEXT_SIZE] = "";

	if (!is_none(o))
		digest_text(&o->digest, digest);
	json_key(out, key);
	buf_char(out, '{');
	json_pair(out, "digest", digest);
	json_pair(out, "set", o->set);
	json_pair(out, "version", o->version);
	buf_char(out, '}');
}

void changes_json(struct buf *out, const struct set_changes *c)
{
	json_key(out, "changes");
	buf_char(out, '{');
	json_number(out, "new", c->added);
	json_number(out, "moved", c->moved);
	json_number(out, "gone", c->gone);
	json_number(out, "owner", c->owner);
	json_number(out, "taken", c->taken);
	json_number(out, "same", c->same);
	buf_char(out, '}');
	json_flag(out, "gap", c->gap);
	json_key(out, "tags");
	buf_char(out, '[');
	for (size_t i = 0; i < c->count; i++) {
		json_comma(out);
		buf_char(out, '{');
		json_pair(out, "reference", c->items[i].name);
		json_pair(out, "change", kind_of(&c->items[i]));
		json_owner(out, "from", &c->items[i].from);
		json_owner(out, "to", &c->items[i].to);
		buf_char(out, '}');
	}
	buf_char(out, ']');
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
	struct buf *out;
};

static int json_conflict(void *ctx, const struct tag_conflict *c, struct err *e)
{
	const struct conflicts_of *of = ctx;
	AUTO(mem_free) char *reference = mem_printf("%s:%s", c->repo, c->tag);

	(void)e;
	if (of->set && strcmp(of->set, c->served.set) != 0 && strcmp(of->set, c->other.set) != 0)
		return 0;
	json_comma(of->out);
	buf_char(of->out, '{');
	json_pair(of->out, "reference", reference);
	json_owner(of->out, "served", &c->served);
	json_owner(of->out, "other", &c->other);
	buf_char(of->out, '}');
	return 0;
}

int conflicts_json(struct store *s, const char *set, struct buf *out, struct err *e)
{
	struct conflicts_of of = { set, out };

	json_key(out, "conflicts");
	buf_char(out, '[');
	if (s && list_conflicts(s, json_conflict, &of, e) < 0)
		return -1;
	buf_char(out, ']');
	return 0;
}

void takes_json(struct buf *out, const struct set_info *info)
{
	json_key(out, "takes");
	buf_char(out, '[');
	for (struct span rest = span_of(info->takes); rest.len;) {
		struct span name = span_until(&rest, ',');
		AUTO(mem_free) char *text = mem_strndup(name.data, name.len);

		json_comma(out);
		json_quote(out, text, false);
	}
	buf_char(out, ']');
}
