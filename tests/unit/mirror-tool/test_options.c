/* Command lines by table: values, defaults, refusals, suggestions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "mirror-tool/tool.h"

struct config {
	bool fast;
	const char *lock;
	struct texts keys;
	uint64_t jobs, volume;
};

static const struct option_def table[] = {
	{ "fast", OPTION_FLAG, offsetof(struct config, fast), NULL, NULL, "" },
	{ "lock", OPTION_TEXT, offsetof(struct config, lock), "FILE", "moat.lock", "" },
	{ "key", OPTION_TEXTS, offsetof(struct config, keys), "FILE", NULL, "" },
	{ "jobs", OPTION_NUMBER, offsetof(struct config, jobs), "N", "4", "" },
	{ "volume-size", OPTION_SIZE, offsetof(struct config, volume), "SIZE", "1GiB", "" },
};

static int parse(
	struct config *c, struct texts *args, int argc, const char *const *argv, struct err *e)
{
	struct option_set set = { table, ARRAY_SIZE(table), c };

	memset(c, 0, sizeof(*c));
	*args = (struct texts){ NULL, 0 };
	options_init(&set);
	return options_parse(&set, 1, argc, argv, args, e);
}

static void options_parse__reads_every_kind(void **state)
{
	const char *argv[] = { "a", "--fast", "--lock=x", "--key", "k1", "-", "--key", "k2",
		"--jobs", "9", "--volume-size", "700MB", "--", "--fast" };
	AUTO(texts_release) struct texts args;
	struct config c;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse(&c, &args, ARRAY_SIZE(argv), argv, &e), 0);
	assert_true(c.fast);
	assert_string_equal(c.lock, "x");
	assert_int_equal(c.keys.count, 2);
	assert_string_equal(c.keys.items[1], "k2");
	assert_int_equal(c.jobs, 9);
	assert_int_equal(c.volume, 700000000);
	assert_int_equal(args.count, 3);
	assert_string_equal(args.items[1], "-");
	assert_string_equal(args.items[2], "--fast");
	texts_release(&c.keys);
}

static void options_parse__defaults_hold(void **state)
{
	AUTO(texts_release) struct texts args;
	struct config c;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse(&c, &args, 0, NULL, &e), 0);
	assert_string_equal(c.lock, "moat.lock");
	assert_int_equal(c.jobs, 4);
	assert_int_equal(c.volume, 1u << 30);
	assert_false(c.fast);
}

static void options_parse__refuses(void **state)
{
	static const struct {
		const char *argv[3];
		int argc;
		const char *text;
	} cases[] = {
		{ { "--lokc", "x" }, 2, "did you mean --lock?" },
		{ { "--zebra" }, 1, "unknown option --zebra" },
		{ { "--loc" }, 1, "unknown option --loc;" },
		{ { "--fast=1" }, 1, "--fast takes no value" },
		{ { "--lock" }, 1, "--lock needs a value: FILE" },
		{ { "--lock=a", "--lock=b" }, 2, "--lock is given twice" },
		{ { "--jobs=4x" }, 1, "\"4x\" is not a number" },
		{ { "--jobs=-1" }, 1, "\"-1\" is not a number" },
		{ { "--jobs=99999999999999999999" }, 1, "too large" },
		{ { "--volume-size=4Gigs" }, 1, "unknown unit \"Gigs\"" },
		{ { "--volume-size=9999999999G" }, 1, "too large" },
		{ { "-x" }, 1, "unknown option -x" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(texts_release) struct texts args;
		struct config c;
		struct err e = ERR_INIT;

		assert_int_equal(parse(&c, &args, cases[i].argc, cases[i].argv, &e), -1);
		if (!strstr(e.text, cases[i].text))
			fail_msg("%s: %s", cases[i].argv[0], e.text);
		texts_release(&c.keys);
	}
}

static void size_text__is_short(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1048575, "1.0 MiB" },
		{ 183800000, "175.3 MiB" },
		{ 1ull << 40, "1.0 TiB" },
		{ UINT64_MAX, "16384.0 PiB" },
	};
	char text[SIZE_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(size_text(cases[i].bytes, text), cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_parse__reads_every_kind),
		cmocka_unit_test(options_parse__defaults_hold),
		cmocka_unit_test(options_parse__refuses),
		cmocka_unit_test(size_text__is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
