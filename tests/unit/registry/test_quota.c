#include <string.h>

#include "registry/access/quota.h"
#include "tests/support/cm.h"

static int init(struct quotas *q, const char *a, const char *b, struct err *e)
{
	struct texts rules = { .items = NULL };
	int rc;

	texts_add(&rules, a);
	if (b)
		texts_add(&rules, b);
	rc = quotas_init(q, &rules, e);
	texts_release(&rules);
	return rc;
}

static void quota_find__the_longest_pattern_counts(void **state)
{
	AUTO(quotas_release) struct quotas q = QUOTAS_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(init(&q, "team/*=10K", "team/app=2", &e));
	assert_int_equal(quota_find(&q, "team/app")->bytes, 2);
	assert_int_equal(quota_find(&q, "team/other")->bytes, 10240);
	assert_null(quota_find(&q, "team/a/b"));
	assert_null(quota_find(&q, "docker.io/library/nginx"));
	assert_null(quota_find(NULL, "team/app"));
	quotas_release(&q);
	assert_ok(init(&q, "**=1G", "localhost:5001/*=1", &e));
	assert_int_equal(quota_find(&q, "team/a/b")->bytes, 1 << 30);
	assert_int_equal(quota_find(&q, "localhost:5001/x")->bytes, 1);
	quotas_release(&q);
	assert_ok(quotas_init(&q, NULL, &e));
	assert_null(quota_find(&q, "x"));
}

static void quotas_init__refuses(void **state)
{
	static const struct {
		const char *rule, *why;
	} cases[] = {
		{ "team", "it is not PATTERN=SIZE" },
		{ "=1", "a pattern has 1 to 255 bytes" },
		{ "Team/*=1", "no repository has such a name" },
		{ "team/*=", "is not a number" },
		{ "team/*=0", "less than 1" },
		{ "team/*=1X", "unknown unit" },
		{ "team/*=-1", "is not a number" },
		{ "apps/*=2", "there is one of that pattern" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(quotas_release) struct quotas q = QUOTAS_INIT;
		struct err e = ERR_INIT;

		assert_err(init(&q, "apps/*=1", cases[i].rule, &e), ERR_INPUT, cases[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quota_find__the_longest_pattern_counts),
		cmocka_unit_test(quotas_init__refuses),
	};

	return cmocka_run_group_tests_name("registry/quota", tests, NULL, NULL);
}
