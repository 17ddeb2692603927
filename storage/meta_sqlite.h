/* Metadata in SQLite: the pieces of the engine's table. Only meta_*.c include this. */
#ifndef MOAT_META_SQLITE_H
#define MOAT_META_SQLITE_H

#include "storage/db.h"
#include "storage/engine.h"

MUST int meta_sqlite_drop(const char *where, struct err *e);
MUST int meta_sqlite_open(struct meta **m, const char *where, enum store_mode mode, struct err *e);

struct meta_sqlite {
	struct meta base;
	struct db *db;
};

static inline struct db *db_of(struct meta *m)
{
	return ((struct meta_sqlite *)m)->db;
}

/* Digests as the database keeps them. */
void query_digest(struct query *q, const struct digest *d);
MUST int query_get_digest(const struct query *q, int column, struct digest *d, struct err *e);
MUST int query_get_info(const struct query *q, int first, struct manifest_info *out, struct err *e);

/* meta_read.c */
int meta_change(struct meta *m, uint64_t *number, struct err *e);
int meta_blob_get(struct meta *m, const struct digest *d, struct blob_row *out, struct err *e);
int meta_blobs_after(struct meta *m, struct blob_cursor *at, unsigned max, scan_fn *fn, void *ctx,
	struct err *e);
int meta_blob_oldest(struct meta *m, int64_t *checked, struct err *e);
int meta_blob_users(struct meta *m, const struct digest *d, unsigned max, user_fn *fn, void *ctx,
	struct err *e);
int meta_blob_each(struct meta *m, scan_fn *fn, void *ctx, struct err *e);
int meta_repo_blob(
	struct meta *m, const char *repo, const struct digest *d, uint64_t *size, struct err *e);
int meta_repos_with(struct meta *m, const struct digest *d, name_fn *fn, void *ctx, struct err *e);
int meta_needed_by(
	struct meta *m, const char *repo, int64_t blob, struct digest *manifest, struct err *e);
int meta_set_holding(
	struct meta *m, const char *repo, int64_t blob, struct set_info *set, struct err *e);
int meta_tag_pinned(struct meta *m, const char *repo, const char *tag, struct set_info *set,
	struct digest *manifest, struct err *e);
int meta_repo_has(struct meta *m, const char *repo, struct err *e);
int meta_manifest_by_tag(struct meta *m, const char *repo, const char *tag,
	struct manifest_info *out, struct err *e);
int meta_index_of(struct meta *m, const char *repo, const struct digest *d,
	struct manifest_info *out, struct err *e);
int meta_manifest_by_digest(struct meta *m, const char *repo, const struct digest *d,
	struct manifest_info *out, struct err *e);
int meta_referrers(struct meta *m, const char *repo, const struct digest *d, referrer_fn *fn,
	void *ctx, struct err *e);
int meta_tags_after(struct meta *m, const char *repo, const char *after, unsigned max, name_fn *fn,
	void *ctx, struct err *e);
int meta_repos_after(
	struct meta *m, const char *after, unsigned max, name_fn *fn, void *ctx, struct err *e);
int meta_hosts(struct meta *m, name_fn *fn, void *ctx, struct err *e);
int meta_totals(struct meta *m, struct store_totals *out, struct err *e);
int meta_broken(struct meta *m, broken_fn *fn, void *ctx, struct err *e);

/* meta_sets.c */
int meta_set_add(
	struct meta *m, int64_t blob, const struct set_info *info, int64_t *id, struct err *e);
int meta_set_update(struct meta *m, int64_t id, const struct set_info *info, struct err *e);
int meta_pin_add(struct meta *m, int64_t set, int64_t repo, const char *tag, int64_t manifest,
	struct err *e);
int meta_signature_add(struct meta *m, int64_t set, int64_t manifest,
	const struct set_signature *sig, struct err *e);
int meta_signatures(struct meta *m, const struct digest *set, struct set_signature **sigs,
	size_t *count, struct err *e);
int meta_activate(struct meta *m, const char *name, int64_t set, const char *takes, struct err *e);
int meta_claims(struct meta *m, const struct set *offered, claim_fn *fn, void *ctx, struct err *e);
int meta_conflicts(struct meta *m, conflict_fn *fn, void *ctx, struct err *e);
int meta_generation_add(struct meta *m, const char *name, int64_t set, const struct generation *g,
	bool current, struct err *e);
int meta_generations(
	struct meta *m, const char *name, int64_t set, generation_fn *fn, void *ctx, struct err *e);
int meta_set_get(struct meta *m, const struct digest *d, const char *name, const char *version,
	struct set_row *out, struct err *e);
int meta_set_each(struct meta *m, const char *name, set_row_fn *fn, void *ctx, struct err *e);
int meta_names_state(struct meta *m, struct names_state *out, struct err *e);
int meta_names_changed(struct meta *m, struct err *e);
int meta_names_written(struct meta *m, uint64_t state, struct err *e);
int meta_names_made(struct meta *m, uint64_t serial, struct err *e);
int meta_names_each(struct meta *m, name_row_fn *fn, void *ctx, struct err *e);

#endif
