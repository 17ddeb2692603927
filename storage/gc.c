/*
 * Collection: from unused to condemned to gone, each step a short transaction that looks again (P11). SQLite's
 * write lock is what makes it safe: a reference is written, a row becomes live and a file leaves its name only
 * under it. Must never condemn what something refers to, nor move a file whose row is not condemned.
 */
#define MOAT_STORE_PART
#include "storage/gc_private.h"

#include <stdlib.h>
#include <time.h>

#include "storage/base/clock.h"
#include "storage/base/fault.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define BATCH 256 /* blobs of one transaction: some milliseconds, for which other writers wait */

/* --- condemning --------------------------------------------------------------------------------- */

struct condemning {
	const struct gc_plan *plan;
	struct rowset ids;
	struct gc_done *done;
	struct gc_count found; /* of this batch */
	uint64_t manifests;
};

static void condemning_release(struct condemning *c)
{
	rowset_release(&c->ids);
}

static void take_unused(void *ctx, int64_t id)
{
	struct condemning *c = ctx;
	const struct gc_node *n = (size_t)id < c->plan->count ? &c->plan->nodes[id] : NULL;

	rowset_int(&c->ids, id);
	if (!n || !n->live)
		return;
	c->found.blobs++;
	c->found.bytes += n->size;
	c->manifests += n->manifest;
}

/* Those of one level: none of them refers to another one; or a circle, in which some do. */
static int condemn_batch(struct store *s, const struct gc_plan *p, size_t from, size_t to,
	bool is_circle, struct gc_done *done, struct err *e)
{
	AUTO(condemning_release)
	struct condemning c = { .plan = p, .ids = ROWSET_INIT(1), .done = done };
	AUTO(rowset_release) struct rowset ids = ROWSET_INIT(1);
	AUTO(tx_abort) struct store *tx = NULL;

	for (size_t i = from; i < to; i++)
		rowset_int(&ids, p->order[i]);
	if (tx_begin(s, &tx, e) < 0 ||
		meta_gc_unused(s->db, &ids, p->cutoff, is_circle, take_unused, &c, e) < 0 ||
		fault("gc.condemn", e) < 0 ||
		(c.ids.count && meta_gc_condemn(s->db, &c.ids, e) < 0) || tx_commit(&tx, e) < 0)
		return -1;
	s->index_dirty = true;
	done->condemned.blobs += c.found.blobs;
	done->condemned.bytes += c.found.bytes;
	done->manifests += c.manifests;
	done->spared += to - from - rowset_rows(&c.ids);
	return 0;
}

int gc_condemn(struct store *s, const struct gc_plan *p, struct gc_done *done, struct err *e)
{
	size_t at = 0, batch = BATCH;

	for (size_t level = 0; level < p->level_count; level++)
		while (at < p->levels[level]) {
			bool is_circle = level >= p->circles;
			size_t left = p->levels[level] - at;
			size_t n = left < batch || is_circle ? left : batch;

			if (condemn_batch(s, p, at, at + n, is_circle, done, e) == 0) {
				at += n;
				continue;
			}
			if (e->code != ERR_FULL || is_circle || n == 1)
				return err_ctx(e, "condemn");
			err_clear(e); /* fewer rows take less room */
			batch = n / 2;
		}
	return 0;
}

/* --- removing ------------------------------------------------------------------------------------ */

struct removing {
	struct store *store;
	struct rowset ids;
	struct gc_condemned *rows;
	size_t count;
	struct gc_count removed;
};

static void removing_release(struct removing *r)
{
	rowset_release(&r->ids);
	free(r->rows);
}

static int take_condemned(void *ctx, const struct gc_condemned *row, struct err *e)
{
	struct removing *r = ctx;

	(void)e;
	rowset_int(&r->ids, row->id);
	*VEC_PUSH(r->rows, r->count) = *row;
	return 0;
}

/* A file that got its name after the row was condemned is one whose writer is about to write the row. */
static int remove_file(struct removing *r, const struct gc_condemned *row, struct err *e)
{
	struct blobs *b = r->store->blobs;
	int64_t born = 0;
	int rc = blobs_born(b, &row->digest, &born, e);

	if (rc > 0)
		rc = born > row->when ? 0 : blobs_discard(b, &row->digest, e);
	if (rc > 0) {
		r->removed.blobs++;
		r->removed.bytes += row->size;
	}
	return rc < 0 ? -1 : 0;
}

/* Files first, durably, then their rows: 1; 0 there was none; -1. A death in between leaves rows, which the next
 * run goes on from. */
static int remove_batch(struct store *s, struct gc_done *done, struct err *e)
{
	AUTO(removing_release) struct removing r = { .store = s, .ids = ROWSET_INIT(1) };
	AUTO(tx_abort) struct store *tx = NULL;

	if (tx_begin(s, &tx, e) < 0 || meta_gc_condemned(s->db, BATCH, take_condemned, &r, e) < 0)
		return -1;
	for (size_t i = 0; i < r.count; i++)
		if (remove_file(&r, &r.rows[i], e) < 0)
			return -1;
	if (!r.count)
		return 0;
	if (blobs_discard_sync(s->blobs, e) < 0 || fault("gc.gone", e) < 0 ||
		meta_gc_gone(s->db, &r.ids, e) < 0 || tx_commit(&tx, e) < 0)
		return -1;
	done->removed.blobs += r.removed.blobs;
	done->removed.bytes += r.removed.bytes;
	return 1;
}

static int drop_repos(struct store *s, struct gc_done *done, struct err *e)
{
	AUTO(tx_abort) struct store *tx = NULL;
	uint64_t count;

	if (tx_begin(s, &tx, e) < 0 || fault("gc.repos", e) < 0 ||
		meta_gc_repos(s->db, &count, e) < 0 || tx_commit(&tx, e) < 0)
		return -1;
	done->repos += count;
	s->index_dirty = s->index_dirty || count;
	return 0;
}

int gc_remove(struct store *s, struct gc_done *done, struct err *e)
{
	int rc;

	while ((rc = remove_batch(s, done, e)) > 0)
		;
	if (rc < 0 || drop_repos(s, done, e) < 0)
		return err_ctx(e, "remove");
	return index_json_write(s, e);
}

/* --- files without a row --------------------------------------------------------------------------- */

struct orphans {
	struct store *store;
	int64_t before;
	bool dry;
	struct gc_count *found;
	struct blob_item {
		struct digest digest;
		uint64_t size;
		bool has_row;
	} items[BATCH];
	size_t count;
};

static void take_row(void *ctx, size_t at, const struct blob_row *row, bool linked)
{
	(void)row;
	(void)linked;
	((struct orphans *)ctx)->items[at].has_row = true;
}

static int find_rows(struct orphans *o, struct err *e)
{
	AUTO(rowset_release) struct rowset digests = ROWSET_INIT(1);

	for (size_t i = 0; i < o->count; i++) {
		rowset_digest(&digests, &o->items[i].digest);
		o->items[i].has_row = false;
	}
	return meta_blobs_get(o->store->db, &digests, 0, take_row, o, e);
}

static int take_orphan(struct orphans *o, const struct blob_item *item, struct err *e)
{
	struct blobs *b = o->store->blobs;
	int64_t born;
	int rc = item->has_row ? 0 : blobs_born(b, &item->digest, &born, e);

	if (rc > 0)
		rc = born > o->before ? 0 : o->dry ? 1 : blobs_discard(b, &item->digest, e);
	if (rc > 0) {
		o->found->blobs++;
		o->found->bytes += item->size;
	}
	return rc < 0 ? -1 : 0;
}

static int take_orphans(struct orphans *o, struct err *e)
{
	if (find_rows(o, e) < 0)
		return -1;
	for (size_t i = 0; i < o->count; i++)
		if (take_orphan(o, &o->items[i], e) < 0)
			return -1;
	return o->dry ? 0 : blobs_discard_sync(o->store->blobs, e);
}

/* Under the write lock no row comes between the look and the move. */
static int flush_orphans(struct orphans *o, struct err *e)
{
	AUTO(tx_abort) struct store *tx = NULL;
	int rc = o->dry ? 0 : tx_begin(o->store, &tx, e);

	if (rc == 0 && o->count)
		rc = take_orphans(o, e);
	o->count = 0;
	return rc;
}

static int add_file(void *ctx, const struct digest *d, uint64_t size, struct err *e)
{
	struct orphans *o = ctx;

	o->items[o->count++] =
		(struct blob_item){ .digest = *d, .size = size == BLOB_SIZE_UNKNOWN ? 0 : size };
	return o->count < BATCH ? 0 : flush_orphans(o, e);
}

static int pass_stray(void *ctx, const char *what, struct err *e)
{
	(void)ctx, (void)what, (void)e;
	return 0;
}

int gc_orphans(struct store *s, int64_t before, bool dry, struct gc_count *found, struct err *e)
{
	int64_t latest = clock_now() - GC_ORPHAN_AGE;
	struct orphans o = {
		.store = s, .before = before < latest ? before : latest, .dry = dry, .found = found
	};

	if (blobs_scan(s->blobs, add_file, pass_stray, &o, e) < 0 || flush_orphans(&o, e) < 0)
		return err_ctx(e, "files without a row");
	return 0;
}

int gc_purge(struct store *s, enum litter kind, int64_t before, bool dry, struct gc_count *out,
	struct err *e)
{
	return blobs_purge(s->blobs, kind, before, dry, out, e);
}
