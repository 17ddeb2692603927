/*
 * What a set would change: its version against those that are held, each of its tags against what is
 * served. Must never write; set.c does, when this still holds.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define EXAMPLES_MAX 3 /* tags that an error names */
#define SHORT_DIGEST (7 + 12) /* bytes: "sha256:" and as much of the rest as people read */

void set_changes_release(struct set_changes *c)
{
	int saved = errno;

	for (size_t i = 0; i < c->count; i++)
		free(c->items[i].name);
	free(c->items);
	*c = (struct set_changes)SET_CHANGES_INIT;
	errno = saved;
}

static bool owner_eq(const struct tag_owner *a, const struct tag_owner *b)
{
	return strcmp(a->set, b->set) == 0 && strcmp(a->version, b->version) == 0 &&
	       digest_eq(&a->digest, &b->digest);
}

bool set_changes_eq(const struct set_changes *a, const struct set_changes *b)
{
	if (a->held != b->held || a->active != b->active || a->gap != b->gap ||
		a->activates != b->activates || a->way != b->way || a->added != b->added ||
		a->same != b->same || a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i].name, b->items[i].name) != 0 ||
			!owner_eq(&a->items[i].from, &b->items[i].from) ||
			!owner_eq(&a->items[i].to, &b->items[i].to))
			return false;
	return true;
}

struct comparison {
	const struct set *set;
	const struct set_offer *offer;
	struct set_changes *out;
	size_t versions; /* of that name, looked at */
	struct digest newest; /* of them, by acceptance */
	int64_t last_set; /* row: what is active, or was last; 0: nothing was */
	char last[SET_VERSION_MAX + 1]; /* its version, or "" */
	char removed[SET_VERSION_MAX + 1]; /* the newest that was removed, or "" */
	/* The tag at hand: what is served, and what would be without the sets of that name. */
	struct tag_owner now, without;
	bool has_now, has_without;
};

/* --- the version ----------------------------------------------------------------------------- */

static int refuse_older(const struct comparison *c, const char *held, struct err *e)
{
	const struct set *s = c->set;
	bool time = set_version_is_time(s->version) && !set_version_is_time(held);

	return err_set(e, ERR_UNTRUSTED,
		"set %s %s is older than version %s, which is here: %sseal it again with a newer "
		"version (their order: moat.yaml(5))%s",
		s->name, s->version, held,
		time ? "a version that is only a time comes before every other; " : "",
		c->offer->successor ? "" : "; if it is meant anyway, --allow-older --yes");
}

/* What is active, or was last. */
static int note_last(struct store *s, struct comparison *c, struct err *e)
{
	struct generation last;
	int rc = meta_generation_get(s->db, c->set->name, 0, &last, e);

	if (rc > 0) {
		c->last_set = last.set;
		c->out->generation = last.number;
	}
	return rc < 0 ? -1 : 0;
}

/* Newest first. */
static int note_version(void *ctx, const struct set_row *row, struct err *e)
{
	struct comparison *c = ctx;

	(void)e;
	if (c->versions++ == 0)
		c->newest = row->info.digest;
	if (row->id == c->last_set)
		memcpy(c->last, row->info.version, sizeof(c->last));
	c->out->was_active = c->out->was_active || row->info.active;
	if (digest_eq(&row->info.digest, c->offer->digest)) {
		c->out->held = true;
		c->out->active = row->info.active;
	}
	return 0;
}

static int compare_version(void *ctx, const struct set_row *row, struct err *e)
{
	struct comparison *c = ctx;
	const struct set *s = c->set;
	int order = set_version_cmp(s->version, row->info.version);

	if (order < 0 && !c->offer->older)
		return refuse_older(c, row->info.version, e);
	if (order == 0)
		return err_set(e, ERR_UNTRUSTED,
			"set %s %s is here already with other contents: the same version must be "
			"the same set",
			s->name, s->version);
	return 0;
}

/* Is it older than what is active, or was last? */
static bool is_before_last(const struct comparison *c)
{
	return *c->last && set_version_cmp(c->set->version, c->last) < 0;
}

/* A removed version may have been active: nothing tells any more, so it counts as if it was. */
static bool is_before_removed(const struct comparison *c)
{
	return *c->removed && set_version_cmp(c->set->version, c->removed) < 0;
}

/* Once it is accepted a rollback reaches it up to what was active last. */
static enum set_way way_of(const struct comparison *c)
{
	if (c->out->active || (!is_before_last(c) && !is_before_removed(c)))
		return SET_WAY_FORWARD;
	return *c->last && set_version_cmp(c->set->version, c->last) <= 0 ? SET_WAY_BACK
									  : SET_WAY_OLDER;
}

static int refuse_before_last(const struct comparison *c, struct err *e)
{
	const struct set *set = c->set;

	return err_set(e, ERR_UNTRUSTED,
		"set %s %s is older than version %s, which %s: `moat rollback %s --to %s` goes "
		"back",
		set->name, set->version, c->last,
		c->out->was_active ? "is active" : "was active last", set->name, set->version);
}

static int refuse_before_removed(const struct comparison *c, struct err *e)
{
	const struct set *set = c->set;
	AUTO(buf_release) struct buf way = BUF_INIT;

	if (c->out->held && c->out->way == SET_WAY_BACK)
		buf_printf(&way, "`moat rollback %s --to %s` goes back", set->name, set->version);
	else
		buf_str(&way, c->offer->successor ? "seal it again with a newer version"
						  : "if it is meant anyway, --allow-older --yes");
	return err_set(e, ERR_UNTRUSTED,
		"set %s %s is older than version %s, which was here and was removed: %s", set->name,
		set->version, c->removed, way.data);
}

/* May it be accepted, or become active, beside those that are here? What was accepted may come again. */
static int check_version(struct store *s, struct comparison *c, struct err *e)
{
	bool held = c->out->held, activate = c->offer->activate;

	if (meta_removed_get(s->db, c->set->name, c->removed, e) < 0)
		return -1;
	c->out->way = way_of(c);
	if (!held && meta_set_each(s->db, c->set->name, compare_version, c, e) < 0)
		return -1;
	if (c->offer->older || c->out->active || (held && !activate))
		return 0;
	if (activate && is_before_last(c))
		return refuse_before_last(c, e);
	return is_before_removed(c) ? refuse_before_removed(c, e) : 0;
}

/* --- the tags -------------------------------------------------------------------------------- */

static bool is_none(const struct tag_owner *o)
{
	return o->digest.alg == DIGEST_NONE;
}

/* Does the set take it from another active one, which pins it to something else? */
static bool takes(const struct set *s, const struct tag_change *t)
{
	return *t->from.set && strcmp(t->from.set, s->name) != 0 &&
	       strcmp(t->to.set, s->name) == 0 && !digest_eq(&t->from.digest, &t->to.digest);
}

static bool may_take(const struct set_offer *o, const char *set)
{
	for (size_t i = 0; i < o->take_count; i++)
		if (strcmp(o->take[i], set) == 0)
			return true;
	return false;
}

static void add_change(
	struct comparison *c, const struct tag_claim *claim, const struct tag_owner *to)
{
	struct set_changes *out = c->out;
	struct tag_change *t;

	t = VEC_PUSH(out->items, out->count);
	*t = (struct tag_change){
		.name = mem_printf("%s:%s", claim->repo, claim->tag), .from = c->now, .to = *to
	};
	if (is_none(to))
		out->gone++;
	else if (strcmp(t->from.set, to->set) == 0)
		out->moved++;
	else
		out->owner++;
	t->refused = takes(c->set, t) && !may_take(c->offer, t->from.set);
	out->taken += takes(c->set, t);
	out->refused += t->refused;
}

/* All claims to the tag were seen. */
static void end_tag(struct comparison *c, const struct tag_claim *claim)
{
	struct tag_owner to = c->without;

	if (claim->offered) {
		to = (struct tag_owner){ .digest = claim->offered->digest };
		memcpy(to.set, c->set->name, sizeof(to.set));
		memcpy(to.version, c->set->version, sizeof(to.version));
	} else if (strcmp(c->now.set, c->set->name) != 0) {
		return; /* another set serves it, and goes on */
	}
	if (is_none(&c->now))
		c->out->added++;
	else if (strcmp(c->now.set, to.set) == 0 && digest_eq(&c->now.digest, &to.digest))
		c->out->same++;
	else
		add_change(c, claim, &to);
}

static int add_claim(void *ctx, const struct tag_claim *claim, struct err *e)
{
	struct comparison *c = ctx;

	(void)e;
	if (!c->has_now)
		c->now = claim->now;
	if (!c->has_without && strcmp(claim->now.set, c->set->name) != 0) {
		c->without = claim->now;
		c->has_without = true;
	}
	c->has_now = true;
	if (is_none(&claim->now)) {
		end_tag(c, claim);
		c->has_now = c->has_without = false;
	}
	return 0;
}

/* --- may it? --------------------------------------------------------------------------------- */

static int check_take(const struct set_offer *o, struct err *e)
{
	if (o->take_count > SET_TAKES_MAX)
		return err_set(e, ERR_INPUT, "tags of at most %d sets may be taken", SET_TAKES_MAX);
	for (size_t i = 0; i < o->take_count; i++)
		if (set_check_name(span_of(o->take[i]), e) < 0)
			return err_ctx(e, "take");
	return 0;
}

static void add_example(struct buf *out, const struct tag_change *t)
{
	char from[DIGEST_TEXT_SIZE], to[DIGEST_TEXT_SIZE];

	buf_printf(out, "%s%s (%s %s has %.*s, this one %.*s)", out->len ? ", " : "", t->name,
		t->from.set, t->from.version, SHORT_DIGEST, digest_text(&t->from.digest, from),
		SHORT_DIGEST, digest_text(&t->to.digest, to));
}

/* " --take a --take b", each once, though one name may begin with another. */
static void add_option(struct buf *out, const char *set)
{
	AUTO(mem_free) char *option = mem_printf(" --take %s", set);
	const char *at = out->len ? out->data : "";
	size_t len = strlen(option);

	while ((at = strstr(at, option)) && at[len] != ' ' && at[len] != '\0')
		at += len;
	if (!at)
		buf_str(out, option);
}

static int refuse_taking(const struct comparison *c, struct err *e)
{
	AUTO(buf_release) struct buf examples = BUF_INIT, options = BUF_INIT;
	size_t count = 0;

	for (size_t i = 0; i < c->out->count; i++) {
		const struct tag_change *t = &c->out->items[i];

		if (!t->refused)
			continue;
		add_option(&options, t->from.set);
		if (count++ < EXAMPLES_MAX)
			add_example(&examples, t);
	}
	return err_set(e, ERR_DENIED,
		"set %s %s would take %zu tag%s that another active set pins to something else "
		"(allowed by%s): %s%s",
		c->set->name, c->set->version, count, count == 1 ? "" : "s", options.data,
		examples.data, count > EXAMPLES_MAX ? ", ..." : "");
}

static void nothing_changes(struct set_changes *out)
{
	struct set_changes same = { .held = out->held,
		.active = out->active,
		.gap = out->gap,
		.way = out->way,
		.was_active = out->was_active,
		.generation = out->generation,
		.same = out->same + out->count,
		.state = out->state,
		.newest = out->newest,
		.signatures = out->signatures };

	set_changes_release(out);
	*out = same;
}

static int judge(struct comparison *c, struct err *e)
{
	struct set_changes *out = c->out;

	if (c->offer->vanish)
		return 0;
	/* What is active stays where it is, unless it shall come in front of others. */
	if (out->active && out->taken == out->refused) {
		nothing_changes(out);
		return 0;
	}
	if (!c->offer->activate)
		return 0;
	out->activates = !out->refused || !c->offer->keep_owners;
	return out->activates && out->refused ? refuse_taking(c, e) : 0;
}

/* --- the signatures -------------------------------------------------------------------------- */

static int add_signatures(struct store *s, const struct digest *set, struct buf *out, struct err *e)
{
	AUTO(mem_free) struct set_signature *list = NULL;
	char text[DIGEST_TEXT_SIZE];
	size_t count = 0;

	if (set_signatures(s, set, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		buf_printf(out, "%s %s\n", digest_text(&list[i].digest, text), list[i].tag);
	buf_char(out, '\n');
	return 0;
}

/* Digest the lists of signatures that the judge compares: of the newest set, and of the set itself. */
static int digest_signatures(struct store *s, struct comparison *c, struct err *e)
{
	AUTO(buf_release) struct buf lists = BUF_INIT;

	if ((c->versions && add_signatures(s, &c->newest, &lists, e) < 0) ||
		(c->out->held && add_signatures(s, c->offer->digest, &lists, e) < 0))
		return -1;
	c->out->newest = c->newest;
	digest_of(&c->out->signatures, DIGEST_SHA256, buf_span(&lists));
	return 0;
}

/* --------------------------------------------------------------------------------------------- */

int set_compare_tx(struct store *s, const struct set *set, const struct set_offer *offer,
	struct set_changes *out, struct err *e)
{
	struct comparison c = { .set = set, .offer = offer, .out = out };
	struct index_state state;

	*out = (struct set_changes)SET_CHANGES_INIT;
	if (check_take(offer, e) < 0 || meta_index_state(s->db, &state, e) < 0 ||
		note_last(s, &c, e) < 0 ||
		meta_set_each(s->db, set->name, note_version, &c, e) < 0 ||
		check_version(s, &c, e) < 0 || meta_claims(s->db, set, add_claim, &c, e) < 0 ||
		digest_signatures(s, &c, e) < 0)
		return -1;
	out->state = state.changed;
	out->gap = c.versions && !out->held && !digest_eq(&c.newest, &set->previous);
	if (offer->successor && !out->held && !digest_eq(&c.newest, &set->previous))
		return 1;
	return judge(&c, e);
}

int set_compare(struct store *s, const struct set *set, const struct set_offer *offer,
	struct set_changes *out, struct err *e)
{
	AUTO(tx_abort) struct store *snapshot = NULL;

	*out = (struct set_changes)SET_CHANGES_INIT;
	if (tx_snapshot(s, &snapshot, e) < 0)
		return -1;
	return set_compare_tx(s, set, offer, out, e);
}
