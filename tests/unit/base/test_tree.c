#include <stdio.h>
#include <string.h>

#include "storage/base/tree.h"
#include "tests/support/cm.h"

#define LIMIT 100000

static const struct node *item(const struct node *list, unsigned n)
{
	const struct node *child = list->first;

	while (n-- && child)
		child = child->next;
	return child;
}

static void json__every_value_knows_its_line(void **state)
{
	static const char text[] = "{\n \"a\": [1,\n  \"x\\\"]\\n\", {}],\n\n\"b\":{\"c\":true}, "
				   "\"d\":\n-1.5e3}";
	AUTO(doc_release) struct doc d = DOC_INIT;
	struct err e = ERR_INIT;
	const struct node *a;

	(void)state;
	assert_ok(json_parse(&d, "f", span_of(text), LIMIT, &e));
	a = node_get(d.root, "a");
	assert_int_equal(a->line, 2);
	assert_int_equal(item(a, 0)->number, 1);
	assert_int_equal(item(a, 1)->line, 3);
	assert_string_equal(item(a, 1)->text, "x\"]\n");
	assert_int_equal(item(a, 2)->kind, NODE_MAP);
	assert_int_equal(node_get(node_get(d.root, "b"), "c")->line, 5);
	assert_int_equal(node_get(d.root, "d")->line, 6);
	assert_string_equal(node_get(d.root, "d")->text, "-1.5e3");
}

static const struct {
	const char *text, *says;
} json_refused[] = {
	{ "\xef\xbb\xbf"
	  "{}",
		"f:1: a byte order mark" },
	{ "\xff\xfe{\0", "f: UTF-16; save it as UTF-8" },
	{ "", "f:1:" },
	{ "{", "f:1:" },
	{ "{}x", "f:1:" },
	{ "\xEF\xBB\xBF{}", "f:1:" },
	{ "{\n\"a\":1,\n\"a\":2}", "duplicate" },
	{ "{\"digest\":1,\n\"Digest\":2}", "f:2: the key \"Digest\" is there twice" },
	{ "[1,]", "f:1:" },
	{ "[9223372036854775808]", "f:1:" },
	{ "[\"\xff\"]", "f:1:" },
	{ "[\"\\u0000\"]", "f:1:" },
	{ "[01]", "f:1:" },
	{ "{\"a\":NaN}", "f:1:" },
};

static void json__refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(json_refused); i++) {
		AUTO(doc_release) struct doc d = DOC_INIT;
		struct err e = ERR_INIT;

		assert_err(json_parse(&d, "f", span_of(json_refused[i].text), LIMIT, &e), ERR_INPUT,
			json_refused[i].says);
	}
}

static void json__refuses_deep_and_long(void **state)
{
	AUTO(buf_release) struct buf deep = BUF_INIT;
	AUTO(doc_release) struct doc d = DOC_INIT;
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 0; i < DOC_DEPTH_MAX + 1; i++)
		buf_char(&deep, '[');
	for (int i = 0; i < DOC_DEPTH_MAX + 1; i++)
		buf_char(&deep, ']');
	assert_err(json_parse(&d, "f", buf_span(&deep), LIMIT, &e), ERR_INPUT, "nested deeper");
	assert_err(json_parse(&d, "f", span_of("[1,2]"), 4, &e), ERR_INPUT, "limit of 4");
}

static void json__duplicate_in_a_large_map_is_found(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(doc_release) struct doc d = DOC_INIT;
	AUTO(doc_release) struct doc again = DOC_INIT;
	struct err e = ERR_INIT;

	(void)state;
	buf_char(&text, '{');
	for (int i = 0; i < 2000; i++)
		buf_printf(&text, "%s\"key%d\":%d", i ? "," : "", i, i);
	buf_char(&text, '}');
	assert_ok(json_parse(&d, "f", buf_span(&text), LIMIT, &e));
	assert_int_equal(node_get(d.root, "key1999")->number, 1999);
	buf_cut(&text, text.len - 1);
	buf_str(&text, ",\"KEY77\":1}");
	assert_err(json_parse(&again, "f", buf_span(&text), LIMIT, &e), ERR_INPUT, "KEY77");
}

/* Keys that a hash which takes @ for a backtick can not tell apart: as many as a document may have. */
static void json__no_choice_of_keys_is_slow(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(doc_release) struct doc d = DOC_INIT;
	struct err e = ERR_INIT;

	(void)state;
	buf_char(&text, '{');
	for (int i = 0; i < DOC_NODES_MAX / 2; i++) {
		buf_str(&text, i ? ",\"" : "\"");
		for (int bit = 0; bit < 20; bit++)
			buf_char(&text, i >> bit & 1 ? '@' : '`');
		buf_str(&text, "\":0");
	}
	buf_char(&text, '}');
	assert_ok(json_parse(&d, "f", buf_span(&text), text.len, &e));
}

static void yaml__reads_what_a_list_says(void **state)
{
	static const char text[] = "set: platform # name\n"
				   "platforms: [linux/amd64, linux/arm64]\n"
				   "images:\n"
				   "  - docker.io/library/nginx:1.27.3\n"
				   "  - {name: a/b, tags: \">=1.0\", n: 7, on: true, v: 1.10}\n"
				   "empty:\n";
	AUTO(doc_release) struct doc d = DOC_INIT;
	const struct node *images = NULL, *second;
	const char *version = NULL;
	struct err e = ERR_INIT;
	int64_t n = 0;
	bool on = false;

	(void)state;
	assert_ok(yaml_parse(&d, "moat.yaml", span_of(text), &e));
	assert_int_equal(node_list(&d, d.root, "images", REQUIRED, &images, &e), 1);
	assert_string_equal(item(images, 0)->text, "docker.io/library/nginx:1.27.3");
	assert_int_equal(item(images, 0)->line, 4);
	second = item(images, 1);
	assert_int_equal(node_int(&d, second, "n", REQUIRED, 0, 10, &n, &e), 1);
	assert_int_equal(n, 7);
	assert_int_equal(node_bool(&d, second, "on", REQUIRED, &on, &e), 1);
	assert_true(on);
	assert_int_equal(node_string(&d, second, "v", REQUIRED, &version, &e), 1);
	assert_string_equal(version, "1.10");
	assert_int_equal(node_string(&d, second, "n", REQUIRED, &version, &e), 1);
	assert_string_equal(version, "7");
	assert_int_equal(node_string(&d, d.root, "empty", OPTIONAL, &version, &e), 0);
}

static const struct {
	const char *text, *says;
} yaml_refused[] = {
	{ "a: 1\na: 2\n", "f:2: the key \"a\" is there twice" },
	{ "a: &x 1\n", "anchors" },
	{ "a: *x\n", "" },
	{ "a: !!str 1\n", "tags" },
	{ "<<: {a: 1}\n", "merge" },
	{ "a: 1\n---\nb: 2\n", "second document" },
	{ "a: [1\n", "f:" },
	{ "? [a]\n: 1\n", "plain string" },
	{ "a: \"\\0\"\n", "NUL" },
	{ "\xff\xfe"
	  "a: 1",
		"UTF-16; save it as UTF-8" },
	{ "\xfe\xff"
	  "a: 1",
		"UTF-16" },
	{ "\xef\xbb\xbf"
	  "\xef\xbb\xbf"
	  "a: 1\na: 2\n",
		"f:" },
	{ "\xef\xbb\xbf"
	  "a: 1\na: 2\n",
		"f:2: the key \"a\" is there twice" },
};

static void yaml__refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yaml_refused); i++) {
		AUTO(doc_release) struct doc d = DOC_INIT;
		struct err e = ERR_INIT;

		assert_err(yaml_parse(&d, "f", span_of(yaml_refused[i].text), &e), ERR_INPUT,
			yaml_refused[i].says);
	}
}

/* As Windows editors save it: a byte order mark and CRLF. */
static void yaml__a_byte_order_mark_is_no_part_of_the_text(void **state)
{
	static const char *const texts[] = { "\xef\xbb\xbf"
					     "set: x\r\n",
		"\xef\xbb\xbf"
		"# comment\r\nset: x\r\n",
		"\xef\xbb\xbf"
		"{\"set\": \"x\"}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		AUTO(doc_release) struct doc d = DOC_INIT;
		const char *set = NULL;
		struct err e = ERR_INIT;

		assert_ok(yaml_parse(&d, "f", span_of(texts[i]), &e));
		assert_int_equal(node_string(&d, d.root, "set", REQUIRED, &set, &e), 1);
		assert_string_equal(set, "x");
	}
}

static void yaml__nothing_but_comments_is_null(void **state)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(yaml_parse(&d, "f", span_of("# a: 1\n"), &e));
	assert_int_equal(d.root->kind, NODE_NULL);
}

static void node__errors_say_where(void **state)
{
	static const char *const known[] = { "images", NULL };
	AUTO(doc_release) struct doc d = DOC_INIT;
	const struct node *images = NULL;
	const char *text = NULL;
	struct err e = ERR_INIT;
	int64_t n;

	(void)state;
	assert_ok(yaml_parse(&d, "l.yaml", span_of("images:\n- {name: [1]}\n- {size: 5}\n"), &e));
	assert_int_equal(node_list(&d, d.root, "images", REQUIRED, &images, &e), 1);
	assert_err(node_string(&d, item(images, 0), "name", REQUIRED, &text, &e), ERR_INPUT,
		"l.yaml:2: at images[0].name: a string is needed here, not a list");
	assert_err(node_string(&d, item(images, 1), "name", REQUIRED, &text, &e), ERR_INPUT,
		"l.yaml:3: at images[1]: \"name\" is missing");
	assert_err(node_int(&d, item(images, 1), "size", REQUIRED, 0, 4, &n, &e), ERR_INPUT,
		"5 is not between 0 and 4");
	assert_err(node_only(&d, item(images, 1), known, &e), ERR_INPUT,
		"l.yaml:3: at images[1].size: unknown key");
	assert_int_equal(node_only(&d, d.root, known, &e), 0);
}

static void json_quote__escapes(void **state)
{
	AUTO(buf_release) struct buf plain = BUF_INIT;
	AUTO(buf_release) struct buf html = BUF_INIT;

	(void)state;
	json_quote(&plain, "a\"\\\n\x01<&>é", false);
	assert_string_equal(plain.data, "\"a\\\"\\\\\\n\\u0001<&>é\"");
	json_quote(&html, "<&>", true);
	assert_string_equal(html.data, "\"\\u003c\\u0026\\u003e\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json__every_value_knows_its_line),
		cmocka_unit_test(json__refuses),
		cmocka_unit_test(json__refuses_deep_and_long),
		cmocka_unit_test(json__duplicate_in_a_large_map_is_found),
		cmocka_unit_test(json__no_choice_of_keys_is_slow),
		cmocka_unit_test(yaml__reads_what_a_list_says),
		cmocka_unit_test(yaml__refuses),
		cmocka_unit_test(yaml__a_byte_order_mark_is_no_part_of_the_text),
		cmocka_unit_test(yaml__nothing_but_comments_is_null),
		cmocka_unit_test(node__errors_say_where),
		cmocka_unit_test(json_quote__escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
