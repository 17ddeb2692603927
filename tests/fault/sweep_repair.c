/* `moat scrub --repair-from`: bytes for bad and missing blobs, from another store and from a medium; every fault point. */
#include "tests/unit/media/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mirror-tool/repair/repair.h"
#include "tests/support/faults.h"

#define LAYER 100000 /* bytes */
#define LIMIT 160000 /* bytes of a volume: most blobs are cut */
#define WANTED 12 /* most of the set's blobs */

struct work {
	struct fixture f;
	struct digest wanted[WANTED];
	uint64_t sizes[WANTED];
	size_t count;
	char source[200];
};

static void work_release(struct work *w)
{
	fixture_close(&w->f);
}

static int keep(void *ctx, const struct digest *d, uint64_t size, struct err *e)
{
	struct work *w = ctx;

	(void)e;
	w->sizes[w->count] = size;
	w->wanted[w->count++] = *d;
	return 0;
}

static void file_of(const struct digest *d, const char *dir, char name[300])
{
	char hex[DIGEST_HEX_SIZE];

	snprintf(name, 300, "%s/blobs/sha256/%s", dir, digest_hex(d, hex));
}

/* A third of them is gone, a third bad and in quarantine, a third bad and not found yet. */
static void prepare(void *ctx, const char *dir)
{
	struct work *w = ctx;
	AUTO(mem_free) char *store = mem_strdup(dir);
	AUTO(store_close) struct store *s = NULL;
	struct blob_cursor at = { .by_age = false };
	struct err e = ERR_INIT;

	assert_ok(fixture_import(&w->f, store, NULL, 0, &e));
	s = sandbox_store(w->f.sb, dir, STORE_WRITE);
	w->count = 0;
	assert_int_equal(blobs_after(s, &at, WANTED, keep, w, &e), WANTED);
	for (size_t i = 0; i < w->count; i++) {
		char name[300];

		file_of(&w->wanted[i], dir, name);
		sandbox_remove(sandbox_path(w->f.sb, name));
		if (i % 3)
			sandbox_write(sandbox_path(w->f.sb, name), "bad", 3);
		if (i % 3 == 1)
			assert_ok(blob_drop_bad(s, &w->wanted[i], &e));
	}
}

static int run(void *ctx, const char *dir, struct err *e)
{
	const struct work *w = ctx;
	const struct tool t = { .verb = "scrub", .store = "", .quiet = true };
	AUTO(store_close) struct store *s = NULL;
	AUTO(repair_release) struct repair r = { .tool = &t };

	if (store_open(&s, sandbox_path(w->f.sb, dir), STORE_WRITE, e) < 0)
		return -1;
	r.store = s;
	for (size_t i = 0; i < w->count; i++) {
		if (blob_drop_bad(s, &w->wanted[i], e) < 0)
			return -1;
		repair_want(&r, &w->wanted[i], w->sizes[i]);
	}
	if (repair_from(&r, w->source, e) < 0)
		return -1;
	return r.left ? err_set(e, ERR_INCOMPLETE, "%zu are not repaired", r.left) : 0;
}

/* S1: whatever lies under a name and is recorded as held is right, or was not looked at yet. */
static void assert_no_worse(struct work *w, struct store *s)
{
	struct finding f;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < w->count; i++) {
		int rc = blob_examine(s, &w->wanted[i], BLOB_CHECK_BYTES, NULL, &f, &e);

		assert_ok(rc);
		if (rc > 0 && f.fault == BLOB_BYTES)
			fail_msg("a file of the right length has other bytes");
		if (rc > 0 && f.fault == BLOB_LENGTH)
			assert_int_equal(f.file.size, 3);
	}
}

static void recover(void *ctx, const char *dir)
{
	struct work *w = ctx;
	AUTO(store_close) struct store *s = NULL;
	struct err e = ERR_INIT;

	s = sandbox_store(w->f.sb, dir, STORE_WRITE);
	assert_no_worse(w, s);
	store_close(&s);
	assert_ok(run(w, dir, &e));
	s = sandbox_store(w->f.sb, dir, STORE_WRITE);
	assert_int_equal(fixture_problems(s), 0);
	assert_int_equal(fixture_sets(s), 1);
}

static void sweep_from(void **state, const char *name, const char *kind)
{
	const struct faults faults = { name, prepare, run, recover, 10 };
	AUTO(work_release) struct work w = { .count = 0 };

	fixture_open(&w.f, *state, LAYER);
	fixture_export(&w.f, LIMIT);
	store_close(&w.f.out); /* a child must not share it */
	snprintf(w.source, sizeof(w.source), "%s:%s", kind,
		strcmp(kind, "store") == 0 ? sandbox_path(w.f.sb, "out") : w.f.medium);
	faults_sweep(w.f.sb, &faults, &w);
}

static void sweep__repair_from_a_store(void **state)
{
	sweep_from(state, "repair-store", "store");
}

static void sweep__repair_from_a_medium(void **state)
{
	sweep_from(state, "repair-medium", "medium");
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(sweep__repair_from_a_store),
		T(sweep__repair_from_a_medium),
	};

	/* Dying is not losing power: memory will do, and every sync is free. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
