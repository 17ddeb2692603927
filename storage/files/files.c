/*
 * Blobs as files below the store's directory. A blob appears under its name by link, complete and synced
 * (S1), and is never written again.
 */
#include "storage/files/files.h"

#include <stdlib.h>

#include "storage/files/files_private.h"

#include "storage/base/fs.h"
#include "storage/base/banned.h"

static void close_blobs(struct blobs *b)
{
	struct files *f = files_of(b);

	for (int i = 0; i < ALGS; i++)
		fd_close(&f->alg[i]);
	fd_close(&f->trash);
	fd_close(&f->stage);
	fd_close(&f->blobs);
	fd_close(&f->root);
	free(f);
}

static const struct blob_ops ops = {
	.close = close_blobs,
	.stage_open = files_stage_open,
	.stage_write = files_stage_write,
	.stage_read = files_stage_read,
	.stage_cut = files_stage_cut,
	.stage_sync = files_stage_sync,
	.stage_publish = files_stage_publish,
	.publish_sync = files_publish_sync,
	.stage_close = files_stage_close,
	.open = files_blob_open,
	.sync = files_blob_sync,
	.stat = files_blob_stat,
	.quarantine = files_quarantine,
	.quarantine_each = files_quarantine_each,
	.discard = files_discard,
	.discard_sync = files_discard_sync,
	.purge = files_purge,
	.born = files_born,
	.scan = files_scan,
	.may_mark = files_may_mark,
	.mark = files_mark,
	.unmark = files_unmark,
	.mark_each = files_mark_each,
	.place_put = files_place_put,
	.place_get = files_place_get,
	.rules_put = files_rules_put,
	.rules_get = files_rules_get,
	.free_bytes = files_free_bytes,
	.index_stage = files_index_stage,
	.index_put = files_index_put,
	.index_open = files_index_open,
};

static void files_drop(struct files **f)
{
	if (*f)
		close_blobs(&(*f)->base);
}

int files_open(struct blobs **b, const char *where, enum store_mode mode, struct err *e)
{
	AUTO(files_drop) struct files *f = mem_alloc(sizeof(*f));

	f->base.ops = &ops;
	f->root = f->blobs = f->stage = f->trash = -1;
	for (int i = 0; i < ALGS; i++)
		f->alg[i] = -1;
	if (mode == STORE_WRITE && fs_make_dirs(where, 0755, e) < 0)
		return -1;
	f->root = fs_open_dir(where, e);
	if (f->root < 0 || files_open_dirs(f, mode, e) < 0 ||
		(mode == STORE_WRITE && files_sweep_stages(f, e) < 0))
		return err_ctx(e, "open store %s", where);
	*b = &f->base;
	f = NULL;
	return 0;
}
