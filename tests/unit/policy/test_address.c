/* Addresses and blocks: what is one, and what it covers. */
#include "tests/support/cm.h"

#include "mirror-tool/policy/address.h"

static void blocks__are_read_with_their_faults(void **state)
{
	static const struct {
		const char *text;
		enum block_fault fault;
		const char *first, *last;
	} cases[] = {
		{ "10.0.0.0/8", BLOCK_GOOD, "10.0.0.0", "10.255.255.255" },
		{ "0.0.0.0/0", BLOCK_GOOD, "0.0.0.0", "255.255.255.255" },
		{ "10.1.2.3/32", BLOCK_GOOD, "10.1.2.3", "10.1.2.3" },
		{ "10.1.2.3/8", BLOCK_HOST_BITS, "10.0.0.0", "10.255.255.255" },
		{ "010.0.0.0/8", BLOCK_ZEROS, "10.0.0.0", "10.255.255.255" },
		{ "10.0.0.0/08", BLOCK_ZEROS, "10.0.0.0", "10.255.255.255" },
		{ "2001:db8::/32", BLOCK_GOOD,
			"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "::/0", BLOCK_GOOD, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "2001:db8::1/65", BLOCK_HOST_BITS,
			"2001:db8::", "2001:db8::7fff:ffff:ffff:ffff" },
		{ "2001:0db8:0:0::/64", BLOCK_GOOD, "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff" },
		{ "::ffff:10.0.0.0/104", BLOCK_MAPPED, "10.0.0.0", "10.255.255.255" },
		{ "10.0.0.0", BLOCK_BAD, NULL, NULL },
		{ "10.0.0.0/33", BLOCK_BAD, NULL, NULL },
		{ "10.0.0/8", BLOCK_BAD, NULL, NULL },
		{ "10.0.0.0./8", BLOCK_BAD, NULL, NULL },
		{ "10.0.0.256/8", BLOCK_BAD, NULL, NULL },
		{ "10.0.0.0/", BLOCK_BAD, NULL, NULL },
		{ "/8", BLOCK_BAD, NULL, NULL },
		{ "", BLOCK_BAD, NULL, NULL },
		{ "::/129", BLOCK_BAD, NULL, NULL },
		{ "10.0.0.0/-1", BLOCK_BAD, NULL, NULL },
		{ "10.0.0.0/8 ", BLOCK_BAD, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[ADDRESS_TEXT_SIZE];
		struct block b;

		if (block_parse(span_of(cases[i].text), &b) != cases[i].fault)
			fail_msg("%s", cases[i].text);
		if (!cases[i].first)
			continue;
		assert_string_equal(address_text(&b.first, text), cases[i].first);
		assert_string_equal(address_text(&b.last, text), cases[i].last);
	}
}

static void addresses__are_followed_by_the_next(void **state)
{
	static const char *const pairs[][2] = { { "10.0.0.255", "10.0.1.0" },
		{ "2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::" }, { "255.255.255.255", NULL },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		char text[ADDRESS_TEXT_SIZE];
		struct address a;

		assert_true(address_parse(span_of(pairs[i][0]), &a));
		assert_int_equal(address_next(&a), pairs[i][1] != NULL);
		if (pairs[i][1])
			assert_string_equal(address_text(&a, text), pairs[i][1]);
	}
}

static void blocks__cover_and_overlap(void **state)
{
	struct block wide, narrow, other, six;

	(void)state;
	assert_int_equal(block_parse(span_of("10.0.0.0/8"), &wide), BLOCK_GOOD);
	assert_int_equal(block_parse(span_of("10.9.0.0/16"), &narrow), BLOCK_GOOD);
	assert_int_equal(block_parse(span_of("11.0.0.0/8"), &other), BLOCK_GOOD);
	assert_int_equal(block_parse(span_of("::/0"), &six), BLOCK_GOOD);
	assert_true(block_covers(&wide, &narrow) && !block_covers(&narrow, &wide));
	assert_true(block_overlaps(&wide, &narrow) && block_overlaps(&narrow, &wide));
	assert_false(block_overlaps(&wide, &other));
	assert_false(block_overlaps(&wide, &six)); /* another family */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks__are_read_with_their_faults),
		cmocka_unit_test(addresses__are_followed_by_the_next),
		cmocka_unit_test(blocks__cover_and_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
