/*
 * The store's suite through an engine that stands in front of the default one and watches the seam:
 * every function of both tables is called by the suite, each gets digests, names and numbers but
 * never a path, and what writes metadata does so within a transaction.
 */
#include "tests/support/cm.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/engine.h"
#include "tests/support/sandbox.h"
#include "tests/unit/storage/suite.h"

/* --- the rules ------------------------------------------------------------------------------ */

static void need(bool good, const char *call, const char *rule)
{
	if (!good)
		fail_msg("%s: %s", call, rule);
}

static void need_digest(const struct digest *d, const char *call)
{
	need(d && (d->alg == DIGEST_SHA256 || d->alg == DIGEST_SHA512), call, "no digest");
}

/* host/name or a bare name, as the grammar says: a path would have a '/' in front, or dots for a
 * name. */
static void need_repo(const char *repo, const char *call)
{
	struct span rest = span_of(repo);
	struct span host = span_until(&rest, '/');
	struct err e = ERR_INIT;

	if (ref_is_repo(span_of(repo)))
		return;
	need(ref_check_host(host, &e) == 0 && ref_check_repo(rest, &e) == 0, call, repo);
}

static void need_tag(const char *tag, const char *call)
{
	need(!*tag || ref_is_tag(span_of(tag)), call, tag);
}

/* --- standing in front ---------------------------------------------------------------------- */

struct spy_blobs {
	struct blobs base;
	struct blobs *real;
};

struct spy_meta {
	struct meta base;
	struct meta *real;
	bool transaction;
};

/* Stages carry no engine; there is one kind of it in this program. */
static const struct blob_ops *real_ops;

static struct blobs *rb(struct blobs *b)
{
	return ((struct spy_blobs *)b)->real;
}

static struct meta *rm(struct meta *m)
{
	return ((struct spy_meta *)m)->real;
}

static void need_tx(struct meta *m, const char *call)
{
	need(((struct spy_meta *)m)->transaction, call, "outside a transaction");
}

enum { CALLS = (sizeof(struct blob_ops) + sizeof(struct meta_ops)) / sizeof(void *) };
static struct call {
	const char *name;
	unsigned count;
} calls[CALLS];

static pthread_mutex_t calls_lock =
	PTHREAD_MUTEX_INITIALIZER; /* stages are written by many threads */

static void count(const char *name)
{
	size_t i = 0;

	pthread_mutex_lock(&calls_lock);
	while (calls[i].name && strcmp(calls[i].name, name) != 0)
		i++;
	calls[i].name = name;
	calls[i].count++;
	pthread_mutex_unlock(&calls_lock);
}

/* name, parameters, arguments for the real one, rules */
#define BLOB_CALL(name, params, args, rules)                                                       \
	static int b_##name params                                                                 \
	{                                                                                          \
		static const char call[] = "blobs." #name;                                         \
		rules;                                                                             \
		count(call);                                                                       \
		return real_ops->name args;                                                        \
	}
#define META_CALL(name, params, args, rules)                                                       \
	static int m_##name params                                                                 \
	{                                                                                          \
		static const char call[] = "meta." #name;                                          \
		rules;                                                                             \
		count(call);                                                                       \
		return rm(m)->ops->name args;                                                      \
	}

/* --- blobs ---------------------------------------------------------------------------------- */

BLOB_CALL(stage_open,
	(struct blobs * b, const struct stage_want *want, struct stage **st, uint64_t *have,
		struct err *e),
	(rb(b), want, st, have, e), if (want->name) need_digest(want->name, call))
BLOB_CALL(stage_write,
	(struct stage * st, uint64_t at, const void *data, size_t len, struct err *e),
	(st, at, data, len, e), )
BLOB_CALL(stage_read, (struct stage * st, uint64_t at, void *data, size_t len, struct err *e),
	(st, at, data, len, e), )
BLOB_CALL(stage_cut, (struct stage * st, uint64_t len, struct err *e), (st, len, e), )
BLOB_CALL(stage_sync, (struct blobs * b, struct stage *const stages[], size_t n, struct err *e),
	(rb(b), stages, n, e), need(n > 0 && n <= BATCH_BLOBS_MAX, call, "how many?"))
BLOB_CALL(stage_publish, (struct stage * st, const struct digest *d, struct err *e), (st, d, e),
	need_digest(d, call))
BLOB_CALL(publish_sync, (struct blobs * b, struct err *e), (rb(b), e), )
BLOB_CALL(open, (struct blobs * b, const struct digest *d, int *fd, uint64_t *size, struct err *e),
	(rb(b), d, fd, size, e), need_digest(d, call))
BLOB_CALL(sync, (struct blobs * b, const struct digest *d, struct err *e), (rb(b), d, e),
	need_digest(d, call))
BLOB_CALL(look, (struct blobs * b, const struct digest *d, struct blob_file *out, struct err *e),
	(rb(b), d, out, e), need_digest(d, call))
BLOB_CALL(set_aside,
	(struct blobs * b, const struct digest *d, const struct blob_file *which,
		struct span reason, char where[ASIDE_NAME_SIZE], struct err *e),
	(rb(b), d, which, reason, where, e), need_digest(d, call))
BLOB_CALL(aside_each, (struct blobs * b, quarantine_fn *fn, void *ctx, struct err *e),
	(rb(b), fn, ctx, e), )
BLOB_CALL(may_mark, (struct blobs * b, struct err *e), (rb(b), e), )
BLOB_CALL(mark, (struct blobs * b, const struct digest *d, struct span reason, struct err *e),
	(rb(b), d, reason, e), need_digest(d, call))
BLOB_CALL(unmark, (struct blobs * b, const struct digest *d, struct err *e), (rb(b), d, e),
	need_digest(d, call))
BLOB_CALL(
	mark_each, (struct blobs * b, mark_fn *fn, void *ctx, struct err *e), (rb(b), fn, ctx, e), )
BLOB_CALL(place_put, (struct blobs * b, struct span text, struct err *e), (rb(b), text, e), )
BLOB_CALL(place_get, (struct blobs * b, struct buf *out, struct err *e), (rb(b), out, e), )
BLOB_CALL(scan, (struct blobs * b, scan_fn *fn, stray_fn *stray, void *ctx, struct err *e),
	(rb(b), fn, stray, ctx, e), )
BLOB_CALL(free_bytes, (struct blobs * b, uint64_t *bytes, struct err *e), (rb(b), bytes, e), )
BLOB_CALL(index_stage, (struct blobs * b, struct stage **st, struct err *e), (rb(b), st, e), )
BLOB_CALL(index_put, (struct stage * st, struct err *e), (st, e), )
BLOB_CALL(index_open, (struct blobs * b, int *fd, uint64_t *size, struct err *e),
	(rb(b), fd, size, e), )

static void b_stage_close(struct stage **st, bool keep)
{
	count("blobs.stage_close");
	real_ops->stage_close(st, keep);
}

static void b_close(struct blobs *b)
{
	count("blobs.close");
	real_ops->close(rb(b));
	free(b);
}

static const struct blob_ops blob_table = {
	.close = b_close,
	.stage_open = b_stage_open,
	.stage_write = b_stage_write,
	.stage_read = b_stage_read,
	.stage_cut = b_stage_cut,
	.stage_sync = b_stage_sync,
	.stage_publish = b_stage_publish,
	.publish_sync = b_publish_sync,
	.stage_close = b_stage_close,
	.open = b_open,
	.sync = b_sync,
	.look = b_look,
	.set_aside = b_set_aside,
	.aside_each = b_aside_each,
	.may_mark = b_may_mark,
	.mark = b_mark,
	.unmark = b_unmark,
	.mark_each = b_mark_each,
	.place_put = b_place_put,
	.place_get = b_place_get,
	.scan = b_scan,
	.free_bytes = b_free_bytes,
	.index_stage = b_index_stage,
	.index_put = b_index_put,
	.index_open = b_index_open,
};

/* --- metadata: transactions ----------------------------------------------------------------- */

static int m_begin(struct meta *m, struct err *e)
{
	struct spy_meta *spy = (struct spy_meta *)m;
	int rc = spy->real->ops->begin(spy->real, e);

	count("meta.begin");
	need(!spy->transaction, "meta.begin", "within a transaction");
	spy->transaction = rc == 0;
	return rc;
}

static int m_commit(struct meta *m, struct err *e)
{
	count("meta.commit");
	need_tx(m, "meta.commit");
	((struct spy_meta *)m)->transaction = false;
	return rm(m)->ops->commit(rm(m), e);
}

META_CALL(look, (struct meta * m, struct err *e), (rm(m), e),
	need(!((struct spy_meta *)m)->transaction, call, "within a transaction"))

static void m_abort(struct meta *m)
{
	count("meta.abort");
	((struct spy_meta *)m)->transaction = false;
	rm(m)->ops->abort(rm(m));
}

static void m_close(struct meta *m)
{
	count("meta.close");
	need(!((struct spy_meta *)m)->transaction, "meta.close", "within a transaction");
	rm(m)->ops->close(rm(m));
	free(m);
}

/* --- metadata: reading ---------------------------------------------------------------------- */

META_CALL(change, (struct meta * m, uint64_t *number, struct err *e), (rm(m), number, e), )
META_CALL(blob_get, (struct meta * m, const struct digest *d, struct blob_row *out, struct err *e),
	(rm(m), d, out, e), need_digest(d, call))
META_CALL(
	blob_each, (struct meta * m, scan_fn *fn, void *ctx, struct err *e), (rm(m), fn, ctx, e), )
META_CALL(
	repo_blob,
	(struct meta * m, const char *repo, const struct digest *d, uint64_t *size, struct err *e),
	(rm(m), repo, d, size, e), need_repo(repo, call);
	need_digest(d, call))
META_CALL(repos_with,
	(struct meta * m, const struct digest *d, name_fn *fn, void *ctx, struct err *e),
	(rm(m), d, fn, ctx, e), need_digest(d, call))
META_CALL(needed_by,
	(struct meta * m, const char *repo, int64_t blob, struct digest *manifest, struct err *e),
	(rm(m), repo, blob, manifest, e), need_repo(repo, call))
META_CALL(set_holding,
	(struct meta * m, const char *repo, int64_t blob, struct set_info *set, struct err *e),
	(rm(m), repo, blob, set, e), need_repo(repo, call))
META_CALL(tag_pinned,
	  (struct meta * m, const char *repo, const char *tag, struct set_info *set,
		  struct digest *manifest, struct err *e),
	  (rm(m), repo, tag, set, manifest, e), need_repo(repo, call);
	  need_tag(tag, call))
META_CALL(manifest_by_tag,
	  (struct meta * m, const char *repo, const char *tag, struct manifest_info *out,
		  struct err *e),
	  (rm(m), repo, tag, out, e), need_repo(repo, call);
	  need_tag(tag, call))
META_CALL(manifest_by_digest,
	  (struct meta * m, const char *repo, const struct digest *d, struct manifest_info *out,
		  struct err *e),
	  (rm(m), repo, d, out, e), need_repo(repo, call);
	  need_digest(d, call))
META_CALL(index_of,
	  (struct meta * m, const char *repo, const struct digest *d, struct manifest_info *out,
		  struct err *e),
	  (rm(m), repo, d, out, e), need_repo(repo, call);
	  need_digest(d, call))
META_CALL(referrers,
	  (struct meta * m, const char *repo, const struct digest *d, referrer_fn *fn, void *ctx,
		  struct err *e),
	  (rm(m), repo, d, fn, ctx, e), need_repo(repo, call);
	  need_digest(d, call))
META_CALL(repo_has, (struct meta * m, const char *repo, struct err *e), (rm(m), repo, e),
	need_repo(repo, call))
META_CALL(tags_after,
	(struct meta * m, const char *repo, const char *after, unsigned max, name_fn *fn, void *ctx,
		struct err *e),
	(rm(m), repo, after, max, fn, ctx, e), need_repo(repo, call))
META_CALL(repos_after,
	(struct meta * m, const char *after, unsigned max, name_fn *fn, void *ctx, struct err *e),
	(rm(m), after, max, fn, ctx, e), )
META_CALL(signatures,
	(struct meta * m, const struct digest *set, struct set_signature **sigs, size_t *n,
		struct err *e),
	(rm(m), set, sigs, n, e), need_digest(set, call))
META_CALL(set_get,
	(struct meta * m, const struct digest *d, const char *name, const char *version,
		struct set_row *out, struct err *e),
	(rm(m), d, name, version, out, e), if (d) need_digest(d, call))
META_CALL(set_each, (struct meta * m, const char *name, set_row_fn *fn, void *ctx, struct err *e),
	(rm(m), name, fn, ctx, e), )
META_CALL(claims,
	(struct meta * m, const struct set *offered, claim_fn *fn, void *ctx, struct err *e),
	(rm(m), offered, fn, ctx, e), )
META_CALL(conflicts, (struct meta * m, conflict_fn *fn, void *ctx, struct err *e),
	(rm(m), fn, ctx, e), )
META_CALL(hosts, (struct meta * m, name_fn *fn, void *ctx, struct err *e), (rm(m), fn, ctx, e), )
META_CALL(blobs_after,
	(struct meta * m, struct blob_cursor *at, unsigned max, scan_fn *fn, void *ctx,
		struct err *e),
	(rm(m), at, max, fn, ctx, e), )
META_CALL(blob_oldest, (struct meta * m, int64_t *checked, struct err *e), (rm(m), checked, e), )
META_CALL(blob_users,
	(struct meta * m, const struct digest *d, unsigned max, user_fn *fn, void *ctx,
		struct err *e),
	(rm(m), d, max, fn, ctx, e), need_digest(d, call))
META_CALL(totals, (struct meta * m, struct store_totals *out, struct err *e), (rm(m), out, e), )
META_CALL(names_state, (struct meta * m, struct names_state *out, struct err *e), (rm(m), out, e), )
META_CALL(generations,
	(struct meta * m, const char *name, int64_t set, generation_fn *fn, void *ctx,
		struct err *e),
	(rm(m), name, set, fn, ctx, e), )
META_CALL(names_each, (struct meta * m, name_row_fn *fn, void *ctx, struct err *e),
	(rm(m), fn, ctx, e), )
META_CALL(broken, (struct meta * m, broken_fn *fn, void *ctx, struct err *e), (rm(m), fn, ctx, e), )

/* --- metadata: writing ---------------------------------------------------------------------- */

META_CALL(blob_want,
	  (struct meta * m, const struct digest *d, uint64_t size, struct blob_row *out,
		  struct err *e),
	  (rm(m), d, size, out, e), need_tx(m, call);
	  need_digest(d, call))
META_CALL(blob_live, (struct meta * m, const struct digest *d, uint64_t size, struct err *e),
	  (rm(m), d, size, e), need_tx(m, call);
	  need_digest(d, call))
META_CALL(blob_proved,
	  (struct meta * m, const struct digest *d, uint64_t size, uint64_t stamp, struct err *e),
	  (rm(m), d, size, stamp, e), need_tx(m, call);
	  need(stamp != 0, call, "no stamp"); need_digest(d, call))
META_CALL(blob_lost, (struct meta * m, const struct digest *d, struct err *e), (rm(m), d, e),
	  need_tx(m, call);
	  need_digest(d, call))
META_CALL(repo_make, (struct meta * m, const char *repo, int64_t *id, struct err *e),
	  (rm(m), repo, id, e), need_tx(m, call);
	  need_repo(repo, call))
META_CALL(link_add, (struct meta * m, int64_t repo, int64_t blob, struct err *e),
	(rm(m), repo, blob, e), need_tx(m, call))
META_CALL(part_begin, (struct meta * m, struct err *e), (rm(m), e), need_tx(m, call))
META_CALL(part_end, (struct meta * m, struct err *e), (rm(m), e), need_tx(m, call))
META_CALL(part_undo, (struct meta * m, struct err *e), (rm(m), e), need_tx(m, call))
META_CALL(link_drop, (struct meta * m, const char *repo, int64_t blob, struct err *e),
	  (rm(m), repo, blob, e), need_tx(m, call);
	  need_repo(repo, call))
META_CALL(tag_drop, (struct meta * m, const char *repo, const char *tag, struct err *e),
	  (rm(m), repo, tag, e), need_tx(m, call);
	  need_repo(repo, call); need_tag(tag, call))
META_CALL(link_needed, (struct meta * m, int64_t repo, int64_t manifest, struct err *e),
	(rm(m), repo, manifest, e), need_tx(m, call))
META_CALL(link_image, (struct meta * m, int64_t repo, int64_t manifest, struct err *e),
	(rm(m), repo, manifest, e), need_tx(m, call))
META_CALL(manifest_add,
	(struct meta * m, int64_t blob, const char *media_type, const char *artifact_type,
		int64_t subject, bool whole, struct err *e),
	(rm(m), blob, media_type, artifact_type, subject, whole, e), need_tx(m, call))
META_CALL(edge_add,
	(struct meta * m, int64_t manifest, int64_t blob, enum edge_role role, struct err *e),
	(rm(m), manifest, blob, role, e), need_tx(m, call))
META_CALL(tag_put,
	  (struct meta * m, int64_t repo, const char *tag, int64_t manifest, struct err *e),
	  (rm(m), repo, tag, manifest, e), need_tx(m, call);
	  need(*tag, call, "no tag"); need_tag(tag, call))
META_CALL(set_add,
	(struct meta * m, int64_t blob, const struct set_info *info, int64_t *id, struct err *e),
	(rm(m), blob, info, id, e), need_tx(m, call))
META_CALL(pin_add,
	  (struct meta * m, int64_t set, int64_t repo, const char *tag, int64_t manifest,
		  struct err *e),
	  (rm(m), set, repo, tag, manifest, e), need_tx(m, call);
	  need_tag(tag, call))
META_CALL(signature_add,
	(struct meta * m, int64_t set, int64_t manifest, const struct set_signature *sig,
		struct err *e),
	(rm(m), set, manifest, sig, e), need_tx(m, call))
META_CALL(set_update, (struct meta * m, int64_t id, const struct set_info *info, struct err *e),
	(rm(m), id, info, e), need_tx(m, call))
META_CALL(activate,
	(struct meta * m, const char *name, int64_t set, const char *takes, struct err *e),
	(rm(m), name, set, takes, e), need_tx(m, call))
META_CALL(generation_add,
	(struct meta * m, const char *name, int64_t set, const struct generation *g, bool current,
		struct err *e),
	(rm(m), name, set, g, current, e), need_tx(m, call))
META_CALL(names_changed, (struct meta * m, struct err *e), (rm(m), e), need_tx(m, call))
META_CALL(names_made, (struct meta * m, uint64_t serial, struct err *e), (rm(m), serial, e),
	need_tx(m, call))
META_CALL(clear, (struct meta * m, struct err *e), (rm(m), e), need_tx(m, call))
META_CALL(names_written, (struct meta * m, uint64_t state, struct err *e), (rm(m), state, e),
	need_tx(m, call))

static const struct meta_ops meta_table = {
	.close = m_close,
	.change = m_change,
	.begin = m_begin,
	.commit = m_commit,
	.look = m_look,
	.abort = m_abort,
	.part_begin = m_part_begin,
	.part_end = m_part_end,
	.part_undo = m_part_undo,
	.blob_get = m_blob_get,
	.blob_want = m_blob_want,
	.blob_live = m_blob_live,
	.blob_proved = m_blob_proved,
	.blob_lost = m_blob_lost,
	.blobs_after = m_blobs_after,
	.blob_oldest = m_blob_oldest,
	.blob_users = m_blob_users,
	.blob_each = m_blob_each,
	.repo_make = m_repo_make,
	.repo_blob = m_repo_blob,
	.link_add = m_link_add,
	.link_drop = m_link_drop,
	.repos_with = m_repos_with,
	.link_image = m_link_image,
	.link_needed = m_link_needed,
	.manifest_add = m_manifest_add,
	.edge_add = m_edge_add,
	.manifest_by_tag = m_manifest_by_tag,
	.manifest_by_digest = m_manifest_by_digest,
	.index_of = m_index_of,
	.referrers = m_referrers,
	.needed_by = m_needed_by,
	.set_holding = m_set_holding,
	.tag_put = m_tag_put,
	.tag_drop = m_tag_drop,
	.tag_pinned = m_tag_pinned,
	.repo_has = m_repo_has,
	.tags_after = m_tags_after,
	.repos_after = m_repos_after,
	.set_add = m_set_add,
	.set_update = m_set_update,
	.pin_add = m_pin_add,
	.signature_add = m_signature_add,
	.signatures = m_signatures,
	.activate = m_activate,
	.generation_add = m_generation_add,
	.generations = m_generations,
	.claims = m_claims,
	.conflicts = m_conflicts,
	.set_get = m_set_get,
	.set_each = m_set_each,
	.hosts = m_hosts,
	.totals = m_totals,
	.names_state = m_names_state,
	.names_written = m_names_written,
	.names_changed = m_names_changed,
	.names_made = m_names_made,
	.clear = m_clear,
	.names_each = m_names_each,
	.broken = m_broken,
};

/* --- the engine ----------------------------------------------------------------------------- */

static int spy_blobs(struct blobs **b, const char *where, enum store_mode mode, struct err *e)
{
	struct spy_blobs *spy = mem_alloc(sizeof(*spy));

	if (engine_local.open_blobs(&spy->real, where, mode, e) < 0) {
		free(spy);
		return -1;
	}
	spy->base.ops = &blob_table;
	real_ops = spy->real->ops;
	*b = &spy->base;
	return 0;
}

static int spy_meta(struct meta **m, const char *where, enum store_mode mode, struct err *e)
{
	struct spy_meta *spy = mem_alloc(sizeof(*spy));

	if (engine_local.open_meta(&spy->real, where, mode, e) < 0) {
		free(spy);
		return -1;
	}
	spy->base.ops = &meta_table;
	*m = &spy->base;
	return 0;
}

static int spy_drop(const char *where, struct err *e)
{
	return engine_local.drop_meta(where, e);
}

static const struct engine spy = { "spy", spy_blobs, spy_meta, spy_drop };

static void seam__every_function_was_called(void **state)
{
	unsigned seen = 0;

	(void)state;
	for (size_t i = 0; i < CALLS && calls[i].name; i++, seen++)
		print_message("%8u %s\n", calls[i].count, calls[i].name);
	assert_int_equal(seen, CALLS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(seam__every_function_was_called),
	};
	int failed;

	/* Every sync is free in memory, and none of these tests loses power. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	sandbox_engine = &spy;
	failed = test_blob() + test_change() + test_check() + test_image() + test_mend() +
		 test_owners() + test_pushed_rebuild() + test_rebuild() + test_set() +
		 test_standing();
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
