/* `moat key`: the files it makes, the passphrases it takes, what it refuses. */
#include "tests/support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror-tool/sign/passphrase.h"
#include "mirror-tool/tool.h"
#include "storage/base/fs.h"

static char dir[] = "/tmp/moat-test-key-XXXXXX";
static const struct command *const commands[] = { &cmd_key_new, &cmd_key_show };

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	AUTO(mem_free) char *command = mem_printf("rm -r %s", dir);

	(void)state;
	return chdir("/") || system(command) ? -1 : 0;
}

/* `moat key WORDS...`; *text is what it printed. */
static int run(char **text, const char *words)
{
	const char *argv[16] = { "moat", "key" };
	AUTO(mem_free) char *copy = mem_strdup(words);
	char *rest = copy;
	int argc = 2, status;
	size_t size;
	FILE *out = open_memstream(text, &size);

	for (char *word; (word = strsep(&rest, " "));)
		argv[argc++] = word;
	status = tool_main(commands, ARRAY_SIZE(commands), argc, argv, out);
	fclose(out);
	return status;
}

static void expect(int status, const char *words)
{
	char *text = NULL;
	int got = run(&text, words);

	free(text);
	if (got != status)
		fail_msg("key %s: status %d", words, got);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	struct err e = ERR_INIT;

	assert_ok(fs_replace_file(AT_FDCWD, name, span_of(text), mode, &e));
}

static void key_new__writes_a_private_pair(void **state)
{
	char *made = NULL, *shown = NULL, *again = NULL;
	struct stat st;

	(void)state;
	assert_int_equal(run(&made, "new --out a.key --no-passphrase --quiet"), 0);
	assert_int_equal(stat("a.key", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat("a.pub", &st), 0);
	assert_int_equal(run(&shown, "show a.pub"), 0);
	assert_string_equal(made, shown);
	assert_int_equal(run(&again, "show a.key"), 0);
	assert_memory_equal(again, shown, 64);
	free(made);
	free(shown);
	free(again);
	expect(EXIT_FAILED, "new --out a.key --no-passphrase");
}

static void key_new__takes_passphrases(void **state)
{
	(void)state;
	write_file("pass", "open sesame\n", 0600);
	write_file("open", "open sesame\n", 0644);
	write_file("none", "\n", 0600);
	setenv("MOAT_TEST_PASS", "open sesame", 1);
	expect(0, "new --quiet --out b.key --passphrase-file pass");
	assert_int_equal(system("openssl pkey -in b.key -passin file:pass -noout"), 0);
	expect(0, "show b.key --passphrase-env MOAT_TEST_PASS");
	expect(EXIT_FAILED, "new --out c.key --passphrase-file open");
	expect(EXIT_FAILED, "new --out c.key --passphrase-file none");
	expect(EXIT_FAILED, "new --out c.key --passphrase-file nowhere");
	expect(EXIT_FAILED, "new --out c.key --passphrase-env MOAT_TEST_UNSET");
	expect(EXIT_FAILED,
		"new --out c.key --passphrase-file pass --passphrase-env MOAT_TEST_PASS");
	expect(EXIT_USAGE, "new --out c.key --passphrase-file pass --no-passphrase");
	expect(EXIT_USAGE, "new c.key");
	expect(EXIT_USAGE, "show");
	assert_int_equal(access("c.key", F_OK), -1);
}

static void key_read_file__wants_a_private_file(void **state)
{
	AUTO(sign_key_free) struct sign_key *k = NULL;
	struct passphrase_source none = { NULL, NULL };
	struct err e = ERR_INIT;

	(void)state;
	expect(0, "new --quiet --out d.key --no-passphrase");
	assert_ok(key_read_file(&k, "d.key", &none, &e));
	assert_int_equal(chmod("d.key", 0640), 0);
	assert_err(key_read_file(&k, "d.key", &none, &e), ERR_INPUT, "chmod 600");
	assert_err(key_read_file(&k, "nowhere", &none, &e), ERR_ABSENT, "nowhere");
	assert_err(key_read_file(&k, "/dev/null", &none, &e), ERR_INPUT, "not a key file");
}

static void key_show__json(void **state)
{
	char *text = NULL;

	(void)state;
	expect(0, "new --quiet --out e.key --no-passphrase");
	assert_int_equal(run(&text, "show --json e.pub"), 0);
	assert_memory_equal(text, "{\"public\":\"e.pub\",\"fingerprint\":\"", 33);
	free(text);
}

static void key_show__says_what_a_key_may_sign(void **state)
{
	static const struct {
		const char *text, *plain, *json; /* ends of what is printed */
	} cases[] = {
		{ "", "  f.pub\n", ",\"sets\":[\"*\"]}\n" },
		{ "sets: apps-*,platform\n", "  f.pub  sets: apps-*, platform\n",
			",\"sets\":[\"apps-*\",\"platform\"]}\n" },
	};

	(void)state;
	expect(0, "new --quiet --out f.key --no-passphrase");
	assert_int_equal(system("cp f.pub f.plain"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *plain = NULL, *json = NULL;

		write_file("f.text", cases[i].text, 0644);
		assert_int_equal(system("cat f.text f.plain >f.pub"), 0);
		assert_int_equal(run(&plain, "show f.pub"), 0);
		assert_int_equal(run(&json, "show --json f.pub"), 0);
		assert_string_equal(plain + 64, cases[i].plain);
		assert_non_null(strstr(json, cases[i].json));
		free(plain);
		free(json);
	}
	write_file("f.text", "set: apps\n", 0644);
	assert_int_equal(system("cat f.text f.plain >f.pub"), 0);
	expect(EXIT_FAILED, "show f.pub");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_new__writes_a_private_pair),
		cmocka_unit_test(key_new__takes_passphrases),
		cmocka_unit_test(key_read_file__wants_a_private_file),
		cmocka_unit_test(key_show__json),
		cmocka_unit_test(key_show__says_what_a_key_may_sign),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
