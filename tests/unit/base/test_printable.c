/* What reaches a terminal: plain text as it was, everything that acts on it escaped. */
#include "tests/support/cm.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "storage/base/printable.h"
#include "storage/base/tree.h"

#define BAD "\xef\xbf\xbd"

static const struct {
	const char *name, *text, *shown, *line; /* line NULL: the same */
} cases[] = {
	{ "plain", "docker.io/a:1 ~!\"\\", "docker.io/a:1 ~!\"\\", NULL },
	{ "letters", "gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2 \xf0\x9f\x9a\xa2",
		"gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2 \xf0\x9f\x9a\xa2", NULL },
	{ "feed and tab", "a\n\tb", "a\n\tb", "a\\u000a\\u0009b" },
	{ "return", "good\rbad", "good\\u000dbad", NULL },
	{ "title", "\x1b]0;pwn\x07", "\\u001b]0;pwn\\u0007", NULL },
	{ "delete", "a\x7f", "a\\u007f", NULL },
	{ "C1",
		"\xc2\x9b"
		"31m",
		"\\u009b31m", NULL },
	{ "right to left",
		"\xe2\x80\xae"
		"gnp",
		"\\u202egnp", NULL },
	{ "isolate", "\xe2\x81\xa6x\xe2\x81\xa9", "\\u2066x\\u2069", NULL },
	{ "arabic mark", "\xd8\x9c", "\\u061c", NULL },
	{ "zero width",
		"a\xe2\x80\x8b"
		"b",
		"a\\u200bb", NULL },
	{ "order mark", "\xef\xbb\xbfset", "\\ufeffset", NULL },
	{ "soft hyphen", "\xc2\xad", "\\u00ad", NULL },
	{ "separator", "\xe2\x80\xa8", "\\u2028", NULL },
	{ "tag", "\xf3\xa0\x81\x81", "\\udb40\\udc41", NULL },
	{ "raw C1 byte",
		"\x9b"
		"31m",
		BAD "31m", NULL },
	{ "overlong escape", "\xc0\x9b", BAD BAD, NULL },
	{ "overlong of three", "\xe0\x80\x9b", BAD BAD BAD, NULL },
	{ "surrogate", "\xed\xa0\x80", BAD BAD BAD, NULL },
	{ "too high", "\xf4\x90\x80\x80", BAD BAD BAD BAD, NULL },
	{ "cut", "a\xe6\xbc", "a" BAD BAD, NULL },
	{ "cut by an escape", "\xe6\x1b[1m", BAD "\\u001b[1m", NULL },
};

static void printable_add__table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT, line = BUF_INIT;

		printable_add(&text, span_of(cases[i].text), PRINTABLE_TEXT);
		printable_add(&line, span_of(cases[i].text), PRINTABLE_LINE);
		if (strcmp(text.data, cases[i].shown) != 0)
			fail_msg("%s: %s", cases[i].name, text.data);
		if (strcmp(line.data, cases[i].line ? cases[i].line : cases[i].shown) != 0)
			fail_msg("%s as a line: %s", cases[i].name, line.data);
	}
}

static void printable_add__keeps_what_JSON_means(void **state)
{
	AUTO(doc_release) struct doc doc = DOC_INIT;
	AUTO(buf_release) struct buf json = BUF_INIT, shown = BUF_INIT;
	const char *text = "\\\xe2\x80\xae\xf3\xa0\x81\x81\x7f";
	struct err e;

	(void)state;
	json_quote(&json, text, false);
	printable_add(&shown, buf_span(&json), PRINTABLE_TEXT);
	assert_ok(json_parse(&doc, "json", buf_span(&shown), 100, &e));
	assert_string_equal(doc.root->text, text);
}

/* What arrives at the descriptor when `text` is written in pieces of `size` bytes. */
static char *through(const char *text, size_t size)
{
	int fd = memfd_create("terminal", MFD_CLOEXEC);
	FILE *out = printable_open(fd, true);
	char *got = mem_alloc(1000);
	size_t len = strlen(text);

	for (size_t at = 0; at < len; at += size) {
		fwrite(text + at, 1, len - at < size ? len - at : size, out);
		assert_int_equal(fflush(out), 0);
	}
	assert_int_equal(fclose(out), 0);
	assert_true(pread(fd, got, 999, 0) >= 0);
	close(fd);
	return got;
}

static void printable_open__pieces_change_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t size = 1; size < 6; size++) {
			AUTO(mem_free) char *got = through(cases[i].text, size);

			if (strcmp(got, cases[i].shown) != 0)
				fail_msg("%s by %zu: %s", cases[i].name, size, got);
		}
}

static void printable_open__tells_write_errors(void **state)
{
	FILE *out = printable_open(-1, false);

	(void)state;
	fputs("lost", out);
	assert_int_not_equal(fflush(out), 0);
	assert_true(ferror(out));
	fclose(out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(printable_add__table),
		cmocka_unit_test(printable_add__keeps_what_JSON_means),
		cmocka_unit_test(printable_open__pieces_change_nothing),
		cmocka_unit_test(printable_open__tells_write_errors),
	};

	return cmocka_run_group_tests_name("base/printable", tests, NULL, NULL);
}
