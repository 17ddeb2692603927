/* Documents as zstd frames: what comes back, and what a hostile frame cannot do. */
#include "mirror-tool/media/pack.h"

#include "mirror-tool/media/documents.h"
#include "mirror-tool/media/volume.h"
#include "tests/support/cm.h"

/* Lines as those of an inventory, of which every `every`th is another one. */
static void write_lines(struct buf *out, unsigned count, unsigned every)
{
	struct digest d;
	char text[DIGEST_TEXT_SIZE];

	for (unsigned i = 0; i < count; i++) {
		AUTO(mem_free) char *seed =
				mem_printf("%u%s", i, every && i % every == 0 ? "x" : "");

		digest_of(&d, DIGEST_SHA256, span_of(seed));
		buf_printf(out, "%s %u\n", digest_text(&d, text), i);
	}
}

static const struct span nothing = { "", 0 };

static void unpack__gives_back_what_pack_was_given(void **state)
{
	static const struct {
		unsigned base, whole, every;
		size_t most; /* bytes packed */
	} cases[] = {
		{ 0, 0, 0, 20 },
		{ 0, 1, 0, 100 },
		{ 1000, 0, 0, 20 },
		{ 1000, 1000, 0, 40 },
		{ 20000, 20000, 0, 1000 },
		{ 20000, 20000, 100, 16000 },
		{ 0, 1000, 0, 60000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf base = BUF_INIT;
		AUTO(buf_release) struct buf whole = BUF_INIT;
		AUTO(buf_release) struct buf packed = BUF_INIT;
		AUTO(buf_release) struct buf again = BUF_INIT;
		AUTO(buf_release) struct buf out = BUF_INIT;
		struct err e = ERR_INIT;

		write_lines(&base, cases[i].base, 0);
		write_lines(&whole, cases[i].whole, cases[i].every);
		pack(buf_span(&base), buf_span(&whole), &packed);
		pack(buf_span(&base), buf_span(&whole), &again);
		assert_int_equal(again.len, packed.len);
		assert_memory_equal(again.data, packed.data, packed.len);
		if (packed.len > cases[i].most)
			fail_msg("case %zu: %zu bytes", i, packed.len);
		assert_int_equal(pack_size(buf_span(&packed)), whole.len);
		buf_str(&out, "before");
		assert_ok(unpack(buf_span(&base), buf_span(&packed), whole.len, &out, &e));
		assert_int_equal(out.len, 6 + whole.len);
		assert_memory_equal(out.data + 6, whole.data, whole.len);
	}
}

/* What is done to a good frame of 1,000 lines on a base of 1,000. */
enum damage { NO_BASE, OTHER_SIZE, CUT, MORE, TWICE, EMPTY, NO_FRAME, NO_SIZE, DAMAGES };

static void damage(struct buf *packed, struct span *base, size_t *size, enum damage how)
{
	AUTO(buf_release) struct buf copy = BUF_INIT;

	buf_add(&copy, packed->data, packed->len);
	if (how == NO_BASE)
		*base = nothing;
	else if (how == OTHER_SIZE)
		*size -= 1;
	else if (how == CUT)
		buf_cut(packed, packed->len - 1);
	else if (how == MORE)
		buf_char(packed, 'x');
	else if (how == TWICE)
		buf_add(packed, copy.data, copy.len);
	else if (how == EMPTY)
		buf_clear(packed);
	else if (how == NO_FRAME)
		packed->data[0] = 'x';
	else
		packed->data[4] = 0; /* its header tells no size */
}

static void unpack__refuses_what_pack_does_not_make(void **state)
{
	(void)state;
	for (enum damage how = 0; how < DAMAGES; how++) {
		AUTO(buf_release) struct buf base = BUF_INIT;
		AUTO(buf_release) struct buf whole = BUF_INIT;
		AUTO(buf_release) struct buf packed = BUF_INIT;
		AUTO(buf_release) struct buf out = BUF_INIT;
		struct err e = ERR_INIT;
		struct span on;
		size_t size;

		write_lines(&base, 1000, 0);
		write_lines(&whole, 1000, 10);
		pack(buf_span(&base), buf_span(&whole), &packed);
		on = buf_span(&base);
		size = whole.len;
		damage(&packed, &on, &size, how);
		if (unpack(on, buf_span(&packed), size, &out, &e) == 0)
			fail_msg("case %d is taken", (int)how);
		assert_int_equal(e.code, ERR_CORRUPT);
		assert_int_equal(out.len, 0);
	}
}

/* Of frames that hold nothing only one kind is ours. */
static void unpack__refuses_other_frames(void **state)
{
	static const struct span frames[] = {
		{ "\x50\x2a\x4d\x18\0\0\0\0", 8 }, /* skippable */
		{ "\x50\x2a\x4d\x18\4\0\0\0hide", 12 },
		{ "\x27\xb5\x2f\xfd\x20\0\xc0\0\0", 9 }, /* version 0.7 */
		{ "\x26\xb5\x2f\xfd\0\0\xc0\0\0", 9 }, /* 0.6 */
	};
	AUTO(buf_release) struct buf packed = BUF_INIT;
	AUTO(buf_release) struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	pack(nothing, nothing, &packed);
	assert_int_equal(pack_size(buf_span(&packed)), 0);
	assert_ok(unpack(nothing, buf_span(&packed), 0, &out, &e));
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		assert_int_equal(pack_size(frames[i]), UINT64_MAX);
		assert_err(unpack(nothing, frames[i], 0, &out, &e), ERR_CORRUPT, "no zstd frame");
		err_clear(&e);
	}
}

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void volume_packed_parse__takes_one_spelling(void **state)
{
	static const struct {
		const char *name;
		bool taken, on;
	} cases[] = {
		{ "zstd/sha256/" HEX, true, false },
		{ "zstd/sha256/" HEX "/sha256/" HEX, true, true },
		{ "zstd/sha512/" HEX HEX "/sha256/" HEX, true, true },
		{ "zstd/sha256/" HEX "/", false, false },
		{ "zstd/sha256/" HEX "/sha256/" HEX "/", false, false },
		{ "zstd/sha256/" HEX "/sha256/", false, false },
		{ "zstd/sha256/" HEX "/sha256/" HEX HEX, false, false },
		{ "zstd/sha256/" HEX "/md5/" HEX, false, false },
		{ "zstd/sha512/" HEX, false, false },
		{ "zstd/" HEX, false, false },
		{ "blobs/sha256/" HEX, false, false },
		{ "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct digest d, base;

		if (volume_packed_parse(cases[i].name, &d, &base) != cases[i].taken)
			fail_msg("%s", cases[i].name);
		if (cases[i].taken)
			assert_int_equal(base.alg != DIGEST_NONE, cases[i].on);
	}
}

static void document_unpack__appends_what_it_checked(void **state)
{
	AUTO(buf_release) struct buf packed = BUF_INIT;
	AUTO(buf_release) struct buf out = BUF_INIT;
	struct packed_entry entry = { .base = { .alg = DIGEST_NONE } };
	struct err e = ERR_INIT;

	(void)state;
	digest_of(&entry.digest, DIGEST_SHA256, span_of("text"));
	pack(nothing, span_of("text"), &packed);
	entry.bytes = buf_span(&packed);
	buf_str(&out, "before");
	assert_ok(document_unpack(NULL, NULL, &entry, 4, &out, &e));
	assert_string_equal(out.data, "beforetext");
	entry.digest.bytes[0] ^= 1;
	assert_err(document_unpack(NULL, NULL, &entry, 4, &out, &e), ERR_CORRUPT, "altered");
	assert_string_equal(out.data, "beforetext");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unpack__gives_back_what_pack_was_given),
		cmocka_unit_test(unpack__refuses_what_pack_does_not_make),
		cmocka_unit_test(unpack__refuses_other_frames),
		cmocka_unit_test(volume_packed_parse__takes_one_spelling),
		cmocka_unit_test(document_unpack__appends_what_it_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
