/* Manifests: their rows and edges, the tags on them, and who refers to whom. */
#include "storage/meta/rows.h"

#include <stdio.h>

#include "storage/base/banned.h"

int meta_manifest_add(struct db *db, int64_t blob, const char *media_type,
	const char *artifact_type, int64_t subject, bool whole, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_MANIFEST_ADD);

	query_int(&q, blob);
	query_text(&q, media_type);
	query_text(&q, artifact_type ? artifact_type : "");
	if (subject)
		query_int(&q, subject);
	else
		query_text(&q, NULL);
	query_int(&q, whole);
	if (query_run(&q, e) < 0)
		return -1;
	return query_changes(&q) ? meta_index_dirty(db, e) : 0;
}

int meta_edge_add(struct db *db, int64_t manifest, int64_t blob, enum edge_role role, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_EDGE_ADD);

	query_int(&q, manifest);
	query_int(&q, blob);
	query_int(&q, role);
	return query_run(&q, e);
}

int manifest_by_tag(struct store *s, const char *repo, const char *tag, struct manifest_info *out,
	struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_MANIFEST_BY_TAG);
	int rc;

	query_text(&q, repo);
	query_text(&q, tag);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	return query_get_info(&q, 0, out, e) < 0 ? -1 : 1;
}

int manifest_by_digest(struct store *s, const char *repo, const struct digest *d,
	struct manifest_info *out, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_MANIFEST_BY_DIGEST);
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

int manifest_index_of(struct store *s, const char *repo, const struct digest *d,
	struct manifest_info *out, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_INDEX_OF);
	int rc;

	query_text(&q, repo);
	query_digest(&q, d);
	rc = query_step(&q, e);
	if (rc <= 0)
		return rc;
	return query_get_info(&q, 0, out, e) < 0 ? -1 : 1;
}

int list_referrers(struct store *s, const char *repo, const struct digest *d, referrer_fn *fn,
	void *ctx, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_REFERRERS);
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

/* --- tags ------------------------------------------------------------------------------------ */

int meta_tag_put(struct db *db, int64_t repo, const char *tag, int64_t manifest, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_TAG_PUT);

	query_int(&q, repo);
	query_text(&q, tag);
	query_int(&q, manifest);
	if (query_run(&q, e) < 0)
		return -1;
	return query_changes(&q) ? meta_index_dirty(db, e) : 0;
}

int meta_tag_drop(struct db *db, const char *repo, const char *tag, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_TAG_DROP);

	query_text(&q, repo);
	query_text(&q, tag);
	if (query_run(&q, e) < 0)
		return -1;
	if (!query_changes(&q))
		return 0;
	return meta_index_dirty(db, e) < 0 ? -1 : 1;
}
