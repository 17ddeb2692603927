/* Settings by table: values, defaults, files, command lines, refusals, suggestions. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/base/settings.h"
#include "tests/support/cm.h"

#define OPTIONS(OPTION, S)                                                                         \
	OPTION(S, PATH, store, "store", "DIR", "/var/lib/moat", "Where the store is.")             \
	OPTION(S, COUNT, threads, "threads", "N", "4", "How many loops.", .min = 1, .max = 256,    \
		.unit = "threads")                                                                 \
	OPTION(S, COUNT, jobs, "jobs", "N", NULL, "How many at once.")                             \
	OPTION(S, BOOL, push, "push", NULL, "off", "Writes.")                                      \
	OPTION(S, FLAG, fast, "fast", NULL, NULL, "Fast.")                                         \
	OPTION(S, WORD, format, "format", NULL, "text", "Of lines.",                               \
		SETTING_WORDS("text", "json"))                                                     \
	OPTION(S, SIZE, limit, "limit", "SIZE", "4GiB", "Of a blob.", .min = 1)                    \
	OPTION(S, SIZE, rate, "rate", NULL, "16MiB", "Of a check.", .max = 1 << 30,                \
		.unit = "bytes a second")                                                          \
	OPTION(S, DURATION, expiry, "expiry", NULL, "24h", "Of uploads.", .min = 60,               \
		.max = 7 * 86400)                                                                  \
	OPTION(S, TEXT, realm, "realm", NULL, NULL, "A URL.")                                      \
	OPTION(S, TEXTS, listen, "listen", NULL, "127.0.0.1:5000", "Addresses.")                   \
	OPTION(S, FLAG, help, "help", NULL, NULL, "Help.")
struct values {
	OPTIONS(SETTING_FIELD, values)
};
static const struct setting table[] = { OPTIONS(SETTING_ROW, values) };

static struct settings settings_of(struct values *v)
{
	struct settings s = { table, ARRAY_SIZE(table), v };

	settings_init(&s);
	return s;
}

/* --- files ------------------------------------------------------------------------------------- */

static char path[] = "/tmp/moat-test-settings-XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	close(fd);
	return fd < 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static int read_text(const struct settings *s, const char *text, struct err *e)
{
	if (fs_replace_file(AT_FDCWD, path, span_of(text), 0600, e) < 0)
		return -1;
	return settings_read_file(s, path, e);
}

static void settings_read_file__takes_what_is_there_and_keeps_defaults(void **state)
{
	struct values v;
	struct settings s = settings_of(&v);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(v.listen.count, 1);
	assert_false(v.listen.given);
	assert_ok(read_text(&s, "threads: 8\npush: yes\nformat: json\nlisten: [a:1, b:2]\n", &e));
	assert_int_equal(v.threads, 8);
	assert_true(v.push);
	assert_string_equal(v.format, "json");
	assert_string_equal(v.store, "/var/lib/moat");
	assert_null(v.realm);
	assert_int_equal(v.listen.count, 2);
	assert_true(v.listen.given);
	assert_string_equal(v.listen.items[1], "b:2");
	assert_ok(read_text(&s, "listen: c:3\n", &e));
	assert_int_equal(v.listen.count, 1);
	assert_ok(read_text(&s, "listen: []\n", &e));
	assert_int_equal(v.listen.count, 0);
	settings_release(&s);
}

static void settings_read_file__both_spellings_of_a_number(void **state)
{
	static const struct {
		const char *text;
		uint64_t limit, expiry;
	} cases[] = {
		{ "limit: 4294967296\nexpiry: 7200\n", 1ull << 32, 7200 },
		{ "limit: 4GiB\nexpiry: 120m\n", 1ull << 32, 7200 },
		{ "limit: 4G\nexpiry: 2h\n", 1ull << 32, 7200 },
		{ "limit: 4GB\nexpiry: 7200s\n", 4000000000, 7200 },
		{ "limit: 512B\nexpiry: 7d\n", 512, 7 * 86400 },
		{ "limit: 8388607TiB\nexpiry: 60\n", 8388607ull << 40, 60 },
		{ "limit: 9223372036854775807\n", INT64_MAX, 86400 },
		{ "limit: '1KiB'\nexpiry: '1m'\n", 1024, 60 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct values v;
		struct settings s = settings_of(&v);
		struct err e = ERR_INIT;

		assert_ok(read_text(&s, cases[i].text, &e));
		if (v.limit != cases[i].limit || v.expiry != cases[i].expiry)
			fail_msg("%s: %llu %llu", cases[i].text, (unsigned long long)v.limit,
				(unsigned long long)v.expiry);
		settings_release(&s);
	}
}

static const struct {
	const char *text, *says;
} refused[] = {
	{ "treads: 8\n", ":1: at treads: unknown key; did you mean threads?" },
	{ "zebra: 8\n", ":1: at zebra: unknown key" },
	{ "store: x\nthreads: many\n", ":2: threads: \"many\" is not a number" },
	{ "threads: 0\n", ":1: threads: 0 is not between 1 and 256 threads" },
	{ "threads: 99999999999999999999\n", "is not between 1 and 256 threads" },
	{ "threads: 8k\n", "\"8k\" is not a number" },
	{ "threads: -1\n", "\"-1\" is not a number" },
	{ "jobs: 9223372036854775808\n", "jobs: 9223372036854775808 is too large" },
	{ "push: on\nlimit: 4Gigs\n", ":2: limit: 4Gigs: unknown unit \"Gigs\" (K, M," },
	{ "limit: 0\n", ":1: limit: 0 is less than 1 bytes" },
	{ "limit: 8388608TiB\n", "limit: 8388608TiB is too large" },
	{ "limit: 99999999999999999999G\n", "is too large" },
	{ "limit: 1 GiB\n", "unknown unit \" GiB\"" },
	{ "limit: 1.5GiB\n", "unknown unit \".5GiB\"" },
	{ "rate: 2GiB\n", ":1: rate: 2GiB is not between 0 and 1073741824 bytes a second" },
	{ "expiry: 59s\n", ":1: expiry: 59s is not between 60 and 604800 seconds" },
	{ "expiry: 8d\n", "expiry: 8d is not between 60 and 604800 seconds" },
	{ "expiry: 1w\n", "expiry: 1w: unknown unit \"w\" (s, m, h, d)" },
	{ "expiry: 307445734561825861m\n", "is not between" },
	{ "push: maybe\n", ":1: push: \"maybe\" is neither on nor off" },
	{ "push: on\npush: off\n", "there twice" },
	{ "format: xml\n", ":1: format: \"xml\" is not text or json" },
	{ "store: ''\n", ":1: store: a path is needed" },
	{ "store: [a]\n", "one value is needed" },
	{ "listen: [[a]]\n", "a string is needed" },
	{ "- store\n", "key: value" },
	{ "store:\n", "one value is needed" },
};

static void settings_read_file__refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct values v;
		struct settings s = settings_of(&v);
		struct err e = ERR_INIT;

		assert_err(read_text(&s, refused[i].text, &e), ERR_INPUT, refused[i].says);
		assert_non_null(strstr(e.text, path));
		settings_release(&s);
	}
}

static void settings_describe__is_a_file_that_changes_nothing(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct values v;
	struct settings s = settings_of(&v);
	struct err e = ERR_INIT;

	(void)state;
	settings_describe(table, ARRAY_SIZE(table), &text);
	assert_non_null(
		strstr(text.data, "# How many loops.\n# number, 1 to 256 threads\n#threads: 4\n"));
	assert_non_null(strstr(text.data, "# text or json\n#format: text\n"));
	assert_non_null(strstr(text.data, ", 60 to 604800 seconds\n#expiry: 24h\n"));
	assert_ok(read_text(&s, text.data, &e));
	assert_int_equal(v.threads, 4);
	settings_release(&s);
}

/* --- command lines ------------------------------------------------------------------------------ */

static void settings_read_line__reads_every_type(void **state)
{
	const char *argv[] = { "a", "--fast", "--store=x", "--listen", "k1", "-", "--listen", "k2",
		"--jobs", "9", "--limit", "700MB", "--push", "--rate=1K", "--", "--fast" };
	AUTO(texts_release) struct texts args = { .items = NULL };
	struct values v;
	struct settings s = settings_of(&v);
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(settings_read_line(&s, 1, ARRAY_SIZE(argv), argv, &args, &e));
	assert_true(v.fast);
	assert_true(v.push);
	assert_string_equal(v.store, "x");
	assert_int_equal(v.listen.count, 2);
	assert_string_equal(v.listen.items[1], "k2");
	assert_int_equal(v.jobs, 9);
	assert_int_equal(v.limit, 700000000);
	assert_int_equal(v.rate, 1024);
	assert_int_equal(args.count, 3);
	assert_string_equal(args.items[1], "-");
	assert_string_equal(args.items[2], "--fast");
	settings_release(&s);
}

/* A switch may have a value, a flag has none. */
static void settings_read_line__takes_values_of_switches(void **state)
{
	static const struct {
		const char *argv[3];
		int argc;
		bool push;
		size_t left;
	} cases[] = {
		{ { "--push" }, 1, true, 0 },
		{ { "--push", "off" }, 2, false, 0 },
		{ { "--push=yes" }, 1, true, 0 },
		{ { "--push", "--fast", "off" }, 3, true, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(texts_release) struct texts args = { .items = NULL };
		struct values v;
		struct settings s = settings_of(&v);
		struct err e = ERR_INIT;

		assert_ok(settings_read_line(&s, 1, cases[i].argc, cases[i].argv, &args, &e));
		assert_int_equal(v.push, cases[i].push);
		assert_int_equal(args.count, cases[i].left);
		settings_release(&s);
	}
}

static void settings_read_line__refuses(void **state)
{
	static const struct {
		const char *argv[3];
		int argc;
		const char *text;
	} cases[] = {
		{ { "--stroe", "x" }, 2, "unknown option --stroe; did you mean --store?" },
		{ { "--zebra" }, 1, "unknown option --zebra; --help lists them" },
		{ { "--sto" }, 1, "unknown option --sto; --help lists them" },
		{ { "--fast=1" }, 1, "--fast takes no value" },
		{ { "--store" }, 1, "--store needs a value: DIR" },
		{ { "--store", "--fast" }, 2, "--store needs a value: DIR" },
		{ { "--store=a", "--store=b" }, 2, "--store is given twice" },
		{ { "--push", "--push=off" }, 2, "--push is given twice" },
		{ { "--store=" }, 1, "--store: a path is needed" },
		{ { "--jobs=4x" }, 1, "--jobs: \"4x\" is not a number" },
		{ { "--jobs=-1" }, 1, "\"-1\" is not a number" },
		{ { "--jobs=99999999999999999999" }, 1, "too large" },
		{ { "--limit=4Gigs" }, 1, "unknown unit \"Gigs\"" },
		{ { "--limit=9999999999G" }, 1, "too large" },
		{ { "--threads", "257" }, 2, "--threads: 257 is not between 1 and 256 threads" },
		{ { "-x" }, 1, "unknown option -x" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(texts_release) struct texts args = { .items = NULL };
		struct values v;
		struct settings s = settings_of(&v);
		struct err e = ERR_INIT;

		assert_err(settings_read_line(&s, 1, cases[i].argc, cases[i].argv, &args, &e),
			ERR_INPUT, cases[i].text);
		settings_release(&s);
	}
}

/* What the file said goes with the first, and -h is --help. */
static void settings_read_line__replaces_lists_of_the_file(void **state)
{
	const char *argv[] = { "--listen", "b:2", "-h", "--listen=c:3" };
	AUTO(texts_release) struct texts args = { .items = NULL };
	struct values v;
	struct settings s = settings_of(&v);
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(read_text(&s, "listen: [a:1, a:2]\n", &e));
	assert_ok(settings_read_line(&s, 1, ARRAY_SIZE(argv), argv, &args, &e));
	assert_int_equal(v.listen.count, 2);
	assert_string_equal(v.listen.items[0], "b:2");
	assert_true(v.help);
	settings_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_read_file__takes_what_is_there_and_keeps_defaults),
		cmocka_unit_test(settings_read_file__both_spellings_of_a_number),
		cmocka_unit_test(settings_read_file__refuses),
		cmocka_unit_test(settings_describe__is_a_file_that_changes_nothing),
		cmocka_unit_test(settings_read_line__reads_every_type),
		cmocka_unit_test(settings_read_line__takes_values_of_switches),
		cmocka_unit_test(settings_read_line__refuses),
		cmocka_unit_test(settings_read_line__replaces_lists_of_the_file),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
