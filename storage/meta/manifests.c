/* Manifests: their rows and edges, the tags on them, and who refers to whom. */
#include "storage/meta/rows.h"

#include <stdio.h>

#include "storage/base/banned.h"

/* Of what index.json shows; a change makes a new state of it. */
static int run_shown(struct db *db, enum query_name name, const struct rowset *r, struct err *e)
{
	uint64_t changes;

	if (query_run_rows(db, name, r, &changes, e) < 0)
		return -1;
	return changes ? meta_index_dirty(db, e) : 0;
}

int meta_manifests_add(struct db *db, const struct rowset *manifests, struct err *e)
{
	return run_shown(db, Q_MANIFESTS_ADD, manifests, e);
}

int meta_edges_add(struct db *db, const struct rowset *edges, struct err *e)
{
	uint64_t changes;

	return query_run_rows(db, Q_EDGES_ADD, edges, &changes, e);
}

/* The one row of digest, size and type: 1, 0, -1. */
static int step_info(struct query *q, struct manifest_info *out, struct err *e)
{
	int rc = query_step(q, e);

	return rc > 0 && query_get_info(q, 0, out, e) < 0 ? -1 : rc;
}

int manifest_by_tag(struct store *s, const char *repo, const char *tag, struct manifest_info *out,
	struct err *e)
{
	AUTO(query_end) struct query q = query_begin(store_db(s), Q_MANIFEST_BY_TAG);

	query_text(&q, repo);
	query_text(&q, tag);
	return step_info(&q, out, e);
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

	query_text(&q, repo);
	query_digest(&q, d);
	return step_info(&q, out, e);
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

int meta_tags_put(struct db *db, const struct rowset *tags, struct err *e)
{
	return run_shown(db, Q_TAGS_PUT, tags, e);
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
