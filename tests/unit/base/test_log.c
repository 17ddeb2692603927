#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "storage/base/log.h"
#include "storage/base/tree.h"
#include "tests/support/cm.h"

#define HOSTILE "a\"b\\c\n\t\x01\x7f\xff\xc3\xa9}{'"

/* What is said on stderr between the two calls. */
struct ear {
	int stderr_was, file;
};

static void listen_to(struct ear *ear)
{
	ear->file = memfd_create("stderr", MFD_CLOEXEC);
	ear->stderr_was = dup(STDERR_FILENO);
	assert_true(dup2(ear->file, STDERR_FILENO) == STDERR_FILENO);
}

static void heard(struct ear *ear, char *text, size_t size)
{
	ssize_t n = pread(ear->file, text, size - 1, 0);

	assert_true(dup2(ear->stderr_was, STDERR_FILENO) == STDERR_FILENO);
	close(ear->stderr_was);
	close(ear->file);
	assert_true(n >= 0);
	text[n] = '\0';
}

static void speak(void)
{
	log_fields(LOG_LINE_ERROR, "commit.failed", { "changes", NULL, 3 }, { "error", HOSTILE, 0 },
		{ "user", "", 0 });
	log_event(LOG_LINE_INFO, "event=listen url=%s", "http://x");
}

static void log_fields__text(void **state)
{
	struct ear ear;
	char text[4096];

	(void)state;
	listen_to(&ear);
	speak();
	heard(&ear, text, sizeof(text));
	assert_string_equal(text,
		"event=commit.failed changes=3 "
		"error=\"a\\\"b\\\\c\\x0a\\x09\\x01\\x7f\\xff\\xc3\\xa9}{'\" user=-\n"
		"event=listen url=http://x\n");
}

static void log_text__quotes_what_could_break_a_line(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = { { "plain/value:1", "k=plain/value:1" }, { "", "k=-" },
		{ "two words", "k=\"two words\"" }, { "a=b", "k=\"a=b\"" },
		{ "q\"\\", "k=\"q\\\"\\\\\"" }, { "line\nend", "k=\"line\\x0aend\"" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf b = BUF_INIT;
		struct log_line line = { &b, LOG_TEXT, false };

		log_text(&line, "k", cases[i].in);
		assert_string_equal(b.data, cases[i].out);
	}
}

/* The members behind the time, which every line has first. */
static const char *behind_time(const char *line)
{
	static const char shape[] = "{\"time\":\"2026-11-26T09:12:11.730Z\",";

	for (size_t i = 0; shape[i]; i++) {
		bool digit = shape[i] >= '0' && shape[i] <= '9';

		if (digit ? line[i] < '0' || line[i] > '9' : line[i] != shape[i])
			fail_msg("no time: %s", line);
	}
	return line + sizeof(shape) - 1;
}

static void check_line(char *line, const char *want)
{
	AUTO(doc_release) struct doc doc = DOC_INIT;
	struct err e;

	assert_ok(json_parse(&doc, "line", span_of(line), 4096, &e));
	assert_string_equal(behind_time(line), want);
}

static void log_fields__json(void **state)
{
	struct ear ear;
	char text[4096], *second;

	(void)state;
	listen_to(&ear);
	log_as(LOG_JSON);
	speak();
	log_as(LOG_TEXT);
	heard(&ear, text, sizeof(text));
	second = strchr(text, '\n');
	assert_non_null(second);
	*second++ = '\0';
	assert_non_null(strchr(second, '\n'));
	*strchr(second, '\n') = '\0';
	check_line(text, "\"level\":\"error\",\"event\":\"commit.failed\",\"changes\":3,"
			 "\"error\":\"a\\\"b\\\\c\\n\\t\\u0001\\\\x7f\\\\xff\\\\xc3\\\\xa9}{'\","
			 "\"user\":\"\"}");
	check_line(second, "\"level\":\"info\",\"message\":\"event=listen url=http://x\"}");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_fields__text),
		cmocka_unit_test(log_fields__json),
		cmocka_unit_test(log_text__quotes_what_could_break_a_line),
	};

	unsetenv("JOURNAL_STREAM");
	return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
