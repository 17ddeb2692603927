/*
 * The checks in front of the engine of blobs. Must never wait: whatever is wrong is found by looking at
 * what the call was given and at what was called before.
 */
#include "storage/blobs/backend.h"

#include <pthread.h>

#include "storage/base/banned.h"

/* --- the calling thread ----------------------------------------------------------------------- */

/* The thread that is in one of the calls for one thread at a time. */
struct entered {
	struct blobs *blobs;
};

static void leave(struct entered *in)
{
	if (--in->blobs->depth == 0)
		atomic_store(&in->blobs->user, 0);
}

static struct entered enter(struct blobs *b, const char *call)
{
	uintptr_t self = (uintptr_t)pthread_self(), none = 0;

	if (atomic_load(&b->user) != self && !atomic_compare_exchange_strong(&b->user, &none, self))
		BUG("%s: another thread uses this store", call);
	b->depth++;
	return (struct entered){ b };
}

#define ENTER(b) AUTO(leave) struct entered entered_ = enter(b, __func__)

static void stage_leave(struct stage **st)
{
	atomic_store(&(*st)->busy, false);
}

static struct stage *stage_enter(struct stage *st, const char *call)
{
	if (!st)
		BUG("%s: the stage is closed", call);
	if (atomic_exchange(&st->busy, true))
		BUG("%s: another thread uses this stage", call);
	if (st->state == STAGE_PUBLISHED)
		BUG("%s: the stage is published", call);
	if (st->state == STAGE_LOST)
		BUG("%s: the stage could not be synced", call);
	return st;
}

#define ENTER_STAGE(st) AUTO(stage_leave) struct stage *in_stage_ = stage_enter(st, __func__)

/* --- what is given ---------------------------------------------------------------------------- */

static void need_digest(const struct digest *d, const char *call)
{
	if (!d || (d->alg != DIGEST_SHA256 && d->alg != DIGEST_SHA512))
		BUG("%s: no digest", call);
}

static void need_writing(const struct blobs *b, const char *call)
{
	if (b->mode != STORE_WRITE)
		BUG("%s: the store was opened for reading", call);
}

static void need_closed(const struct blob_reader *r, const char *call)
{
	if (r->fd >= 0 || r->source)
		BUG("%s: the reader is open", call);
}

static void need_synced(const struct stage *st, const char *call)
{
	if (st->state != STAGE_SYNCED)
		BUG("%s: bytes that were not synced (S2)", call);
}

/* --- opening ---------------------------------------------------------------------------------- */

int blobs_attach(struct blobs **b, const struct engine *engine, const char *where,
	enum store_mode mode, struct err *e)
{
	if (engine->open_blobs(b, where, mode, e) < 0)
		return -1;
	(*b)->mode = mode;
	return 0;
}

void blobs_detach(struct blobs **bp)
{
	struct blobs *b = STEAL(*bp);

	if (!b)
		return;
	if (atomic_load(&b->stages))
		BUG("a store is closed before its %u stages", atomic_load(&b->stages));
	b->ops->close(b);
}

/* --- stages ----------------------------------------------------------------------------------- */

static void stage_begin(struct stage *st, struct blobs *b, enum stage_kind kind, uint64_t length)
{
	st->blobs = b;
	st->kind = kind;
	st->state = STAGE_OPEN;
	st->length = length;
	atomic_init(&st->busy, false);
	atomic_fetch_add(&b->stages, 1);
}

static int open_named(struct blobs *b, const struct stage_want *want, struct stage **st,
	uint64_t *have, struct err *e)
{
	ENTER(b);

	need_digest(want->name, __func__);
	return b->ops->stage_open(b, want, st, have, e);
}

int stage_open(struct blobs *b, const struct stage_want *want, struct stage **st, uint64_t *have,
	struct err *e)
{
	int rc;

	need_writing(b, __func__);
	rc = want->name ? open_named(b, want, st, have, e)
			: b->ops->stage_open(b, want, st, have, e);
	if (rc < 0)
		return -1;
	stage_begin(*st, b, STAGE_BLOB, *have);
	return 0;
}

int stage_write(struct stage *st, uint64_t at, const void *data, size_t len, struct err *e)
{
	ENTER_STAGE(st);

	if (at != st->length || len > UINT64_MAX - at)
		BUG("%s: %zu bytes at %llu of a stage of %llu", __func__, len,
			(unsigned long long)at, (unsigned long long)st->length);
	st->state = STAGE_OPEN;
	if (st->blobs->ops->stage_write(st, at, data, len, e) < 0)
		return -1;
	st->length += len;
	return 0;
}

int stage_read(struct stage *st, uint64_t at, void *data, size_t len, struct err *e)
{
	ENTER_STAGE(st);

	if (at > st->length || len > st->length - at)
		BUG("%s: %zu bytes at %llu of a stage of %llu", __func__, len,
			(unsigned long long)at, (unsigned long long)st->length);
	return st->blobs->ops->stage_read(st, at, data, len, e);
}

int stage_cut(struct stage *st, uint64_t len, struct err *e)
{
	ENTER_STAGE(st);

	if (len > st->length)
		BUG("%s: to %llu of %llu bytes", __func__, (unsigned long long)len,
			(unsigned long long)st->length);
	st->state = STAGE_OPEN;
	if (st->blobs->ops->stage_cut(st, len, e) < 0)
		return -1;
	st->length = len;
	return 0;
}

int stages_sync(struct blobs *b, struct stage *const stages[], size_t count, struct err *e)
{
	int rc;

	if (count == 0 || count > BATCH_BLOBS_MAX)
		BUG("%s: %zu stages", __func__, count);
	for (size_t i = 0; i < count; i++)
		if (stage_enter(stages[i], __func__)->blobs != b)
			BUG("%s: a stage of another store", __func__);
	rc = b->ops->stage_sync(b, stages, count, e);
	for (size_t i = 0; i < count; i++) {
		stages[i]->state = rc < 0 ? STAGE_LOST : STAGE_SYNCED;
		atomic_store(&stages[i]->busy, false);
	}
	return rc;
}

int stage_publish(struct stage *st, const struct digest *d, struct err *e)
{
	ENTER_STAGE(st);
	ENTER(st->blobs);
	int rc;

	need_digest(d, __func__);
	need_synced(st, __func__);
	if (st->kind != STAGE_BLOB)
		BUG("%s: index.json is no blob", __func__);
	rc = st->blobs->ops->stage_publish(st, d, e);
	if (rc > 0)
		st->state = STAGE_PUBLISHED;
	return rc;
}

int stage_publish_again(struct stage *st, const struct digest *d, struct err *e)
{
	if (st->state == STAGE_PUBLISHED)
		st->state = STAGE_SYNCED;
	return stage_publish(st, d, e);
}

int stage_put_index(struct stage *st, struct err *e)
{
	ENTER_STAGE(st);
	ENTER(st->blobs);

	need_synced(st, __func__);
	if (st->kind != STAGE_INDEX)
		BUG("%s: a blob is no index.json", __func__);
	if (st->blobs->ops->index_put(st, e) < 0)
		return -1;
	st->state = STAGE_PUBLISHED;
	return 0;
}

void stage_close(struct stage **stp, bool retain)
{
	struct stage *st = STEAL(*stp);

	if (!st)
		return;
	if (atomic_load(&st->busy))
		BUG("%s: another thread uses this stage", __func__);
	atomic_fetch_sub(&st->blobs->stages, 1);
	st->blobs->ops->stage_close(&st, retain && st->state != STAGE_LOST);
}

/* --- what is there ---------------------------------------------------------------------------- */

int blobs_sync_names(struct blobs *b, struct err *e)
{
	ENTER(b);

	need_writing(b, __func__);
	return b->ops->publish_sync(b, e);
}

static int check_reader(const struct blob_reader *r, int rc, const char *call)
{
	if (rc > 0 && (r->fd >= 0) == (r->source != NULL))
		BUG("%s: the engine gave a reader that is none", call);
	return rc;
}

int blobs_open(struct blobs *b, const struct digest *d, struct blob_reader *r, struct err *e)
{
	need_digest(d, __func__);
	need_closed(r, __func__);
	return check_reader(r, b->ops->open(b, d, r, e), __func__);
}

int blobs_sync(struct blobs *b, const struct digest *d, struct err *e)
{
	ENTER(b);

	need_digest(d, __func__);
	need_writing(b, __func__);
	return b->ops->sync(b, d, e);
}

int blobs_stat(struct blobs *b, const struct digest *d, struct blob_file *out, struct err *e)
{
	need_digest(d, __func__);
	return b->ops->stat(b, d, out, e);
}

int blobs_quarantine(struct blobs *b, const struct digest *d, const struct blob_file *which,
	struct span reason, char where[QUARANTINE_NAME_SIZE], struct err *e)
{
	ENTER(b);

	need_digest(d, __func__);
	need_writing(b, __func__);
	if (reason.len == 0)
		BUG("%s: no reason", __func__);
	return b->ops->quarantine(b, d, which, reason, where, e);
}

int blobs_each_quarantined(struct blobs *b, quarantine_fn *fn, void *ctx, struct err *e)
{
	ENTER(b);

	return b->ops->quarantine_each(b, fn, ctx, e);
}

int blobs_discard(struct blobs *b, const struct digest *d, struct err *e)
{
	ENTER(b);

	need_digest(d, __func__);
	need_writing(b, __func__);
	return b->ops->discard(b, d, e);
}

int blobs_discard_sync(struct blobs *b, struct err *e)
{
	ENTER(b);

	need_writing(b, __func__);
	return b->ops->discard_sync(b, e);
}

int blobs_purge(struct blobs *b, enum litter kind, int64_t before, bool dry, struct gc_count *out,
	struct err *e)
{
	ENTER(b);

	if (!dry)
		need_writing(b, __func__);
	return b->ops->purge(b, kind, before, dry, out, e);
}

int blobs_put_rules(struct blobs *b, struct span text, struct err *e)
{
	ENTER(b);

	need_writing(b, __func__);
	return b->ops->rules_put(b, text, e);
}

int blobs_get_rules(struct blobs *b, struct buf *out, struct err *e)
{
	ENTER(b);

	return b->ops->rules_get(b, out, e);
}

int blobs_born(struct blobs *b, const struct digest *d, int64_t *when, struct err *e)
{
	ENTER(b);

	need_digest(d, __func__);
	return b->ops->born(b, d, when, e);
}

int blobs_scan(struct blobs *b, scan_fn *fn, stray_fn *stray, void *ctx, struct err *e)
{
	ENTER(b);

	return b->ops->scan(b, fn, stray, ctx, e);
}

int blobs_free_bytes(struct blobs *b, uint64_t *bytes, struct err *e)
{
	return b->ops->free_bytes(b, bytes, e);
}

/* --- marks ------------------------------------------------------------------------------------ */

int blobs_may_mark(struct blobs *b, struct err *e)
{
	ENTER(b);

	return b->ops->may_mark(b, e);
}

int blobs_mark(struct blobs *b, const struct digest *d, struct span reason, struct err *e)
{
	ENTER(b);

	need_digest(d, __func__);
	return b->ops->mark(b, d, reason, e);
}

int blobs_unmark(struct blobs *b, const struct digest *d, struct err *e)
{
	ENTER(b);

	need_digest(d, __func__);
	need_writing(b, __func__);
	return b->ops->unmark(b, d, e);
}

int blobs_each_mark(struct blobs *b, mark_fn *fn, void *ctx, struct err *e)
{
	ENTER(b);

	return b->ops->mark_each(b, fn, ctx, e);
}

int blobs_put_place(struct blobs *b, struct span text, struct err *e)
{
	ENTER(b);

	return b->ops->place_put(b, text, e);
}

int blobs_get_place(struct blobs *b, struct buf *out, struct err *e)
{
	ENTER(b);

	return b->ops->place_get(b, out, e);
}

/* --- index.json ------------------------------------------------------------------------------- */

int blobs_index_stage(struct blobs *b, struct stage **st, struct err *e)
{
	ENTER(b);

	need_writing(b, __func__);
	if (b->ops->index_stage(b, st, e) < 0)
		return -1;
	stage_begin(*st, b, STAGE_INDEX, 0);
	return 0;
}

int blobs_index_open(struct blobs *b, struct blob_reader *r, struct err *e)
{
	ENTER(b);

	need_closed(r, __func__);
	return check_reader(r, b->ops->index_open(b, r, e), __func__);
}
