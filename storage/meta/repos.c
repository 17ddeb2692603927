/* Repositories: their names, and what is linked to them. */
#include "storage/meta/rows.h"

#include "storage/base/banned.h"

int meta_repo_make(struct db *db, const char *repo, int64_t *id, struct err *e)
{
	AUTO(query_end) struct query find = query_begin(db, Q_REPO_FIND);
	int rc;

	query_text(&find, repo);
	rc = query_step(&find, e);
	if (rc > 0)
		*id = query_get_int(&find, 0);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	AUTO(query_end) struct query make = query_begin(db, Q_REPO_MAKE);
	query_text(&make, repo);
	return query_id(&make, id, e);
}

int meta_repos_make(struct db *db, const struct rowset *names, int64_t ids[], struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_REPOS_GET);
	uint64_t made;
	int rc;

	if (query_run_rows(db, Q_REPOS_MAKE, names, &made, e) < 0)
		return -1;
	query_rowset(&q, names);
	while ((rc = query_step(&q, e)) > 0)
		ids[query_get_int(&q, 0)] = query_get_int(&q, 1);
	return rc;
}

int repo_exists(struct store *s, const char *repo, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_REPO_FIND);

	query_text(&q, repo);
	return query_step(&q, e);
}

int repo_has_blob(
	struct store *s, const char *repo, const struct digest *d, uint64_t *size, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_REPO_BLOB);
	int rc;

	query_text(&q, repo);
	query_digest(&q, d);
	rc = query_step(&q, e);
	if (rc > 0)
		*size = (uint64_t)query_get_int(&q, 0);
	return rc;
}

int repos_with_blob(struct store *s, const struct digest *d, name_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_REPOS_WITH);
	int rc;

	query_digest(&q, d);
	while ((rc = query_step(&q, e)) > 0) {
		rc = fn(ctx, query_get_text(&q, 0), e);
		if (rc != 0)
			return rc;
	}
	return rc;
}

int repo_used(struct store *s, const char *repo, const struct digest *d, struct repo_use *out,
	struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_REPO_BYTES);
	int rc;

	*out = (struct repo_use){ .bytes = 0 };
	query_text(&q, repo);
	if (d)
		query_digest(&q, d);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	out->bytes = (uint64_t)query_get_int(&q, 0);
	out->linked = query_get_int(&q, 1) != 0;
	return 1;
}

/* --- pages ----------------------------------------------------------------------------------- */

/* Rows of one text column. */
static int each_name(struct query *q, name_fn *fn, void *ctx, struct err *e)
{
	int rc;

	while ((rc = query_step(q, e)) > 0) {
		rc = fn(ctx, query_get_text(q, 0), e);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int meta_tags_after(struct db *db, const char *repo, const char *after, unsigned max, name_fn *fn,
	void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_TAGS_AFTER);

	query_text(&q, repo);
	query_text(&q, after);
	query_int(&q, max);
	return each_name(&q, fn, ctx, e);
}

int meta_repos_after(
	struct db *db, const char *after, unsigned max, name_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_REPOS_AFTER);

	query_text(&q, after);
	query_int(&q, max);
	return each_name(&q, fn, ctx, e);
}

int list_hosts(struct store *s, name_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_ALL_HOSTS);

	return each_name(&q, fn, ctx, e);
}

/* --- links ----------------------------------------------------------------------------------- */

static int run_ids(struct db *db, enum query_name name, int64_t a, int64_t b, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, name);

	query_int(&q, a);
	query_int(&q, b);
	return query_run(&q, e);
}

/* A new link changes what index.json shows when it is to a manifest, or to what one names. */
int meta_link_add(struct db *db, int64_t repo, int64_t blob, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_LINK_ADD);

	query_int(&q, repo);
	query_int(&q, blob);
	if (query_run(&q, e) < 0)
		return -1;
	return query_changes(&q) ? run_ids(db, Q_INDEX_DIRTY_LINK, repo, blob, e) : 0;
}

int meta_link_needed(struct db *db, int64_t repo, int64_t manifest, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_LINK_NEEDED);

	query_int(&q, repo);
	query_int(&q, manifest);
	if (query_run(&q, e) < 0)
		return -1;
	return query_changes(&q) ? meta_index_dirty(db, e) : 0;
}

int meta_links_add(
	struct db *db, const struct rowset *blobs, const struct rowset *images, struct err *e)
{
	uint64_t all, some;

	if (query_run_rows(db, Q_LINKS_IMAGE, images, &all, e) < 0 ||
		query_run_rows(db, Q_LINKS_ADD, blobs, &some, e) < 0)
		return -1;
	return all || some ? meta_index_dirty(db, e) : 0;
}

static int run_repo_blob(
	struct db *db, enum query_name name, const char *repo, int64_t blob, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, name);

	query_text(&q, repo);
	query_int(&q, blob);
	return query_run(&q, e);
}

int meta_link_drop(struct db *db, const char *repo, int64_t blob, struct err *e)
{
	if (run_repo_blob(db, Q_TAGS_DROP, repo, blob, e) < 0 ||
		run_repo_blob(db, Q_LINK_DROP, repo, blob, e) < 0)
		return -1;
	return meta_index_dirty(db, e);
}

int meta_needed_by(
	struct db *db, const char *repo, int64_t blob, struct digest *manifest, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_NEEDED_BY);
	int rc;

	query_text(&q, repo);
	query_int(&q, blob);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	return query_get_digest(&q, 0, manifest, e) < 0 ? -1 : 1;
}
