/* Need lists, receipts and codes: what is written is read, and nothing else. */
#include "tests/support/cm.h"

#include <stdio.h>

#include "mirror-tool/receipt/code.h"
#include "mirror-tool/receipt/need.h"
#include "mirror-tool/receipt/receipt.h"
#include "storage/base/base64.h"

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

/* --- codes ---------------------------------------------------------------------------------------- */

static struct code code_of(size_t count, bool more)
{
	struct code c = { .count = count, .more = more };

	for (size_t i = 0; i < count; i++) {
		struct digest d;

		digest_of(&d, DIGEST_SHA256, (struct span){ "twenty sets of a store", i });
		memcpy(c.sets[i], d.bytes, CODE_SHORT);
	}
	return c;
}

static void code__is_read_as_it_was_written(void **state)
{
	(void)state;
	for (size_t count = 1; count <= CODE_SETS_MAX; count++) {
		struct code c = code_of(count, count % 2), again;
		char text[CODE_TEXT_SIZE], typed[2 * CODE_TEXT_SIZE] = " ";
		struct err e = ERR_INIT;
		size_t len = 1;

		code_write(&c, text);
		assert_in_range(strlen(text), 1, 200);
		for (const char *at = text; *at; at++) {
			char low = *at >= 'A' && *at <= 'Z' ? (char)(*at + 32) : *at;

			if (*at == '-')
				continue;
			typed[len++] = *at == '0' ? 'o' : *at == '1' ? 'l' : low;
			typed[len++] = ' ';
		}
		assert_ok(code_parse(&again, span_of(text), &e));
		assert_memory_equal(&again, &c, sizeof(c));
		assert_ok(code_parse(&again, span_of(typed), &e));
		assert_memory_equal(&again, &c, sizeof(c));
	}
}

/* No wrong character, whichever and wherever, and no swap of neighbours passes. */
static void code_parse__finds_each_error_and_each_swap(void **state)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	static const size_t counts[] = { 1, 2, CODE_SETS_MAX };

	(void)state;
	for (size_t n = 0; n < ARRAY_SIZE(counts); n++) {
		struct code c = code_of(counts[n], false), again;
		char text[CODE_TEXT_SIZE];
		struct err e = ERR_INIT;
		size_t tried = 0;

		code_write(&c, text);
		for (size_t i = 0; text[i]; i++) {
			size_t next = text[i + 1] == '-' ? i + 2 : i + 1;
			char was = text[i];

			if (was == '-')
				continue;
			for (const char *wrong = alphabet; *wrong; wrong++) {
				text[i] = *wrong;
				if (*wrong == was)
					continue;
				tried++;
				if (code_parse(&again, span_of(text), &e) == 0)
					fail_msg("%s passes", text);
			}
			text[i] = was;
			if (!text[next] || text[next] == was)
				continue;
			text[i] = text[next];
			text[next] = was;
			assert_err(code_parse(&again, span_of(text), &e), ERR_INPUT,
				"two are swapped");
			text[next] = text[i];
			text[i] = was;
		}
		assert_int_equal(tried, 31 * (2 + 8 * counts[n] + 4));
	}
}

static void code_parse__refuses_what_is_no_code(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "has not 0 characters" },
		{ "1", "has not 1 characters" },
		{ "10000-00000-0000", "check characters" },
		{ "1000000000000u", "character 14 is in no receipt code" },
		{ "/tmp/receipt.json", "character 1 is in no receipt code" },
		{ "caf\xc3\xa9", "is in no receipt code" },
		{ "00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-"
		  "00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-"
		  "00000-00000-00000-00000-00000-00000-00000-00000",
			"at most 200 characters" },
		{ "00000-00000-0000", "a format that this moat does not read" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		struct code c;

		assert_err(code_parse(&c, span_of(cases[i].text), &e),
			i + 1 == ARRAY_SIZE(cases) ? ERR_UNSUPPORTED : ERR_INPUT, cases[i].why);
	}
}

/* --- receipts ------------------------------------------------------------------------------------- */

static struct sign_key *key_of(struct trust *trust)
{
	AUTO(buf_release) struct buf pem = BUF_INIT;
	struct sign_key *k = NULL;
	struct err e = ERR_INIT;

	assert_ok(sign_key_new(&k, &e));
	assert_ok(sign_key_write_public(k, &pem, &e));
	assert_ok(trust_add(trust, "receipt.pub", buf_span(&pem), &e));
	return k;
}

static void fill(struct receipt *r)
{
	struct receipt_set *s = receipt_add(r);
	struct digest d;

	memcpy(r->time, "2026-12-01T09:00:00Z", 21);
	memcpy(r->host, "in\"side", 8);
	r->beside = 3;
	memcpy(s->name, "platform", 9);
	memcpy(s->version, "2.0", 4);
	digest_of(&s->digest, DIGEST_SHA256, span_of("a"));
	s->active = true;
	s->generation = 7;
	digest_of(&d, DIGEST_SHA256, span_of("b"));
	inventory_add(&r->lacking, &d, 12);
}

static void receipt__is_read_as_it_was_written(void **state)
{
	AUTO(receipt_release) struct receipt a = RECEIPT_INIT, b = RECEIPT_INIT;
	AUTO(trust_release) struct trust trust = TRUST_INIT;
	AUTO(sign_key_free) struct sign_key *key = key_of(&trust);
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	fill(&a);
	assert_ok(receipt_write(&a, key, &text, &e));
	assert_ok(receipt_parse(&b, "receipt", buf_span(&text), &trust, &e));
	assert_string_equal(b.host, "in\"side");
	assert_int_equal(b.beside, 3);
	assert_int_equal(b.count, 1);
	assert_string_equal(b.sets[0].version, "2.0");
	assert_int_equal(b.sets[0].generation, 7);
	assert_int_equal(b.lacking.lines[0].size, 12);
}

/* Whatever byte is changed or cut, it is refused. */
static void receipt_parse__refuses_every_edit(void **state)
{
	AUTO(receipt_release) struct receipt a = RECEIPT_INIT;
	AUTO(trust_release) struct trust trust = TRUST_INIT, others = TRUST_INIT;
	AUTO(sign_key_free) struct sign_key *key = key_of(&trust);
	AUTO(sign_key_free) struct sign_key *other = key_of(&others);
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	struct receipt b;
	size_t by;

	(void)state;
	fill(&a);
	assert_ok(receipt_write(&a, key, &text, &e));
	assert_err(receipt_parse(&b, "receipt", buf_span(&text), &others, &e), ERR_UNTRUSTED,
		"signed by none of the given keys, but by ");
	by = (size_t)(strstr(text.data, "moat-signature ") - text.data) + strlen("moat-signature ");
	for (size_t i = 0; i < text.len; i++) {
		if (i >= by && i < by + 64) /* the name of the key, for the message only */
			continue;
		text.data[i] ^= 1;
		if (receipt_parse(&b, "receipt", buf_span(&text), &trust, &e) == 0)
			fail_msg("byte %zu may be changed", i);
		text.data[i] ^= 1;
		if (receipt_parse(&b, "receipt", (struct span){ text.data, i }, &trust, &e) == 0)
			fail_msg("it may end at %zu", i);
	}
	memcpy(strstr(text.data, "2.0"), "1.0", 3);
	assert_err(receipt_parse(&b, "receipt", buf_span(&text), &trust, &e), ERR_UNTRUSTED,
		"it was changed");
}

/* Also a key that is trusted may sign nonsense. */
static void receipt_parse__refuses_what_is_no_receipt(void **state)
{
	static const struct {
		const char *body, *why;
	} cases[] = {
		{ "[]\n", "not a receipt of moat" },
		{ "{\"moatReceipt\":2}\n", "format 2" },
		{ "{\"moatReceipt\":1,\"sets\":[],\"lacking\":[]}\n", "time" },
		{ "{\"moatReceipt\":1,\"time\":\"t\",\"sets\":[],\"lacking\":[],\"x\":1}\n", "x" },
		{ "{\"moatReceipt\":1,\"time\":\"t\",\"sets\":[1],\"lacking\":[]}\n", "sets[0]" },
		{ "{\"moatReceipt\":1,\"time\":\"t\",\"sets\":[],\"lacking\":[{}]}\n", "digest" },
		{ "{\"moatReceipt\":1,\"time\":\"ttttttttttttttttttttttttttttttttttttt\",\"sets\":["
		  "],"
		  "\"lacking\":[]}\n",
			"too long" },
	};
	AUTO(trust_release) struct trust trust = TRUST_INIT;
	AUTO(sign_key_free) struct sign_key *key = key_of(&trust);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT;
		AUTO(buf_release) struct buf signature = BUF_INIT;
		struct err e = ERR_INIT;
		struct receipt r;

		assert_ok(sign_bytes(key, span_of(cases[i].body), &signature, &e));
		buf_printf(&text, "%smoat-signature x ", cases[i].body);
		base64_encode(&text, buf_span(&signature));
		buf_char(&text, '\n');
		assert_true(receipt_parse(&r, "receipt", buf_span(&text), &trust, &e) < 0);
		if (!strstr(e.text, cases[i].why))
			fail_msg("case %zu: %s", i, e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(need__is_read_as_it_was_written),
		cmocka_unit_test(need_parse__refuses_what_is_no_need_list),
		cmocka_unit_test(code__is_read_as_it_was_written),
		cmocka_unit_test(code_parse__finds_each_error_and_each_swap),
		cmocka_unit_test(code_parse__refuses_what_is_no_code),
		cmocka_unit_test(receipt__is_read_as_it_was_written),
		cmocka_unit_test(receipt_parse__refuses_every_edit),
		cmocka_unit_test(receipt_parse__refuses_what_is_no_receipt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
