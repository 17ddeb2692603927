/* Media that hold a part of their set: what they build on, what travels, what is refused. */
#include "tests/unit/media/fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "mirror-tool/media/volume_write.h"
#include "storage/base/fs.h"

/* --- on what a medium builds ------------------------------------------------------------------- */

#define SHA "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void base_parse__takes_what_base_write_writes_and_nothing_else(void **state)
{
	static const struct {
		const char *text;
		enum base_kind kind;
		size_t count;
		const char *why; /* NULL: it is taken */
	} cases[] = {
		{ NULL, BASE_NONE, 0, NULL },
		{ "", BASE_NONE, 0, NULL },
		{ "since apps:1@" SHA, BASE_SINCE, 1, NULL },
		{ "receipt", BASE_RECEIPT, 0, NULL },
		{ "receipt apps:1@" SHA " b-2.c:v1.0_x@sha512:" SHA, BASE_NONE, 0, "builds" },
		{ "need", BASE_NEED, 0, NULL },
		{ "need apps:1@" SHA, BASE_NONE, 0, "another way" },
		{ "whole", BASE_NONE, 0, "unknown kind \"whole\"" },
		{ "\033[2Jaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", BASE_NONE, 0, "unknown kind" },
		{ "since apps:1", BASE_NONE, 0, "builds" },
		{ "since apps@" SHA, BASE_NONE, 0, "builds" },
		{ "since Apps:1@" SHA, BASE_NONE, 0, "builds" },
		{ "since apps:1/2@" SHA, BASE_NONE, 0, "builds" },
		{ "since apps:1\"@" SHA, BASE_NONE, 0, "builds" },
		{ "since apps:1@" SHA " ", BASE_NONE, 0, "another way" },
		{ "since  apps:1@" SHA, BASE_NONE, 0, "builds" },
		{ "since apps:1@" SHA " apps:1@" SHA, BASE_NONE, 0, "another way" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf again = BUF_INIT;
		struct err e = ERR_INIT;
		struct base b;
		int rc = base_parse(&b, cases[i].text, &e);

		if (cases[i].why) {
			if (rc == 0)
				fail_msg("taken: %s", cases[i].text);
			assert_err(rc, ERR_CORRUPT, cases[i].why);
			continue;
		}
		assert_ok(rc);
		assert_int_equal(b.kind, cases[i].kind);
		assert_int_equal(b.count, cases[i].count);
		base_write(&b, &again);
		assert_string_equal(again.data, cases[i].text ? cases[i].text : "");
	}
}

static void base_add__has_a_limit(void **state)
{
	struct base b = { .kind = BASE_SINCE };
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	char name[8];
	struct digest d;

	(void)state;
	for (unsigned i = 0; i < BASE_SETS_MAX; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		digest_of(&d, DIGEST_SHA256, span_of(name));
		assert_ok(base_add(&b, name, "1", &d, &e));
		assert_ok(base_add(&b, name, "1", &d, &e));
	}
	assert_int_equal(b.count, BASE_SETS_MAX);
	base_write(&b, &text);
	assert_ok(base_parse(&b, text.data, &e));
	digest_of(&d, DIGEST_SHA256, span_of("more"));
	assert_err(base_add(&b, "more", "1", &d, &e), ERR_INPUT, "at most 64 sets");
}

static void volume_map__leaves_out_only_where_it_may(void **state)
{
	static const struct {
		const char *text;
		bool sparse, taken;
	} cases[] = {
		{ "0\n1\n2-3\n", true, true },
		{ "0\n1\n2-3\n", false, false },
		{ "00\n1\n2\n", true, false },
		{ "0-1\n1\n2\n", true, false },
		{ "0-0\n1\n2\n", true, false },
		{ "1-0\n1\n2\n", true, false },
		{ "0\n0\n0\n", true, true },
		{ "0\n0\n", true, false },
		{ "0\n0\n0", true, false },
		{ "0\n0\n0\n0\n", true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(volume_map_release) struct volume_map m = VOLUME_MAP_INIT;
		AUTO(buf_release) struct buf again = BUF_INIT;
		struct err e = ERR_INIT;
		int rc = volume_map_parse(
			&m, "map", span_of(cases[i].text), 3, 3, cases[i].sparse, &e);

		if ((rc == 0) != cases[i].taken)
			fail_msg("case %zu: %s", i, e.text);
		if (rc < 0)
			continue;
		volume_map_write(&m, &again);
		assert_string_equal(again.data, cases[i].text);
	}
}

/* --- what travels --------------------------------------------------------------------------- */

/* A path of the sandbox that stays; the ninth next call uses the buffer again. */
static const char *path_of(const struct fixture *f, const char *name)
{
	static char paths[8][256];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s", sandbox_path(f->sb, name));
	return path;
}

/* Blobs of the inventory that are on the medium, each once. */
static size_t carried(struct fixture *f, const struct delta *d)
{
	AUTO(volume_writer_free) struct volume_writer *w = NULL;
	struct err e = ERR_INIT;
	uint64_t bytes;

	assert_ok(volume_writer_open(&w, f->out, &f->set, 0, d, &e));
	return volume_writer_head(w)->inventory.count - volume_writer_left_out(w, &bytes);
}

/* Export what the delta leaves. */
static void export_delta(struct fixture *f, const char *dir, uint64_t limit, const struct delta *d)
{
	static const struct export_events none;
	struct err e = ERR_INIT;

	assert_ok(export_folder(f->out, &f->set, dir, limit, d, (struct span){ "", 0 }, &none, &e));
}

static struct inventory inventory_of(struct fixture *f)
{
	struct inventory v;
	struct err e = ERR_INIT;

	assert_ok(set_inventory(f->out, &f->set, &v, &e));
	return v;
}

/* A delta that leaves out every n-th blob from `first` on, or is a need list of them. */
static struct delta every(struct fixture *f, enum base_kind kind, size_t n, size_t first)
{
	AUTO(inventory_release) struct inventory v = inventory_of(f);
	struct delta d = DELTA_INIT;

	d.base.kind = kind;
	for (size_t i = first; i < v.count; i += n)
		inventory_add(&d.blobs, &v.lines[i].digest, v.lines[i].size);
	delta_ready(&d);
	return d;
}

static void delta__subtracts_what_the_base_lists(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(delta_release) struct delta d = DELTA_INIT;
	struct err e = ERR_INIT;
	struct set_info base;
	size_t all;

	fixture_open(&f, *state, 3000);
	all = carried(&f, NULL);
	f.set = fixture_seal(&f, "platform", "2.0");
	assert_int_equal(carried(&f, NULL), all);
	assert_int_equal(set_find(f.out, "platform:1.0", &base, &e), 1);
	assert_ok(delta_leave_set(&d, BASE_SINCE, f.out, &base, &e));
	delta_ready(&d);
	/* all but the blobs of the head, which are in every volume */
	assert_in_range(carried(&f, &d), 0, 2);
	assert_int_equal(d.base.count, 1);
	assert_string_equal(d.base.sets[0].version, "1.0");
}

static void need__of_what_the_set_has_not_is_refused(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(delta_release) struct delta d = DELTA_INIT;
	AUTO(volume_writer_free) struct volume_writer *w = NULL;
	struct err e = ERR_INIT;
	struct digest secret;

	fixture_open(&f, *state, 3000);
	secret = image_text(f.out, "of nobody's business");
	d.base.kind = BASE_NEED;
	inventory_add(&d.blobs, &secret, 20);
	delta_ready(&d);
	assert_err(volume_writer_open(&w, f.out, &f.set, 0, &d, &e), ERR_INPUT,
		"which is not in set platform 1.0");
}

/* --- what comes in ------------------------------------------------------------------------------ */

static void import__of_a_delta_alone_writes_nothing(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(delta_release) struct delta d;
	AUTO(store_close) struct store *in = NULL;
	struct store_totals totals;
	struct err e = ERR_INIT;
	const char *path;

	fixture_open(&f, *state, 3000);
	d = every(&f, BASE_SINCE, 3, 0);
	assert_ok(base_add(&d.base, "other", "7", &f.set, &e));
	d.base.sets[0].digest.bytes[0] ^= 1;
	export_delta(&f, path_of(&f, "delta"), 0, &d);
	path = path_of(&f, "delta");
	assert_err(fixture_import(&f, "in", &path, 1, &e), ERR_INCOMPLETE,
		"which does not hold other 7; import that first");
	in = sandbox_store(f.sb, "in", STORE_READ);
	assert_ok(store_totals(in, &totals, &e));
	assert_int_equal(totals.blobs, 0);
	assert_int_equal(fixture_verify(&f, &path, 1, &e), 0);
}

/* A delta and its top-up come together, whatever their order and number of volumes. */
static void import__of_a_delta_with_its_top_up(void **state)
{
	static const uint64_t limits[] = { 0, 1200000 };
	static const char *const stores[] = { "in-0", "in-1" };
	AUTO(fixture_close) struct fixture f;
	AUTO(delta_release) struct delta since, need;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 300000);
	since = every(&f, BASE_SINCE, 2, 1);
	need = every(&f, BASE_NEED, 2, 1);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const char *paths[2];

		paths[i] = path_of(&f, i ? "delta-1" : "delta-0");
		paths[1 - i] = path_of(&f, i ? "topup-1" : "topup-0");
		export_delta(&f, paths[i], limits[i], &since);
		export_delta(&f, paths[1 - i], limits[1 - i], &need);
		assert_err(fixture_import(&f, stores[i], &paths[i], 1, &e), ERR_INCOMPLETE,
			"`moat need");
		assert_err(fixture_import(&f, stores[i], &paths[1 - i], 1, &e), ERR_INCOMPLETE,
			"is a top-up: ");
		assert_ok(fixture_import(&f, stores[i], paths, 2, &e));
		AUTO(store_close) struct store *in = sandbox_store(f.sb, stores[i], STORE_READ);
		assert_int_equal(fixture_sets(in), 1);
		assert_int_equal(fixture_problems(in), 0);
	}
}

static void import__names_the_volume_of_the_delta_that_lacks(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(delta_release) struct delta since, need;
	AUTO(medium_paths_release) struct medium_paths found = { NULL, 0 };
	const char *paths[2];
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 300000);
	since = every(&f, BASE_SINCE, 2, 1);
	need = every(&f, BASE_NEED, 2, 1);
	export_delta(&f, path_of(&f, "delta"), 1200000, &since);
	export_delta(&f, path_of(&f, "topup"), 0, &need);
	paths[0] = path_of(&f, "delta");
	assert_ok(medium_paths_find(&found, paths, 1, &e));
	assert_true(found.count > 1);
	paths[0] = found.items[found.count - 1];
	paths[1] = path_of(&f, "topup");
	assert_err(fixture_import(&f, "in", paths, 2, &e), ERR_INCOMPLETE,
		"of a delta on nothing, volume");
	paths[0] = path_of(&f, "delta");
	assert_ok(fixture_import(&f, "in", paths, 2, &e));
}

static void import__of_all_and_of_a_top_up_beside_it(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(delta_release) struct delta need;
	const char *paths[2];
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 3000);
	need = every(&f, BASE_NEED, 5, 0);
	fixture_export(&f, 0);
	export_delta(&f, path_of(&f, "topup"), 0, &need);
	paths[0] = f.medium;
	paths[1] = path_of(&f, "topup");
	assert_ok(fixture_import(&f, "in", paths, 2, &e));
	assert_int_equal(fixture_verify(&f, paths, 2, &e), 0);
}

/* --- documents that travel packed ------------------------------------------------------------- */

/* A second version is sealed; its delta on the first is exported, cut at `limit`. */
static void export_second(struct fixture *f, const char *dir, uint64_t limit)
{
	AUTO(delta_release) struct delta d = DELTA_INIT;
	struct err e = ERR_INIT;
	struct set_info base;

	assert_int_equal(set_find(f->out, "platform:1.0", &base, &e), 1);
	assert_ok(delta_leave_set(&d, BASE_SINCE, f->out, &base, &e));
	delta_ready(&d);
	export_delta(f, dir, limit, &d);
}

/* Each byte of a delta is one that its digests cover, packed or not: M2. */
static void verify__finds_any_other_byte_of_a_packed_delta(void **state)
{
	AUTO(fixture_close) struct fixture f;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(medium_paths_release) struct medium_paths found = { NULL, 0 };
	struct err e = ERR_INIT;
	const char *dir;
	size_t packed = 0;

	fixture_open(&f, *state, 3000);
	f.set = fixture_seal(&f, "platform", "2.0");
	dir = path_of(&f, "delta");
	export_second(&f, dir, 0);
	assert_int_equal(fixture_verify(&f, &dir, 1, &e), 0);
	assert_ok(medium_paths_find(&found, &dir, 1, &e));
	assert_int_equal(fs_read_file(AT_FDCWD, found.items[0], 64u << 20, &bytes, &e), 1);
	for (size_t i = 0; i + 5 < bytes.len; i++)
		packed += memcmp(bytes.data + i, "\x28\xb5\x2f\xfd", 4) == 0;
	assert_in_range(packed, 2, 9); /* frames of zstd */
	for (size_t i = 0; i < bytes.len; i += 1 + i % 7) {
		const char *path = path_of(&f, "one.tar");

		bytes.data[i] ^= 0x04;
		sandbox_write(path, bytes.data, bytes.len);
		bytes.data[i] ^= 0x04;
		if (fixture_verify(&f, &path, 1, &e) >= 0)
			fail_msg("byte %zu may be another one", i);
	}
}

/* Where documents are packed, sizes are still planned to the byte (M3), and a volume alone is made again. */
static void export__of_a_packed_delta_keeps_to_its_limit(void **state)
{
	AUTO(fixture_close) struct fixture f;
	struct err e = ERR_INIT;

	fixture_open(&f, *state, 100000);
	f.set = fixture_seal(&f, "platform", "2.0");
	for (uint64_t limit = 150000; limit < 400000; limit += 70001) {
		AUTO(delta_release) struct delta d = every(&f, BASE_NEED, 2, 0);
		AUTO(medium_paths_release) struct medium_paths found = { NULL, 0 };
		AUTO(mem_free) char *name = mem_printf("d-%llu", (unsigned long long)limit);
		const char *dir = path_of(&f, name);

		export_delta(&f, dir, limit, &d);
		assert_ok(medium_paths_find(&found, &dir, 1, &e));
		assert_true(found.count > 1);
		for (size_t i = 0; i < found.count; i++) {
			struct stat st;

			assert_int_equal(stat(found.items[i], &st), 0);
			assert_in_range(st.st_size, 1, limit);
		}
		assert_int_equal(fixture_verify(&f, &dir, 1, &e), 0);
		sandbox_remove(found.items[0]);
		export_delta(&f, dir, limit, &d);
		assert_int_equal(fixture_verify(&f, &dir, 1, &e), 0);
	}
}

/* Only the store that holds the base reads its differences; the other one is left as it was. */
static void import__of_a_packed_delta_asks_for_its_base(void **state)
{
	AUTO(fixture_close) struct fixture f;
	struct digest first;
	struct err e = ERR_INIT;
	const char *dir;

	fixture_open(&f, *state, 3000);
	first = f.set;
	fixture_export(&f, 0);
	f.set = fixture_seal(&f, "platform", "2.0");
	dir = path_of(&f, "delta");
	export_second(&f, dir, 0);
	assert_err(fixture_import(&f, "in", &dir, 1, &e), ERR_INCOMPLETE,
		"a delta on platform 1.0: its document sha256:");
	f.set = first;
	assert_ok(fixture_import(&f, "in", NULL, 0, &e));
	assert_ok(fixture_import(&f, "in", &dir, 1, &e));
	AUTO(store_close) struct store *in = sandbox_store(f.sb, "in", STORE_READ);
	assert_int_equal(fixture_sets(in), 2);
	assert_int_equal(fixture_problems(in), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_parse__takes_what_base_write_writes_and_nothing_else),
		cmocka_unit_test(base_add__has_a_limit),
		cmocka_unit_test(volume_map__leaves_out_only_where_it_may),
		TEST(delta__subtracts_what_the_base_lists),
		TEST(need__of_what_the_set_has_not_is_refused),
		TEST(import__of_a_delta_alone_writes_nothing),
		TEST(import__of_a_delta_with_its_top_up),
		TEST(import__names_the_volume_of_the_delta_that_lacks),
		TEST(import__of_all_and_of_a_top_up_beside_it),
		TEST(verify__finds_any_other_byte_of_a_packed_delta),
		TEST(export__of_a_packed_delta_keeps_to_its_limit),
		TEST(import__of_a_packed_delta_asks_for_its_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
