/* Sorting the volumes of several sets by what they claim to build on, which may be anything. */
#include "mirror-tool/media/chain.h"

#include <sys/stat.h>

#include "mirror-tool/media/tar_write.h"
#include "mirror-tool/media/volume.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"

static struct digest digest_of_set(unsigned version)
{
	AUTO(mem_free) char *seed = mem_printf("%u", version);
	struct digest d;

	digest_of(&d, DIGEST_SHA256, span_of(seed));
	return d;
}

static int sink(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)e;
	buf_add(ctx, data, len);
	return 0;
}

static void add_entry(struct tar_writer *w, const char *name, struct span bytes)
{
	struct err e = ERR_INIT;

	assert_ok(tar_write_entry(w, name, bytes.len, &e));
	assert_ok(tar_write_data(w, bytes.data, bytes.len, &e));
}

/* The beginning of a volume, of version `version` from 1, that claims to build on these. */
static void make_volume(const char *dir, unsigned version, const unsigned *on, size_t count)
{
	AUTO(mem_free) char *path = mem_printf("%s/s-%u.001-of-001.tar", dir, version);
	AUTO(tar_write_free) struct tar_writer *w = NULL;
	AUTO(buf_release) struct buf index = BUF_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct digest d = digest_of_set(version);
	char text[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;

	buf_printf(&index,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[\n"
		"{\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"digest\":\"%s\",\"size\":7,"
		"\"annotations\":{\"vnd.moat.reference\":\"moat.local/set/s:%u\","
		"\"vnd.moat.role\":\"set\"}}\n],\"annotations\":{\"vnd.moat.base\":\"",
		digest_text(&d, text), version);
	for (size_t i = 0; i < count; i++) {
		d = digest_of_set(on[i]);
		buf_printf(&index, "%s s:%u@%s", i ? "" : "since", on[i], digest_text(&d, text));
	}
	buf_str(&index, "\",\"vnd.moat.volume\":\"1\",\"vnd.moat.volumes\":\"1\"}}\n");
	assert_ok(tar_write_open(&w, sink, &bytes, &e));
	add_entry(w, VOLUME_LAYOUT, span_of(VOLUME_LAYOUT_TEXT));
	add_entry(w, VOLUME_INDEX, buf_span(&index));
	assert_ok(tar_write_close(&w, &e));
	sandbox_write(path, bytes.data, bytes.len);
}

/* The versions in the order in which they would come in. */
static char *order(const char *dir)
{
	AUTO(chain_release) struct chain c = CHAIN_INIT;
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	assert_ok(chain_find(&c, &dir, 1, &e));
	for (size_t i = 0; i < c.count; i++) {
		assert_int_equal(c.sets[i].path_count, 1);
		buf_printf(&out, "%s%s", i ? " " : "", c.sets[i].version);
	}
	return buf_detach(&out);
}

static void chain__bases_come_first(void **state)
{
	static const struct {
		unsigned on[6][3]; /* of versions 1 to 6, 0: no more */
		const char *order;
	} cases[] = {
		{ { { 0 } }, "1 2 3 4 5 6" },
		{ { { 0 }, { 1 }, { 2 }, { 3 }, { 4 }, { 5 } }, "1 2 3 4 5 6" },
		{ { { 2 }, { 3 }, { 4 }, { 5 }, { 6 } }, "6 5 4 3 2 1" },
		{ { { 6, 5, 4 }, { 0 }, { 2 }, { 5 }, { 6 } }, "6 5 4 1 2 3" },
		{ { { 9 }, { 9, 6 } }, "1 6 2 3 4 5" },
		/* rings: each is there once */
		{ { { 1 }, { 2 } }, "1 2 3 4 5 6" },
		{ { { 2 }, { 1 } }, "2 1 3 4 5 6" },
		{ { { 2 }, { 3 }, { 4 }, { 5 }, { 6 }, { 1 } }, "6 5 4 3 2 1" },
		{ { { 2, 3 }, { 1, 3 }, { 1, 2 }, { 1 } }, "3 2 1 4 5 6" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(mem_free) char *dir = mem_printf("%s%zu", sandbox_path(*state, "c"), i);
		AUTO(mem_free) char *got = NULL;

		assert_int_equal(mkdir(dir, 0700), 0);
		for (unsigned v = 0; v < 6; v++) {
			size_t count = 0;

			while (count < 3 && cases[i].on[v][count])
				count++;
			make_volume(dir, v + 1, cases[i].on[v], count);
		}
		got = order(dir);
		if (strcmp(got, cases[i].order) != 0)
			fail_msg("case %zu: %s", i, got);
	}
}

/* As many as a disk may carry, each on the 64 behind it: what asks each of each asks for hours. */
static void chain__many_that_claim_much(void **state)
{
	enum { SETS = 2000 };
	const char *dir = sandbox_path(*state, "many");
	AUTO(mem_free) char *got = NULL;
	AUTO(buf_release) struct buf want = BUF_INIT;

	assert_int_equal(mkdir(dir, 0700), 0);
	for (unsigned v = 1; v <= SETS; v++) {
		unsigned on[BASE_SETS_MAX];
		size_t count = 0;

		while (count < BASE_SETS_MAX && v + count < SETS) {
			on[count] = v + 1 + (unsigned)count;
			count++;
		}
		make_volume(dir, v, on, count);
		buf_printf(&want, "%s%u", v > 1 ? " " : "", SETS + 1 - v);
	}
	got = order(dir);
	assert_string_equal(got, want.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			chain__bases_come_first, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(
			chain__many_that_claim_much, sandbox_setup, sandbox_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
