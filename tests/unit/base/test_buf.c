#include <stdlib.h>
#include <string.h>

#include "storage/base/buf.h"
#include "tests/support/cm.h"

static void buf__is_a_string_at_every_moment(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT;

	(void)state;
	assert_string_equal(b.data, "");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i % 10);
	assert_int_equal(b.len, 2000);
	assert_int_equal(strlen(b.data), 2000);
	buf_cut(&b, 3);
	assert_string_equal(b.data, "0,1");
	buf_clear(&b);
	assert_string_equal(b.data, "");
}

static void buf_detach__leaves_an_empty_one(void **state)
{
	AUTO(buf_release) struct buf b = BUF_INIT;
	char *text;

	(void)state;
	buf_str(&b, "kept");
	text = buf_detach(&b);
	assert_string_equal(text, "kept");
	assert_int_equal(b.len, 0);
	free(text);
}

static void span_until__takes_up_to_the_sign(void **state)
{
	struct span rest = span_of("a,,b");

	(void)state;
	assert_true(span_is(span_until(&rest, ','), "a"));
	assert_true(span_is(span_until(&rest, ','), ""));
	assert_true(span_is(span_until(&rest, ','), "b"));
	assert_int_equal(rest.len, 0);
	assert_true(span_is(span_until(&rest, ','), ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf__is_a_string_at_every_moment),
		cmocka_unit_test(buf_detach__leaves_an_empty_one),
		cmocka_unit_test(span_until__takes_up_to_the_sign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
