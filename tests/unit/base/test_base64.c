/* Base64: RFC 4648's vectors, and one spelling only. */
#include "tests/support/cm.h"

#include <string.h>

#include "storage/base/base64.h"

static void base64__rfc_vectors(void **state)
{
	static const struct {
		const char *text, *coded;
	} cases[] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xff\xfe\xfd", "//79" },
		{ "\xfb\xef\xbe", "++++" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf coded = BUF_INIT, text = BUF_INIT;
		struct err e = ERR_INIT;

		base64_encode(&coded, span_of(cases[i].text));
		assert_string_equal(coded.data, cases[i].coded);
		assert_ok(base64_decode(&text, buf_span(&coded), &e));
		assert_string_equal(text.data, cases[i].text);
	}
}

static void base64_decode__refuses(void **state)
{
	static const struct {
		const char *coded, *text;
	} cases[] = {
		{ "Zg", "not a multiple of 4" },
		{ "Zg=", "not a multiple of 4" },
		{ "Z===", "is not base64" },
		{ "====", "is not base64" },
		{ "Zm9v\n", "not a multiple of 4" },
		{ "Zm 9", "character 3 is not base64" },
		{ "Zm-_", "is not base64" },
		{ "Zh==", "stray bits" },
		{ "Zm9=", "stray bits" },
		{ "Zg==Zg==", "character 3 is not base64" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT;
		struct err e = ERR_INIT;

		assert_err(base64_decode(&text, span_of(cases[i].coded), &e), ERR_INPUT,
			cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64__rfc_vectors),
		cmocka_unit_test(base64_decode__refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
