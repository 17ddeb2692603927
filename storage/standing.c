/*
 * How the metadata stands to index.json, which says what state it shows: the metadata may be lost, or
 * an old copy, and index.json may be. Must never change anything.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <inttypes.h>
#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/index_json.h"
#include "storage/base/banned.h"

#define WAY_OUT                                                                                    \
	"the next import or pull into this store, or a start of moatd with push on, makes it "     \
	"again from the files"
#define LOST "the database was lost, and is not made again yet from what index.json lists: " WAY_OUT

/* An index.json without a number, as older ones wrote it: does it list what the metadata lacks? */
struct comparing {
	struct set_row *sets; /* of the metadata */
	size_t count;
	bool behind;
};

static void comparing_release(struct comparing *c)
{
	free(c->sets);
}

static int gather_set(void *ctx, const struct set_row *row, struct err *e)
{
	struct comparing *c = ctx;

	(void)e;
	*VEC_PUSH(c->sets, c->count) = *row;
	return 0;
}

static int compare_listed(void *ctx, size_t number, const struct descriptor *d, struct err *e)
{
	struct comparing *c = ctx;
	const char *name = annotation_get(&d->annotations, NOTE_SET_NAME);
	uint64_t generation = (uint64_t)entry_number(d, NOTE_GENERATION), here = 0;
	bool known = false;

	(void)number;
	(void)e;
	for (size_t i = 0; name && i < c->count; i++) {
		const struct set_info *info = &c->sets[i].info;

		known = known || digest_eq(&info->digest, &d->digest);
		if (info->active && strcmp(info->name, name) == 0)
			here = info->generation;
	}
	c->behind = c->behind || (name && (!known || here < generation));
	return 0;
}

static int lists_more(struct store *s, struct err *e)
{
	AUTO(comparing_release) struct comparing c = { .count = 0 };

	if (meta_set_each(s->db, NULL, gather_set, &c, e) < 0 ||
		index_json_each(s, compare_listed, &c, e) < 0)
		return -1;
	return c.behind;
}

static int compare_states(struct store *s, struct standing *st, struct err *e)
{
	const struct index_state *now = &st->now;
	int rc = 0;

	if (now->written == 0) {
		st->due = st->index.lists ? DUE_LOST : NOT_DUE;
		return 0;
	}
	if (st->index.serial == 0 && st->index.lists)
		rc = lists_more(s, e);
	if (rc < 0)
		return -1;
	if (rc > 0 || st->index.serial > now->changed)
		st->due = DUE_BEHIND;
	else if (now->written == now->changed && st->index.serial != now->written)
		st->due = DUE_INDEX;
	return 0;
}

/* index.json first: what it shows was committed before, so the metadata cannot seem older meanwhile. */
int standing_find(struct store *s, struct standing *st, struct err *e)
{
	struct err unread = ERR_INIT;
	uint64_t change;
	int rc;

	*st = (struct standing){ .due = NOT_DUE };
	rc = index_json_head(s, &st->index, &unread);
	if (rc < 0)
		*e = unread;
	/* Asking for the change is what lets a reader without rights see a newer file. */
	if ((rc < 0 && unread.code != ERR_INPUT) || db_change(s->db, &change, e) < 0 ||
		meta_index_state(s->db, &st->now, e) < 0)
		return -1;
	if (rc >= 0)
		return compare_states(s, st, e);
	if (st->now.written == 0)
		return err_ctx(e,
			"the database is new, and index.json, which says what was here, can not be "
			"read: move it away, then import the media again");
	st->due = DUE_INDEX;
	return 0;
}

int store_is_current(struct store *s, struct err *why, struct err *e)
{
	struct standing st;

	if (standing_find(s, &st, e) < 0)
		return -1;
	if (st.due == DUE_LOST)
		err_set(why, ERR_INCOMPLETE, LOST);
	else if (st.due == DUE_BEHIND)
		err_set(why, ERR_CORRUPT,
			"the database is older than index.json, as a copy or a backup would be (it "
			"is at %" PRIu64 ", index.json at %" PRIu64 "): " WAY_OUT,
			st.now.changed, st.index.serial);
	return st.due != DUE_LOST && st.due != DUE_BEHIND;
}

static int see_entry(void *ctx, size_t number, const struct descriptor *d, struct err *e)
{
	bool *ours = ctx;

	(void)number;
	(void)e;
	*ours = *ours || entry_is_ours(d);
	return 0;
}

int store_was_here(struct store *s, struct err *e)
{
	struct err unread = ERR_INIT;
	bool ours = false;

	if (index_json_each(s, see_entry, &ours, &unread) <= 0 || !ours)
		return 0;
	return err_set(e, ERR_INCOMPLETE, LOST);
}
