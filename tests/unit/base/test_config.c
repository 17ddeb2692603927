#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/config.h"
#include "storage/base/fs.h"
#include "tests/support/cm.h"

struct settings {
	char *store;
	int64_t threads;
	bool push;
	struct config_strings listen;
};

static const struct config_key table[] = {
	{ "store", CONFIG_STRING, offsetof(struct settings, store), "/var/lib/moat", 0, 0, "",
		"Where the store is." },
	{ "threads", CONFIG_INT, offsetof(struct settings, threads), "4", 1, 256, "threads",
		"How many loops." },
	{ "push", CONFIG_BOOL, offsetof(struct settings, push), "off", 0, 0, "", "Writes." },
	{ "listen", CONFIG_STRINGS, offsetof(struct settings, listen), "127.0.0.1:5000", 0, 0, "",
		"Addresses." },
};

static char path[] = "/tmp/moat-test-config-XXXXXX";

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

static int read_text(struct settings *s, const char *text, struct err *e)
{
	if (fs_replace_file(AT_FDCWD, path, span_of(text), 0600, e) < 0)
		return -1;
	return config_read(table, ARRAY_SIZE(table), s, path, e);
}

static void config_read__takes_what_is_there_and_keeps_defaults(void **state)
{
	struct settings s;
	struct err e = ERR_INIT;

	(void)state;
	config_init(table, ARRAY_SIZE(table), &s);
	assert_int_equal(s.listen.count, 1);
	assert_ok(read_text(&s, "threads: 8\npush: yes\nlisten: [a:1, b:2]\n", &e));
	assert_int_equal(s.threads, 8);
	assert_true(s.push);
	assert_string_equal(s.store, "/var/lib/moat");
	assert_int_equal(s.listen.count, 2);
	assert_string_equal(s.listen.items[1], "b:2");
	config_release(table, ARRAY_SIZE(table), &s);
}

static const struct {
	const char *text, *says;
} refused[] = {
	{ "treads: 8\n", ":1: at treads: unknown key" },
	{ "store: x\nthreads: many\n", ":2: threads: \"many\" is not a number" },
	{ "threads: 0\n", "0 is not between 1 and 256 threads" },
	{ "threads: 8k\n", "not a number" },
	{ "push: maybe\n", "neither on nor off" },
	{ "push: on\npush: off\n", "there twice" },
	{ "store: [a]\n", "one value is needed" },
	{ "listen: [[a]]\n", "a string is needed" },
	{ "- store\n", "key: value" },
	{ "store:\n", "one value is needed" },
};

static void config_read__refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct settings s;
		struct err e = ERR_INIT;

		config_init(table, ARRAY_SIZE(table), &s);
		assert_err(read_text(&s, refused[i].text, &e), ERR_INPUT, refused[i].says);
		config_release(table, ARRAY_SIZE(table), &s);
	}
}

static void config_describe__is_a_file_that_changes_nothing(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct settings s;
	struct err e = ERR_INIT;

	(void)state;
	config_describe(table, ARRAY_SIZE(table), &text);
	assert_non_null(strstr(text.data, "#threads: 4\n"));
	config_init(table, ARRAY_SIZE(table), &s);
	assert_ok(read_text(&s, text.data, &e));
	assert_int_equal(s.threads, 4);
	config_release(table, ARRAY_SIZE(table), &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_read__takes_what_is_there_and_keeps_defaults),
		cmocka_unit_test(config_read__refuses),
		cmocka_unit_test(config_describe__is_a_file_that_changes_nothing),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
