/* Rows of blobs: which are held, when their bytes were read last, and all of them in turn. */
#include "storage/meta/rows.h"

#include <stdio.h>
#include <time.h>

#include "storage/base/banned.h"

int meta_blob_get(struct db *db, const struct digest *d, struct blob_row *out, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_BLOB_GET);
	int rc;

	query_digest(&q, d);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	out->id = query_get_int(&q, 0);
	out->size = (uint64_t)query_get_int(&q, 1);
	out->live = query_get_int(&q, 2) != 0;
	snprintf(out->media_type, sizeof(out->media_type), "%s", query_get_text(&q, 3));
	out->whole = query_get_int(&q, 4) != 0;
	out->stamp = (uint64_t)query_get_int(&q, 5);
	return 1;
}

int meta_blob_want(
	struct db *db, const struct digest *d, uint64_t size, struct blob_row *out, struct err *e)
{
	int rc = meta_blob_get(db, d, out, e);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	AUTO(query_end) struct query q = query_begin(db, Q_BLOB_WANT);
	query_digest(&q, d);
	query_int(&q, (int64_t)size);
	*out = (struct blob_row){ .size = size };
	return query_id(&q, &out->id, e);
}

/* index.json shows of a manifest whether it is held. Before the row is changed. */
static int dirty_live(struct db *db, const struct digest *d, bool live, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_INDEX_DIRTY_LIVE);

	query_digest(&q, d);
	query_int(&q, live);
	return query_run(&q, e);
}

int meta_blob_live(struct db *db, const struct digest *d, uint64_t size, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_BLOB_LIVE);

	query_digest(&q, d);
	query_int(&q, (int64_t)size);
	return dirty_live(db, d, true, e) < 0 ? -1 : query_run(&q, e);
}

int meta_blob_proved(
	struct db *db, const struct digest *d, uint64_t size, uint64_t stamp, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_BLOB_PROVED);

	query_digest(&q, d);
	query_int(&q, (int64_t)size);
	query_int(&q, (int64_t)time(NULL));
	query_int(&q, (int64_t)stamp);
	return dirty_live(db, d, true, e) < 0 ? -1 : query_run(&q, e);
}

int meta_blob_lost(struct db *db, const struct digest *d, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_BLOB_LOST);

	query_digest(&q, d);
	return dirty_live(db, d, false, e) < 0 ? -1 : query_run(&q, e);
}

/* --- all of them ---------------------------------------------------------------------------- */

static struct query query_after(struct db *db, const struct blob_cursor *at)
{
	struct query q = query_begin(db, at->by_age ? Q_BLOBS_BY_AGE : Q_BLOBS_BY_ID);

	if (at->by_age)
		query_int(&q, at->checked);
	query_int(&q, at->id);
	if (at->by_age)
		query_int(&q, at->before);
	return q;
}

int blobs_after(struct store *s, struct blob_cursor *at, unsigned max, scan_fn *fn, void *ctx,
	struct err *e)
{
	AUTO(query_end) struct query q = query_after(store_db(s), at);
	struct digest d;
	int rc, count = 0;

	query_int(&q, max);
	while ((rc = query_step(&q, e)) > 0) {
		at->id = query_get_int(&q, 0);
		at->checked = query_get_int(&q, 3);
		if (query_get_digest(&q, 1, &d, e) < 0 ||
			fn(ctx, &d, (uint64_t)query_get_int(&q, 2), e) < 0)
			return -1;
		count++;
	}
	return rc < 0 ? -1 : count;
}

int blobs_oldest(struct store *s, int64_t *checked, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_BLOB_OLDEST);
	int rc = query_step(&q, e);

	if (rc > 0)
		*checked = query_get_int(&q, 0);
	return rc;
}

int blob_users(struct store *s, const struct digest *d, unsigned max, user_fn *fn, void *ctx,
	struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_BLOB_USERS);
	int rc;

	query_digest(&q, d);
	query_int(&q, max);
	while ((rc = query_step(&q, e)) > 0)
		if (fn(ctx, query_get_text(&q, 0), query_get_text(&q, 1), e) < 0)
			return -1;
	return rc;
}

int meta_blob_each(struct db *db, scan_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_ALL_BLOBS);
	struct digest d;
	int rc;

	while ((rc = query_step(&q, e)) > 0)
		if (query_get_digest(&q, 0, &d, e) < 0 ||
			fn(ctx, &d, (uint64_t)query_get_int(&q, 1), e) < 0)
			return -1;
	return rc;
}

int store_totals(struct store *s, struct store_totals *out, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_ALL_TOTALS);

	if (query_step(&q, e) < 0)
		return -1;
	*out = (struct store_totals){
		.blobs = (uint64_t)query_get_int(&q, 0),
		.bytes = (uint64_t)query_get_int(&q, 1),
		.manifests = (uint64_t)query_get_int(&q, 2),
		.repos = (uint64_t)query_get_int(&q, 3),
		.sets = (uint64_t)query_get_int(&q, 4),
	};
	return 0;
}
