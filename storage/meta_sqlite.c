/*
 * Metadata in SQLite: opening, transactions, and what writes blobs, images and tags. Reads are in
 * meta_read.c, sets in meta_sets.c. Must never decide anything: S1-S7 are kept by the callers.
 */
#include "storage/meta_sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "storage/base/fs.h"
#include "storage/base/banned.h"

/* --- digests -------------------------------------------------------------------------------- */

void query_digest(struct query *q, const struct digest *d)
{
	uint8_t key[1 + DIGEST_BYTES_MAX] = { (uint8_t)d->alg };
	size_t len = digest_len(d);

	memcpy(key + 1, d->bytes, len);
	query_bytes(q, key, 1 + len);
}

int query_get_digest(const struct query *q, int column, struct digest *d, struct err *e)
{
	struct span key = query_get_bytes(q, column);

	if (key.len > 1 && (key.data[0] == DIGEST_SHA256 || key.data[0] == DIGEST_SHA512) &&
		digest_from_bytes(d, (enum digest_alg)key.data[0], key.data + 1, key.len - 1) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT, "the database holds a digest that is none");
}

/* digest, size, media type */
int query_get_info(const struct query *q, int first, struct manifest_info *out, struct err *e)
{
	if (query_get_digest(q, first, &out->digest, e) < 0)
		return -1;
	out->size = (uint64_t)query_get_int(q, first + 1);
	snprintf(out->media_type, sizeof(out->media_type), "%s", query_get_text(q, first + 2));
	return 0;
}

/* --- opening, transactions ------------------------------------------------------------------ */

static void meta_close(struct meta *m)
{
	struct meta_sqlite *ms = (struct meta_sqlite *)m;

	db_close(&ms->db);
	free(ms);
}

static int meta_begin(struct meta *m, struct err *e)
{
	return db_begin(db_of(m), e);
}

static int meta_commit(struct meta *m, struct err *e)
{
	return db_commit(db_of(m), e);
}

static void meta_abort(struct meta *m)
{
	db_rollback(db_of(m));
}

static int run_plain(struct meta *m, enum query_name name, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), name);

	return query_run(&q, e);
}

static int meta_look(struct meta *m, struct err *e)
{
	return run_plain(m, Q_LOOK, e);
}

static int meta_part_begin(struct meta *m, struct err *e)
{
	return run_plain(m, Q_PART_BEGIN, e);
}

static int meta_part_end(struct meta *m, struct err *e)
{
	return run_plain(m, Q_PART_END, e);
}

/* Back to its beginning, and out of it. */
static int meta_part_undo(struct meta *m, struct err *e)
{
	if (run_plain(m, Q_PART_UNDO, e) < 0)
		return -1;
	return run_plain(m, Q_PART_END, e);
}

/* --- writing -------------------------------------------------------------------------------- */

/* An INSERT ... RETURNING id. */
static int insert_id(struct query *q, int64_t *id, struct err *e)
{
	if (query_step(q, e) < 0)
		return -1;
	*id = query_get_int(q, 0);
	return query_run(q, e);
}

static int meta_blob_want(
	struct meta *m, const struct digest *d, uint64_t size, struct blob_row *out, struct err *e)
{
	int rc = meta_blob_get(m, d, out, e);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_BLOB_WANT);
	query_digest(&q, d);
	query_int(&q, (int64_t)size);
	*out = (struct blob_row){ .size = size };
	return insert_id(&q, &out->id, e);
}

/* index.json shows of a manifest whether it is held. Before the row is changed. */
static int names_live(struct meta *m, const struct digest *d, bool live, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_NAMES_LIVE);

	query_digest(&q, d);
	query_int(&q, live);
	return query_run(&q, e);
}

static int meta_blob_live(struct meta *m, const struct digest *d, uint64_t size, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_BLOB_LIVE);

	query_digest(&q, d);
	query_int(&q, (int64_t)size);
	return names_live(m, d, true, e) < 0 ? -1 : query_run(&q, e);
}

static int meta_blob_proved(
	struct meta *m, const struct digest *d, uint64_t size, uint64_t stamp, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_BLOB_PROVED);

	query_digest(&q, d);
	query_int(&q, (int64_t)size);
	query_int(&q, (int64_t)time(NULL));
	query_int(&q, (int64_t)stamp);
	return names_live(m, d, true, e) < 0 ? -1 : query_run(&q, e);
}

static int meta_blob_lost(struct meta *m, const struct digest *d, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_BLOB_LOST);

	query_digest(&q, d);
	return names_live(m, d, false, e) < 0 ? -1 : query_run(&q, e);
}

static int meta_repo_make(struct meta *m, const char *repo, int64_t *id, struct err *e)
{
	AUTO(query_end) struct query find = query_begin(db_of(m), Q_REPO_FIND);
	int rc;

	query_text(&find, repo);
	rc = query_step(&find, e);
	if (rc > 0)
		*id = query_get_int(&find, 0);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	AUTO(query_end) struct query make = query_begin(db_of(m), Q_REPO_MAKE);
	query_text(&make, repo);
	return insert_id(&make, id, e);
}

static int run_ids(struct meta *m, enum query_name name, int64_t a, int64_t b, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), name);

	query_int(&q, a);
	query_int(&q, b);
	return query_run(&q, e);
}

/* A new link changes what index.json shows when it is to a manifest, or to what one names. */
static int meta_link_add(struct meta *m, int64_t repo, int64_t blob, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_LINK_ADD);

	query_int(&q, repo);
	query_int(&q, blob);
	if (query_run(&q, e) < 0)
		return -1;
	return query_changes(&q) ? run_ids(m, Q_NAMES_LINKED, repo, blob, e) : 0;
}

static int link_edges(
	struct meta *m, enum query_name name, int64_t repo, int64_t manifest, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), name);

	query_int(&q, repo);
	query_int(&q, manifest);
	if (query_run(&q, e) < 0)
		return -1;
	return query_changes(&q) ? meta_names_changed(m, e) : 0;
}

static int meta_link_needed(struct meta *m, int64_t repo, int64_t manifest, struct err *e)
{
	return link_edges(m, Q_LINK_NEEDED, repo, manifest, e);
}

static int meta_link_image(struct meta *m, int64_t repo, int64_t manifest, struct err *e)
{
	if (link_edges(m, Q_LINK_EDGES, repo, manifest, e) < 0)
		return -1;
	return meta_link_add(m, repo, manifest, e);
}

static int run_repo_blob(
	struct meta *m, enum query_name name, const char *repo, int64_t blob, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), name);

	query_text(&q, repo);
	query_int(&q, blob);
	return query_run(&q, e);
}

static int meta_link_drop(struct meta *m, const char *repo, int64_t blob, struct err *e)
{
	if (run_repo_blob(m, Q_TAGS_DROP, repo, blob, e) < 0 ||
		run_repo_blob(m, Q_LINK_DROP, repo, blob, e) < 0)
		return -1;
	return meta_names_changed(m, e);
}

static int meta_manifest_add(struct meta *m, int64_t blob, const char *media_type,
	const char *artifact_type, int64_t subject, bool whole, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_MANIFEST_ADD);

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
	return query_changes(&q) ? meta_names_changed(m, e) : 0;
}

static int meta_edge_add(
	struct meta *m, int64_t manifest, int64_t blob, enum edge_role role, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_EDGE_ADD);

	query_int(&q, manifest);
	query_int(&q, blob);
	query_int(&q, role);
	return query_run(&q, e);
}

static int meta_tag_put(
	struct meta *m, int64_t repo, const char *tag, int64_t manifest, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_TAG_PUT);

	query_int(&q, repo);
	query_text(&q, tag);
	query_int(&q, manifest);
	if (query_run(&q, e) < 0)
		return -1;
	return query_changes(&q) ? meta_names_changed(m, e) : 0;
}

static int meta_tag_drop(struct meta *m, const char *repo, const char *tag, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db_of(m), Q_TAG_DROP);

	query_text(&q, repo);
	query_text(&q, tag);
	if (query_run(&q, e) < 0)
		return -1;
	if (!query_changes(&q))
		return 0;
	return meta_names_changed(m, e) < 0 ? -1 : 1;
}

static int meta_clear(struct meta *m, struct err *e)
{
	return db_clear(db_of(m), e);
}

/* --- the table ------------------------------------------------------------------------------ */

static const struct meta_ops ops = {
	.close = meta_close,
	.change = meta_change,
	.begin = meta_begin,
	.commit = meta_commit,
	.look = meta_look,
	.abort = meta_abort,
	.part_begin = meta_part_begin,
	.part_end = meta_part_end,
	.part_undo = meta_part_undo,
	.blob_get = meta_blob_get,
	.blob_want = meta_blob_want,
	.blob_live = meta_blob_live,
	.blob_proved = meta_blob_proved,
	.blob_lost = meta_blob_lost,
	.blobs_after = meta_blobs_after,
	.blob_oldest = meta_blob_oldest,
	.blob_users = meta_blob_users,
	.blob_each = meta_blob_each,
	.repo_make = meta_repo_make,
	.repo_blob = meta_repo_blob,
	.link_add = meta_link_add,
	.link_drop = meta_link_drop,
	.repos_with = meta_repos_with,
	.link_image = meta_link_image,
	.link_needed = meta_link_needed,
	.manifest_add = meta_manifest_add,
	.edge_add = meta_edge_add,
	.manifest_by_tag = meta_manifest_by_tag,
	.manifest_by_digest = meta_manifest_by_digest,
	.index_of = meta_index_of,
	.referrers = meta_referrers,
	.needed_by = meta_needed_by,
	.set_holding = meta_set_holding,
	.tag_put = meta_tag_put,
	.tag_drop = meta_tag_drop,
	.tag_pinned = meta_tag_pinned,
	.repo_has = meta_repo_has,
	.tags_after = meta_tags_after,
	.repos_after = meta_repos_after,
	.set_add = meta_set_add,
	.set_update = meta_set_update,
	.pin_add = meta_pin_add,
	.signature_add = meta_signature_add,
	.signatures = meta_signatures,
	.activate = meta_activate,
	.generation_add = meta_generation_add,
	.generations = meta_generations,
	.claims = meta_claims,
	.conflicts = meta_conflicts,
	.set_get = meta_set_get,
	.set_each = meta_set_each,
	.hosts = meta_hosts,
	.totals = meta_totals,
	.names_state = meta_names_state,
	.names_written = meta_names_written,
	.names_changed = meta_names_changed,
	.names_made = meta_names_made,
	.clear = meta_clear,
	.names_each = meta_names_each,
	.broken = meta_broken,
};

int meta_sqlite_open(struct meta **m, const char *where, enum store_mode mode, struct err *e)
{
	AUTO(mem_free) char *dir = realpath(where, NULL);
	AUTO(mem_free) char *path = mem_printf("%s/meta/moat.db", dir ? dir : where);
	struct meta_sqlite *ms;
	struct db *db = NULL;

	if (!dir)
		return err_sys(e, "%s", where);
	if (db_open(&db, path, mode == STORE_WRITE, e) < 0)
		return err_ctx(e, "open store %s", where);
	ms = mem_alloc(sizeof(*ms));
	ms->base.ops = &ops;
	ms->db = db;
	*m = &ms->base;
	return 0;
}

/* The database and its log go to trash/, together, under a name of the time. */
int meta_sqlite_drop(const char *where, struct err *e)
{
	static const char *const parts[] = { "moat.db-shm", "moat.db-wal", "moat.db" };
	AUTO(fd_close) int root = fs_open_dir(where, e);
	AUTO(fd_close) int meta = root < 0 ? -1 : fs_open_dir_at(root, "meta", e);
	AUTO(fd_close) int trash = -1;

	if (meta < 0 || fs_make_dir_at(root, "trash", 0755, e) < 0)
		return -1;
	trash = fs_open_dir_at(root, "trash", e);
	for (size_t i = 0; trash >= 0 && i < ARRAY_SIZE(parts); i++) {
		AUTO(mem_free)
		char *name = mem_printf("%lld.%s", (long long)time(NULL), parts[i]);

		if (renameat(meta, parts[i], trash, name) < 0 && errno != ENOENT)
			return err_sys(e, "%s", parts[i]);
	}
	if (trash < 0 || fs_sync(trash, "trash", e) < 0)
		return -1;
	return fs_sync(meta, "meta", e);
}
