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

/* In document order; NULL behind the last. */
static const struct node *next_node(const struct node *n)
{
	if (n->first)
		return n->first;
	while (n && !n->next)
		n = n->up;
	return n ? n->next : NULL;
}

static void json_values__counts_what_would_be_built(void **state)
{
	static const char *const texts[] = { "1", "\"a,b[{\"", "[]", "{}", "[ ]", "[1]",
		"[1,2,[],{}]", "{\"a\":{\"b\":[{},{\"c\":null}]}}", "[\"\\\"\",\"\\\\\",[[[]]]]",
		"{\n\t}\r\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		AUTO(doc_release) struct doc d = DOC_INIT;
		struct err e = ERR_INIT;
		size_t built = 0;

		assert_ok(json_parse(&d, "f", span_of(texts[i]), LIMIT, &e));
		for (const struct node *n = d.root; n; built++)
			n = next_node(n);
		if (json_values(span_of(texts[i])) != built)
			fail_msg("%s: %zu", texts[i], json_values(span_of(texts[i])));
	}
	assert_int_equal(json_values(span_of("]]}}\"")), 1);
}

/* Small in bytes, and gigabytes in a tree. */
static void json__refuses_too_many_values(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(doc_release) struct doc d = DOC_INIT;
	struct err e = ERR_INIT;

	(void)state;
	buf_char(&text, '[');
	for (int i = 1; i < DOC_NODES_MAX; i++)
		buf_str(&text, "{},");
	buf_str(&text, "{}]");
	assert_err(json_parse(&d, "f", buf_span(&text), text.len, &e), ERR_INPUT,
		"f: more than 2000000 values");
	assert_err(json_parse_all(&d, "f", buf_span(&text), text.len, &e), ERR_INPUT,
		"f: more than 2000000 values");
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
	AUTO(doc_release) struct doc d = DOC_INIT, typed = DOC_INIT;
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
	assert_null(strstr(e.text, "did you mean"));
	assert_ok(yaml_parse(&typed, "l.yaml", span_of("imagse: []\n"), &e));
	assert_err(node_only(&typed, typed.root, known, &e), ERR_INPUT,
		"l.yaml:1: at imagse: unknown key; did you mean images?");
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

/* The tree as text: maps {k:v}, lists [..], strings in quotes, all else as written; '*' copied, '!' there again. */
static void spell(const struct node *n, struct buf *out)
{
	if (n->key)
		buf_printf(out, "%s%s:", n->key, n->flags & NODE_AGAIN ? "!" : "");
	if (n->flags & NODE_COPIED)
		buf_char(out, '*');
	if (n->kind != NODE_MAP && n->kind != NODE_LIST) {
		buf_printf(out, n->kind == NODE_STRING && !(n->flags & NODE_PLAIN) ? "'%s'" : "%s",
			n->kind == NODE_NULL ? "null" : n->text);
		return;
	}
	buf_char(out, n->kind == NODE_MAP ? '{' : '[');
	node_each(child, n)
	{
		if (child != n->first)
			buf_char(out, ' ');
		spell(child, out);
	}
	buf_char(out, n->kind == NODE_MAP ? '}' : ']');
}

static void documents__are_read_as_other_tools_do(void **state)
{
	static const struct {
		const char *text, *tree;
	} cases[] = {
		{ "", "[]" },
		{ "# nothing\n---\n---\n", "[]" },
		{ "a: 1\n---\nb: x\n...\n---\n'c': \"2\"\n", "[{a:1} {b:x} {c:'2'}]" },
		{ "a: &x {b: 1}\nc: *x\n", "[{a:{b:1} c:*{b:*1}}]" },
		{ "a: &x 1\nb: &x 2\nc: *x\n", "[{a:1 b:2 c:*2}]" },
		{ "x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\n", "[{x:{a:1 b:2} y:{b:3 a:*1}}]" },
		{ "x: {b: 3, <<: [{a: 1}, {a: 2, c: 4}]}\n", "[{x:{b:3 a:*1 c:*4}}]" },
		{ "a: 1\na: 2\nA: 3\n", "[{a:1 a!:2 A:3}]" },
		{ "a: !!str 1\nb: ! 2\nc: !!int 3\n", "[{a:'1' b:'2' c:3}]" },
		{ "{\"a\": \"x\\/\\ud83d\\ude00\"}", "[{a:'x/\xf0\x9f\x98\x80'}]" }, /* JSON only */
		{ "{\"a\":1} {\"b\":[]}\n[3]", "[{a:1} {b:[]} [3]]" },
		{ "{\"a\":1,\"A\":2}", "[{a:1 A:2}]" },
		{ "{a: 1, b: [x]}", "[{a:1 b:[x]}]" }, /* YAML in flow style */
		{ "{\"a\":1,\"a\":2}", "[{a:1 a!:2}]" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(doc_release) struct doc d = DOC_INIT;
		AUTO(buf_release) struct buf text = BUF_INIT;
		struct err e = ERR_INIT;

		if (documents_parse(&d, "f", span_of(cases[i].text), LIMIT, &e) < 0)
			fail_msg("%s: %s", cases[i].text, e.text);
		spell(d.root, &text);
		for (char *at; (at = strstr(text.data, "'")) && !strchr(cases[i].tree, '\'');)
			*at = ' '; /* JSON has no plain scalars */
		assert_string_equal(text.data, cases[i].tree);
	}
}

static void documents__know_their_lines(void **state)
{
	AUTO(doc_release) struct doc yaml = DOC_INIT, json = DOC_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(
		documents_parse(&yaml, "f", span_of("a: 1\n---\n\nb:\n- x\n"), LIMIT, &e), 0);
	assert_int_equal(yaml.root->last->first->first->line, 5);
	assert_int_equal(
		documents_parse(&json, "f", span_of("{\"a\":\n1\n}\n\n{\"b\":\n2}"), LIMIT, &e), 0);
	assert_int_equal(json.root->last->line, 5);
	assert_int_equal(json.root->last->first->line, 6);
}

static void documents__are_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "a: *x\n", "f:1: the anchor of *x is not before it, or around it" },
		{ "a: &x [*x]\n", "f:1: the anchor of *x is not before it, or around it" },
		{ "a: &x 1\n---\nb: *x\n", "f:3: the anchor of *x" },
		{ "a: !Ref b\n", "f:1: the tag !Ref is not understood" },
		{ "a:\n  <<: 1\n", "f:2: a merge key (<<) needs a map or a list of maps" },
		{ "{\"a\": 1,", "f:1:" },
		{ "a: [\n", "f:2:" },
		{ "[1]\n\x01", "f:2:" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(doc_release) struct doc d = DOC_INIT;
		struct err e = ERR_INIT;

		assert_err(documents_parse(&d, "f", span_of(cases[i].text), LIMIT, &e), ERR_INPUT,
			cases[i].says);
	}
}

/* Nine lines that stand for a thousand million values. */
static void documents__aliases_have_a_limit(void **state)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(doc_release) struct doc d = DOC_INIT;
	struct err e = ERR_INIT;

	(void)state;
	buf_str(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 9; i++) {
		buf_printf(&text, "a%d: &a%d [", i, i);
		for (int n = 0; n < 10; n++)
			buf_printf(&text, "%s*a%d", n ? ", " : "", i - 1);
		buf_str(&text, "]\n");
	}
	assert_err(documents_parse(&d, "f", buf_span(&text), LIMIT, &e), ERR_INPUT,
		"aliases make more than 200000 values of this");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents__are_read_as_other_tools_do),
		cmocka_unit_test(documents__know_their_lines),
		cmocka_unit_test(documents__are_refused),
		cmocka_unit_test(documents__aliases_have_a_limit),
		cmocka_unit_test(json__every_value_knows_its_line),
		cmocka_unit_test(json__refuses),
		cmocka_unit_test(json__refuses_deep_and_long),
		cmocka_unit_test(json__duplicate_in_a_large_map_is_found),
		cmocka_unit_test(json_values__counts_what_would_be_built),
		cmocka_unit_test(json__refuses_too_many_values),
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
