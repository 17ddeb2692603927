/* Need lists: what is written is read, and nothing else. */
#include "tests/support/cm.h"

#include "mirror-tool/receipt/need.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SET(blobs)                                                                                 \
	"{\"moatNeed\":1,\"sets\":[\n{\"set\":\"a\",\"version\":\"1\",\"digest\":\"sha256:" HEX    \
	"\",\"blobs\":[" blobs "\n]}\n]}\n"
#define BLOB(first) "\n{\"digest\":\"sha256:" first "123456789abcdef" HEX0 "\",\"size\":5}"
#define HEX0 "0123456789abcdef0123456789abcdef0123456789abcdef"

static void need__is_read_as_it_was_written(void **state)
{
	AUTO(need_release) struct need a = NEED_INIT, b = NEED_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT, again = BUF_INIT;
	struct err e = ERR_INIT;
	struct digest d[3];
	uint64_t bytes;

	(void)state;
	for (int i = 0; i < 3; i++)
		digest_of(&d[i], DIGEST_SHA256, (struct span){ "abc", (size_t)i });
	inventory_add(&need_add(&a, "platform", "2.0-rc1", &d[0])->blobs, &d[2], 7);
	inventory_add(&a.sets[0].blobs, &d[1], INT64_MAX / 2);
	inventory_add(&a.sets[0].blobs, &d[1], 5);
	need_add(&a, "apps", "1", &d[1]);
	need_write(&a, &text);
	assert_ok(need_parse(&b, "need.json", buf_span(&text), &e));
	assert_int_equal(b.count, 2);
	assert_int_equal(need_total(&b, &bytes), 2);
	need_write(&b, &again);
	assert_string_equal(text.data, again.data);
}

static void need_parse__refuses_what_is_no_need_list(void **state)
{
	static const struct {
		const char *text, *why;
		enum err_code code;
	} cases[] = {
		{ "", "need.json", ERR_INPUT },
		{ "[]", "not a need list of moat", ERR_INPUT },
		{ "{}", "not a need list of moat", ERR_INPUT },
		{ "{\"moatNeed\":\"1\",\"sets\":[]}", "moatNeed", ERR_INPUT },
		{ "{\"moatNeed\":0,\"sets\":[]}", "moatNeed", ERR_INPUT },
		{ "{\"moatNeed\":9,\"sets\":[]}", "format 9; this moat reads 1", ERR_UNSUPPORTED },
		{ "{\"moatNeed\":1}", "sets", ERR_INPUT },
		{ "{\"moatNeed\":1,\"sets\":[],\"more\":1}", "more", ERR_INPUT },
		{ "{\"moatNeed\":1,\"sets\":[1]}", "sets[0]: not an object", ERR_INPUT },
		{ SET(BLOB("0") "," BLOB("0")), "need.json:4: ", ERR_INPUT },
		{ SET(BLOB("1") "," BLOB("0")), "out of order or there twice", ERR_INPUT },
		{ SET("\n{\"digest\":\"md5:00\",\"size\":5}"), "need.json:3: ", ERR_INPUT },
		{ SET("\n{\"digest\":\"sha256:" HEX "\",\"size\":-1}"), "size", ERR_INPUT },
		{ SET("\n{\"digest\":\"sha256:" HEX "\",\"size\":9223372036854775807}"), "size",
			ERR_INPUT },
		{ SET("\n{\"digest\":\"sha256:" HEX "\"}"), "size", ERR_INPUT },
		{ SET("\n[]"), "not an object", ERR_INPUT },
		{ "{\"moatNeed\":1,\"sets\":[{\"set\":\"../"
		  "x\",\"version\":\"1\",\"digest\":\"sha256:" HEX "\",\"blobs\":[]}]}",
			"no name and version of a set", ERR_INPUT },
		{ "{\"moatNeed\":1,\"sets\":[{\"set\":\"a\",\"version\":\"1@x\",\"digest\":"
		  "\"sha256:" HEX "\",\"blobs\":[]}]}",
			"no name and version of a set", ERR_INPUT },
		{ "{\"moatNeed\":1,\"sets\":[{\"set\":\"a\",\"version\":\"1\",\"digest\":"
		  "\"sha256:" HEX
		  "\",\"blobs\":[]},{\"set\":\"b\",\"version\":\"1\",\"digest\":\"sha256:" HEX
		  "\",\"blobs\":[]}]}",
			"a set that is there twice", ERR_INPUT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		struct need n;

		assert_err(need_parse(&n, "need.json", span_of(cases[i].text), &e), cases[i].code,
			cases[i].why);
		assert_null(n.sets);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(need__is_read_as_it_was_written),
		cmocka_unit_test(need_parse__refuses_what_is_no_need_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
