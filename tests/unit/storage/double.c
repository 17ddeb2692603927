/*
 * The store's suite through a driver that counts and delays: every statement is used by the suite, and what
 * it does does not hang on how long one takes. Four parts go round in loops, 70,000 statements, which would
 * sleep for more than two minutes: they are delayed with MOAT_DELAY_ALL=1 only.
 */
#include "tests/support/cm.h"

#include <stdlib.h>
#include <unistd.h>

#include "storage/db/sqlite_private.h"
#include "storage/engine.h"
#include "tests/support/db_double.h"
#include "tests/support/sandbox.h"
#include "tests/unit/storage/suite.h"

#define DELAY_US 2000

static int open_blobs(struct blobs **b, const char *where, enum store_mode mode, struct err *e)
{
	return engine_local.open_blobs(b, where, mode, e);
}

static const struct engine engine_double = { "double", open_blobs, &db_double };

static void statements__are_all_used(void **state)
{
	(void)state;
	for (int i = 0; i < Q_COUNT; i++) {
		const char *label;

		(void)sqlite_text_of((enum query_name)i, &label);
		print_message("%8u %s\n", db_double_state.by_name[i], label);
		if (!db_double_state.by_name[i])
			fail_msg("%s is used by no test of the store", label);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements__are_all_used),
	};
	int failed;

	/* Every sync is free in memory, and none of these tests loses power. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	sandbox_engine = &engine_double;
	db_double_state.delay_us = getenv("MOAT_DELAY_ALL") ? DELAY_US : 0;
	failed = test_mend() + test_owners() + test_rebuild() + test_standing() + test_switch();
	db_double_state.delay_us = DELAY_US;
	failed += test_blob() + test_change() + test_check() + test_gc() + test_image() +
		  test_pushed_rebuild() + test_set();
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
