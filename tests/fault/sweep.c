/* A store at every fault point and every statement in turn. */
#include "tests/fault/sweep.h"

#include <stdio.h>

#include "storage/engine.h"
#include "tests/support/cm.h"
#include "tests/support/db_double.h"
#include "tests/support/faults.h"

struct problems {
	excused_fn *excused;
	unsigned count;
};

static void count_problem(void *ctx, const char *invariant, const char *text)
{
	struct problems *p = ctx;

	if (p->excused && p->excused(text))
		return;
	p->count++;
	print_message("%s: %s\n", invariant, text);
}

static void assert_sound(struct store *s, excused_fn *excused)
{
	struct problems p = { excused, 0 };
	struct check_report report;
	struct err e = ERR_INIT;

	assert_ok(sandbox_check(s, true, count_problem, &p, &report, &e));
	assert_int_equal(p.count, 0);
}

/* One sweep of a store. */
struct sweeping {
	const struct sandbox *sb;
	const struct sweep *sweep;
	excused_fn *excused;
	const struct engine *engine;
};

static void prepare(void *ctx, const char *dir)
{
	const struct sweeping *sw = ctx;

	sw->sweep->prepare(sw->sb, dir);
}

/* Open, run, close, all of it armed. */
static int run(void *ctx, const char *dir, struct err *e)
{
	const struct sweeping *sw = ctx;
	AUTO(store_close) struct store *s = NULL;

	if (store_open_engine(&s, sw->engine, sandbox_path(sw->sb, dir), STORE_WRITE, e) < 0)
		return -1;
	return sw->sweep->run(sw->sb, s, e);
}

static void recover(void *ctx, const char *dir)
{
	const struct sweeping *sw = ctx;
	AUTO(store_close) struct store *s = sandbox_store(sw->sb, dir, STORE_WRITE);
	struct err e = ERR_INIT;

	assert_sound(s, sw->excused);
	assert_ok(sw->sweep->run(sw->sb, s, &e));
	sw->sweep->verify(sw->sb, s);
	assert_sound(s, NULL);
}

/* --- what readers see ------------------------------------------------------------------------ */

struct viewing {
	struct store *store;
	struct buf *out;
	const char *repo;
};

static int view_tag(void *ctx, const char *tag, struct err *e)
{
	const struct viewing *v = ctx;
	struct manifest_info info;
	char text[DIGEST_TEXT_SIZE];
	int rc = manifest_by_tag(v->store, v->repo, tag, &info, e);

	buf_printf(
		v->out, "%s:%s %s\n", v->repo, tag, rc > 0 ? digest_text(&info.digest, text) : "-");
	return rc < 0 ? -1 : 0;
}

static int view_repo(void *ctx, const char *repo, struct err *e)
{
	struct viewing v = *(struct viewing *)ctx;
	bool more;

	v.repo = repo;
	buf_printf(v.out, "%s\n", repo);
	return page_tags(v.store, repo, NULL, 100, view_tag, &v, &more, e) < 0 ? -1 : 0;
}

static int view_set(void *ctx, const struct set_info *info, struct err *e)
{
	(void)e;
	buf_printf(ctx, "%s:%s active=%d generation=%llu\n", info->name, info->version,
		info->active, (unsigned long long)info->generation);
	return 0;
}

/* Sets, repositories and tags, or why there are none. */
static void view(const struct sandbox *sb, const char *dir, struct buf *out)
{
	AUTO(store_close) struct store *s = NULL;
	struct viewing v = { .out = out };
	struct store_totals totals;
	struct err e = ERR_INIT;
	bool more;

	buf_clear(out);
	if (store_open(&s, sandbox_path(sb, dir), STORE_READ, &e) < 0) {
		buf_printf(out, "cannot be opened: %d\n", (int)e.code);
		return;
	}
	v.store = s;
	assert_ok(list_sets(s, view_set, out, &e));
	assert_ok(page_repos(s, NULL, 100, view_repo, &v, &more, &e));
	assert_ok(store_totals(s, &totals, &e));
	buf_printf(out, "%llu manifests\n", (unsigned long long)totals.manifests);
}

/* --- statements ------------------------------------------------------------------------------ */

static int open_blobs(struct blobs **b, const char *where, enum store_mode mode, struct err *e)
{
	return engine_local.open_blobs(b, where, mode, e);
}

static const struct engine engine_double = { "double", open_blobs, &db_double };

/* 1: there was an n-th statement, and it failed. */
static int fail_statement(struct sweeping *sw, const char *dir, unsigned n)
{
	struct err e = ERR_INIT;
	int rc;

	db_double_state.fail_at = db_double_state.statements + n;
	db_double_state.reached = false;
	rc = run(sw, dir, &e);
	db_double_state.fail_at = 0;
	if (!db_double_state.reached && rc < 0)
		fail_msg("%s without a fault: %s", sw->sweep->name, e.text);
	return db_double_state.reached;
}

/* Statements of opening and closing included, and those whose failure does not matter. */
static void sweep_statements(struct sweeping *sw)
{
	AUTO(buf_release) struct buf before = BUF_INIT, seen = BUF_INIT, after = BUF_INIT;
	unsigned n = 0;
	int failed;

	sw->engine = &engine_double;
	do {
		char dir[80];

		snprintf(dir, sizeof(dir), "%s-statement-%u", sw->sweep->name, ++n);
		prepare(sw, dir);
		view(sw->sb, dir, &before);
		failed = fail_statement(sw, dir, n);
		view(sw->sb, dir, &seen);
		recover(sw, dir);
		view(sw->sb, dir, &after);
		if (sw->sweep->whole && strcmp(seen.data, before.data) != 0 &&
			strcmp(seen.data, after.data) != 0)
			fail_msg("statement %u leaves a part of it:\n%s", n, seen.data);
		sandbox_remove(sandbox_path(sw->sb, dir));
	} while (failed);
	print_message("%s: %u statements\n", sw->sweep->name, n - 1);
	assert_true(n > 4);
}

void sweep_run_damaged(const struct sandbox *sb, const struct sweep *sweep, excused_fn *excused)
{
	const struct faults f = { sweep->name, prepare, run, recover, sweep->least };
	struct sweeping sw = { sb, sweep, excused, &engine_local };

	faults_sweep(sb, &f, &sw);
	sweep_statements(&sw);
}

void sweep_run(const struct sandbox *sb, const struct sweep *sweep)
{
	sweep_run_damaged(sb, sweep, NULL);
}
