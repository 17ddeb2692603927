/* Files out of a set: hostile names, and a run that fails or dies at each step. */
#include "tests/support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror-tool/extract/extract.h"
#include "storage/base/fs.h"
#include "tests/support/faults.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

static int add(struct extract_files *f, const char *path, const char *text, struct err *e)
{
	struct digest d;

	digest_of(&d, DIGEST_SHA256, span_of(text));
	return extract_add(f, path, "tool:1", &d, strlen(text), e);
}

static void extract_add__refuses_what_leads_elsewhere(void **state)
{
	static const struct {
		const char *path, *says;
	} cases[] = {
		{ "", "1 to 255 bytes" },
		{ "/etc/passwd", "1 to 255 bytes" },
		{ "tool//1", "1 to 255 bytes" },
		{ "tool/1/", "1 to 255 bytes" },
		{ ".", "begins with '.'" },
		{ "..", "begins with '.'" },
		{ "tool/../../x", "begins with '.'" },
		{ "tool/1/.bashrc", "begins with '.'" },
		{ "tool/1/-rf", "begins with '-'" },
		{ "tool/1/a\nb", "not allowed" },
		{ "tool/1/a\033[2Jb", "not allowed" },
		{ "tool/1/a\177", "not allowed" },
		{ "tool/1/\303\244", "not allowed" },
		{ "tool/1/a b", "not allowed" },
		{ "tool/1/..\\x", "begins with '.'" },
		{ "tool/1/a\\..\\x", "not allowed" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(extract_files_release) struct extract_files f = EXTRACT_FILES_INIT;
		struct err e = ERR_INIT;

		assert_err(add(&f, cases[i].path, "x", &e), ERR_INPUT, cases[i].says);
		assert_non_null(strstr(e.text, "tool:1"));
		assert_int_equal(f.count, 0);
	}
}

static void extract_add__name_of_256_bytes_is_refused(void **state)
{
	AUTO(extract_files_release) struct extract_files f = EXTRACT_FILES_INIT;
	char name[257] = "";
	struct err e = ERR_INIT;

	(void)state;
	memset(name, 'a', 256);
	assert_err(add(&f, name, "x", &e), ERR_INPUT, "1 to 255 bytes");
	name[255] = '\0';
	assert_ok(add(&f, name, "x", &e));
}

static void extract_sort__refuses_collisions(void **state)
{
	static const struct {
		const char *paths[4];
		const char *texts[4];
		const char *says; /* NULL: taken */
		size_t count;
	} cases[] = {
		{ { "b", "a" }, { "1", "2" }, NULL, 2 },
		{ { "a/b", "a/b" }, { "1", "1" }, NULL, 1 },
		{ { "a/b", "a/c", "a/b" }, { "1", "2", "3" }, "would be a/b", 0 },
		{ { "a", "a-b", "a/b" }, { "1", "2", "3" },
			"a would be a file and the folder of a/b", 0 },
		{ { "a/b/c", "a/b" }, { "1", "1" }, "a/b would be a file and the folder of a/b/c",
			0 },
		{ { "ab/c", "a" }, { "1", "2" }, NULL, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(extract_files_release) struct extract_files f = EXTRACT_FILES_INIT;
		struct err e = ERR_INIT;

		for (size_t j = 0; j < 4 && cases[i].paths[j]; j++)
			assert_ok(add(&f, cases[i].paths[j], cases[i].texts[j], &e));
		if (cases[i].says) {
			assert_err(extract_sort(&f, &e), ERR_INPUT, cases[i].says);
			continue;
		}
		assert_ok(extract_sort(&f, &e));
		assert_int_equal(f.count, cases[i].count);
		for (size_t j = 1; j < f.count; j++)
			assert_true(strcmp(f.items[j - 1].path, f.items[j].path) < 0);
	}
}

/* A manifest that lies about a blob's size gets no file out. */
static void extract_write__another_size_leaves_nothing(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(extract_files_release) struct extract_files f = EXTRACT_FILES_INIT;
	struct err e = ERR_INIT;
	struct digest d = image_text(s, "four");

	assert_ok(extract_add(&f, "a/b", "tool:1", &d, 3, &e));
	assert_ok(extract_sort(&f, &e));
	assert_err(extract_write(&f, s, NULL, sandbox_path(*state, "to"), &e), ERR_CORRUPT,
		"another size");
	assert_false(sandbox_exists(sandbox_path(*state, "to")));
	assert_false(sandbox_exists(sandbox_path(*state, ".to.moat-part")));
}

static void extract_write__what_does_not_fit_is_refused_first(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(extract_files_release) struct extract_files f = EXTRACT_FILES_INIT;
	struct err e = ERR_INIT;
	struct digest d = image_text(s, "four");

	assert_ok(extract_add(&f, "a/b", "tool:1", &d, UINT64_MAX / 2, &e));
	assert_err(extract_write(&f, s, NULL, sandbox_path(*state, "to"), &e), ERR_FULL,
		"bytes are missing");
	assert_false(sandbox_exists(sandbox_path(*state, ".to.moat-part")));
}

/* --- faults ----------------------------------------------------------------------------------- */

/* A store with two blobs, and the files that they become. */
struct work {
	const struct sandbox *sb;
	struct extract_files files;
};

static void work_release(struct work *w)
{
	extract_files_release(&w->files);
}

static void prepare(void *ctx, const char *dir)
{
	const struct work *w = ctx;

	assert_int_equal(mkdir(sandbox_path(w->sb, dir), 0755), 0);
}

static int run(void *ctx, const char *dir, struct err *e)
{
	const struct work *w = ctx;
	AUTO(mem_free) char *to = mem_printf("%s/to", dir);
	AUTO(store_close) struct store *s = NULL;

	if (store_open(&s, sandbox_path(w->sb, "s"), STORE_READ, e) < 0)
		return -1;
	return extract_write(&w->files, s, NULL, sandbox_path(w->sb, to), e);
}

static void assert_file(const struct work *w, const char *dir, const char *path, const char *text)
{
	AUTO(mem_free) char *name = mem_printf("%s/to/%s", dir, path);
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(fs_read_file(AT_FDCWD, sandbox_path(w->sb, name), 100, &bytes, &e), 1);
	assert_true(span_is(buf_span(&bytes), text));
}

/* The folder is whole or is not there. One that died with its name given has done its work. */
static void recover(void *ctx, const char *dir)
{
	const struct work *w = ctx;
	AUTO(mem_free) char *to = mem_printf("%s/to", dir);
	struct err e = ERR_INIT;

	if (!sandbox_exists(sandbox_path(w->sb, to)))
		assert_ok(run(ctx, dir, &e));
	assert_file(w, dir, "a/one", "first");
	assert_file(w, dir, "b/c/two", "second");
	assert_file(w, dir, "three", "first");
	assert_int_equal(sandbox_count(sandbox_path(w->sb, dir)), 1);
}

static void sweep__extract(void **state)
{
	const struct faults faults = { "extract", prepare, run, recover, 9 };
	AUTO(work_release) struct work w = { .sb = *state, .files = EXTRACT_FILES_INIT };
	struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct err e = ERR_INIT;

	image_text(s, "first");
	image_text(s, "second");
	store_close(&s); /* a child must not share it */
	assert_ok(add(&w.files, "a/one", "first", &e));
	assert_ok(add(&w.files, "b/c/two", "second", &e));
	assert_ok(add(&w.files, "three", "first", &e));
	assert_ok(extract_sort(&w.files, &e));
	faults_sweep(*state, &faults, &w);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(extract_add__refuses_what_leads_elsewhere),
		cmocka_unit_test(extract_add__name_of_256_bytes_is_refused),
		cmocka_unit_test(extract_sort__refuses_collisions),
		T(extract_write__another_size_leaves_nothing),
		T(extract_write__what_does_not_fit_is_refused_first),
		T(sweep__extract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
