/*
 * S2 and S1 by watching the calls: bytes synced before the link, directory before the row, the
 * stage's name taken away last; and a medium's files the same way. fsync, syncfs, linkat, renameat,
 * unlinkat and the database's commit are recorded on their way (the linker's --wrap, and a copy of
 * the database's driver).
 */
#include "tests/support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/db/driver.h"
#include "storage/engine.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "tests/unit/media/fixture.h"

static struct buf trace = BUF_INIT;

/* Linked in place of the calls without the underscores. */
int __real_fsync(int fd);
int __real_syncfs(int fd);
int __real_linkat(int a, const char *from, int b, const char *to, int flags);
int __real_renameat(int a, const char *from, int b, const char *to);
int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_fsync(int fd);
int __wrap_syncfs(int fd);
int __wrap_linkat(int a, const char *from, int b, const char *to, int flags);
int __wrap_renameat(int a, const char *from, int b, const char *to);
int __wrap_unlinkat(int dir, const char *name, int flags);

int __wrap_fsync(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	buf_str(&trace, S_ISDIR(st.st_mode) ? "sync-dir " : "sync-file ");
	return __real_fsync(fd);
}

int __wrap_syncfs(int fd)
{
	buf_str(&trace, "sync-fs ");
	return __real_syncfs(fd);
}

int __wrap_linkat(int a, const char *from, int b, const char *to, int flags)
{
	buf_str(&trace, "link ");
	return __real_linkat(a, from, b, to, flags);
}

int __wrap_renameat(int a, const char *from, int b, const char *to)
{
	buf_str(&trace, "rename ");
	return __real_renameat(a, from, b, to);
}

int __wrap_unlinkat(int dir, const char *name, int flags)
{
	buf_str(&trace, "unlink ");
	return __real_unlinkat(dir, name, flags);
}

/* --- the database's commit ------------------------------------------------------------------ */

static struct db_driver watched;

static int start(struct db *db, struct query *q, struct err *e)
{
	if (q->name == Q_COMMIT)
		buf_str(&trace, "commit ");
	return db_sqlite.start(db, q, e);
}

static int open_blobs(struct blobs **b, const char *where, enum store_mode mode, struct err *e)
{
	return engine_local.open_blobs(b, where, mode, e);
}

static const struct engine engine_watched = { "watched", open_blobs, &watched };

/* --- orders --------------------------------------------------------------------------------- */

static void write_blobs(struct store *s, struct blob_batch *batch, unsigned count, unsigned flags)
{
	struct err e = ERR_INIT;

	for (unsigned i = 0; i < count; i++) {
		AUTO(blob_abort) struct blob_writer *w = NULL;
		char text[2] = { (char)('a' + i), '\0' };
		struct digest d;

		digest_of(&d, DIGEST_SHA256, span_of(text));
		assert_ok(blob_begin(s, &d, 1, flags, &w, &e));
		blob_write(w, text, 1);
		assert_ok(blob_commit(&w, batch, NULL, &e));
	}
	if (batch)
		assert_ok(batch_flush(batch, &e));
}

static void order__of_blobs(void **state)
{
	static const struct {
		const char *name;
		unsigned count, flags;
		bool batch;
		const char *want;
	} cases[] = {
		{ "unnamed", 1, 0, false, "sync-file link sync-dir commit " },
		{ "stage", 1, BLOB_RESUME, false, "sync-file link sync-dir commit unlink " },
		{ "two", 2, 0, true, "sync-file sync-file link link sync-dir commit " },
		{ "many", 10, 0, true,
			"sync-fs link link link link link link link link link link sync-dir "
			"commit " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(store_close)
		struct store *s = sandbox_store(*state, cases[i].name, STORE_WRITE);
		AUTO(batch_free) struct blob_batch *b = cases[i].batch ? batch_new(s) : NULL;

		buf_clear(&trace);
		write_blobs(s, b, cases[i].count, cases[i].flags);
		assert_string_equal(trace.data, cases[i].want);
	}
}

/* A blob that somebody left without a row: its file and directory are synced before its row. */
static void order__of_an_adopted_file(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct err e = ERR_INIT;
	struct digest d;
	char path[300], hex[DIGEST_HEX_SIZE];
	AUTO(blob_abort) struct blob_writer *w = NULL;

	digest_of(&d, DIGEST_SHA256, span_of("a"));
	snprintf(path, sizeof(path), "%s/%s", sandbox_path(*state, "s/blobs/sha256"),
		digest_hex(&d, hex));
	sandbox_write(path, "a", 1);
	buf_clear(&trace);
	assert_int_equal(blob_begin(s, &d, 1, 0, &w, &e), 1);
	assert_string_equal(trace.data, "sync-file sync-dir commit ");
}

/* The switch is durable before index.json shows it, and index.json before it counts as fresh. */
static void order__of_a_set(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct image_want want = { .seed = "n", .layers = 1 };
	struct image_pin pin = { .repo = "docker.io/a/b", .tag = "1" };
	struct err e = ERR_INIT;
	struct digest set;
	char *text;

	pin.digest = image_make(s, NULL, &want);
	set = image_set(s, "platform", "1", &pin, 1);
	buf_clear(&trace);
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	text = strstr(trace.data, "commit");
	assert_ptr_equal(text, trace.data);
	assert_non_null(strstr(trace.data, "sync-file rename sync-dir commit "));
}

/* Many changes: what was sealed is durable already, the rest is synced at once, and one commit follows. */
static void order__of_changes(void **state)
{
	static const char text[] =
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}";
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	const char *tags[] = { "1" };
	struct change blob = { .kind = CHANGE_BLOB, .repo = "team/app" };
	struct change put = { .kind = CHANGE_MANIFEST,
		.repo = "team/app",
		.text = span_of(text),
		.manifest = &m,
		.tags = tags,
		.tag_count = 1 };
	struct change again = put, *changes[] = { &blob, &put, &again };
	struct err e = ERR_INIT;

	assert_ok(manifest_parse(&m, "m", NULL, span_of(text), &e));
	digest_of(&put.digest, DIGEST_SHA256, span_of(text));
	again.digest = put.digest;
	again.repo = "team/other";
	digest_of(&blob.digest, DIGEST_SHA256, span_of("a"));
	assert_ok(blob_begin_unnamed(s, DIGEST_SHA256, &blob.writer, &e));
	blob_write(blob.writer, "a", 1);
	buf_clear(&trace);
	assert_ok(blob_seal(blob.writer, &blob.digest, &e));
	assert_string_equal(trace.data, "sync-file ");
	buf_clear(&trace);
	assert_ok(store_apply(s, changes, 3, &e));
	assert_string_equal(trace.data, "sync-file sync-file link link sync-dir commit ");
	buf_clear(&trace);
	tags[0] = "2"; /* of what is held: rows only */
	assert_ok(store_apply(s, &changes[1], 2, &e));
	assert_string_equal(trace.data, "commit ");
}

/* The folder, as it is new, a volume, then moat.pub, verify.txt, SHA256SUMS: each durable before it has
 * its name, and its name before the next one is written. */
static void order__of_an_export(void **state)
{
	static const char volume[] = "sync-file rename sync-dir ";
	static const char paper[] =
		"unlink sync-file rename sync-dir "; /* of a temporary name first */
	AUTO(fixture_close) struct fixture f;
	AUTO(mem_free) char *want = mem_printf("sync-dir %s%s%s%s", volume, paper, paper, paper);

	fixture_open(&f, *state, 1000);
	buf_clear(&trace);
	fixture_export(&f, 0);
	assert_string_equal(trace.data, want);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(order__of_blobs),
		T(order__of_an_adopted_file),
		T(order__of_a_set),
		T(order__of_changes),
		T(order__of_an_export),
	};
	int rc;

	watched = db_sqlite;
	watched.start = start;
	sandbox_engine = &engine_watched;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	buf_release(&trace);
	return rc;
}
