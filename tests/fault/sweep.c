/* A store at every fault point in turn. */
#include "tests/fault/sweep.h"

#include "tests/support/cm.h"
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

	assert_ok(store_check(s, true, count_problem, &p, &report, &e));
	assert_int_equal(p.count, 0);
}

/* One sweep of a store. */
struct sweeping {
	const struct sandbox *sb;
	const struct sweep *sweep;
	excused_fn *excused;
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

	if (store_open(&s, sandbox_path(sw->sb, dir), STORE_WRITE, e) < 0)
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

void sweep_run_damaged(const struct sandbox *sb, const struct sweep *sweep, excused_fn *excused)
{
	const struct faults f = { sweep->name, prepare, run, recover, sweep->least };
	struct sweeping sw = { sb, sweep, excused };

	faults_sweep(sb, &f, &sw);
}

void sweep_run(const struct sandbox *sb, const struct sweep *sweep)
{
	sweep_run_damaged(sb, sweep, NULL);
}
