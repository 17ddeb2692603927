#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/fault.h"
#include "tests/support/cm.h"

static void err_ctx__text_grows_leftwards(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(err_set(&e, ERR_CORRUPT, "blob %d", 7), -1);
	assert_int_equal(err_ctx(&e, "import %s", "x"), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_string_equal(e.text, "import x: blob 7");
}

static void err_ctx__what_does_not_fit_is_cut_at_the_right(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	err_set(&e, ERR_IO, "%01500d", 0);
	err_ctx(&e, "store");
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	assert_memory_equal(e.text, "store: 000", 10);
}

static void err_sys__the_code_follows_errno(void **state)
{
	static const struct {
		int number;
		enum err_code code;
	} cases[] = { { ENOENT, ERR_ABSENT }, { ENOSPC, ERR_FULL }, { EMFILE, ERR_LIMIT },
		{ ENFILE, ERR_LIMIT }, { ENOMEM, ERR_LIMIT }, { EACCES, ERR_RIGHTS },
		{ EPERM, ERR_RIGHTS }, { EROFS, ERR_RIGHTS }, { EIO, ERR_IO }, { EBADF, ERR_IO } };
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		errno = cases[i].number;
		err_sys(&e, "open x");
		assert_int_equal(e.code, cases[i].code);
		assert_non_null(strstr(e.text, strerror(cases[i].number)));
	}
}

static void err_is_local__what_no_rule_excuses(void **state)
{
	static const enum err_code local[] = { ERR_FULL, ERR_IO, ERR_RIGHTS, ERR_LIMIT };
	static const enum err_code others[] = { ERR_OK, ERR_ABSENT, ERR_INPUT, ERR_CORRUPT,
		ERR_UNTRUSTED, ERR_INCOMPLETE, ERR_DENIED, ERR_NET, ERR_BUSY, ERR_DIFFERS,
		ERR_UNSUPPORTED };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(local); i++)
		assert_true(err_is_local(local[i]));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(err_is_local(others[i]));
	for (int code = ERR_OK; code <= ERR_IO; code++)
		assert_int_equal(
			err_is_loss((enum err_code)code), code == ERR_CORRUPT || code == ERR_IO);
}

static int three_steps(struct err *e)
{
	if (fault("one", e) < 0 || fault("two", e) < 0 || fault("three", e) < 0)
		return -1;
	return 0;
}

static void fault__each_point_fires_once_and_the_sweep_ends(void **state)
{
	static const char *const names[] = { "one", "two", "three" };
	struct err e = ERR_INIT;

	(void)state;
	for (unsigned n = 0; n < 3; n++) {
		fault_arm(FAULT_FAIL, n);
		assert_err(three_steps(&e), ERR_IO, names[n]);
		assert_string_equal(fault_fired(), names[n]);
		assert_int_equal(three_steps(&e), 0);
	}
	fault_arm(FAULT_FAIL, 3);
	assert_int_equal(three_steps(&e), 0);
	assert_null(fault_fired());
	fault_arm(FAULT_OFF, 0);
}

static void fault_record__names_what_fired_and_how(void **state)
{
	struct err e = ERR_INIT;
	char text[64] = "";
	int pipe_fd[2];

	(void)state;
	assert_int_equal(pipe(pipe_fd), 0);
	fault_record(pipe_fd[1]);
	for (unsigned n = 1; n < 5; n += 3) {
		fault_arm(FAULT_FAIL, n); /* the fifth is not passed */
		assert_int_equal(three_steps(&e), n < 3 ? -1 : 0);
	}
	fault_record(-1);
	fault_arm(FAULT_FAIL, 0);
	assert_int_equal(three_steps(&e), -1);
	fault_arm(FAULT_OFF, 0);
	assert_true(read(pipe_fd[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "fail two\n");
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_ctx__text_grows_leftwards),
		cmocka_unit_test(err_ctx__what_does_not_fit_is_cut_at_the_right),
		cmocka_unit_test(err_is_local__what_no_rule_excuses),
		cmocka_unit_test(err_sys__the_code_follows_errno),
		cmocka_unit_test(fault__each_point_fires_once_and_the_sweep_ends),
		cmocka_unit_test(fault_record__names_what_fired_and_how),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
