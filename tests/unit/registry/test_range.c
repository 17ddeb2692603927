#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/api/range.h"
#include "tests/support/cm.h"

#define SIZE 2048

/* Of 2048 bytes; those of the conformance suite first. */
static const struct {
	const char *header;
	enum range_answer answer;
	uint64_t first, last;
} cases[] = {
	{ "bytes=500-1499", RANGE_ONE, 500, 1499 },
	{ "bytes=500-", RANGE_ONE, 500, 2047 },
	{ "bytes=-500", RANGE_ONE, 1548, 2047 },
	{ "bytes=2000-5000", RANGE_ONE, 2000, 2047 },
	{ "bytes=5000-10000", RANGE_NOWHERE, 0, 0 },
	{ "bytes=500-0", RANGE_NOWHERE, 0, 0 },
	{ "bytes=0-0", RANGE_ONE, 0, 0 },
	{ "bytes=0-", RANGE_ONE, 0, 2047 },
	{ "bytes=2047-", RANGE_ONE, 2047, 2047 },
	{ "bytes=2048-", RANGE_NOWHERE, 0, 0 },
	{ "bytes=-5000", RANGE_ONE, 0, 2047 },
	{ "bytes=-0", RANGE_NOWHERE, 0, 0 },
	{ "bytes=18446744073709551615-", RANGE_NOWHERE, 0, 0 },
	{ "bytes=0-99999999999999999999999999999", RANGE_ONE, 0, 2047 },
	{ "bytes=99999999999999999999999999999-", RANGE_NOWHERE, 0, 0 },
	{ "bytes= 1-2 ", RANGE_ONE, 1, 2 },
	{ "bytes=,1-2,", RANGE_ONE, 1, 2 },
	{ "bytes=1-2,5000-", RANGE_ONE, 1, 2 },
	{ "bytes=5000-,6000-", RANGE_NOWHERE, 0, 0 },
	{ "bytes=1-2,4-5", RANGE_PARTS, 1, 2 },
	{ "bytes=4-5,1-2", RANGE_PARTS, 4, 5 },
	{ "bytes=0-1023,512-1535", RANGE_PARTS, 0, 1023 },
	{ "bytes=0-2047,0-2047", RANGE_WHOLE, 0, 0 },
	{ NULL, RANGE_WHOLE, 0, 0 },
	{ "", RANGE_WHOLE, 0, 0 },
	{ "bytes", RANGE_WHOLE, 0, 0 },
	{ "bytes=", RANGE_WHOLE, 0, 0 },
	{ "bytes=-", RANGE_WHOLE, 0, 0 },
	{ "bytes=a-b", RANGE_WHOLE, 0, 0 },
	{ "bytes=1", RANGE_WHOLE, 0, 0 },
	{ "bytes=1-2;3-4", RANGE_WHOLE, 0, 0 },
	{ "bytes=1-2 3-4", RANGE_WHOLE, 0, 0 },
	{ "bytes=+1-2", RANGE_WHOLE, 0, 0 },
	{ "lines=1-2", RANGE_WHOLE, 0, 0 },
	{ "Bytes=1-2", RANGE_WHOLE, 0, 0 },
};

static void range_parse__table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(ranges_release) struct ranges r = RANGES_INIT;
		enum range_answer answer = range_parse(&r, cases[i].header, SIZE);

		if (answer != cases[i].answer)
			fail_msg("%s: %d, not %d", cases[i].header, (int)answer,
				(int)cases[i].answer);
		if (answer != RANGE_ONE && answer != RANGE_PARTS)
			continue;
		assert_int_equal(r.items[0].first, cases[i].first);
		assert_int_equal(r.items[0].last, cases[i].last);
	}
}

static void range_parse__empty_content_is_whole(void **state)
{
	AUTO(ranges_release) struct ranges r = RANGES_INIT;

	(void)state;
	assert_int_equal(range_parse(&r, "bytes=0-", 0), RANGE_WHOLE);
	assert_int_equal(range_parse(&r, "bytes=0-1,5-6", 0), RANGE_WHOLE);
}

/* n ranges of two bytes, a gap of two between them. */
static char *header_of(unsigned n)
{
	struct buf b = BUF_INIT;

	buf_str(&b, "bytes=");
	for (unsigned i = 0; i < n; i++)
		buf_printf(&b, "%s%u-%u", i ? "," : "", i * 4, i * 4 + 1);
	return buf_detach(&b);
}

static void range_parse__1024_are_served_and_1025_refused(void **state)
{
	static const struct {
		unsigned n;
		enum range_answer answer;
	} counts[] = { { 2, RANGE_PARTS }, { 16, RANGE_PARTS }, { 1024, RANGE_PARTS },
		{ 1025, RANGE_TOO_MANY } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		AUTO(ranges_release) struct ranges r = RANGES_INIT;
		AUTO(mem_free) char *header = header_of(counts[i].n);

		assert_int_equal(range_parse(&r, header, 10000), counts[i].answer);
		if (counts[i].answer == RANGE_PARTS)
			assert_int_equal(r.count, counts[i].n);
	}
}

/* The body as a client gets it, read in pieces of `step`. */
static void read_parts(const struct parts *p, const char *content, size_t step, struct buf *out)
{
	char piece[4096];

	while (out->len < p->total) {
		uint64_t where;
		size_t n = parts_at(p, out->len, piece, step, &where);

		assert_true(n > 0 && n <= step);
		buf_add(out, where == UINT64_MAX ? piece : content + where, n);
	}
	assert_int_equal(out->len, p->total);
}

static void parts__the_exact_body(void **state)
{
	const char *content = "0123456789";
	const char *want = "--" BOUNDARY "\r\nContent-Type: application/octet-stream\r\n"
			   "Content-Range: bytes 4-5/10\r\n\r\n45"
			   "\r\n--" BOUNDARY "\r\nContent-Type: application/octet-stream\r\n"
			   "Content-Range: bytes 0-2/10\r\n\r\n012"
			   "\r\n--" BOUNDARY "--\r\n";
	static const size_t steps[] = { 1, 2, 7, 64, 4096 };
	struct ranges r;
	struct parts p;

	(void)state;
	assert_int_equal(range_parse(&r, "bytes=4-5,0-2", 10), RANGE_PARTS);
	parts_init(&p, &r, 10);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		AUTO(buf_release) struct buf body = BUF_INIT;

		read_parts(&p, content, steps[i], &body);
		assert_string_equal(body.data, want);
	}
	parts_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(range_parse__table),
		cmocka_unit_test(range_parse__empty_content_is_whole),
		cmocka_unit_test(range_parse__1024_are_served_and_1025_refused),
		cmocka_unit_test(parts__the_exact_body),
	};

	return cmocka_run_group_tests_name("registry/range", tests, NULL, NULL);
}
