/* One result, printed as JSON and for people. */
#include "tests/support/cm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "mirror-tool/report.h"

/* Say it with `fn`, and compare what is printed in both forms. */
static void expect(void (*fn)(struct report *r), const char *json, const char *people)
{
	const char *want[] = { people, json };

	for (int as_json = 0; as_json < 2; as_json++) {
		char *text = NULL;
		size_t size;
		struct tool t = { .json = as_json, .out = open_memstream(&text, &size) };
		AUTO(report_release) struct report r = REPORT_INIT(&t);
		struct err e = ERR_INIT;

		fn(&r);
		fflush(t.out);
		assert_int_equal(size, 0);
		assert_int_equal(report_print(&r, &e), 0);
		fclose(t.out);
		assert_string_equal(text, want[as_json]);
		free(text);
	}
}

static void say_facts(struct report *r)
{
	const struct digest none = { .alg = DIGEST_NONE };

	report_object(r, NULL);
	report_fact(r, "set", "a\"b");
	report_fact(r, "expires", "");
	report_fact_digest(r, "previous", &none);
	report_fact_bytes(r, "size", 2048);
	report_flag(r, "active", true);
	report_words(r, "takes", "one,two", ',');
	report_label(r, "takes from", "one,two");
	report_object(r, "changes");
	report_number(r, "new", UINT64_MAX);
	report_end(r);
	report_section(r, "others", "pinned by", false);
	report_end(r);
	report_section(r, "images", "images", true);
	report_object(r, NULL);
	report_text(r, "why", "x\ny");
	report_line(r, "  %s", "x\ny");
	report_end(r);
	report_end(r);
	report_end(r);
}

static void report__tells_facts_in_both_forms(void **state)
{
	(void)state;
	expect(say_facts,
		"{\"set\":\"a\\\"b\",\"expires\":\"\",\"previous\":\"\",\"size\":2048,\"active\":"
		"true,"
		"\"takes\":[\"one\",\"two\"],\"changes\":{\"new\":18446744073709551615},"
		"\"others\":[],\"images\":[{\"why\":\"x\\ny\"}]}\n",
		"set          a\"b\nsize         2.0 KiB (2048 bytes)\ntakes from   one,two\n"
		"\nimages\n  x\\u000ay\n");
}

static const struct report_column columns[] = {
	{ "name", "NAME" },
	{ "size", "SIZE" },
	{ "at", "AT" },
	{ NULL, "STATE" },
};

static void say_row(struct report *r, const char *name, uint64_t size, int64_t at, bool in_table)
{
	report_row(r, in_table);
	report_bytes(r, "size", size);
	report_text(r, "name", name);
	report_time(r, "at", at);
	report_words(r, "words", "", ' ');
	if (size > 5000)
		report_cell(r, "STATE", "large");
	report_end(r);
}

static void say_rows(struct report *r)
{
	report_object(r, NULL);
	report_table(r, "rows", columns, ARRAY_SIZE(columns), false);
	say_row(r, "long\x1b[1m", 10, 0, true);
	say_row(r, "hidden", 10, 0, false);
	say_row(r, "b", 10240, 60, true);
	report_end(r);
	report_table(r, "none", columns, ARRAY_SIZE(columns), false);
	report_end(r);
	report_table(r, "last", columns, ARRAY_SIZE(columns), true);
	report_end(r);
	report_array(r, "more");
	report_end(r);
	report_end(r);
}

static void report__aligns_tables_and_gives_rows_lines(void **state)
{
	(void)state;
	expect(say_rows,
		"{\"rows\":[{\"size\":10,\"name\":\"long\\u001b[1m\",\"at\":0,\"words\":[]},\n"
		"{\"size\":10,\"name\":\"hidden\",\"at\":0,\"words\":[]},\n"
		"{\"size\":10240,\"name\":\"b\",\"at\":60,\"words\":[]}],\n"
		"\"none\":[],\n\"last\":[],\n\"more\":[]}\n",
		"NAME           SIZE      AT                STATE\n"
		"long\\u001b[1m  10 B      -                 -\n"
		"b              10.0 KiB  1970-01-01 00:01  large\n"
		"\n"
		"NAME  SIZE  AT  STATE\n");
}

static void say_list(struct report *r)
{
	report_list(r, NULL);
	for (int i = 0; i < 2; i++) {
		report_object(r, NULL);
		report_text(r, "path", "/a");
		report_line(r, "### %s", "/a");
		report_block(r, "x\ny\n");
		report_end(r);
	}
	report_end(r);
}

static void report__gives_items_of_a_list_lines(void **state)
{
	(void)state;
	expect(say_list, "[{\"path\":\"/a\"},\n{\"path\":\"/a\"}]\n",
		"### /a\nx\ny\n### /a\nx\ny\n");
}

static void say_parts(struct report *r)
{
	AUTO(report_release) struct report part = REPORT_INIT(r->tool);
	AUTO(report_release) struct report none = REPORT_INIT(r->tool);

	for (int i = 0; i < 2; i++) {
		report_part_begin(&part);
		report_number(&part, "new", (uint64_t)i);
		report_array(&part, "tags");
		report_end(&part);
	}
	report_object(r, NULL);
	report_insert(r, &part);
	report_insert(r, &none);
	report_text(r, "to", "x");
	report_end(r);
}

static void report_insert__appends_what_was_said_last(void **state)
{
	(void)state;
	expect(say_parts, "{\"new\":1,\"tags\":[],\"to\":\"x\"}\n", "");
}

#define MANY 100000

static void say_many(struct report *r, bool all)
{
	report_list(r, NULL);
	for (uint64_t i = 0; i < MANY; i++) {
		report_number(r, NULL, i);
		report_array(r, NULL);
		report_end(r);
		report_line(r, "%llu", (unsigned long long)i);
	}
	if (all)
		report_end(r);
}

/* The number at *at, behind what stands between two. By hand: under AddressSanitizer each call of strtoull()
 * reads to the end of the text. */
static uint64_t next_number(const char **at)
{
	uint64_t n = 0;

	while (**at && strchr("[],\n", **at))
		++*at;
	for (; **at >= '0' && **at <= '9'; ++*at)
		n = n * 10 + (uint64_t)(**at - '0');
	return n;
}

/* All of it comes in order. */
static void expect_many(struct report *r, char *const *text)
{
	struct err e = ERR_INIT;
	const char *at;

	for (int i = 0; i < 3; i++)
		say_many(r, true);
	assert_true(r->text.len < 2u << 20 || r->is_full);
	assert_int_equal(report_print(r, &e), 0);
	fflush(r->tool->out);
	at = *text;
	for (uint64_t i = 0; i < 3 * MANY; i++)
		assert_int_equal(next_number(&at), i % MANY);
	assert_int_equal(strspn(at, "[],\n"), strlen(at));
}

/* More than stays in memory: nothing comes without its end. */
static void report__keeps_a_large_result_outside_of_memory(void **state)
{
	(void)state;
	for (int as_json = 0; as_json < 2; as_json++) {
		char *text = NULL;
		size_t size;
		struct tool t = { .json = as_json, .out = open_memstream(&text, &size) };
		AUTO(report_release) struct report r = REPORT_INIT(&t);

		say_many(&r, false);
		report_release(&r);
		fflush(t.out);
		assert_int_equal(size, 0);
		expect_many(&r, &text);
		fclose(t.out);
		free(text);
	}
}

/* A /tmp that is full after a part: the rest stays in memory, and no part comes twice. */
static void report__is_whole_when_its_file_is_full(void **state)
{
	struct rlimit before, small;

	(void)state;
	getrlimit(RLIMIT_FSIZE, &before);
	small = (struct rlimit){ (1u << 20) + (1u << 19), before.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	for (int as_json = 0; as_json < 2; as_json++) {
		char *text = NULL;
		size_t size;
		struct tool t = { .json = as_json, .out = open_memstream(&text, &size) };
		AUTO(report_release) struct report r = REPORT_INIT(&t);

		expect_many(&r, &text);
		fclose(t.out);
		free(text);
	}
	setrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(report__tells_facts_in_both_forms),
		cmocka_unit_test(report__aligns_tables_and_gives_rows_lines),
		cmocka_unit_test(report__gives_items_of_a_list_lines),
		cmocka_unit_test(report_insert__appends_what_was_said_last),
		cmocka_unit_test(report__keeps_a_large_result_outside_of_memory),
		cmocka_unit_test(report__is_whole_when_its_file_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
