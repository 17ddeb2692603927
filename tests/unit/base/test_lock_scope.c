/* A lock by scope is held inside it and free behind it, however it is left. */
#include "tests/support/cm.h"

#include <errno.h>

#include "storage/base/lock.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static bool is_free(void)
{
	if (pthread_mutex_trylock(&mutex) == EBUSY)
		return false;
	pthread_mutex_unlock(&mutex);
	return true;
}

static int leave_early(int how)
{
	LOCK_SCOPE(&mutex);
	if (how == 0)
		return is_free();
	for (int i = 0; i < how; i++)
		if (i == 1)
			return is_free();
	return is_free();
}

static void lock_scope__ends_with_the_scope(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		assert_false(leave_early(how));
		assert_true(is_free());
	}
	{
		LOCK_SCOPE(&mutex);
		assert_false(is_free());
	}
	assert_true(is_free());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lock_scope__ends_with_the_scope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
