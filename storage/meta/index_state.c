/* What index.json shows, and the numbers of its states. */
#include "storage/meta/rows.h"

#include "storage/base/banned.h"

int meta_index_dirty(struct db *db, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_INDEX_DIRTY);

	return query_run(&q, e);
}

int meta_index_state(struct db *db, struct index_state *out, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_INDEX_STATE);

	if (query_step(&q, e) < 0)
		return -1;
	out->changed = (uint64_t)query_get_int(&q, 0);
	out->written = (uint64_t)query_get_int(&q, 1);
	return 0;
}

int meta_index_made(struct db *db, uint64_t serial, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_INDEX_MADE);

	query_int(&q, (int64_t)serial);
	return query_run(&q, e);
}

int meta_index_written(struct db *db, uint64_t state, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_INDEX_WRITTEN);

	query_int(&q, (int64_t)state);
	if (query_run(&q, e) < 0)
		return -1;
	return query_changes(&q) > 0;
}

int meta_index_names(struct db *db, name_row_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_ALL_NAMES);
	struct name_row row;
	int rc;

	while ((rc = query_step(&q, e)) > 0) {
		row = (struct name_row){ .repo = query_get_text(&q, 0),
			.tag = query_get_text(&q, 1),
			.artifact_type = query_get_text(&q, 5),
			.pin = query_get_int(&q, 6) != 0,
			.links = (enum links)query_get_int(&q, 7) };
		if (query_get_info(&q, 2, &row.info, e) < 0 || fn(ctx, &row, e) < 0)
			return -1;
	}
	return rc;
}
