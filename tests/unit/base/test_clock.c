/* Times as text: one form, in UTC, whose texts compare as the times do. */
#include "tests/support/cm.h"

#include <string.h>

#include "storage/base/clock.h"
#include "storage/base/cleanup.h"

static void clock_text__table(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ 951782399, "2000-02-28T23:59:59Z" },
		{ 951782400, "2000-02-29T00:00:00Z" },
		{ 1795880640, "2026-11-28T15:44:00Z" },
		{ 4102444800, "2100-01-01T00:00:00Z" },
	};
	char before[CLOCK_TEXT_SIZE] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[CLOCK_TEXT_SIZE];

		assert_string_equal(clock_text(cases[i].seconds, text), cases[i].text);
		assert_true(strcmp(before, text) < 0);
		memcpy(before, text, sizeof(before));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(clock_text__table) };

	return cmocka_run_group_tests_name("base/clock", tests, NULL, NULL);
}
