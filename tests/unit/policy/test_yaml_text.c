/* What is written is read as it was by YAML 1.1 (the table, checked against PyYAML 6.0) and by our own reader. */
#include "tests/support/cm.h"

#include "mirror-tool/k8s/yaml_text.h"

static void parse(struct doc *d, const char *text)
{
	struct err e = ERR_INIT;

	if (documents_parse(d, "test", span_of(text), YAML_BYTES_MAX, &e) < 0)
		fail_msg("%s: %s", text, e.text);
}

/* Bare where it can be nothing but a string. */
static void strings(void **state)
{
	static const char *const bare[] = { "a", "e3", "a/b", "no/", "x-y_z.0", "nowhere", "yess",
		"policy.networking.k8s.io/v1beta1" };
	static const char *const quoted[] = { "", "y", "Y", "n", "yes", "No", "on", "OFF", "true",
		"False", "null", "NULL", "~", "1", "1e3", "1_000", "0x1f", "0o17", "017", "1.5",
		".inf", ".nan", "12:30:45", "2001-12-14", "10.0.0.0/8", "-", "- a", "a: b", "a #b",
		"#x", "'q'", " a", "a ", "{a}", "[a]", "*a", "&a", "!a", "|", ">", "%a", "@a", "`a",
		"a:", "a,b", "=", "<<", "_", "/a", "\xc3\xa9" };

	(void)state;
	for (unsigned quote = 0; quote < 2; quote++)
		for (size_t i = 0; i < (quote ? ARRAY_SIZE(quoted) : ARRAY_SIZE(bare)); i++) {
			const char *text = quote ? quoted[i] : bare[i], *mark = quote ? "\"" : "";
			AUTO(mem_free) char *json = mem_printf("{\"k\":\"%s\"}", text);
			AUTO(mem_free) char *want = mem_printf("k: %s%s%s\n", mark, text, mark);
			AUTO(doc_release) struct doc d = DOC_INIT, again = DOC_INIT;
			AUTO(buf_release) struct buf out = BUF_INIT;

			parse(&d, json);
			yaml_text(d.root->first, &out);
			assert_string_equal(out.data, want);
			parse(&again, out.data);
			assert_int_equal(again.root->first->first->kind, NODE_STRING);
			assert_string_equal(again.root->first->first->text, text);
		}
}

static void shapes(void **state)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	AUTO(buf_release) struct buf out = BUF_INIT;

	(void)state;
	parse(&d, "{\"on\":1,\"a\":[1,-5,1.5,true,false,null,[],{},[2,[3]],{\"b\":{},\"c\":[{\"d\":"
		  "0}]}],"
		  "\"m\":{\"n\":{\"o\":\"x\\ny\"}}}");
	yaml_text(d.root->first, &out);
	assert_string_equal(out.data, "\"on\": 1\n"
				      "a:\n"
				      "- 1\n- -5\n- 1.5\n- true\n- false\n- null\n- []\n- {}\n"
				      "-\n  - 2\n  -\n    - 3\n"
				      "- b: {}\n  c:\n  - d: 0\n"
				      "m:\n  \"n\":\n    o: \"x\\ny\"\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings),
		cmocka_unit_test(shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
