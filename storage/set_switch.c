/*
 * The switch of a set's name (S4). What it changes is compared on a snapshot and told; then one transaction does it,
 * if nothing changed of what was compared, else the comparison begins again. The transaction is as short for
 * ten thousand tags as for one. Must never decide whether a set may be trusted.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include "storage/base/fault.h"
#include "storage/base/banned.h"

/* --- compare, tell, write ------------------------------------------------------------------- */

/* Does what was compared still hold? The number tells at once; when it differs, the tags of others may
 * have changed only. */
static int unchanged(
	struct store *s, const struct set_turn *t, const struct set_changes *then, struct err *e)
{
	AUTO(set_changes_release) struct set_changes now = SET_CHANGES_INIT;
	struct index_state state;
	int rc;

	if (meta_index_state(s->db, &state, e) < 0)
		return -1;
	if (state.changed == then->state)
		return 1;
	rc = set_compare_tx(s, t->set, t->offer, &now, e);
	return rc < 0 ? -1
		      : rc == 0 && set_changes_eq(&now, then) &&
				digest_eq(&now.newest, &then->newest) &&
				digest_eq(&now.signatures, &then->signatures);
}

enum attempt { ATTEMPT_FAILED = -1, ATTEMPT_DONE, ATTEMPT_NO_SUCCESSOR, ATTEMPT_AGAIN };

static enum attempt attempt(
	struct store *s, const struct set_turn *t, struct set_changes *c, struct err *e)
{
	const struct set_offer *o = t->offer;
	AUTO(tx_abort) struct store *tx = NULL;
	int rc;

	set_changes_release(c);
	rc = set_compare(s, t->set, o, c, e);
	if (rc != 0)
		return rc < 0 ? ATTEMPT_FAILED : ATTEMPT_NO_SUCCESSOR;
	if (o->judge && o->judge(o->ctx, c, e) < 0)
		return ATTEMPT_FAILED;
	if (o->tell)
		o->tell(o->ctx, c);
	if (o->dry)
		return ATTEMPT_DONE;
	if (tx_begin(s, &tx, e) < 0)
		return ATTEMPT_FAILED;
	rc = unchanged(s, t, c, e);
	if (rc <= 0)
		return rc < 0 ? ATTEMPT_FAILED : ATTEMPT_AGAIN;
	rc = t->write(t->ctx, c, e);
	if (rc == 0)
		rc = tx_commit(&tx, e);
	return rc < 0 ? ATTEMPT_FAILED : ATTEMPT_DONE;
}

int set_turn(struct store *s, const struct set_turn *t, struct set_changes *out, struct err *e)
{
	AUTO(set_changes_release) struct set_changes c = SET_CHANGES_INIT;
	enum attempt rc = ATTEMPT_AGAIN;

	for (unsigned tries = 0; rc == ATTEMPT_AGAIN && tries < SET_TRIES; tries++)
		rc = attempt(s, t, &c, e);
	if (rc == ATTEMPT_AGAIN)
		return err_set(e, ERR_BUSY,
			"set %s %s: its tags changed under each of %d comparisons; try again",
			t->set->name, t->set->version, SET_TRIES);
	if (rc == ATTEMPT_FAILED)
		return -1;
	if (out) {
		*out = c;
		c = (struct set_changes)SET_CHANGES_INIT;
	}
	return rc == ATTEMPT_NO_SUCCESSOR;
}

/* --- the switch ------------------------------------------------------------------------------ */

int set_activate_tx(
	struct store *s, const char *name, int64_t id, const struct set_offer *o, struct err *e)
{
	AUTO(buf_release) struct buf takes = BUF_INIT;

	buf_str(&takes, "");
	for (size_t i = 0; i < o->take_count; i++)
		buf_printf(&takes, "%s%s", i ? "," : "", o->take[i]);
	if (fault("set.activate", e) < 0)
		return -1;
	return meta_activate(s->db, name, id, takes.data, e);
}

struct switching {
	struct store *store;
	struct set set;
	struct set_row row;
	const struct set_offer *offer;
};

static void switching_release(struct switching *w)
{
	set_release(&w->set);
}

static int read_accepted(struct switching *w, const struct digest *d, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	char digest[DIGEST_TEXT_SIZE];
	struct store *s = w->store;
	int rc = meta_set_get(s->db, d, NULL, NULL, &w->row, e);

	digest_text(d, digest);
	if (rc == 0)
		return err_set(e, ERR_ABSENT, "set %s is not accepted here", digest);
	if (rc > 0)
		rc = blob_read(s, d, SET_BYTES_MAX, &text, e);
	if (rc == 0 || (rc > 0 && w->row.info.missing))
		return err_set(e, ERR_INCOMPLETE, "set %s %s lost blobs: import its medium again",
			w->row.info.name, w->row.info.version);
	return rc < 0 ? -1 : set_parse(&w->set, digest, buf_span(&text), e);
}

static int activate_tx(void *ctx, const struct set_changes *c, struct err *e)
{
	struct switching *w = ctx;
	struct set_row now;
	int rc = meta_set_get(w->store->db, w->offer->digest, NULL, NULL, &now, e);

	if (rc <= 0)
		return rc < 0 ? -1
			      : err_set(e, ERR_ABSENT, "set %s %s was removed meanwhile",
					w->set.name, w->set.version);
	return c->activates ? set_activate_tx(w->store, w->set.name, now.id, w->offer, e) : 0;
}

int set_activate(
	struct store *s, const struct set_offer *given, struct set_changes *out, struct err *e)
{
	struct set_offer offer = *given;
	AUTO(switching_release)
	struct switching w = { .store = s, .set = SET_INIT, .offer = &offer };
	struct set_turn turn = { .set = &w.set, .offer = &offer, .write = activate_tx, .ctx = &w };

	offer.activate = true;
	if (out)
		*out = (struct set_changes)SET_CHANGES_INIT;
	if (read_accepted(&w, offer.digest, e) < 0 || set_turn(s, &turn, out, e) < 0)
		return -1;
	return offer.dry ? 0 : index_json_write(s, e);
}
