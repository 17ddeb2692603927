/* Lines of probes: what they say, and each that is none. */
#include "tests/support/cm.h"

#include "mirror-tool/policy/probes.h"

static void probes__are_read(void **state)
{
	AUTO(probes_release) struct probes p = PROBES_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(
		probes_parse(&p, "f",
			span_of("# src\tdst\n\na/b\text:1.2.3.4\tUDP\t53\tallow\t-\tdeny\r\n"
				"host\ta/b\tSCTP\t65535\na/b\ta/c\tTCP\t1\tunknown"),
			&e),
		0);
	assert_int_equal(p.count, 3);
	assert_int_equal(p.items[0].line, 3);
	assert_string_equal(p.items[0].src, "a/b");
	assert_string_equal(p.items[0].dst, "ext:1.2.3.4");
	assert_int_equal(p.items[0].proto, PROTO_UDP);
	assert_int_equal(p.items[0].port, 53);
	assert_int_equal(p.items[0].stated[0], VERDICT_ALLOW);
	assert_int_equal(p.items[0].stated[1], -1);
	assert_int_equal(p.items[0].stated[2], VERDICT_DENY);
	assert_int_equal(p.items[1].stated[0], -1);
	assert_int_equal(p.items[2].stated[0], VERDICT_UNKNOWN);
}

static void probes__are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "a/b\ta/c\tTCP\n", "f:1: a probe is src, dst" },
		{ "a/b a/c TCP 80\n", "f:1: a probe is src, dst" },
		{ "#\na/b\ta/c\ttcp\t80\n", "f:2: \"tcp\" is no protocol" },
		{ "a/b\ta/c\tTCP\t0\n", "f:1: \"0\" is no port" },
		{ "a/b\ta/c\tTCP\t65536\n", "\"65536\" is no port" },
		{ "a/b\ta/c\tTCP\thttp\n", "\"http\" is no port" },
		{ "a/b\ta/c\tTCP\t80\tyes\n", "\"yes\" is no verdict" },
		{ "a/b\ta/c\tTCP\t80\tallow\tallow\tallow\tmore\n", "a probe is src, dst" },
		{ "\ta/c\tTCP\t80\n", "\"\" is no src" },
		{ "a/b\t\tTCP\t80\n", "\"\" is no dst" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(probes_release) struct probes p = PROBES_INIT;
		struct err e = ERR_INIT;

		assert_int_equal(probes_parse(&p, "f", span_of(cases[i].text), &e), -1);
		assert_int_equal(e.code, ERR_INPUT);
		if (!strstr(e.text, cases[i].why))
			fail_msg("%s: %s", cases[i].text, e.text);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(probes__are_read),
		cmocka_unit_test(probes__are_refused_with_their_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
