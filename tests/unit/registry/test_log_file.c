#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "registry/ops/log_file.h"
#include "storage/base/fs.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"

static void read_all(const char *path, struct buf *text)
{
	struct err e;

	assert_ok(fs_read_file(AT_FDCWD, path, 1 << 20, text, &e));
}

/* Files may grow no further than that; RLIM_INFINITY: as far as they like. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void log_file__a_cut_line_swallows_no_other(void **state)
{
	const char *path = sandbox_path(*state, "log");
	AUTO(log_file_close) struct log_file *f = NULL;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e;

	assert_ok(log_file_open(&f, "audit-log", path, &e));
	limit_files(10);
	log_file_write(f, span_of("first\nsecond\nthird\n"));
	log_file_write(f, span_of("fourth\n"));
	limit_files(RLIM_INFINITY);
	log_file_write(f, span_of("fifth\n"));
	read_all(path, &text);
	assert_string_equal(text.data, "first\nseco\nfifth\n");
	assert_int_equal(log_file_lost(f), 3);
}

static void log_file__what_is_lost_is_told_to_the_last(void **state)
{
	AUTO(fd_close) int ear = memfd_create("stderr", MFD_CLOEXEC), was = dup(STDERR_FILENO);
	struct log_file *f = NULL;
	char text[1024];
	struct err e;
	ssize_t n;

	(void)state;
	assert_ok(log_file_open(&f, "audit-log", "/dev/full", &e));
	assert_int_equal(dup2(ear, STDERR_FILENO), STDERR_FILENO);
	for (int i = 0; i < 3; i++)
		log_file_write(f, span_of("a\nb\n"));
	n = pread(ear, text, sizeof(text) - 1, 0);
	log_file_close(&f);
	assert_int_equal(dup2(was, STDERR_FILENO), STDERR_FILENO);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "event=log.lost log=audit-log lines=2 "
				  "error=\"No space left on device\"\n");
	n = pread(ear, text, sizeof(text) - 1, n);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "event=log.lost log=audit-log lines=4 "
				  "error=\"No space left on device\"\n");
}

static void log_file__rotates(void **state)
{
	const char *path = sandbox_path(*state, "log");
	AUTO(mem_free) char *moved = mem_printf("%s.1", path);
	AUTO(log_file_close) struct log_file *f = NULL;
	AUTO(buf_release) struct buf old = BUF_INIT, new = BUF_INIT;
	struct err e;

	assert_ok(log_file_open(&f, "audit-log", path, &e));
	log_file_write(f, span_of("a\n"));
	assert_int_equal(rename(path, moved), 0);
	log_file_write(f, span_of("b\n"));
	assert_ok(log_file_reopen(f, &e));
	log_file_write(f, span_of("c\n"));
	read_all(moved, &old);
	read_all(path, &new);
	assert_string_equal(old.data, "a\nb\n");
	assert_string_equal(new.data, "c\n");
}

static void log_file__off_and_impossible(void **state)
{
	const char *path = sandbox_path(*state, "none/log");
	struct log_file *f = NULL;
	struct err e;

	assert_ok(log_file_open(&f, "audit-log", "off", &e));
	assert_null(f);
	assert_ok(log_file_reopen(f, &e));
	assert_int_equal(log_file_lost(f), 0);
	assert_err(log_file_open(&f, "audit-log", path, &e), ERR_ABSENT, "audit-log: ");
	assert_null(f);
}

#define EACH 500

static void *write_many(void *f)
{
	for (int i = 0; i < EACH; i++)
		log_file_write(f, span_of("0123456789\n"));
	return NULL;
}

static void log_file__lines_of_threads_do_not_mix(void **state)
{
	const char *path = sandbox_path(*state, "log");
	AUTO(log_file_close) struct log_file *f = NULL;
	AUTO(buf_release) struct buf text = BUF_INIT;
	pthread_t threads[4];
	struct err e;

	assert_ok(log_file_open(&f, "audit-log", path, &e));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, f), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	read_all(path, &text);
	assert_int_equal(text.len, ARRAY_SIZE(threads) * EACH * 11);
	for (size_t at = 0; at < text.len; at += 11)
		assert_memory_equal(text.data + at, "0123456789\n", 11);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(log_file__a_cut_line_swallows_no_other),
		T(log_file__what_is_lost_is_told_to_the_last),
		T(log_file__rotates),
		T(log_file__off_and_impossible),
		T(log_file__lines_of_threads_do_not_mix),
	};

	signal(SIGXFSZ, SIG_IGN);
	unsetenv("JOURNAL_STREAM");
	return cmocka_run_group_tests_name("registry/log_file", tests, NULL, NULL);
}
