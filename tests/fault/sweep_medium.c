/* Export onto a medium and import of one: every fault point of both. */
#include "tests/unit/media/fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "tests/support/faults.h"

#define LAYER 100000 /* bytes */
#define LIMIT 160000 /* bytes of a volume: most blobs are cut */
#define OTHER_LIMIT 400000
#define FILE_MAX (1u << 20) /* bytes */

/* A sweep of either. */
struct work {
	struct fixture f;
	struct digest old_set; /* that the inside store has; DIGEST_NONE: none */
	struct digest image[2]; /* docker.io/library/a:1.0 of the old set and of the new one */
	bool other; /* the folder had the other division of the set before */
	size_t signatures; /* of the set, after an import that nothing disturbed */
};

static void work_release(struct work *w)
{
	fixture_close(&w->f);
}

static const char *path_of(const struct work *w, const char *dir, const char *name)
{
	AUTO(mem_free) char *path = mem_printf("%s/%s", dir, name);

	return sandbox_path(w->f.sb, path);
}

static bool read_file(const struct work *w, const char *dir, const char *name, struct buf *out)
{
	struct err e = ERR_INIT;
	int rc = fs_read_file(AT_FDCWD, path_of(w, dir, name), FILE_MAX, out, &e);

	assert_ok(rc);
	return rc > 0;
}

/* Has the file the same bytes in both folders? */
static bool is_same(const struct work *w, const char *name, const char *a, const char *b)
{
	AUTO(buf_release) struct buf x = BUF_INIT;
	AUTO(buf_release) struct buf y = BUF_INIT;

	return read_file(w, a, name, &x) && read_file(w, b, name, &y) && x.len == y.len &&
	       memcmp(x.data, y.data, x.len) == 0;
}

static void list_folder(const struct work *w, const char *dir, struct fs_names *out)
{
	struct err e = ERR_INIT;
	AUTO(fd_close) int fd = fs_open_dir(sandbox_path(w->f.sb, dir), &e);

	assert_ok(fd);
	assert_ok(fs_list(fd, out, &e));
}

/* Of the first folder, every file is in the second one with the same bytes. */
static bool is_within(const struct work *w, const char *a, const char *b)
{
	AUTO(fs_names_free) struct fs_names names = { NULL, 0 };

	list_folder(w, a, &names);
	for (size_t i = 0; i < names.count; i++)
		if (!is_same(w, names.names[i], a, b))
			return false;
	return names.count > 0;
}

/* --- export ---------------------------------------------------------------------------------- */

static int export_limit(struct work *w, const char *dir, uint64_t limit, struct err *e)
{
	static const struct export_events none;
	AUTO(store_close) struct store *s = NULL;

	if (store_open(&s, sandbox_path(w->f.sb, "out"), STORE_READ, e) < 0)
		return -1;
	return export_folder(s, &w->f.set, sandbox_path(w->f.sb, dir), limit, NULL,
		(struct span){ "", 0 }, &none, e);
}

static void prepare_export(void *ctx, const char *dir)
{
	struct work *w = ctx;
	struct err e = ERR_INIT;

	if (w->other)
		assert_ok(export_limit(w, dir, OTHER_LIMIT, &e));
}

static int run_export(void *ctx, const char *dir, struct err *e)
{
	return export_limit(ctx, dir, LIMIT, e);
}

/* M1: what has its last name is whole, as one of the two divisions has it. */
static void assert_file(struct work *w, const char *dir, const char *name)
{
	const char *path = path_of(w, dir, name);
	struct err e = ERR_INIT;

	if (!is_same(w, name, dir, "whole") && !(w->other && is_same(w, name, dir, "other")))
		fail_msg("%s/%s is not what it should be", dir, name);
	if (volume_is_file_name(name) && fixture_verify(&w->f, &path, 1, &e) < 0)
		fail_msg("%s/%s: %s", dir, name, e.text);
}

/* Sums say that all of it is there. */
static void assert_whole(struct work *w, const char *dir)
{
	struct err e = ERR_INIT;

	assert_true(is_within(w, "whole", dir) || (w->other && is_within(w, "other", dir)));
	snprintf(w->f.medium, sizeof(w->f.medium), "%s", sandbox_path(w->f.sb, dir));
	if (is_within(w, dir, "whole") && fixture_verify(&w->f, NULL, 0, &e) != 0)
		fail_msg("%s: %s", dir, e.text);
}

static void assert_left(struct work *w, const char *dir)
{
	AUTO(fs_names_free) struct fs_names names = { NULL, 0 };

	if (!sandbox_exists(sandbox_path(w->f.sb, dir)))
		return;
	list_folder(w, dir, &names);
	for (size_t i = 0; i < names.count; i++) {
		const char *end = strrchr(names.names[i], '.');

		if (!end || strcmp(end, ".part") != 0)
			assert_file(w, dir, names.names[i]);
		if (strcmp(names.names[i], "SHA256SUMS") == 0)
			assert_whole(w, dir);
	}
}

static void recover_export(void *ctx, const char *dir)
{
	struct work *w = ctx;
	struct err e = ERR_INIT;

	assert_left(w, dir);
	assert_ok(run_export(w, dir, &e));
	assert_true(is_within(w, dir, "whole"));
	assert_whole(w, dir);
}

static void sweep_export(void **state, const char *name, bool other, unsigned least)
{
	const struct faults faults = { name, prepare_export, run_export, recover_export, least };
	AUTO(work_release) struct work w = { .other = other };
	struct err e = ERR_INIT;

	fixture_open(&w.f, *state, LAYER);
	store_close(&w.f.out); /* a child must not share it */
	assert_ok(export_limit(&w, "whole", LIMIT, &e));
	assert_ok(export_limit(&w, "other", OTHER_LIMIT, &e));
	faults_sweep(w.f.sb, &faults, &w);
}

static void sweep__export(void **state)
{
	sweep_export(state, "export", false, 16);
}

/* Into a folder that has the set in volumes of another size: they go, and their sums first. */
static void sweep__export_divided_otherwise(void **state)
{
	sweep_export(state, "divide", true, 20);
}

/* --- import ---------------------------------------------------------------------------------- */

static int import_from(struct work *w, const char *dir, const char *medium, struct err *e)
{
	static const struct import_events none;
	AUTO(mem_free) char *folder = mem_strdup(sandbox_path(w->f.sb, medium));
	AUTO(store_close) struct store *s = NULL;
	AUTO(medium_release) struct medium m = { .trusted = false };
	struct import_terms terms = { .trust = &w->f.trust,
		.paths = (const char *const[]){ folder },
		.path_count = 1,
		.activate = true };

	if (store_open(&s, sandbox_path(w->f.sb, dir), STORE_WRITE, e) < 0)
		return -1;
	return import_medium(s, &terms, &none, &m, e);
}

static void prepare_import(void *ctx, const char *dir)
{
	struct work *w = ctx;
	struct err e = ERR_INIT;

	if (w->old_set.alg != DIGEST_NONE)
		assert_ok(import_from(w, dir, "older", &e));
}

static int run_import(void *ctx, const char *dir, struct err *e)
{
	return import_from(ctx, dir, "whole", e);
}

/* docker.io/library/a:1.0, and what only the new set has. */
static void assert_tags(struct store *s, const struct digest *a, bool is_new)
{
	struct manifest_info info;
	struct err e = ERR_INIT;

	assert_int_equal(
		manifest_by_tag(s, "docker.io/library/a", "1.0", &info, &e), a->alg != DIGEST_NONE);
	if (a->alg != DIGEST_NONE)
		assert_true(digest_eq(&info.digest, a));
	assert_int_equal(manifest_by_tag(s, "docker.io/library/new", "1", &info, &e), is_new);
}

static size_t count_signatures(struct store *s, const struct digest *set)
{
	AUTO(mem_free) struct set_signature *sigs = NULL;
	struct err e = ERR_INIT;
	size_t count = 0;

	assert_ok(set_signatures(s, set, &sigs, &count, &e));
	return count;
}

/* T1, S4: all of the new set or nothing of it, and the store is sound. */
static void assert_accepted(struct work *w, const char *dir, bool must)
{
	AUTO(store_close) struct store *s = sandbox_store(w->f.sb, dir, STORE_WRITE);
	size_t old = w->old_set.alg != DIGEST_NONE;
	struct set_info info;
	struct err e = ERR_INIT;
	int rc = set_find(s, "platform:2.0", &info, &e);

	assert_ok(rc);
	assert_true(rc > 0 || !must);
	assert_int_equal(fixture_sets(s), old + (rc > 0));
	assert_tags(s, &w->image[rc > 0], rc > 0);
	if (rc > 0) {
		assert_true(info.active && digest_eq(&info.digest, &w->f.set));
		assert_int_equal(count_signatures(s, &w->f.set), w->signatures);
	}
	assert_int_equal(fixture_problems(s), 0);
}

/* Seconds since the epoch become zeros: a number of ten digits. */
static void blank_times(struct buf *text)
{
	for (size_t at = 0; at < text->len; at++) {
		size_t len = strspn(text->data + at, "0123456789abcdef");

		if (len == 10)
			memset(text->data + at, '0', len);
		at += len;
	}
}

/* index.json, by which the rest is found without moat and the database is made again. */
static void assert_same_index(const struct work *w, const char *dir)
{
	AUTO(buf_release) struct buf got = BUF_INIT;
	AUTO(buf_release) struct buf want = BUF_INIT;

	assert_true(read_file(w, dir, "index.json", &got));
	assert_true(read_file(w, "like", "index.json", &want));
	blank_times(&got);
	blank_times(&want);
	assert_string_equal(got.data, want.data);
}

static void recover_import(void *ctx, const char *dir)
{
	struct work *w = ctx;
	AUTO(mem_free) char *blobs = mem_printf("%s/blobs/sha256", dir);
	struct err e = ERR_INIT;

	assert_accepted(w, dir, false);
	assert_ok(run_import(w, dir, &e));
	assert_accepted(w, dir, true);
	assert_true(is_within(w, blobs, "like/blobs/sha256"));
	assert_true(is_within(w, "like/blobs/sha256", blobs));
	assert_same_index(w, dir);
	assert_int_equal(sandbox_count(path_of(w, dir, "stage")), 0);
}

/* Version 2.0: another image under a tag that 1.0 has, and a new one. */
static void seal_new(struct work *w)
{
	struct image_pin pins[] = { { .repo = "docker.io/library/a", .tag = "1.0" },
		{ .repo = "docker.io/library/new", .tag = "1" } };

	for (unsigned i = 0; i < 2; i++)
		pins[i].digest = image_make(w->f.out, NULL,
			&(struct image_want){ .seed = i ? "new" : "changed",
				.layers = 2,
				.layer_size = LAYER,
				.shared = 1 });
	w->image[1] = pins[0].digest;
	w->f.set = image_set(w->f.out, "platform", "2.0", pins, 2);
	fixture_sign(&w->f, "platform", "2.0", &w->f.set);
}

/* Both media, and the store "like" into which they came undisturbed. */
static void make_media(struct work *w, bool update)
{
	struct digest old_set = w->f.set;
	struct manifest_info info;
	struct err e = ERR_INIT;

	assert_ok(export_limit(w, "older", LIMIT, &e));
	assert_int_equal(manifest_by_tag(w->f.out, "docker.io/library/a", "1.0", &info, &e), 1);
	if (update) {
		w->old_set = old_set;
		w->image[0] = info.digest;
	}
	seal_new(w);
	assert_ok(export_limit(w, "whole", LIMIT, &e));
	prepare_import(w, "like");
	assert_ok(run_import(w, "like", &e));
	AUTO(store_close) struct store *like = sandbox_store(w->f.sb, "like", STORE_READ);
	w->signatures = count_signatures(like, &w->f.set);
	assert_true(w->signatures > 0);
}

static void sweep_import(void **state, const char *name, bool update, unsigned least)
{
	const struct faults faults = { name, prepare_import, run_import, recover_import, least };
	AUTO(work_release) struct work w = { .other = false };

	fixture_open(&w.f, *state, LAYER);
	make_media(&w, update);
	store_close(&w.f.out); /* a child must not share it */
	faults_sweep(w.f.sb, &faults, &w);
}

static void sweep__import(void **state)
{
	sweep_import(state, "import", false, 40);
}

/* A newer version of what is active. */
static void sweep__import_of_the_next_version(void **state)
{
	sweep_import(state, "update", true, 40);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(sweep__export),
		T(sweep__export_divided_otherwise),
		T(sweep__import),
		T(sweep__import_of_the_next_version),
	};

	/* Dying is not losing power: memory will do, and every sync is free. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
