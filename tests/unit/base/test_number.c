/* Decimal numbers: what is one, where it ends, and that none wraps around. */
#include "tests/support/cm.h"

#include "storage/base/number.h"

static const struct {
	const char *text;
	bool found;
	uint64_t number;
	const char *rest;
} takes[] = {
	{ "", false, 0, "" },
	{ "x", false, 0, "x" },
	{ "-1", false, 0, "-1" },
	{ "+1", false, 0, "+1" },
	{ " 1", false, 0, " 1" },
	{ "0", true, 0, "" },
	{ "007", true, 7, "" },
	{ "12-34", true, 12, "-34" },
	{ "18446744073709551615", true, UINT64_MAX, "" },
	{ "18446744073709551616x", true, UINT64_MAX, "x" },
	{ "18446744073709551620", true, UINT64_MAX, "" },
	{ "99999999999999999999999999999999", true, UINT64_MAX, "" },
};

static void number_take__reads_digits_and_stops_behind_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(takes); i++) {
		struct span text = span_of(takes[i].text);
		uint64_t n = 0;

		assert_int_equal(number_take(&text, &n), takes[i].found);
		assert_true(n == takes[i].number);
		assert_true(span_is(text, takes[i].rest));
	}
}

static void number_take__looks_at_the_span_only(void **state)
{
	struct span text = { "1234", 2 };
	uint64_t n = 0;

	(void)state;
	assert_true(number_take(&text, &n));
	assert_int_equal(n, 12);
	assert_int_equal(text.len, 0);
}

static const struct {
	const char *text;
	uint64_t most;
	bool is;
} numbers[] = {
	{ "0", 0, true },
	{ "1", 0, false },
	{ "65535", 65535, true },
	{ "65536", 65535, false },
	{ "", 10, false },
	{ "1 ", 10, false },
	{ "1a", 10, false },
	{ "0x1", 10, false },
	{ "18446744073709551614", UINT64_MAX, true },
	{ "18446744073709551616", UINT64_MAX, false },
};

static void number_parse__takes_a_whole_number_within_its_limit(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t n = 77;

		assert_int_equal(
			number_parse(span_of(numbers[i].text), numbers[i].most, &n), numbers[i].is);
		assert_true(numbers[i].is == (n != 77));
	}
}

static void number_is_plain__refuses_leading_zeros(void **state)
{
	(void)state;
	assert_true(number_is_plain(span_of("0")));
	assert_true(number_is_plain(span_of("10")));
	assert_true(number_is_plain(span_of("0.5")));
	assert_false(number_is_plain(span_of("01")));
	assert_false(number_is_plain(span_of("")));
	assert_false(number_is_plain(span_of("-1")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(number_take__reads_digits_and_stops_behind_them),
		cmocka_unit_test(number_take__looks_at_the_span_only),
		cmocka_unit_test(number_parse__takes_a_whole_number_within_its_limit),
		cmocka_unit_test(number_is_plain__refuses_leading_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
