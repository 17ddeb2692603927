/*
 * The switch of a set's name (S4). What it changes is compared on a snapshot and told; then one transaction does it,
 * if nothing changed of what was compared, else the comparison begins again. The transaction is as short for
 * ten thousand tags as for one. Must never decide whether a set may be trusted.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <stdio.h>
#include <time.h>

#include "storage/base/clock.h"
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
				now.generation == then->generation &&
				digest_eq(&now.newest, &then->newest) &&
				digest_eq(&now.signatures, &then->signatures);
}

/* Of one state: 0, 1 as set_compare(), -1. */
static int compare(struct store *s, const struct set_turn *t, struct set_changes *c, struct err *e)
{
	AUTO(tx_abort) struct store *snapshot = NULL;

	if (tx_snapshot(s, &snapshot, e) < 0 || (t->find && t->find(t->ctx, e) < 0))
		return -1;
	return set_compare_tx(s, t->set, t->offer, c, e);
}

enum attempt { ATTEMPT_FAILED = -1, ATTEMPT_DONE, ATTEMPT_NO_SUCCESSOR, ATTEMPT_AGAIN };

static enum attempt attempt(
	struct store *s, const struct set_turn *t, struct set_changes *c, struct err *e)
{
	const struct set_offer *o = t->offer;
	AUTO(tx_abort) struct store *tx = NULL;
	int rc;

	set_changes_release(c);
	rc = compare(s, t, c, e);
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

/* --- forward and back -------------------------------------------------------------------------- */

/* The last generation of a name, whether or not its channel stands at it: 1, 0 there is none. */
static int last_generation(struct store *s, const char *name, struct generation *g, struct err *e)
{
	*g = (struct generation){ .number = 0 };
	return meta_generation_get(s->db, name, 0, g, e);
}

/* from: where it goes back to, of which the offer has the consents; its number is 0 when that was never active. NULL: it
 * goes forward. */
static int switch_tx(struct store *s, const char *name, int64_t id, const struct set_offer *o,
	const struct generation *from, struct err *e)
{
	struct generation next = { .set = id, .when = clock_now() }, last;
	AUTO(buf_release) struct buf takes = BUF_INIT;

	if (last_generation(s, name, &last, e) < 0)
		return -1;
	next.number = last.number + 1;
	next.back = from ? from->back : last.set == id ? last.back : (int64_t)last.number;
	buf_str(&takes, from ? "" : last.takes);
	for (size_t i = 0; i < o->take_count; i++)
		buf_printf(&takes, "%s%s", takes.len ? "," : "", o->take[i]);
	if (fault("set.activate", e) < 0)
		return -1;
	return meta_activate(s->db, name, &next, takes.data, e);
}

int set_forward_tx(
	struct store *s, const char *name, int64_t id, const struct set_offer *o, struct err *e)
{
	return switch_tx(s, name, id, o, NULL, e);
}

/* --- what is switched to ----------------------------------------------------------------------- */

struct switching {
	struct store *store;
	const char *name, *version; /* as asked; version NULL: by digest, or what is before */
	struct set set; /* as found */
	struct set_row row;
	struct set_offer offer;
	const struct set_offer *given;
	bool back;
	const char *takes[SET_TAKES_MAX]; /* of the offer: as asked, and those that come along */
	struct generation from; /* back: what it goes back to; its consents come along */
	struct set_info *tell; /* or NULL */
};

static void switching_release(struct switching *w)
{
	set_release(&w->set);
}

/* Read what the set of w->row pins: of rows, as parsing a set of ten thousand costs half of a switch. */
static int read_found(struct switching *w, struct err *e)
{
	const struct set_info *info = &w->row.info;

	set_release(&w->set);
	w->set = (struct set)SET_INIT;
	w->offer.digest = &info->digest;
	if (w->tell)
		*w->tell = *info;
	if (info->missing)
		return err_set(e, ERR_INCOMPLETE, "set %s %s lost blobs: import its medium again",
			info->name, info->version);
	memcpy(w->set.name, info->name, sizeof(w->set.name));
	memcpy(w->set.version, info->version, sizeof(w->set.version));
	return meta_pins_get(w->store->db, w->row.id, &w->set, e);
}

static int find_given(void *ctx, struct err *e)
{
	struct switching *w = ctx;
	char text[DIGEST_TEXT_SIZE];
	struct digest d = *w->offer.digest;
	int rc = meta_set_get(w->store->db, &d, NULL, NULL, &w->row, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT, "set %s is not accepted here", digest_text(&d, text));
	return rc < 0 ? -1 : read_found(w, e);
}

static int write_switch(void *ctx, const struct set_changes *c, struct err *e)
{
	struct switching *w = ctx;
	struct store *s = w->store;
	struct set_row now;
	int rc = meta_set_get(s->db, w->offer.digest, NULL, NULL, &now, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT, "set %s %s was removed meanwhile", w->set.name,
			w->set.version);
	if (rc < 0 || !c->activates)
		return rc < 0 ? -1 : 0;
	return switch_tx(s, w->set.name, now.id, &w->offer, w->back ? &w->from : NULL, e);
}

/* Do it, and write index.json. */
static int take_turn(struct switching *w, int (*find)(void *ctx, struct err *e),
	int (*write)(void *ctx, const struct set_changes *c, struct err *e),
	struct set_changes *out, struct err *e)
{
	struct set_turn turn = {
		.set = &w->set, .offer = &w->offer, .find = find, .write = write, .ctx = w
	};

	if (out)
		*out = (struct set_changes)SET_CHANGES_INIT;
	if (set_turn(w->store, &turn, out, e) < 0)
		return -1;
	return w->offer.dry ? 0 : index_json_write(w->store, e);
}

int set_activate(
	struct store *s, const struct set_offer *offer, struct set_changes *out, struct err *e)
{
	AUTO(switching_release)
	struct switching w = { .store = s, .set = SET_INIT, .offer = *offer };

	w.offer.activate = true;
	return take_turn(&w, find_given, write_switch, out, e);
}

/* --- back -------------------------------------------------------------------------------------- */

/* The set that is active, or was last. */
static int find_last(struct switching *w, struct generation *last, struct err *e)
{
	struct store *s = w->store;
	int rc = last_generation(s, w->name, last, e);

	if (rc > 0)
		rc = meta_set_by_id(s->db, last->set, &w->row, e);
	if (rc == 0)
		return err_set(e, ERR_ABSENT, "no version of set %s was ever active here", w->name);
	return rc < 0 ? -1 : 0;
}

static int keep_last(void *ctx, const struct generation *g, struct err *e)
{
	(void)e;
	*(struct generation *)ctx = *g;
	return 0;
}

/* To a version that is named: w->row and w->from. */
static int find_version(struct switching *w, struct err *e)
{
	struct store *s = w->store;
	struct set_info last = w->row.info;
	int rc = meta_set_get(s->db, NULL, w->name, w->version, &w->row, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT,
			"set %s %s is not accepted here: `moat list --all-versions` tells what is",
			w->name, w->version);
	if (rc < 0)
		return -1;
	if (set_version_cmp(w->version, last.version) > 0)
		return err_set(e, ERR_INPUT,
			"set %s %s is newer than %s: `moat activate %s:%s` goes forward", w->name,
			w->version, last.version, w->name, w->version);
	return meta_generations(s->db, w->name, w->row.id, keep_last, &w->from, e);
}

/* To what was active before: w->row and w->from. */
static int find_before(struct switching *w, const struct generation *last, struct err *e)
{
	struct store *s = w->store;
	int rc = 1;

	w->from = *last;
	if (w->row.info.active)
		rc = last->back ? meta_generation_get(
					  s->db, w->name, (uint64_t)last->back, &w->from, e)
				: 0;
	if (rc == 0)
		return err_set(e, ERR_ABSENT,
			"set %s %s: nothing was active before it; --to VERSION goes to an accepted "
			"one",
			w->name, w->row.info.version);
	if (rc > 0)
		rc = meta_set_by_id(s->db, w->from.set, &w->row, e);
	return rc < 0 ? -1 : 0;
}

/* Consents come along with the generation that comes back. */
static void add_takes(struct switching *w)
{
	const struct set_offer *given = w->given;
	char *rest = w->from.takes;

	w->offer.take = w->takes;
	w->offer.take_count = 0;
	for (size_t i = 0; i < given->take_count && i < SET_TAKES_MAX; i++)
		w->takes[w->offer.take_count++] = given->take[i];
	while (rest && *rest && w->offer.take_count < SET_TAKES_MAX)
		w->takes[w->offer.take_count++] = strsep(&rest, ",");
}

static int find_back(void *ctx, struct err *e)
{
	struct switching *w = ctx;
	struct generation last;

	w->from = (struct generation){ .number = 0 };
	if (find_last(w, &last, e) < 0 ||
		(w->version ? find_version(w, e) : find_before(w, &last, e)) < 0)
		return -1;
	add_takes(w);
	return read_found(w, e);
}

int set_rollback(struct store *s, const char *name, const char *version,
	const struct set_offer *how, struct set_info *to, struct set_changes *out, struct err *e)
{
	AUTO(switching_release)
	struct switching w = { .store = s,
		.name = name,
		.version = version,
		.set = SET_INIT,
		.offer = *how,
		.given = how,
		.back = true,
		.tell = to };

	w.offer.activate = w.offer.older = true;
	return take_turn(&w, find_back, write_switch, out, e);
}

/* --- off --------------------------------------------------------------------------------------- */

static int find_active(void *ctx, struct err *e)
{
	struct switching *w = ctx;
	struct generation last;

	if (find_last(w, &last, e) < 0)
		return -1;
	w->offer.digest = &w->row.info.digest;
	snprintf(w->set.name, sizeof(w->set.name), "%s", w->name);
	snprintf(w->set.version, sizeof(w->set.version), "%s", w->row.info.version);
	if (w->tell)
		*w->tell = w->row.info;
	if (w->row.info.active)
		return 0;
	return err_set(e, ERR_ABSENT, "no version of set %s is active", w->name);
}

static int write_off(void *ctx, const struct set_changes *c, struct err *e)
{
	struct switching *w = ctx;

	(void)c;
	return fault("set.deactivate", e) < 0 ? -1 : meta_deactivate(w->store->db, w->name, e);
}

int set_deactivate(struct store *s, const char *name, const struct set_offer *how,
	struct set_info *was, struct set_changes *out, struct err *e)
{
	AUTO(switching_release)
	struct switching w = {
		.store = s, .name = name, .set = SET_INIT, .offer = *how, .tell = was
	};

	w.offer.vanish = true;
	return take_turn(&w, find_active, write_off, out, e);
}

/* --- removal ----------------------------------------------------------------------------------- */

struct removal {
	struct store *store;
	struct set_row row;
	char newest[SET_VERSION_MAX + 1]; /* of what stays and what was removed before; "" none */
};

static int note_newest(void *ctx, const struct set_row *row, struct err *e)
{
	struct removal *r = ctx;

	(void)e;
	if (row->id != r->row.id &&
		(!*r->newest || set_version_cmp(row->info.version, r->newest) > 0))
		memcpy(r->newest, row->info.version, sizeof(r->newest));
	return 0;
}

/* The newest version of a name that was ever here stays known: an older one must not come in. */
static int keep_floor(struct removal *r, struct err *e)
{
	const struct set_info *info = &r->row.info;
	struct db *db = r->store->db;

	if (meta_removed_get(db, info->name, r->newest, e) < 0 ||
		meta_set_each(db, info->name, note_newest, r, e) < 0)
		return -1;
	if (*r->newest && set_version_cmp(info->version, r->newest) <= 0)
		return 0;
	return meta_removed_put(db, info->name, info->version, e);
}

static int unlink_manifest(struct db *db, const char *repo, const struct digest *d, struct err *e)
{
	struct blob_row row;
	int rc = meta_blob_get(db, d, &row, e);

	return rc <= 0 ? rc : meta_link_drop(db, repo, row.id, e);
}

/* From its own repository: the set and its signatures, with their tags. */
static int drop_own(struct removal *r, struct err *e)
{
	AUTO(mem_free) char *repo = mem_printf("%s/set/%s", SET_HOST, r->row.info.name);
	AUTO(mem_free) struct set_signature *sigs = NULL;
	struct db *db = r->store->db;
	size_t count = 0;

	if (set_signatures(r->store, &r->row.info.digest, &sigs, &count, e) < 0 ||
		unlink_manifest(db, repo, &r->row.info.digest, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (unlink_manifest(db, repo, &sigs[i].digest, e) < 0)
			return -1;
	return 0;
}

int set_remove_tx(struct store *s, const struct set_row *row, struct err *e)
{
	struct removal r = { .store = s, .row = *row };

	if (fault("set.remove", e) < 0 || keep_floor(&r, e) < 0 || drop_own(&r, e) < 0)
		return -1;
	return meta_set_remove(s->db, row->info.name, row->id, e);
}

static int remove_tx(struct store *s, const struct digest *d, struct err *e)
{
	struct set_row row;
	const struct set_info *info = &row.info;
	char text[DIGEST_TEXT_SIZE];
	int rc = meta_set_get(s->db, d, NULL, NULL, &row, e);

	if (rc <= 0)
		return rc < 0 ? -1
			      : err_set(e, ERR_ABSENT, "set %s is not accepted here",
					digest_text(d, text));
	if (info->active)
		return err_set(e, ERR_DENIED,
			"set %s %s is active: activate another version, or `moat deactivate %s`",
			info->name, info->version, info->name);
	return set_remove_tx(s, &row, e);
}

int set_remove(struct store *s, const struct digest *set, struct err *e)
{
	AUTO(tx_abort) struct store *tx = NULL;

	if (tx_begin(s, &tx, e) < 0 || remove_tx(s, set, e) < 0 || tx_commit(&tx, e) < 0)
		return -1;
	return index_json_write(s, e);
}
