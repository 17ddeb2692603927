/* What the files of this folder share; each function is one of struct blob_ops (engine.h), but for those that
 * say more. For this folder only. */
#ifndef MOAT_FILES_PRIVATE_H
#define MOAT_FILES_PRIVATE_H

#include "storage/engine.h"

#define ALGS (DIGEST_SHA512 + 1)

struct files {
	struct blobs base;
	int root, blobs, stage; /* the store's folder, and two in it; -1: not open */
	int alg[ALGS]; /* blobs/<alg>, -1 until needed */
	bool unsynced[ALGS]; /* a name was added to blobs/<alg> */
	int trash; /* -1 until needed */
	bool discarded[ALGS]; /* a name was taken out of blobs/<alg> */
	_Atomic(unsigned) temp; /* number of the last temporary name */
};

static inline struct files *files_of(struct blobs *b)
{
	return (struct files *)b;
}

/* --- folders.c ------------------------------------------------------------------------------- */

/* The descriptor of blobs/<alg>, which is not the caller's, or -1. _made: made when it is missing, durably,
 * before a blob can be in it. */
MUST int files_alg_dir(struct files *f, enum digest_alg alg, struct err *e);
MUST int files_alg_dir_made(struct files *f, enum digest_alg alg, struct err *e);

/* Open what root has, or for STORE_WRITE make it. */
MUST int files_open_dirs(struct files *f, enum store_mode mode, struct err *e);

/* --- stage.c --------------------------------------------------------------------------------- */

/* Of struct blob_ops, whose contracts stand in engine.h; called through blobs/backend.c only, which checked
 * the arguments. */
MUST int files_stage_open(struct blobs *b, const struct stage_want *want, struct stage **st,
	uint64_t *have, struct err *e);
MUST int files_stage_write(
	struct stage *st, uint64_t at, const void *data, size_t len, struct err *e);
MUST int files_stage_read(struct stage *st, uint64_t at, void *data, size_t len, struct err *e);
MUST int files_stage_cut(struct stage *st, uint64_t len, struct err *e);
MUST int files_stage_sync(
	struct blobs *b, struct stage *const stages[], size_t count, struct err *e);
MUST int files_stage_publish(struct stage *st, const struct digest *d, struct err *e);
void files_stage_close(struct stage **st, bool retain);
MUST int files_index_stage(struct blobs *b, struct stage **st, struct err *e);
MUST int files_index_put(struct stage *st, struct err *e);

/* Remove what writers that died left in stage/ and no other can go on from. */
MUST int files_sweep_stages(struct files *f, struct err *e);

/* Lock a stage that was opened, if no writer holds it: 1, 0, -1. Closing it unlocks. */
MUST int files_stage_lock(int fd, const char *name, struct err *e);

/* --- published.c ----------------------------------------------------------------------------- */

/* Of struct blob_ops, as above. */
MUST int files_publish_sync(struct blobs *b, struct err *e);
MUST int files_blob_open(
	struct blobs *b, const struct digest *d, struct blob_reader *r, struct err *e);
MUST int files_index_open(struct blobs *b, struct blob_reader *r, struct err *e);
MUST int files_blob_sync(struct blobs *b, const struct digest *d, struct err *e);
MUST int files_blob_stat(
	struct blobs *b, const struct digest *d, struct blob_file *out, struct err *e);
MUST int files_scan(struct blobs *b, scan_fn *fn, stray_fn *stray, void *ctx, struct err *e);
MUST int files_free_bytes(struct blobs *b, uint64_t *bytes, struct err *e);

/* What lies under a name of a folder: 1, 0, -1. Thread: any. */
MUST int files_stat_at(int dir, const char *name, struct blob_file *out, struct err *e);

/* --- quarantine.c ---------------------------------------------------------------------------- */

/* Of struct blob_ops, as above. */
MUST int files_quarantine(struct blobs *b, const struct digest *d, const struct blob_file *which,
	struct span reason, char where[QUARANTINE_NAME_SIZE], struct err *e);
MUST int files_quarantine_each(struct blobs *b, quarantine_fn *fn, void *ctx, struct err *e);

/* Lock the folder that was opened as `dir`, against all processes that put a file or take one away there; waits. Closing it
 * unlocks. */
MUST int files_quarantine_lock(int dir, struct err *e);

/* --- trash.c --------------------------------------------------------------------------------- */

/* Of struct blob_ops, as above. */
MUST int files_discard(struct blobs *b, const struct digest *d, struct err *e);
MUST int files_discard_sync(struct blobs *b, struct err *e);
MUST int files_purge(struct blobs *b, enum litter kind, int64_t before, bool dry,
	struct gc_count *out, struct err *e);
MUST int files_rules_put(struct blobs *b, struct span text, struct err *e);
MUST int files_rules_get(struct blobs *b, struct buf *out, struct err *e);
MUST int files_born(struct blobs *b, const struct digest *d, int64_t *when, struct err *e);

/* --- marks.c --------------------------------------------------------------------------------- */

/* Of struct blob_ops, as above. */
MUST int files_may_mark(struct blobs *b, struct err *e);
MUST int files_mark(struct blobs *b, const struct digest *d, struct span reason, struct err *e);
MUST int files_unmark(struct blobs *b, const struct digest *d, struct err *e);
MUST int files_mark_each(struct blobs *b, mark_fn *fn, void *ctx, struct err *e);
MUST int files_place_put(struct blobs *b, struct span text, struct err *e);
MUST int files_place_get(struct blobs *b, struct buf *out, struct err *e);

#endif
