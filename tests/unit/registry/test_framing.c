#include <string.h>

#include "registry/http/framing.h"
#include "tests/support/cm.h"

struct line {
	const char *name, *value;
};

static const struct {
	struct line lines[3];
	const char *wrong; /* a word of it, or NULL: fine */
} cases[] = {
	{ { { "Host", "x" } }, NULL },
	{ { { "host", "x" } }, NULL },
	{ { { "Host", "" } }, NULL },
	{ { { "Accept", "a" } }, "Host" },
	{ { { "Host", "x" }, { "Host", "x" } }, "twice" },
	{ { { "Host", "x" }, { "Content-Length", "5" } }, NULL },
	{ { { "Host", "x" }, { "Content-Length", "5" }, { "Content-Length", "5" } }, "twice" },
	{ { { "Host", "x" }, { "Content-Length", "5" }, { "content-length", "6" } }, "twice" },
	{ { { "Host", "x" }, { "Content-Length", "5" }, { "Transfer-Encoding", "chunked" } },
		"both" },
	{ { { "Host", "x" }, { "Content-Length", "+5" } }, "number" },
	{ { { "Host", "x" }, { "Content-Length", "5, 5" } }, "number" },
	{ { { "Host", "x" }, { "Content-Length", "0x5" } }, "number" },
	{ { { "Host", "x" }, { "Content-Length", "" } }, "number" },
	{ { { "Host", "x" }, { "Content-Length", "9999999999999999999" } }, "number" },
	{ { { "Host", "x" }, { "Content-Length ", "5" } }, "token" },
	{ { { "Host", "x" }, { "", "5" } }, "token" },
	{ { { "Host", "x" }, { "X\tY", "5" } }, "token" },
	{ { { "Host", "x" }, { "X\xc3\xa9", "5" } }, "token" },
	{ { { "Host", "x" }, { "Transfer-Encoding", "chunked" } }, NULL },
	{ { { "Host", "x" }, { "Transfer-Encoding", "Chunked" } }, NULL },
	{ { { "Host", "x" }, { "Transfer-Encoding", "xchunked" } }, "chunked" },
	{ { { "Host", "x" }, { "Transfer-Encoding", "gzip, chunked" } }, "chunked" },
	{ { { "Host", "x" }, { "Transfer-Encoding", "identity" } }, "chunked" },
	{ { { "Host", "x" }, { "Transfer-Encoding", "chunked" },
		  { "Transfer-Encoding", "chunked" } },
		"twice" },
	{ { { "Host", "x" }, { "Range", "bytes=0-1" }, { "Range", "bytes=0-1" } }, "twice" },
	{ { { "Host", "x" }, { "Authorization", "a" }, { "Authorization", "b" } }, "twice" },
	{ { { "Host", "x" }, { "Content-Type", "a" }, { "Content-Type", "b" } }, "twice" },
	{ { { "Host", "x" }, { "Accept", "a" }, { "Accept", "b" } }, NULL },
	{ { { "Host", "x" }, { "X", "a\x01" } }, "control" },
	{ { { "Host", "x" }, { "X", "a\r" } }, "control" },
	{ { { "Host", "x" }, { "X", "a\tb" } }, NULL },
	{ { { "Host", "x" }, { "X", "caf\xc3\xa9" } }, NULL },
};

static const char *read_lines(struct framing *f, const struct line *lines, size_t count, bool old)
{
	framing_init(f);
	for (size_t i = 0; i < count && lines[i].name; i++)
		framing_header(f, span_of(lines[i].name), span_of(lines[i].value));
	return framing_end(f, old);
}

static void framing__table(void **state)
{
	struct framing f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *wrong = read_lines(&f, cases[i].lines, 3, false);

		if (cases[i].wrong ? !wrong || !strstr(wrong, cases[i].wrong) : wrong != NULL)
			fail_msg("row %zu: %s", i, wrong ? wrong : "accepted");
	}
}

static void framing__notes_what_handlers_need(void **state)
{
	static const struct line lines[] = { { "range", "bytes=0-1" }, { "IF-RANGE", "\"x\"" },
		{ "If-None-Match", "\"y\"" } };
	struct framing f;

	(void)state;
	assert_null(read_lines(&f, lines, 3, true));
	assert_string_equal(f.range, "bytes=0-1");
	assert_string_equal(f.if_range, "\"x\"");
	assert_string_equal(f.if_none_match, "\"y\"");
}

static void framing__http_1_0_needs_no_host(void **state)
{
	static const struct line lines[] = { { "Accept", "x" } };
	struct framing f;

	(void)state;
	assert_null(read_lines(&f, lines, 1, true));
	assert_non_null(read_lines(&f, lines, 1, false));
}

static void framing__nul_in_a_value(void **state)
{
	struct framing f;

	(void)state;
	framing_init(&f);
	framing_header(&f, span_of("X"), (struct span){ "a\0b", 3 });
	assert_non_null(framing_end(&f, true));
}

static void framing__request_ids_are_harmless_or_ignored(void **state)
{
	static const struct {
		const char *id;
		bool taken;
	} ids[] = { { "abc-123_x.y", true }, { "a b", false }, { "a\"b", false }, { "", false },
		{ "0123456789012345678901234567890123456789012345678901234567890123", true },
		{ "01234567890123456789012345678901234567890123456789012345678901234", false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct line line = { "X-Request-Id", ids[i].id };
		struct framing f;

		assert_null(read_lines(&f, &line, 1, true));
		assert_int_equal(f.request_id != NULL, ids[i].taken);
	}
}

static void framing_method__exact_words_only(void **state)
{
	enum method m;

	(void)state;
	assert_int_equal(framing_method("GET", &m), 0);
	assert_int_equal(m, METHOD_GET);
	assert_int_equal(framing_method("HEAD", &m), 0);
	assert_int_equal(m, METHOD_HEAD);
	assert_int_equal(framing_method("PUT", &m), 0);
	assert_int_equal(m, METHOD_PUT);
	assert_int_equal(framing_method("POST", &m), 0);
	assert_int_equal(m, METHOD_POST);
	assert_int_equal(framing_method("PATCH", &m), 0);
	assert_int_equal(m, METHOD_PATCH);
	assert_int_equal(framing_method("DELETE", &m), 0);
	assert_int_equal(m, METHOD_DELETE);
	assert_int_equal(framing_method("OPTIONS", &m), 0);
	assert_int_equal(m, METHOD_OTHER);
	assert_int_equal(framing_method("get", &m), -1);
	assert_int_equal(framing_method("", &m), -1);
	assert_int_equal(framing_method("GETX", &m), -1);
	assert_int_equal(framing_method("BREW", &m), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(framing__table),
		cmocka_unit_test(framing__notes_what_handlers_need),
		cmocka_unit_test(framing__http_1_0_needs_no_host),
		cmocka_unit_test(framing__nul_in_a_value),
		cmocka_unit_test(framing__request_ids_are_harmless_or_ignored),
		cmocka_unit_test(framing_method__exact_words_only),
	};

	return cmocka_run_group_tests_name("registry/framing", tests, NULL, NULL);
}
