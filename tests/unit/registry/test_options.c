#include <stdlib.h>
#include <string.h>
#include <fcntl.h>

#include "registry/ops/options.h"
#include "storage/base/fs.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"

#define ARGV_MAX 12

static int read_args(struct options *o, const char *const *args, struct err *e)
{
	static char name[] = "moatd";
	char *argv[ARGV_MAX] = { name };
	enum options_answer answer;
	int argc = 1;

	for (; args[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)args[argc - 1];
	return options_read(o, argc, argv, &answer, e);
}

static void options__defaults(void **state)
{
	AUTO(options_release) struct options o;
	struct err e;

	(void)state;
	assert_ok(read_args(&o, (const char *const[]){ NULL }, &e));
	assert_string_equal(o.store, "/var/lib/moat");
	assert_int_equal(o.listen.count, 1);
	assert_string_equal(o.listen.items[0], "127.0.0.1:5000");
	assert_false(o.listen.given);
	assert_false(o.allow_plain_http);
	assert_string_equal(o.access_log, "off");
}

static void options__flags_over_file_over_defaults(void **state)
{
	struct sandbox *sb = *state;
	AUTO(options_release) struct options o;
	const char *path = sandbox_path(sb, "moatd.yaml");
	const char *text = "store: /file\nthreads: 3\nlisten: [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n";
	struct err e;

	sandbox_write(path, text, strlen(text));
	assert_ok(read_args(&o,
		(const char *const[]){ "--threads=5", "--config", path, "--listen", "[::1]:3",
			"--listen", "[::1]:4", "--allow-plain-http", NULL },
		&e));
	assert_string_equal(o.store, "/file");
	assert_int_equal(o.threads, 5);
	assert_int_equal(o.listen.count, 2);
	assert_string_equal(o.listen.items[1], "[::1]:4");
	assert_true(o.listen.given);
	assert_false(o.map.given);
	assert_true(o.allow_plain_http);
}

/* In the file and as flags; a plain number is bytes or seconds. */
static void options__take_units(void **state)
{
	struct sandbox *sb = *state;
	const char *path = sandbox_path(sb, "moatd.yaml");
	static const struct {
		const char *text;
		uint64_t upload_max, token_ttl;
	} cases[] = {
		{ "upload-max: 4GiB\ntoken-ttl: 10m\n", 4ull << 30, 600 },
		{ "upload-max: 4294967296\ntoken-ttl: 600\n", 4ull << 30, 600 },
		{ "free-floor: 0\n", 100ull << 30, 300 },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(options_release) struct options o;

		sandbox_write(path, cases[i].text, strlen(cases[i].text));
		assert_ok(read_args(&o,
			(const char *const[]){
				"--config", path, "--cache=1MiB", "--check-every", "7d", NULL },
			&e));
		assert_int_equal(o.upload_max, cases[i].upload_max);
		assert_int_equal(o.token_ttl, cases[i].token_ttl);
		assert_int_equal(o.cache, 1 << 20);
		assert_int_equal(o.check_every, 7 * 86400);
	}
}

static void options__refusals_name_file_line_and_key(void **state)
{
	struct sandbox *sb = *state;
	const char *path = sandbox_path(sb, "moatd.yaml");
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "push: on\nupload-max: 4Gigs\n",
			"moatd.yaml:2: upload-max: 4Gigs: unknown unit" },
		{ "cache: 2GiB\n",
			"moatd.yaml:1: cache: 2GiB is not between 0 and 1073741824 bytes" },
		{ "token-ttl: 59s\n",
			"moatd.yaml:1: token-ttl: 59s is not between 60 and 86400 seconds" },
		{ "auth: digest\n", "moatd.yaml:1: auth: \"digest\" is not bearer or basic" },
		{ "users: ''\n", "moatd.yaml:1: users: a path is needed" },
		{ "upload_max: 1\n",
			"moatd.yaml:1: at upload_max: unknown key; did you mean upload-max?" },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(options_release) struct options o;

		sandbox_write(path, cases[i].text, strlen(cases[i].text));
		assert_err(read_args(&o, (const char *const[]){ "--config", path, NULL }, &e),
			ERR_INPUT, cases[i].words);
	}
}

static const struct {
	const char *args[4];
	const char *words;
} refused[] = {
	{ { "--stroe", "x" }, "unknown option --stroe; did you mean --store?" },
	{ { "x" }, "not an option" },
	{ { "--store" }, "--store needs a value" },
	{ { "--store", "" }, "--store: a path is needed" },
	{ { "--threads", "many" }, "not a number" },
	{ { "--threads", "1000" }, "not between" },
	{ { "--threads=1", "--threads=2" }, "given twice" },
	{ { "--tls-cert", "x" }, "together" },
	{ { "--listen", "5000" }, "is not ADDRESS:PORT" },
	{ { "--listen", "127.0.0.1:65536" }, "is not ADDRESS:PORT" },
	{ { "--listen", "moat.corp:5000" }, "is not a numeric address" },
	{ { "--listen", "[::z]:5000" }, "is no IPv6 address" },
	{ { "--allow-plain-http=maybe" }, "neither on nor off" },
};

static void options__refuse_what_they_do_not_understand(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		AUTO(options_release) struct options o;
		struct err e;

		assert_err(read_args(&o, refused[i].args, &e), ERR_INPUT, refused[i].words);
	}
	AUTO(options_release) struct options o;
	struct err e;
	assert_err(
		read_args(&o, (const char *const[]){ "--config", "/proc/nonexistent", NULL }, &e),
		ERR_ABSENT, "no such file");
}

static void options__the_file_in_conf_is_the_table(void **state)
{
	AUTO(buf_release) struct buf file = BUF_INIT, table = BUF_INIT;
	const char *source = getenv("MOAT_SOURCE_DIR");
	AUTO(mem_free) char *path = mem_printf("%s/conf/moatd.yaml", source ? source : ".");
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(fs_read_file(AT_FDCWD, path, 1 << 20, &file, &e));
	options_describe(&table);
	assert_string_equal(file.data, table.data);
}

static void options__the_file_in_conf_is_accepted(void **state)
{
	AUTO(options_release) struct options o;
	const char *source = getenv("MOAT_SOURCE_DIR");
	AUTO(mem_free) char *path = mem_printf("%s/conf/moatd.yaml", source ? source : ".");
	struct err e;

	(void)state;
	assert_ok(read_args(&o, (const char *const[]){ "--config", path, NULL }, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options__defaults),
		cmocka_unit_test_setup_teardown(
			options__flags_over_file_over_defaults, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(
			options__take_units, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(
			options__refusals_name_file_line_and_key, sandbox_setup, sandbox_teardown),
		cmocka_unit_test(options__refuse_what_they_do_not_understand),
		cmocka_unit_test(options__the_file_in_conf_is_the_table),
		cmocka_unit_test(options__the_file_in_conf_is_accepted),
	};

	return cmocka_run_group_tests_name("registry/options", tests, NULL, NULL);
}
