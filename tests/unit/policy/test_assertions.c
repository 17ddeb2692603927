/* Lines of assertions: what they say, and each that is none. */
#include "tests/support/cm.h"

#include "mirror-tool/policy/assertions.h"

static void assertions__are_read_as_words_and_as_columns(void **state)
{
	AUTO(assertions_release) struct assertions a = ASSERTIONS_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(assertions_parse(&a, "f",
				 span_of("# all\n\n"
					 "allow  a/* b/c\tTCP/80 owner=x because of the \"#1\" "
					 "shop # why\r\n"
					 "deny ext:10.0.0.0/8 host UDP/53\n"
					 "a/b\ta/c\tSCTP\t9\tunknown\t-\tdeny\n"
					 "unknown\ta/b\ta/c\tTCP/1\tbecause nobody knows"),
				 &e),
		0);
	assert_int_equal(a.count, 4);
	assert_int_equal(a.items[0].probe.line, 3);
	assert_int_equal(a.items[0].probe.stated[0], VERDICT_ALLOW);
	assert_int_equal(a.items[0].probe.stated[1], -1);
	assert_string_equal(a.items[0].probe.src, "a/*");
	assert_string_equal(a.items[0].probe.dst, "b/c");
	assert_string_equal(a.items[0].owner, "x");
	assert_string_equal(a.items[0].because, "of the \"#1\" shop");
	assert_string_equal(a.items[1].owner, "");
	assert_int_equal(a.items[1].probe.proto, PROTO_UDP);
	assert_int_equal(a.items[2].probe.stated[0], VERDICT_UNKNOWN);
	assert_int_equal(a.items[2].probe.stated[2], VERDICT_DENY);
	assert_int_equal(a.items[2].probe.line, 5);
	assert_string_equal(a.items[3].probe.src, "a/b");
	assert_string_equal(a.items[3].because, "nobody knows");
}

static void assertions__are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "permit a/b a/c TCP/80\n", "f:1: \"permit\" is no verdict" },
		{ "\nallow a/b a/c\n", "f:2: an assertion is VERDICT SRC DST PROTO/PORT" },
		{ "allow a/b a/c 80", "\"80\" is no port" },
		{ "allow a/b a/c TCP/0", "\"TCP/0\" is no port" },
		{ "allow a/b a/c tcp/80", "\"tcp/80\" is no port" },
		{ "allow a/b a/c TCP/80 why not", "\"why\" is no owner=NAME" },
		{ "allow a/b a/c TCP/80 owner= x", "\"owner=\" is no owner=NAME" },
		{ "allow a/b a/c TCP/80 because", "\"because\" is no owner=NAME" },
		{ "a/b\ta/c\tTCP\t80", "f:1: the line states no verdict" },
		{ "a/b\ta/c\tTCP\t80\t-", "f:1: the line states no verdict" },
		{ "a/b\ta/c\tTCP\tx\tallow", "\"x\" is no port" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(assertions_release) struct assertions a = ASSERTIONS_INIT;
		struct err e = ERR_INIT;

		assert_int_equal(assertions_parse(&a, "f", span_of(cases[i].text), &e), -1);
		assert_int_equal(e.code, ERR_INPUT);
		if (!strstr(e.text, cases[i].why))
			fail_msg("%s: %s", cases[i].text, e.text);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(assertions__are_read_as_words_and_as_columns),
		cmocka_unit_test(assertions__are_refused_with_their_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
