/* A blob from blob_begin() to blob_commit(). */
#define MOAT_STORE_PART
#include "storage/blobs/writer.h"

#include "storage/base/banned.h"

/* Batches of this handle hold locks too: flush them before waiting for another writer. */
static int open_stage(struct blob_writer *w, uint64_t *have, struct err *e)
{
	if (writer_open(w, 0, have, e) == 0)
		return 0;
	if (e->code != ERR_BUSY || w->flags & BLOB_TRY || batches_flush(w->store, e) < 0)
		return -1;
	return writer_open(w, STORE_BUSY_MS, have, e);
}

static int begin(struct blob_writer **wp, struct err *e)
{
	struct blob_writer *w = *wp;
	uint64_t have = 0;
	int rc;

	if (open_stage(w, &have, e) < 0)
		return -1;
	if (w->flags & BLOB_RESUME) {
		/* The writer that had the stage before may have finished. */
		rc = blob_is_there(w->store, &w->expect, w->size, BLOB_CHECK_CHANGED, e);
		if (rc != 0) {
			blob_discard(wp);
			return rc;
		}
	}
	return writer_resume(w, have, e);
}

/* Is it here, or on its way in a batch of this handle, which is flushed then? */
static int find_present(
	struct store *s, const struct digest *expect, uint64_t size, unsigned flags, struct err *e)
{
	int rc = blob_is_there(
		s, expect, size, flags & BLOB_VERIFY ? BLOB_CHECK_BYTES : BLOB_CHECK_CHANGED, e);

	if (rc == 0)
		rc = batches_flush_with(s, expect, e);
	if (rc == 0 && writer_is_open(s, expect, flags))
		rc = err_set(e, ERR_BUSY, "this handle is writing it already");
	return rc;
}

int blob_begin(struct store *s, const struct digest *expect, uint64_t size, unsigned flags,
	struct blob_writer **out, struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = NULL;
	int rc = store_may_write(s, e);

	*out = NULL;
	if (expect && rc == 0)
		rc = find_present(s, expect, size, flags, e);
	if (rc == 0)
		rc = touched_flush(
			s, e); /* what was found so far shall outlast what is waited for now */
	if (rc == 0) {
		w = writer_new(s, expect, size, flags);
		rc = begin(&w, e);
	}
	if (rc != 0)
		return rc < 0 && expect ? blob_ctx(expect, e) : rc;
	writer_list(w);
	*out = STEAL(w);
	return 0;
}

int blob_commit(
	struct blob_writer **wp, struct blob_batch *batch, struct digest *got, struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = STEAL(*wp);
	struct digest expect = w->expect;

	if (blob_error(w, e) < 0 || writer_verify(w, e) < 0) {
		if (writer_start_over(w, e) > 0)
			*wp = STEAL(w);
		else if (e->code == ERR_CORRUPT)
			blob_discard(&w);
		return blob_ctx(&expect, e);
	}
	if (got)
		*got = w->digest;
	return batch ? batch_take(batch, &w, e) : blobs_publish(w->store, &w, 1, e);
}

int blob_put(struct store *s, struct blob_batch *batch, struct span bytes, struct digest *got,
	struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = NULL;
	int rc;

	digest_of(got, DIGEST_SHA256, bytes);
	if (batch && batch_has(batch, got))
		return 0;
	rc = blob_begin(s, got, bytes.len, BLOB_VERIFY, &w, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	blob_write(w, bytes.data, bytes.len);
	return blob_commit(&w, batch, NULL, e);
}
