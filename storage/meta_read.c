/* Metadata in SQLite: lookups, pages, totals and the search for broken rows. Writes nothing. */
#include "storage/meta_sqlite.h"

#include <stdio.h>

#include "storage/base/banned.h"

int meta_change(struct meta *m, uint64_t *number, struct err *e)
{
	uint32_t opened;

	if (db_refresh(db_of(m), &opened, e) < 0)
		return -1;
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_CHANGE);
	if (query_step(&q, e) < 0)
		return -1;
	*number = (uint64_t)opened << 32 | (uint32_t)query_get_int(&q, 0);
	return 0;
}

/* --- lookups -------------------------------------------------------------------------------- */

int meta_blob_get(struct meta *m, const struct digest *d, struct blob_row *out, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_BLOB_GET);
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

int meta_repo_blob(
	struct meta *m, const char *repo, const struct digest *d, uint64_t *size, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_REPO_BLOB);
	int rc;

	query_text(&q, repo);
	query_digest(&q, d);
	rc = query_step(&q, e);
	if (rc > 0)
		*size = (uint64_t)query_get_int(&q, 0);
	return rc;
}

int meta_repo_has(struct meta *m, const char *repo, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_REPO_FIND);

	query_text(&q, repo);
	return query_step(&q, e);
}

int meta_manifest_by_tag(
	struct meta *m, const char *repo, const char *tag, struct manifest_info *out, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_MANIFEST_BY_TAG);
	int rc;

	query_text(&q, repo);
	query_text(&q, tag);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	return query_get_info(&q, 0, out, e) < 0 ? -1 : 1;
}

int meta_manifest_by_digest(struct meta *m, const char *repo, const struct digest *d,
	struct manifest_info *out, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_MANIFEST_BY_DIGEST);
	int rc;

	query_text(&q, repo);
	query_digest(&q, d);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	out->digest = *d;
	out->size = (uint64_t)query_get_int(&q, 0);
	snprintf(out->media_type, sizeof(out->media_type), "%s", query_get_text(&q, 1));
	return 1;
}

int meta_index_of(struct meta *m, const char *repo, const struct digest *d,
	struct manifest_info *out, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_INDEX_OF);
	int rc;

	query_text(&q, repo);
	query_digest(&q, d);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	return query_get_info(&q, 0, out, e) < 0 ? -1 : 1;
}

int meta_needed_by(
	struct meta *m, const char *repo, int64_t blob, struct digest *manifest, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_NEEDED_BY);
	int rc;

	query_text(&q, repo);
	query_int(&q, blob);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	return query_get_digest(&q, 0, manifest, e) < 0 ? -1 : 1;
}

static void get_set_name(const struct query *q, struct set_info *set)
{
	snprintf(set->name, sizeof(set->name), "%s", query_get_text(q, 0));
	snprintf(set->version, sizeof(set->version), "%s", query_get_text(q, 1));
}

int meta_set_holding(
	struct meta *m, const char *repo, int64_t blob, struct set_info *set, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_SET_HOLDING);
	int rc;

	query_text(&q, repo);
	query_int(&q, blob);
	rc = query_step(&q, e);
	if (rc > 0)
		get_set_name(&q, set);
	return rc;
}

int meta_tag_pinned(struct meta *m, const char *repo, const char *tag, struct set_info *set,
	struct digest *manifest, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_TAG_PINNED);
	int rc;

	query_text(&q, repo);
	query_text(&q, tag);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	get_set_name(&q, set);
	return query_get_digest(&q, 2, manifest, e) < 0 ? -1 : 1;
}

/* --- lists ---------------------------------------------------------------------------------- */

int meta_referrers(struct meta *m, const char *repo, const struct digest *d, referrer_fn *fn,
	void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_REFERRERS);
	struct referrer r;
	int rc;

	query_text(&q, repo);
	query_digest(&q, d);
	while ((rc = query_step(&q, e)) > 0) {
		if (query_get_info(&q, 0, &r.info, e) < 0)
			return -1;
		snprintf(r.artifact_type, sizeof(r.artifact_type), "%s", query_get_text(&q, 3));
		rc = fn(ctx, &r, e);
		if (rc != 0)
			return rc;
	}
	return rc;
}

int meta_repos_with(struct meta *m, const struct digest *d, name_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_REPOS_WITH);
	int rc;

	query_digest(&q, d);
	while ((rc = query_step(&q, e)) > 0) {
		rc = fn(ctx, query_get_text(&q, 0), e);
		if (rc != 0)
			return rc;
	}
	return rc;
}

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

int meta_tags_after(struct meta *m, const char *repo, const char *after, unsigned max, name_fn *fn,
	void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_TAGS_AFTER);

	query_text(&q, repo);
	query_text(&q, after);
	query_int(&q, max);
	return each_name(&q, fn, ctx, e);
}

int meta_repos_after(
	struct meta *m, const char *after, unsigned max, name_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_REPOS_AFTER);

	query_text(&q, after);
	query_int(&q, max);
	return each_name(&q, fn, ctx, e);
}

int meta_hosts(struct meta *m, name_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_ALL_HOSTS);

	return each_name(&q, fn, ctx, e);
}

static struct query query_after(struct meta *m, const struct blob_cursor *at)
{
	struct query q = query_begin(db_of(m), at->by_age ? Q_BLOBS_BY_AGE : Q_BLOBS_BY_ID);

	if (at->by_age)
		query_int(&q, at->checked);
	query_int(&q, at->id);
	if (at->by_age)
		query_int(&q, at->before);
	return q;
}

int meta_blobs_after(
	struct meta *m, struct blob_cursor *at, unsigned max, scan_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_after(m, at);
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

int meta_blob_oldest(struct meta *m, int64_t *checked, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_BLOB_OLDEST);
	int rc = query_step(&q, e);

	if (rc > 0)
		*checked = query_get_int(&q, 0);
	return rc;
}

int meta_blob_users(
	struct meta *m, const struct digest *d, unsigned max, user_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_BLOB_USERS);
	int rc;

	query_digest(&q, d);
	query_int(&q, max);
	while ((rc = query_step(&q, e)) > 0)
		if (fn(ctx, query_get_text(&q, 0), query_get_text(&q, 1), e) < 0)
			return -1;
	return rc;
}

int meta_blob_each(struct meta *m, scan_fn *fn, void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_ALL_BLOBS);
	struct digest d;
	int rc;

	while ((rc = query_step(&q, e)) > 0)
		if (query_get_digest(&q, 0, &d, e) < 0 ||
			fn(ctx, &d, (uint64_t)query_get_int(&q, 1), e) < 0)
			return -1;
	return rc;
}

int meta_totals(struct meta *m, struct store_totals *out, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_ALL_TOTALS);

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

/* --- broken rows ---------------------------------------------------------------------------- */

int meta_broken(struct meta *m, broken_fn *fn, void *ctx, struct err *e)
{
	static const enum query_name proofs[] = { Q_ALL_BROKEN_PAGES, Q_ALL_BROKEN_IMAGES,
		Q_ALL_BROKEN_NAMES, Q_ALL_BROKEN_SETS };

	for (size_t i = 0; i < ARRAY_SIZE(proofs); i++) {
		AUTO(query_end) struct query q = query_begin(db_of(m), proofs[i]);
		int rc;

		while ((rc = query_step(&q, e)) > 0)
			if (fn(ctx, query_get_text(&q, 0), query_get_text(&q, 1), e) < 0)
				return -1;
		if (rc < 0)
			return -1;
	}
	return 0;
}
