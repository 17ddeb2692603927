/* What the log is told of sets that should be replaced, and when again. */
#include <string.h>
#include <time.h>

#include "registry/ops/old_sets.h"
#include "storage/base/clock.h"
#include "tests/support/cm.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

#define DAY 86400
#define DAY_MS 86400000LL
#define EXPIRED "set a 1 expired at 2999-01-03T00:00:00Z\n"

/* Sealed at the beginning of 2999, it expires two days later. */
static void activate(struct store *s)
{
	struct image_want want = { .seed = "x", .layers = 1 };
	struct image_pin pin = {
		.repo = "docker.io/library/x", .tag = "1", .digest = image_make(s, NULL, &want)
	};
	struct digest d = image_set_dated(
		s, "a", "1", &pin, 1, "2999-01-01T00:00:00Z", "2999-01-03T00:00:00Z");
	struct set_offer offer = { .digest = &d, .activate = true };
	struct err e = ERR_INIT;

	assert_ok(set_accept(s, &offer, NULL, &e));
}

static void old_sets_text__tells_what_is_behind_its_time(void **state)
{
	static const struct {
		const char *name;
		int64_t warn_age, after; /* seconds; since it was sealed */
		const char *want;
	} cases[] = {
		{ "new", 0, DAY, "" },
		{ "at the moment", 0, 2LL * DAY, "" },
		{ "behind it", 0, 2LL * DAY + 1, EXPIRED },
		{ "not older than that", DAY, DAY, "" },
		{ "older", DAY, DAY + 1, "set a 1 is 1 days old\n" },
		{ "both", DAY, 9LL * DAY, EXPIRED "set a 1 is 9 days old\n" },
		{ "by a clock before its seal", DAY, -9LL * DAY, "" },
	};
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct err e = ERR_INIT;

	activate(s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf got = BUF_INIT;
		int64_t now = clock_seconds("2999-01-01T00:00:00Z") + cases[i].after;

		print_message("%s\n", cases[i].name);
		buf_str(&got, "");
		assert_ok(old_sets_text(s, cases[i].warn_age, now, &got, &e));
		assert_string_equal(got.data, cases[i].want);
	}
}

static void assert_news(struct old_sets *o, int64_t now, int64_t now_ms, const char *want)
{
	AUTO(buf_release) struct buf got = BUF_INIT;

	buf_str(&got, "");
	old_sets_news(o, now, now_ms, &got);
	if (*want)
		assert_true(strncmp(got.data, want, strlen(want)) == 0);
	else
		assert_string_equal(got.data, "");
}

static void old_sets_news__come_once_and_again_after_a_day(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(old_sets_release)
	struct old_sets o = OLD_SETS_INIT(sandbox_path(*state, "s"), DAY);
	int64_t sealed = clock_seconds("2999-01-01T00:00:00Z"), late = sealed + 3LL * DAY;

	activate(s);
	assert_news(&o, sealed, 0, "");
	assert_news(&o, sealed + DAY + 1, 1000, "set a 1 is 1 days old\n");
	assert_news(&o, sealed + DAY + 30, 31000, "");
	assert_news(&o, late, 61000, EXPIRED "set a 1 is 3 days old\n");
	assert_news(&o, late + 30, 91000, "");
	assert_news(&o, late + 30, 61000 + DAY_MS - 1, "");
	assert_news(&o, late + 30, 61000 + DAY_MS, EXPIRED);
	assert_news(&o, late + 30, 61000 + DAY_MS + 1, "");
	assert_news(&o, late + 30, 61000 + 2 * DAY_MS, EXPIRED);
	/* Replaced, or gone: nothing is old any more, and it is news when it is again. */
	assert_news(&o, sealed, 61000 + 2 * DAY_MS + 1, "");
	assert_news(&o, late, 61000 + 2 * DAY_MS + 2, EXPIRED);
}

static void old_sets_news__tell_a_failure_once_for_each_reason(void **state)
{
	static const char absent[] = "nobody can tell which sets are too old: ";
	const char *path = sandbox_path(*state, "s");
	AUTO(old_sets_release) struct old_sets o = OLD_SETS_INIT(path, 0);
	AUTO(store_close) struct store *s = NULL;
	int64_t late = clock_seconds("2999-02-01T00:00:00Z");

	assert_news(&o, late, 0, absent);
	assert_news(&o, late, 30000, "");
	assert_news(&o, late, DAY_MS, absent);
	assert_news(&o, late, DAY_MS + 1, "");
	sandbox_write(path, "x", 1); /* another reason: no folder */
	assert_news(&o, late, DAY_MS + 2, absent);
	assert_news(&o, late, DAY_MS + 3, "");
	/* When the store answers again, it is looked at again. */
	sandbox_remove(path);
	s = sandbox_store(*state, "s", STORE_WRITE);
	activate(s);
	assert_news(&o, late, DAY_MS + 4, EXPIRED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(old_sets_text__tells_what_is_behind_its_time),
		T(old_sets_news__come_once_and_again_after_a_day),
		T(old_sets_news__tell_a_failure_once_for_each_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
