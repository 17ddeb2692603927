/* What progress says; when it says it depends on the clock and is not tested. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mirror-tool/progress.h"

static const struct {
	struct progress_state state;
	int64_t elapsed_ms;
	const char *text;
} cases[] = {
	{ { .done = 3 }, 0, "pull: 3 images" },
	{ { .done = 3, .total = 12 }, 0, "pull: 3 of 12 images, 25%" },
	{ { 3, 12, 1 << 20, 0, false }, 500, "pull: 3 of 12 images, 1.0 MiB, 25%" },
	{ { 3, 12, 1 << 20, 0, false }, 2000, "pull: 3 of 12 images, 1.0 MiB, 512.0 KiB/s, 25%" },
	{ { 3, 12, 1 << 20, 4 << 20, false }, 0, "pull: 3 of 12 images, 1.0 MiB of 4.0 MiB, 25%" },
	{ { 0, 12, 1 << 20, 4 << 20, false }, 8000,
		"pull: 0 of 12 images, 1.0 MiB of 4.0 MiB, 128.0 KiB/s, 25%, 24s left" },
	{ { 1, 4, 0, 0, false }, 30000, "pull: 1 of 4 images, 25%, 1m 30s left" },
	{ { 1, 4, 0, 0, false }, 3600000, "pull: 1 of 4 images, 25%, 3h 00m left" },
	{ { 0, 4, 0, 0, false }, 30000, "pull: 0 of 4 images, 0%" },
	{ { 4, 4, 0, 0, false }, 30000, "pull: 4 of 4 images, 100%" },
	{ { 3, 12, 1 << 20, 4 << 20, true }, 8000,
		"pull: 3 of 12 images, 1.0 MiB of at least 4.0 MiB, 128.0 KiB/s" },
	{ { 3, 12, 0, 0, true }, 30000, "pull: 3 of 12 images" },
	{ { 1, 4, 5 << 20, 4 << 20, false }, 0, "pull: 1 of 4 images, 5.0 MiB of 4.0 MiB, 100%" },
};

static void progress_text__table(void **state)
{
	struct progress p = { .verb = "pull", .things = "images" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT;

		progress_text(&text, &p, &cases[i].state, cases[i].elapsed_ms);
		assert_string_equal(text.data, cases[i].text);
	}
}

static const struct {
	size_t width;
	const char *text;
} bars[] = {
	{ 95, "[######..................] pull: 0 of 12 images, 1.0 MiB of 4.0 MiB, 128.0 KiB/s, "
	      "25%, 24s left" },
	{ 94, "[##........] pull: 0 of 12 images, 1.0 MiB of 4.0 MiB, 128.0 KiB/s, 25%, 24s left" },
	{ 80, "pull: 0 of 12 images, 1.0 MiB of 4.0 MiB, 128.0 KiB/s, 25%, 24s left" },
	{ 39, "pull: 0 of 12 images, 1.0 MiB of 4.0 Mi" },
};

static void progress_bar__gives_way_to_the_text(void **state)
{
	struct progress p = { .verb = "pull", .things = "images" };
	struct progress_state s = { 0, 12, 1 << 20, 4 << 20, false };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bars); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT;

		progress_bar(&text, &p, &s, 8000, bars[i].width);
		assert_string_equal(text.data, bars[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(progress_text__table),
		cmocka_unit_test(progress_bar__gives_way_to_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
