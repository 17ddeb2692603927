/*
 * The store's suite through an engine that stands in front of one without descriptors and watches the seam
 * of blobs: every function of the table is called by the suite, each gets digests but never a path.
 */
#include "tests/support/cm.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/engine.h"
#include "tests/support/memory_blobs.h"
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

/* --- standing in front ---------------------------------------------------------------------- */

struct spy_blobs {
	struct blobs base;
	struct blobs *real;
};

/* Stages carry no engine; there is one kind of it in this program. */
static const struct blob_ops *real_ops;

static struct blobs *rb(struct blobs *b)
{
	return ((struct spy_blobs *)b)->real;
}

enum { CALLS = sizeof(struct blob_ops) / sizeof(void *) };
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
BLOB_CALL(open, (struct blobs * b, const struct digest *d, struct blob_reader *r, struct err *e),
	(rb(b), d, r, e), need_digest(d, call))
BLOB_CALL(sync, (struct blobs * b, const struct digest *d, struct err *e), (rb(b), d, e),
	need_digest(d, call))
BLOB_CALL(stat, (struct blobs * b, const struct digest *d, struct blob_file *out, struct err *e),
	(rb(b), d, out, e), need_digest(d, call))
BLOB_CALL(quarantine,
	(struct blobs * b, const struct digest *d, const struct blob_file *which,
		struct span reason, char where[QUARANTINE_NAME_SIZE], struct err *e),
	(rb(b), d, which, reason, where, e), need_digest(d, call))
BLOB_CALL(quarantine_each, (struct blobs * b, quarantine_fn *fn, void *ctx, struct err *e),
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
BLOB_CALL(discard, (struct blobs * b, const struct digest *d, struct err *e), (rb(b), d, e),
	need_digest(d, call))
BLOB_CALL(discard_sync, (struct blobs * b, struct err *e), (rb(b), e), )
BLOB_CALL(purge,
	(struct blobs * b, enum litter kind, int64_t before, bool dry, struct gc_count *out,
		struct err *e),
	(rb(b), kind, before, dry, out, e), )
BLOB_CALL(born, (struct blobs * b, const struct digest *d, int64_t *when, struct err *e),
	(rb(b), d, when, e), need_digest(d, call))
BLOB_CALL(rules_put, (struct blobs * b, struct span text, struct err *e), (rb(b), text, e), )
BLOB_CALL(rules_get, (struct blobs * b, struct buf *out, struct err *e), (rb(b), out, e), )
BLOB_CALL(scan, (struct blobs * b, scan_fn *fn, stray_fn *stray, void *ctx, struct err *e),
	(rb(b), fn, stray, ctx, e), )
BLOB_CALL(free_bytes, (struct blobs * b, uint64_t *bytes, struct err *e), (rb(b), bytes, e), )
BLOB_CALL(index_stage, (struct blobs * b, struct stage **st, struct err *e), (rb(b), st, e), )
BLOB_CALL(index_put, (struct stage * st, struct err *e), (st, e), )
BLOB_CALL(index_open, (struct blobs * b, struct blob_reader *r, struct err *e), (rb(b), r, e), )

static void b_stage_close(struct stage **st, bool retain)
{
	count("blobs.stage_close");
	real_ops->stage_close(st, retain);
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
	.stat = b_stat,
	.quarantine = b_quarantine,
	.quarantine_each = b_quarantine_each,
	.may_mark = b_may_mark,
	.mark = b_mark,
	.unmark = b_unmark,
	.mark_each = b_mark_each,
	.place_put = b_place_put,
	.place_get = b_place_get,
	.discard = b_discard,
	.discard_sync = b_discard_sync,
	.purge = b_purge,
	.born = b_born,
	.rules_put = b_rules_put,
	.rules_get = b_rules_get,
	.scan = b_scan,
	.free_bytes = b_free_bytes,
	.index_stage = b_index_stage,
	.index_put = b_index_put,
	.index_open = b_index_open,
};

/* --- the engine ----------------------------------------------------------------------------- */

static int spy_blobs(struct blobs **b, const char *where, enum store_mode mode, struct err *e)
{
	struct spy_blobs *spy = mem_alloc(sizeof(*spy));

	if (memory_blobs.open_blobs(&spy->real, where, mode, e) < 0) {
		free(spy);
		return -1;
	}
	spy->base.ops = &blob_table;
	real_ops = spy->real->ops;
	*b = &spy->base;
	return 0;
}

static const struct engine spy = { "spy", spy_blobs, &db_sqlite };

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
	failed = test_blob() + test_change() + test_check() + test_gc() + test_image() +
		 test_mend() + test_owners() + test_pushed_rebuild() + test_rebuild() + test_set() +
		 test_standing() + test_switch();
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
