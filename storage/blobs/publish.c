/*
 * How blobs become visible, for one or for many, in the order of S2: bytes, names, folders, rows. Everything
 * that becomes visible passes here.
 */
#define MOAT_STORE_PART
#include "storage/blobs/writer.h"

#include "storage/base/fault.h"
#include "storage/base/banned.h"

static unsigned long long ull(uint64_t n)
{
	return n;
}

/* The row of a file whose bytes were read: digest, size, stamp. 1, 0 it has gone, -1. */
static int add_row(
	struct store *s, const struct digest *d, uint64_t size, struct rowset *rows, struct err *e)
{
	struct blob_file file;
	int rc = blobs_stat(s->blobs, d, &file, e);

	if (rc <= 0)
		return rc;
	rowset_digest(rows, d);
	rowset_int(rows, (int64_t)size);
	rowset_int(rows, (int64_t)file.stamp);
	return 1;
}

/* 1, 0 the file has gone, -1. */
static int record_one(struct store *s, const struct digest *d, uint64_t size, struct err *e)
{
	AUTO(rowset_release) struct rowset row = ROWSET_INIT(3);
	AUTO(tx_abort) struct store *tx = NULL;
	int rc = tx_begin(s, &tx, e);

	if (rc == 0)
		rc = add_row(s, d, size, &row, e);
	if (rc <= 0)
		return rc;
	if (meta_blobs_proved(s->db, &row, true, e) < 0)
		return -1;
	return tx_commit(&tx, e) < 0 ? -1 : 1;
}

/* Make a file durable and give it its row: 1; 0 collection took it meanwhile; -1. */
static int adopt(struct store *s, const struct digest *d, uint64_t size, struct err *e)
{
	if (blobs_sync(s->blobs, d, e) < 0)
		return e->code == ERR_ABSENT ? 0 : -1;
	return record_one(s, d, size, e);
}

int blob_is_there(struct store *s, const struct digest *d, uint64_t announced, enum blob_check how,
	struct err *e)
{
	struct blob_file file;
	uint64_t size = 0;
	int rc = blobs_stat(s->blobs, d, &file, e);

	if (rc <= 0)
		return rc; /* whatever its row says, and mostly it has none */
	rc = blob_held_by(s, d, how, &size, e);
	if (rc == 0) {
		rc = orphan_held(s, d, &size, e);
		if (rc > 0)
			rc = adopt(s, d, size, e);
	}
	if (rc > 0 && announced != BLOB_SIZE_UNKNOWN && announced != size)
		return err_set(e, ERR_CORRUPT, "%llu bytes announced, it has %llu", ull(announced),
			ull(size));
	return rc;
}

/* The name is taken: 1 by a good file, 0 by a bad one that is in quarantine now. Do not read it again when it
 * was read as the writer was sealed. Otherwise believe a live row of that size, whose writer has read the
 * file; a file without a row is read. */
static int taken_by_good(struct store *s, struct blob_writer *w, struct err *e)
{
	uint64_t size = 0;
	struct blob_row row;
	int rc = 0;

	if (w->sealed && w->beside.fault == BLOB_GOOD && w->beside.read)
		return 1;
	if (w->sealed && w->beside.fault != BLOB_GOOD && w->beside.fault != BLOB_MISSING)
		rc = blob_apply_finding(s, &w->beside, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	rc = meta_blob_get(s->db, &w->digest, &row, e);
	if (rc > 0 && row.live && row.size == w->at)
		return 1;
	return rc < 0 ? -1 : orphan_held(s, &w->digest, &size, e);
}

static int link_one(struct store *s, struct blob_writer *w, struct err *e)
{
	int rc;

	if (fault("blob.link", e) < 0)
		return -1;
	rc = stage_publish(w->stage, &w->digest, e);
	if (rc == 0)
		rc = taken_by_good(s, w, e);
	else
		return rc < 0 ? -1 : 0;
	if (rc == 0)
		rc = stage_publish(w->stage, &w->digest, e);
	return rc < 0 ? -1 : 0;
}

/* Give its bytes their name once more, within the transaction that writes the row, so that nobody takes it again. */
static int link_again(struct store *s, const struct blob_writer *w, struct err *e)
{
	if (stage_publish_again(w->stage, &w->digest, e) < 0)
		return -1;
	return blobs_sync_names(s->blobs, e);
}

/* add_row(), of a file that has gone once more. */
static int add_row_again(
	struct store *s, const struct blob_writer *w, struct rowset *rows, struct err *e)
{
	int rc = link_again(s, w, e) < 0 ? -1 : add_row(s, &w->digest, w->at, rows, e);

	return rc ? rc : err_set(e, ERR_IO, "its file has gone");
}

/* The file that was under its name when it was linked may have been condemned, and collected since. */
static int add_writer(
	struct store *s, const struct blob_writer *w, struct rowset *rows, struct err *e)
{
	int rc = fault("blob.row", e);

	if (rc == 0)
		rc = add_row(s, &w->digest, w->at, rows, e);
	if (rc == 0)
		rc = add_row_again(s, w, rows, e);
	return rc > 0 ? 0 : blob_ctx(&w->digest, e);
}

int blob_put_tx(struct store *s, const struct digest *d, struct span bytes, struct err *e)
{
	const struct stage_want want = { .size = bytes.len };
	struct blob_writer w = { .store = s, .digest = *d, .at = bytes.len };
	uint64_t have;
	int rc = stage_open(s->blobs, &want, &w.stage, &have, e);

	if (rc == 0 && (stage_write(w.stage, 0, bytes.data, bytes.len, e) < 0 ||
			       stages_sync(s->blobs, &w.stage, 1, e) < 0 ||
			       stage_publish(w.stage, d, e) < 0 ||
			       blobs_sync_names(s->blobs, e) < 0 || writer_record(s, &w, e) < 0))
		rc = -1;
	stage_close(&w.stage, false);
	return rc;
}

int writer_record(struct store *s, const struct blob_writer *w, struct err *e)
{
	AUTO(rowset_release) struct rowset row = ROWSET_INIT(3);

	if (add_writer(s, w, &row, e) < 0)
		return -1;
	return meta_blobs_proved(s->db, &row, true, e) < 0 ? blob_ctx(&w->digest, e) : 0;
}

static int record(struct store *s, struct blob_writer *const items[], size_t count, struct err *e)
{
	AUTO(rowset_release) struct rowset rows = ROWSET_INIT(3);
	AUTO(tx_abort) struct store *tx = NULL;

	if (tx_begin(s, &tx, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (!items[i]->repeated && add_writer(s, items[i], &rows, e) < 0)
			return -1;
	if (meta_blobs_proved(s->db, &rows, true, e) < 0)
		return -1;
	return tx_commit(&tx, e);
}

/* Sync all but those that were sealed, which are durable already. */
static int sync_stages(
	struct store *s, struct blob_writer *const items[], size_t count, struct err *e)
{
	struct stage *stages[BATCH_BLOBS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (!items[i]->sealed)
			stages[n++] = items[i]->stage;
	return n ? stages_sync(s->blobs, stages, n, e) : 0;
}

static void find_repeated(struct blob_writer *const items[], size_t count)
{
	AUTO(digest_map_release) struct digest_map seen = DIGEST_MAP_INIT;

	for (size_t i = 0; i < count; i++) {
		items[i]->repeated = digest_map_find(&seen, &items[i]->digest) != NULL;
		digest_map_add(&seen, &items[i]->digest, sizeof(struct digest));
	}
}

int writers_publish(struct store *s, struct blob_writer *const items[], size_t count, struct err *e)
{
	if (fault("blob.sync", e) < 0 || sync_stages(s, items, count, e) < 0)
		return -1;
	find_repeated(items, count);
	for (size_t i = 0; i < count; i++)
		if (!items[i]->repeated && link_one(s, items[i], e) < 0)
			return blob_ctx(&items[i]->digest, e);
	if (fault("blob.names", e) < 0)
		return -1;
	return blobs_sync_names(s->blobs, e);
}

int blobs_publish(struct store *s, struct blob_writer *const items[], size_t count, struct err *e)
{
	if (writers_publish(s, items, count, e) < 0 || record(s, items, count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (fault("blob.unstage", e) < 0)
			return -1;
		stage_close(&items[i]->stage, false);
	}
	return 0;
}
