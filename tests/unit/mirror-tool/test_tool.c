/* From a command line to a command and an exit status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "mirror-tool/tool.h"

#define PROBE_OPTIONS(OPTION, S) OPTION(S, TEXT, lock, "lock", "FILE", NULL, "the lock")
struct probe {
	PROBE_OPTIONS(SETTING_FIELD, probe)
};
static const struct setting probe_options[] = { PROBE_OPTIONS(SETTING_ROW, probe) };

/* Prints what it was called with; its first argument is an error code to fail with. */
static int probe_run(struct tool *t, const void *options, const struct texts *args, struct err *e)
{
	const struct probe *p = options;

	fprintf(t->out, "store=%s lock=%s json=%d args=%zu\n", t->store, p->lock ? p->lock : "-",
		t->json, args->count);
	if (args->count && strcmp(args->items[0], "usage") == 0)
		return tool_usage(e, "wrong");
	if (args->count)
		return err_set(e, (enum err_code)atoi(args->items[0]), "failed");
	return 0;
}

#define PROBE(verb)                                                                                \
	{                                                                                          \
		.name = verb, .args = "[ARG]", .summary = "does " verb, .options = probe_options,  \
		.option_count = 1, .options_size = sizeof(struct probe), .run = probe_run          \
	}
static const struct command seal = PROBE("seal"), key_new = PROBE("key new"),
			    key_show = PROBE("key show");
static const struct command *const commands[] = { &seal, &key_new, &key_show };

static int run(int argc, const char *const *argv, char **text)
{
	size_t size;
	FILE *out = open_memstream(text, &size);
	int status = tool_main(commands, ARRAY_SIZE(commands), argc, argv, out);

	fclose(out);
	return status;
}

static void tool_main__finds_the_command(void **state)
{
	static const struct {
		const char *argv[6];
		int argc, status;
		const char *text;
	} cases[] = {
		{ { "moat", "seal" }, 2, 0, "store=/s lock=- json=0 args=0\n" },
		{ { "moat", "--store", "/d", "seal", "--lock", "L" }, 6, 0,
			"store=/d lock=L json=0 args=0\n" },
		{ { "moat", "seal", "--json", "--store=/d" }, 4, 0,
			"store=/d lock=- json=1 args=0\n" },
		{ { "moat", "key", "show", "0" }, 4, 0, NULL },
		{ { "moat", "key", "new", "--lock", "L" }, 5, 0,
			"store=/s lock=L json=0 args=0\n" },
		{ { "moat", "seal", "usage" }, 3, EXIT_USAGE, NULL },
		{ { "moat", "seal", "--lok=x" }, 3, EXIT_USAGE, "" },
		{ { "moat", "seals" }, 2, EXIT_USAGE, "" },
		{ { "moat", "key" }, 2, EXIT_USAGE, "" },
		{ { "moat", "key", "old" }, 3, EXIT_USAGE, "" },
		{ { "moat" }, 1, EXIT_USAGE, "" },
		{ { "moat", "--lock", "x", "seal" }, 4, EXIT_USAGE, "" },
		{ { "moat", "version" }, 2, 0, "moat " MOAT_VERSION "\n" },
		{ { "moat", "--version" }, 2, 0, "moat " MOAT_VERSION "\n" },
		{ { "moat", "help", "nothing" }, 3, EXIT_USAGE, "" },
		{ { "moat", "help", "moatd" }, 3, 0, NULL },
	};

	(void)state;
	setenv("MOAT_STORE", "/s", 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = NULL;
		int status = run(cases[i].argc, cases[i].argv, &text);

		/* A command that fails with code 0 exists only here. */
		if (status != cases[i].status || (cases[i].text && strcmp(text, cases[i].text)))
			fail_msg("case %zu: status %d, %s", i, status, text);
		free(text);
	}
}

static void tool_main__error_class_is_the_status(void **state)
{
	static const struct {
		enum err_code code;
		int status;
	} cases[] = {
		{ ERR_ABSENT, EXIT_FAILED },
		{ ERR_INPUT, EXIT_FAILED },
		{ ERR_CORRUPT, EXIT_VERIFY },
		{ ERR_UNTRUSTED, EXIT_VERIFY },
		{ ERR_INCOMPLETE, EXIT_INCOMPLETE },
		{ ERR_DENIED, EXIT_REFUSED },
		{ ERR_RIGHTS, EXIT_REFUSED },
		{ ERR_LIMIT, EXIT_LIMIT },
		{ ERR_DIFFERS, EXIT_NO },
		{ ERR_NET, EXIT_NETWORK },
		{ ERR_BUSY, EXIT_STORE },
		{ ERR_FULL, EXIT_STORE },
		{ ERR_UNSUPPORTED, EXIT_FAILED },
		{ ERR_IO, EXIT_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char code[8], *text = NULL;
		const char *argv[] = { "moat", "seal", code };

		snprintf(code, sizeof(code), "%d", (int)cases[i].code);
		assert_int_equal(run(3, argv, &text), cases[i].status);
		free(text);
	}
}

static void tool_main__help_names_everything(void **state)
{
	const char *all[] = { "moat", "help" }, *one[] = { "moat", "help", "key" };
	const char *flag[] = { "moat", "seal", "--help" };
	char *text = NULL;

	(void)state;
	assert_int_equal(run(2, all, &text), 0);
	assert_non_null(strstr(text, "seal            does seal\n"));
	assert_non_null(strstr(text, "--store DIR"));
	free(text);
	assert_int_equal(run(3, one, &text), 0);
	assert_non_null(strstr(text, "usage: moat key new [ARG]"));
	assert_non_null(strstr(text, "usage: moat key show [ARG]"));
	assert_non_null(strstr(text, "--lock FILE"));
	free(text);
	assert_int_equal(run(3, flag, &text), 0);
	assert_non_null(strstr(text, "usage: moat seal [ARG]"));
	free(text);
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
		cmocka_unit_test(tool_main__finds_the_command),
		cmocka_unit_test(tool_main__error_class_is_the_status),
		cmocka_unit_test(tool_main__help_names_everything),
		cmocka_unit_test(size_text__is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
