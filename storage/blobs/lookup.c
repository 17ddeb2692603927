/* Blobs by digest: is one here, and reading it. Must never give bytes that are not as long as recorded. */
#define MOAT_STORE_PART
#include "storage/blobs/writer.h"

#include "storage/base/banned.h"

static unsigned long long ull(uint64_t n)
{
	return n;
}

int blob_stat(struct store *s, const struct digest *d, uint64_t *size, struct err *e)
{
	struct blob_row row;
	int rc = meta_blob_get(s->db, d, &row, e);

	if (rc <= 0)
		return rc;
	*size = row.size;
	return row_held(s, d, &row, e);
}

/* Its file is missing: 0 it was collected since its row was read; else a failure. */
static int missing_file(struct store *s, const struct digest *d, struct err *e)
{
	struct blob_row row;
	int rc = meta_blob_get(s->db, d, &row, e);

	if (rc <= 0 || !row.live)
		return rc < 0 ? -1 : 0;
	return err_set(e, ERR_CORRUPT, "recorded as held, but its file is missing");
}

static int open_held(struct store *s, const struct digest *d, uint64_t size, struct blob_reader *r,
	struct err *e)
{
	AUTO(reader_close) struct blob_reader file = BLOB_READER_INIT;
	int rc = blobs_open(s->blobs, d, &file, e);

	if (rc == 0) {
		rc = missing_file(s, d, e);
		return rc < 0 ? blob_ctx(d, e) : 0;
	}
	if (rc > 0 && file.size != size)
		rc = err_set(e, ERR_CORRUPT, "%llu bytes recorded, its file has %llu", ull(size),
			ull(file.size));
	if (rc <= 0)
		return blob_ctx(d, e);
	*r = STEAL_READER(file);
	return 1;
}

int blob_open(struct store *s, const struct digest *d, struct blob_reader *r, struct err *e)
{
	struct blob_row row;
	int rc = meta_blob_get(s->db, d, &row, e);

	if (rc <= 0 || !row.live)
		return rc < 0 ? -1 : 0;
	return open_held(s, d, row.size, r, e);
}

int blob_read_held(struct store *s, const struct digest *d, uint64_t size, size_t limit,
	struct buf *out, struct err *e)
{
	AUTO(reader_close) struct blob_reader r = BLOB_READER_INIT;
	struct digest got;
	int rc = open_held(s, d, size, &r, e);

	if (rc <= 0)
		return rc;
	if (size > limit) {
		err_set(e, ERR_INPUT, "%llu bytes, more than the limit of %zu", ull(size), limit);
		return blob_ctx(d, e);
	}
	buf_reserve(out, (size_t)size);
	if (reader_read(&r, 0, out->data + out->len, (size_t)size, e) < 0)
		return blob_ctx(d, e);
	digest_of(&got, d->alg, (struct span){ out->data + out->len, (size_t)size });
	if (!digest_eq(&got, d)) {
		err_set(e, ERR_CORRUPT, "its file has other bytes");
		return blob_ctx(d, e);
	}
	out->len += (size_t)size;
	if (out->cap)
		out->data[out->len] = '\0';
	return 1;
}

int blob_read(struct store *s, const struct digest *d, size_t limit, struct buf *out, struct err *e)
{
	struct blob_row row;
	int rc = meta_blob_get(s->db, d, &row, e);

	if (rc <= 0 || !row.live)
		return rc < 0 ? -1 : 0;
	return blob_read_held(s, d, row.size, limit, out, e);
}

int blob_read_or_lose(
	struct store *s, const struct digest *d, size_t limit, struct buf *out, struct err *e)
{
	struct blob_row row;
	int rc = meta_blob_get(s->db, d, &row, e);

	if (rc <= 0 || !row.live)
		return rc < 0 ? -1 : 0;
	rc = blob_read_held(s, d, row.size, limit, out, e);
	return rc < 0 && err_is_loss(e->code) ? meta_blob_lost(s->db, d, e) : rc;
}
