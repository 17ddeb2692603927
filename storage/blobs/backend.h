/*
 * Calls to the engine of blobs, checked: digests and offsets are valid, a stage is used in its order, and
 * each call is made by a thread that may. What is wrong is a mistake of ours and ends the program (BUG), so
 * engines check nothing of it. What each call does, its result and errors: engine.h.
 *
 * The order of a stage: open, any of write, read and cut, then sync, publish, close. A stage is used by one
 * thread at a time. S2 is part of it: bytes that were not synced are not published.
 *
 * Thread: "any" where it says so; else one at a time for each store's handle. Callbacks may call again.
 */
#ifndef MOAT_BACKEND_H
#define MOAT_BACKEND_H

#include "storage/engine.h"

/* Open the engine's blobs. On 0 the caller owns *b. */
MUST int blobs_attach(struct blobs **b, const struct engine *engine, const char *where,
	enum store_mode mode, struct err *e);
void blobs_detach(struct blobs **b); /* for AUTO; every stage is closed before */

/* --- stages ---------------------------------------------------------------------------------- */

/* Thread: any without a name. */
MUST int stage_open(struct blobs *b, const struct stage_want *want, struct stage **st,
	uint64_t *have, struct err *e);
/* Append: `at` is where the stage ends. Thread: any. */
MUST int stage_write(struct stage *st, uint64_t at, const void *data, size_t len, struct err *e);
/* Exactly `len` bytes of those that were written. Thread: any. */
MUST int stage_read(struct stage *st, uint64_t at, void *data, size_t len, struct err *e);
MUST int stage_cut(struct stage *st, uint64_t len, struct err *e); /* Thread: any. */
/* 1 to BATCH_BLOBS_MAX stages of these blobs. After a failure they can only be closed. Thread: any. */
MUST int stages_sync(struct blobs *b, struct stage *const stages[], size_t count, struct err *e);
/* Of a blob, synced. 0 may be tried again. */
MUST int stage_publish(struct stage *st, const struct digest *d, struct err *e);
/* The same of one that may be published, and whose name was taken away since. */
MUST int stage_publish_again(struct stage *st, const struct digest *d, struct err *e);
/* Of index.json, synced. */
MUST int stage_put_index(struct stage *st, struct err *e);
/* Nothing when NULL. A stage whose sync failed is never retained. Thread: any. */
void stage_close(struct stage **st, bool retain);

/* --- what is there --------------------------------------------------------------------------- */

MUST int blobs_sync_names(struct blobs *b, struct err *e); /* ops->publish_sync */
/* r: a closed one. Thread: any. */
MUST int blobs_open(struct blobs *b, const struct digest *d, struct blob_reader *r, struct err *e);
MUST int blobs_sync(struct blobs *b, const struct digest *d, struct err *e);
MUST int blobs_stat(struct blobs *b, const struct digest *d, struct blob_file *out,
	struct err *e); /* Thread: any. */
MUST int blobs_quarantine(struct blobs *b, const struct digest *d, const struct blob_file *which,
	struct span reason, char where[QUARANTINE_NAME_SIZE], struct err *e);
MUST int blobs_each_quarantined(struct blobs *b, quarantine_fn *fn, void *ctx, struct err *e);
MUST int blobs_discard(struct blobs *b, const struct digest *d, struct err *e);
MUST int blobs_discard_sync(struct blobs *b, struct err *e);
MUST int blobs_purge(struct blobs *b, enum litter kind, int64_t before, bool dry,
	struct gc_count *out, struct err *e);
MUST int blobs_put_rules(struct blobs *b, struct span text, struct err *e);
MUST int blobs_get_rules(struct blobs *b, struct buf *out, struct err *e);
MUST int blobs_born(struct blobs *b, const struct digest *d, int64_t *when, struct err *e);
MUST int blobs_scan(struct blobs *b, scan_fn *fn, stray_fn *stray, void *ctx, struct err *e);
MUST int blobs_free_bytes(struct blobs *b, uint64_t *bytes, struct err *e); /* Thread: any. */

/* --- marks ----------------------------------------------------------------------------------- */

/* As the operations of struct blob_ops of these names; each mark and the place are small texts. */
MUST int blobs_may_mark(struct blobs *b, struct err *e);
MUST int blobs_mark(struct blobs *b, const struct digest *d, struct span reason, struct err *e);
MUST int blobs_unmark(struct blobs *b, const struct digest *d, struct err *e);
MUST int blobs_each_mark(struct blobs *b, mark_fn *fn, void *ctx, struct err *e);
MUST int blobs_put_place(struct blobs *b, struct span text, struct err *e);
MUST int blobs_get_place(struct blobs *b, struct buf *out, struct err *e);

/* --- index.json ------------------------------------------------------------------------------ */

MUST int blobs_index_stage(
	struct blobs *b, struct stage **st, struct err *e); /* end it by stage_close() */
MUST int blobs_index_open(
	struct blobs *b, struct blob_reader *r, struct err *e); /* r: a closed one */

#endif
