/* Failing and dying at every fault point in turn. */
#include "tests/fault/sweep.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/base/fault.h"
#include "tests/support/cm.h"

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

/* Open, run, close, all of it armed. */
static int run_once(
	const struct sandbox *sb, const struct sweep *sweep, const char *dir, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;

	if (store_open(&s, sandbox_path(sb, dir), STORE_WRITE, e) < 0)
		return -1;
	return sweep->run(sb, s, e);
}

/* 1: point n was passed and failed. */
static int fail_at(const struct sandbox *sb, const struct sweep *sweep, const char *dir, unsigned n)
{
	struct err e = ERR_INIT;
	const char *fired;
	int rc;

	fault_arm(FAULT_FAIL, n);
	rc = run_once(sb, sweep, dir, &e);
	fired = fault_fired();
	fault_arm(FAULT_OFF, 0);
	if (!fired && rc < 0)
		fail_msg("%s without a fault: %s", sweep->name, e.text);
	if (fired)
		print_message("%s: fails at %u, %s\n", sweep->name, n, fired);
	return fired != NULL;
}

/* 1: point n was passed and the child died there. */
static int die_at(const struct sandbox *sb, const struct sweep *sweep, const char *dir, unsigned n)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct err e = ERR_INIT;

		fault_arm(FAULT_EXIT, n);
		_exit(run_once(sb, sweep, dir, &e) < 0 ? 1 : 0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != 0)
		assert_int_equal(WEXITSTATUS(status), FAULT_EXIT_STATUS);
	return WEXITSTATUS(status) != 0;
}

static void recover(
	const struct sandbox *sb, const struct sweep *sweep, const char *dir, excused_fn *excused)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, dir, STORE_WRITE);
	struct err e = ERR_INIT;

	assert_sound(s, excused);
	assert_ok(sweep->run(sb, s, &e));
	sweep->verify(sb, s);
	assert_sound(s, NULL);
}

static void sweep_mode(const struct sandbox *sb, const struct sweep *sweep,
	int (*attempt)(const struct sandbox *, const struct sweep *, const char *, unsigned),
	const char *mode, excused_fn *excused)
{
	unsigned n = 0;
	int fired;

	do {
		char dir[80];

		snprintf(dir, sizeof(dir), "%s-%s-%u", sweep->name, mode, n);
		sweep->prepare(sb, dir);
		fired = attempt(sb, sweep, dir, n);
		recover(sb, sweep, dir, excused);
		sandbox_remove(sandbox_path(sb, dir));
		n++;
	} while (fired);
	print_message("%s: %u points, %s\n", sweep->name, n - 1, mode);
	assert_true(n > sweep->least);
}

void sweep_run_damaged(const struct sandbox *sb, const struct sweep *sweep, excused_fn *excused)
{
	sweep_mode(sb, sweep, fail_at, "fail", excused);
	sweep_mode(sb, sweep, die_at, "die", excused);
}

void sweep_run(const struct sandbox *sb, const struct sweep *sweep)
{
	sweep_run_damaged(sb, sweep, NULL);
}
