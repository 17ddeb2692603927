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
	assert_err(read_args(&o, (const char *const[]){ "--config", "/nonexistent", NULL }, &e),
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
		cmocka_unit_test(options__refuse_what_they_do_not_understand),
		cmocka_unit_test(options__the_file_in_conf_is_the_table),
		cmocka_unit_test(options__the_file_in_conf_is_accepted),
	};

	return cmocka_run_group_tests_name("registry/options", tests, NULL, NULL);
}
