/* Failing and dying at every fault point in turn. */
#include "tests/support/faults.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/base/fault.h"
#include "tests/support/cm.h"

typedef int attempt_fn(const struct faults *f, void *ctx, const char *dir, unsigned n);

/* For the life of the process; what an earlier one wrote is gone. */
static void begin_record(void)
{
	const char *path = getenv("MOAT_FAULT_RECORD");
	static bool begun;
	int fd;

	if (!path || begun)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		fail_msg("cannot write %s", path);
	fault_record(fd);
	begun = true;
}

/* 1: point n was passed and failed. */
static int fail_at(const struct faults *f, void *ctx, const char *dir, unsigned n)
{
	struct err e = ERR_INIT;
	const char *fired;
	int rc;

	fault_arm(FAULT_FAIL, n);
	rc = f->run(ctx, dir, &e);
	fired = fault_fired();
	fault_arm(FAULT_OFF, 0);
	if (!fired && rc < 0)
		fail_msg("%s without a fault: %s", f->name, e.text);
	if (fired)
		print_message("%s: fails at %u, %s\n", f->name, n, fired);
	return fired != NULL;
}

/* 1: point n was passed and the child died there. */
static int die_at(const struct faults *f, void *ctx, const char *dir, unsigned n)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct err e = ERR_INIT;

		fault_arm(FAULT_EXIT, n);
		_exit(f->run(ctx, dir, &e) < 0 ? 1 : 0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != 0)
		assert_int_equal(WEXITSTATUS(status), FAULT_EXIT_STATUS);
	return WEXITSTATUS(status) != 0;
}

static void sweep_mode(const struct sandbox *sb, const struct faults *f, void *ctx,
	attempt_fn *attempt, const char *mode)
{
	unsigned n = 0;
	int fired;

	do {
		char dir[80];

		snprintf(dir, sizeof(dir), "%s-%s-%u", f->name, mode, n);
		f->prepare(ctx, dir);
		fired = attempt(f, ctx, dir, n);
		f->recover(ctx, dir);
		sandbox_remove(sandbox_path(sb, dir));
		n++;
	} while (fired);
	print_message("%s: %u points, %s\n", f->name, n - 1, mode);
	assert_true(n > f->least);
}

void faults_sweep(const struct sandbox *sb, const struct faults *f, void *ctx)
{
	begin_record();
	sweep_mode(sb, f, ctx, fail_at, "fail");
	sweep_mode(sb, f, ctx, die_at, "die");
}
