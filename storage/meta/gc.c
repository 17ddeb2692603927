/* Rows as collection reads and forgets them. */
#include "storage/meta/rows.h"

#include <time.h>

#include "storage/base/banned.h"
#include "storage/base/clock.h"

int meta_gc_blobs(struct db *db, gc_row_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_ALL_GC_BLOBS);
	struct gc_row row;
	int rc;

	while ((rc = query_step(&q, e)) > 0) {
		row = (struct gc_row){ .id = query_get_int(&q, 0),
			.size = (uint64_t)query_get_int(&q, 1),
			.live = query_get_int(&q, 2) != 0,
			.touched = query_get_int(&q, 3),
			.manifest = query_get_int(&q, 4) != 0 };
		if (fn(ctx, &row, e) < 0)
			return -1;
	}
	return rc;
}

static int each_pair(struct db *db, enum query_name name, gc_edge_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, name);
	int rc;

	while ((rc = query_step(&q, e)) > 0)
		if (fn(ctx, query_get_int(&q, 0), query_get_int(&q, 1), e) < 0)
			return -1;
	return rc;
}

int meta_gc_edges(struct db *db, gc_edge_fn *fn, void *ctx, struct err *e)
{
	return each_pair(db, Q_ALL_GC_EDGES, fn, ctx, e);
}

int meta_gc_roots(struct db *db, gc_edge_fn *fn, void *ctx, struct err *e)
{
	return each_pair(db, Q_ALL_GC_ROOTS, fn, ctx, e);
}

int meta_gc_digests(
	struct db *db, const struct rowset *ids, gc_digest_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_GC_DIGESTS);
	struct digest d;
	int rc;

	query_rowset(&q, ids);
	while ((rc = query_step(&q, e)) > 0) {
		if (query_get_digest(&q, 1, &d, e) < 0)
			return -1;
		fn(ctx, (size_t)query_get_int(&q, 0), &d);
	}
	return rc;
}

int meta_gc_unused(struct db *db, const struct rowset *ids, int64_t cutoff, bool together,
	gc_id_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end)
	struct query q = query_begin(db, together ? Q_GC_UNUSED_TOGETHER : Q_GC_UNUSED);
	int rc;

	query_rowset(&q, ids);
	query_int(&q, cutoff);
	while ((rc = query_step(&q, e)) > 0)
		fn(ctx, query_get_int(&q, 0));
	return rc;
}

int meta_gc_condemn(struct db *db, const struct rowset *ids, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_GC_CONDEMN);
	uint64_t edges, links, manifests;

	if (query_run_rows(db, Q_GC_DROP_EDGES, ids, &edges, e) < 0 ||
		query_run_rows(db, Q_GC_DROP_LINKS, ids, &links, e) < 0 ||
		query_run_rows(db, Q_GC_DROP_MANIFESTS, ids, &manifests, e) < 0)
		return -1;
	query_rowset(&q, ids);
	query_int(&q, clock_now());
	if (query_run(&q, e) < 0)
		return -1;
	return links || manifests ? meta_index_dirty(db, e) : 0;
}

int meta_gc_condemned(struct db *db, unsigned max, gc_condemned_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_GC_CONDEMNED);
	struct gc_condemned row;
	int rc;

	query_int(&q, max);
	while ((rc = query_step(&q, e)) > 0) {
		row = (struct gc_condemned){ .id = query_get_int(&q, 0),
			.size = (uint64_t)query_get_int(&q, 2),
			.when = query_get_int(&q, 3) };
		if (query_get_digest(&q, 1, &row.digest, e) < 0 || fn(ctx, &row, e) < 0)
			return -1;
	}
	return rc;
}

int meta_gc_condemned_total(struct db *db, struct gc_count *out, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_GC_CONDEMNED_TOTAL);

	if (query_step(&q, e) < 0)
		return -1;
	*out = (struct gc_count){ .blobs = (uint64_t)query_get_int(&q, 0),
		.bytes = (uint64_t)query_get_int(&q, 1) };
	return 0;
}

int meta_gc_gone(struct db *db, const struct rowset *ids, struct err *e)
{
	uint64_t changed;

	if (query_run_rows(db, Q_GC_GONE, ids, &changed, e) < 0)
		return -1;
	return query_run_rows(db, Q_GC_ABSENT, ids, &changed, e);
}

int meta_gc_repos(struct db *db, uint64_t *count, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_ALL_GC_REPOS);

	if (query_run(&q, e) < 0)
		return -1;
	*count = query_changes(&q);
	return *count ? meta_index_dirty(db, e) : 0;
}
