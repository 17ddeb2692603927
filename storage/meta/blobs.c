/* Rows of blobs: which are held, when their bytes were read last, and all of them in turn. */
#include "storage/meta/rows.h"

#include <stdio.h>
#include <time.h>

#include "storage/base/banned.h"
#include "storage/base/clock.h"

static void get_row(const struct query *q, int first, struct blob_row *out)
{
	out->id = query_get_int(q, first);
	out->size = (uint64_t)query_get_int(q, first + 1);
	out->live = query_get_int(q, first + 2) != 0;
	snprintf(out->media_type, sizeof(out->media_type), "%s", query_get_text(q, first + 3));
	out->whole = query_get_int(q, first + 4) != 0;
	out->stamp = (uint64_t)query_get_int(q, first + 5);
	out->touched = query_get_int(q, first + 6);
}

int meta_blob_get(struct db *db, const struct digest *d, struct blob_row *out, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_BLOB_GET);
	int rc;

	query_digest(&q, d);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	get_row(&q, 0, out);
	return 1;
}

int meta_blobs_get(struct db *db, const struct rowset *digests, int64_t repo, blob_row_fn *fn,
	void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_BLOBS_GET);
	struct blob_row row;
	int rc;

	query_rowset(&q, digests);
	query_int(&q, repo);
	while ((rc = query_step(&q, e)) > 0) {
		get_row(&q, 1, &row);
		fn(ctx, (size_t)query_get_int(&q, 0), &row, query_get_int(&q, 8) != 0);
	}
	return rc;
}

int meta_blobs_want(
	struct db *db, const struct rowset *blobs, blob_id_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_BLOBS_WANT);
	struct digest d;
	int rc;

	query_rowset(&q, blobs);
	while ((rc = query_step(&q, e)) > 0) {
		if (query_get_digest(&q, 0, &d, e) < 0)
			return -1;
		fn(ctx, &d, query_get_int(&q, 1));
	}
	return rc;
}

/* index.json shows of a manifest whether it is held. Before the rows are changed. */
static int dirty_live(struct db *db, const struct rowset *digests, bool live, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_INDEX_DIRTY_LIVE);

	query_rowset(&q, digests);
	query_int(&q, live);
	return query_run(&q, e);
}

static int dirty_one(struct db *db, const struct digest *d, bool live, struct err *e)
{
	AUTO(rowset_release) struct rowset one = ROWSET_INIT(1);

	rowset_digest(&one, d);
	return dirty_live(db, &one, live, e);
}

int meta_blob_live(struct db *db, const struct digest *d, uint64_t size, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_BLOB_LIVE);

	query_digest(&q, d);
	query_int(&q, (int64_t)size);
	query_int(&q, clock_now());
	return dirty_one(db, d, true, e) < 0 ? -1 : query_run(&q, e);
}

int meta_blobs_proved(struct db *db, const struct rowset *blobs, bool put, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_BLOBS_PROVED);
	int64_t now = clock_now();

	query_rowset(&q, blobs);
	query_int(&q, now);
	query_int(&q, put ? now : 0);
	return dirty_live(db, blobs, true, e) < 0 ? -1 : query_run(&q, e);
}

int meta_blobs_touch(struct db *db, const struct rowset *digests, uint64_t *touched, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_BLOBS_TOUCH);

	query_rowset(&q, digests);
	query_int(&q, clock_now());
	if (query_run(&q, e) < 0)
		return -1;
	*touched = query_changes(&q);
	return 0;
}

int meta_blob_lost(struct db *db, const struct digest *d, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_BLOB_LOST);

	query_digest(&q, d);
	return dirty_one(db, d, false, e) < 0 ? -1 : query_run(&q, e);
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

/* Blobs and whether they are subjects that only a tag tells of. */
static int each_user(struct store *s, const struct rowset *blobs, unsigned max, user_fn *fn,
	void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_BLOB_USERS);
	int rc;

	query_rowset(&q, blobs);
	query_int(&q, max);
	while ((rc = query_step(&q, e)) > 0)
		if (fn(ctx, query_get_text(&q, 0), query_get_text(&q, 1), e) < 0)
			return -1;
	return rc;
}

static int add_subject(void *ctx, const char *repo, const char *tag, struct err *e)
{
	struct digest subject;

	(void)repo, (void)e;
	if (!ref_fallback_subject(tag, &subject))
		return 0;
	rowset_digest(ctx, &subject);
	rowset_int(ctx, 1);
	return 0;
}

int blob_users(struct store *s, const struct digest *d, unsigned max, user_fn *fn, void *ctx,
	struct err *e)
{
	AUTO(rowset_release) struct rowset blobs = ROWSET_INIT(2);
	AUTO(rowset_release) struct rowset named = ROWSET_INIT(2);

	for (size_t i = 0; i < 2; i++) {
		struct rowset *r = i ? &named : &blobs;

		rowset_digest(r, d);
		rowset_int(r, 0);
	}
	return each_user(s, &blobs, max, add_subject, &named, e) < 0 ||
			       each_user(s, &named, max, fn, ctx, e) < 0
		       ? -1
		       : 0;
}

int blobs_absent(struct store *s, scan_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_ALL_ABSENT);
	struct digest d;
	int rc;

	while ((rc = query_step(&q, e)) > 0)
		if (query_get_digest(&q, 0, &d, e) < 0 ||
			fn(ctx, &d, (uint64_t)query_get_int(&q, 1), e) < 0)
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

int store_tags(struct store *s, uint64_t *count, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_ALL_TAGS);

	if (query_step(&q, e) < 0)
		return -1;
	*count = (uint64_t)query_get_int(&q, 0);
	return 0;
}
