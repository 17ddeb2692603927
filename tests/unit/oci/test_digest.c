#include <string.h>

#include "storage/oci/digest.h"
#include "tests/support/cm.h"

#define ABC256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC512                                                                                     \
	"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"                         \
	"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

static void digest_parse__and_back(void **state)
{
	static const char *const good[] = { "sha256:" ABC256, "sha512:" ABC512 };
	char text[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;
	struct digest d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_ok(digest_parse(&d, span_of(good[i]), &e));
		assert_string_equal(digest_text(&d, text), good[i]);
	}
}

static const struct {
	const char *text, *says;
} refused[] = {
	{ "", "not a digest" },
	{ ABC256, "not a digest" },
	{ "sha256:", "64 hex digits, not 0" },
	{ "sha256:" ABC256 "0", "not 65" },
	{ "sha512:" ABC256, "128 hex digits, not 64" },
	{ "sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "digit 1 " },
	{ "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a/", "digit 64" },
	{ "SHA256:" ABC256, "neither sha256 nor sha512" },
	{ "md5:d41d8cd98f00b204e9800998ecf8427e", "neither" },
	{ "sha256:baddigeststring", "not 15" },
	{ ":" ABC256, "neither" },
};

static void digest_parse__refuses(void **state)
{
	struct err e = ERR_INIT;
	struct digest d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_err(
			digest_parse(&d, span_of(refused[i].text), &e), ERR_INPUT, refused[i].says);
}

static void hasher__in_pieces_equals_at_once(void **state)
{
	AUTO(hasher_release) struct hasher h = HASHER_INIT;
	struct digest pieces, whole;
	char text[DIGEST_TEXT_SIZE];

	(void)state;
	for (int alg = DIGEST_SHA256; alg <= DIGEST_SHA512; alg++) {
		hasher_init(&h, (enum digest_alg)alg);
		hasher_add(&h, "a", 1);
		hasher_add(&h, "bc", 2);
		hasher_end(&h, &pieces);
		digest_of(&whole, (enum digest_alg)alg, span_of("abc"));
		assert_true(digest_eq(&pieces, &whole));
	}
	assert_string_equal(digest_text(&whole, text), "sha512:" ABC512);
	digest_of(&whole, DIGEST_SHA256, span_of("{}"));
	assert_true(digest_eq(&whole, &digest_empty_json));
}

static void digest_cmp__is_the_order_of_the_text(void **state)
{
	struct digest a, b;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(digest_parse(&a, span_of("sha256:" ABC256), &e));
	assert_ok(digest_parse(&b, span_of("sha512:" ABC512), &e));
	assert_true(digest_cmp(&a, &b) < 0);
	assert_true(digest_cmp(&b, &a) > 0);
	assert_int_equal(digest_cmp(&a, &a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digest_parse__and_back),
		cmocka_unit_test(digest_parse__refuses),
		cmocka_unit_test(hasher__in_pieces_equals_at_once),
		cmocka_unit_test(digest_cmp__is_the_order_of_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
