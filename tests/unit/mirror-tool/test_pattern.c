/* Tags by glob and by range of versions: what matches, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "mirror-tool/list/pattern.h"

static const struct {
	const char *pattern, *tag;
	bool match;
} matches[] = {
	{ "release-*", "release-1", true },
	{ "release-*", "release-", true },
	{ "release-*", "prerelease-1", false },
	{ "*", "latest", true },
	{ "*-alpine*", "1.27-alpine3.20", true },
	{ "*a*b*c", "xaxbxbc", true },
	{ "*a*b*c", "xaxbxbcx", false },
	{ "v1.?", "v1.2", true },
	{ "v1.?", "v1.23", false },
	{ "v1.3[0-2].*", "v1.31.4", true },
	{ "v1.3[0-2].*", "v1.33.4", false },
	{ "v1.3[!0-2].*", "v1.33.4", true },
	{ "[]x]y", "]y", true },
	{ "[a-]", "-", true },
	{ "[a-]", "b", false },
	{ "aaaaaaaa*", "aaaaaaa", false },
	{ "1.27.3", "1.27.3", true },
	{ "1.27.3", "1.27.30", false },
	{ ">=1.31.0 <1.33.0", "1.31.0", true },
	{ ">=1.31.0 <1.33.0", "v1.32.9", true },
	{ ">=1.31.0 <1.33.0", "1.33.0", false },
	{ ">=1.31.0 <1.33.0", "1.30.99", false },
	{ ">=1.31.0 <1.33.0", "1.32", false }, /* a moving name */
	{ ">=1.31.0 <1.33.0", "1.32.0-rc.1", false },
	{ ">=1.31.0 <1.33.0", "latest", false },
	{ ">=1.31.0 <1.33.0", "1.031.0", false }, /* no semantic version */
	{ ">= 1.31.0, < 1.33.0", "1.32.0", true },
	{ ">=1.31.0-0 <1.33.0", "1.32.0-rc.1", true },
	{ ">=1.31.0-0 <1.33.0", "1.31.0-alpha", true },
	{ ">=1.31.0-beta", "1.31.0-alpha", false },
	{ ">1.31", "1.31.9", false },
	{ ">1.31", "1.32.0", true },
	{ ">1.31.2", "1.31.3", true },
	{ "<=1.31", "1.31.9", true },
	{ "<=1.31", "1.32.0", false },
	{ "<=1.31.2", "1.31.3", false },
	{ "=1.31", "1.31.7", true },
	{ "=1.31.7", "1.31.8", false },
	{ ">=1.0.0 !=1.2.3", "1.2.3", false },
	{ ">=1.0.0 !=1.2.3", "1.2.4", true },
	{ "^1.2.3", "1.9.0", true },
	{ "^1.2.3", "2.0.0", false },
	{ "^1.2.3", "1.2.2", false },
	{ "^0.2.3", "0.2.9", true },
	{ "^0.2.3", "0.3.0", false },
	{ "^0.0.3", "0.0.3", true },
	{ "^0.0.3", "0.0.4", false },
	{ "^0", "0.9.9", true },
	{ "^0", "1.0.0", false },
	{ "~1.2.3", "1.2.9", true },
	{ "~1.2.3", "1.3.0", false },
	{ "~1", "1.9.9", true },
	{ "~1", "2.0.0", false },
	{ "^1.2 || ~2.0.3", "2.0.4", true },
	{ "^1.2 || ~2.0.3", "1.3.0", true },
	{ "^1.2||~2.0.3", "2.1.0", false },
	{ ">=1.0.0", "18446744073709551616.0.0", false }, /* too large */
	/* Helm's plus. */
	{ ">=1.0.0", "1.2.4_up1.0", true },
	{ ">=1.0.0", "108.0.0_up0.17.0", true },
	{ ">=1.0.0", "v1.2.4_up1.0", true },
	{ "<1.2.4", "1.2.4_up1.0", false },
	{ "=1.2.4", "1.2.4_up1.0", true },
	{ "=1.2.4+up1.0", "1.2.4_up1.0", true },
	{ ">1.2.3_x <2", "1.2.4_up1.0", true },
	{ ">=1.0.0", "1.2.4-rc.1_up1", false },
	{ ">=1.0.0-0", "1.2.4-rc.1_up1", true },
	{ ">=1.0.0", "1.2.4_001.-", true },
	{ ">=1.0.0", "1.2.4_", false },
	{ ">=1.0.0", "1.2.4_a..b", false },
	{ ">=1.0.0", "1.2.4_a_b", false },
	{ ">=1.0.0", "1.2_up1", false },
	{ ">=1.0.0", "_1.2.4", false },
	{ "1.2.4_up*", "1.2.4_up1.0", true },
};

static void pattern_match__table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(matches); i++) {
		struct err e = ERR_INIT;
		struct pattern p;

		if (pattern_parse(&p, span_of(matches[i].pattern), &e) < 0)
			fail_msg("%s: %s", matches[i].pattern, e.text);
		if (pattern_match(&p, matches[i].tag) != matches[i].match)
			fail_msg("%s against %s", matches[i].pattern, matches[i].tag);
		pattern_release(&p);
	}
}

static const struct {
	const char *pattern, *error;
} refusals[] = {
	{ "", "1 to 255 bytes" },
	{ "v1.[0-9", "'[' is not closed" },
	{ "v1.[!]", "'[' is not closed" },
	{ "v1]", "']' without '['" },
	{ "rel *", "no glob (a space) and no range" },
	{ ">=", "\"\" is not a version" },
	{ ">=x", "\"x\" is not a version" },
	{ ">=1.2.3.4", "\"1.2.3.4\" is not a version" },
	{ ">=1.2-rc", "\"1.2-rc\" is not a version" },
	{ ">=01.2.3", "\"01.2.3\" is not a version" },
	{ ">=1.2.3-a..b", "is not a version" },
	{ ">=1.2.3-01", "is not a version" },
	{ "!=1.2", "!= needs a complete version" },
	{ ">=1.0.0 1.2.3", "\"1.2.3\" does not begin with a comparator" },
	{ "=>1.0.0", "\">1.0.0\" is not a version" },
	{ ">=1.0.0 ||", "an empty alternative" },
	{ "|| >=1.0.0", "an empty alternative" },
	{ ">=1.0.0 | <2.0.0", "alternatives need \"||\"" },
	{ "v1\t*", "a byte that no tag can have" },
};

static void pattern_parse__refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct err e = ERR_INIT;
		struct pattern p;

		if (pattern_parse(&p, span_of(refusals[i].pattern), &e) == 0)
			fail_msg("\"%s\" was accepted", refusals[i].pattern);
		assert_int_equal(e.code, ERR_INPUT);
		if (!strstr(e.text, refusals[i].error))
			fail_msg("\"%s\": %s", refusals[i].pattern, e.text);
	}
}

static void pattern_parse__bounds_comparators(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	struct pattern p;

	(void)state;
	for (int i = 0; i <= PATTERN_TERMS_MAX; i++)
		buf_str(&text, ">=1 ");
	assert_int_equal(pattern_parse(&p, buf_span(&text), &e), -1);
	assert_non_null(strstr(e.text, "more than 32 comparators"));
}

static void version_cmp__orders_as_semver_org_does(void **state)
{
	static const char *const sorted[] = { "0.0.9", "1.0.0-alpha", "1.0.0-alpha.1",
		"1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
		"1.0.0", "1.0.1", "1.2.0", "1.10.0", "v2.0.0" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sorted); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(sorted); j++) {
			struct version a, b;
			int order;

			assert_true(version_parse(&a, sorted[i]));
			assert_true(version_parse(&b, sorted[j]));
			order = version_cmp(&a, &b);
			if ((order > 0) - (order < 0) != (i > j) - (i < j))
				fail_msg("%s against %s: %d", sorted[i], sorted[j], order);
		}
	}
}

static void pattern_is_plain__knows_a_tag(void **state)
{
	(void)state;
	assert_true(pattern_is_plain(span_of("1.27.3-alpine_x")));
	assert_false(pattern_is_plain(span_of("1.*")));
	assert_false(pattern_is_plain(span_of("^1")));
	assert_false(pattern_is_plain(span_of(">=1 <2")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pattern_match__table),
		cmocka_unit_test(pattern_parse__refuses),
		cmocka_unit_test(pattern_parse__bounds_comparators),
		cmocka_unit_test(version_cmp__orders_as_semver_org_does),
		cmocka_unit_test(pattern_is_plain__knows_a_tag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
