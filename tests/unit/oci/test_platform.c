#include <string.h>

#include "storage/oci/manifest.h"
#include "tests/support/cm.h"

static const struct {
	const char *wanted, *have;
	bool match;
} cases[] = {
	{ "linux/amd64", "linux/amd64", true },
	{ "linux/amd64", "linux/amd64/v1", true },
	{ "linux/amd64", "linux/amd64/v3", false },
	{ "linux/arm64", "linux/arm64/v8", true },
	{ "linux/aarch64", "linux/arm64", true },
	{ "linux/arm", "linux/arm/v7", true },
	{ "linux/arm", "linux/arm/v6", false },
	{ "linux/arm/v6", "linux/arm/v6", true },
	{ "linux/x86_64", "linux/amd64", true },
	{ "windows/amd64", "linux/amd64", false },
	{ "linux/riscv64", "linux/amd64", false },
};

static void platform_match__normalises_both_sides(void **state)
{
	struct platform wanted, have;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_ok(platform_parse(&wanted, span_of(cases[i].wanted), &e));
		assert_ok(platform_parse(&have, span_of(cases[i].have), &e));
		if (platform_match(&wanted, &have) != cases[i].match)
			fail_msg("%s and %s", cases[i].wanted, cases[i].have);
	}
}

static void platform_parse__refuses(void **state)
{
	static const char *const bad[] = { "", "linux", "linux/", "/amd64", "linux/amd64/",
		"linux/amd64/v1/x", "linux/*", "Linux/amd64", "linux/am d64",
		"linux/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	struct platform p;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_err(platform_parse(&p, span_of(bad[i]), &e), ERR_INPUT, "is not os/arch");
}

static void platform_text__and_back(void **state)
{
	char text[PLATFORM_TEXT_SIZE];
	struct platform p;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(platform_parse(&p, span_of("linux/armhf"), &e));
	assert_string_equal(platform_text(&p, text), "linux/arm/v7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(platform_match__normalises_both_sides),
		cmocka_unit_test(platform_parse__refuses),
		cmocka_unit_test(platform_text__and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
