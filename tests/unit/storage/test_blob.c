/* Blob writers and reading, one at a time. */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include "tests/support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "tests/unit/storage/suite.h"

static struct digest sha(const char *text)
{
	struct digest d;

	digest_of(&d, DIGEST_SHA256, span_of(text));
	return d;
}

static const char *blob_path(const struct sandbox *sb, const char *store, const struct digest *d)
{
	static char name[300];
	char hex[DIGEST_HEX_SIZE];

	snprintf(name, sizeof(name), "%s/blobs/%s/%s", store, digest_alg_name(d->alg),
		digest_hex(d, hex));
	return sandbox_path(sb, name);
}

static bool holds(struct store *s, const struct digest *d)
{
	struct err e = ERR_INIT;
	uint64_t size;
	int rc = blob_stat(s, d, &size, &e);

	assert_ok(rc);
	return rc > 0;
}

static void assert_content(struct store *s, const struct digest *d, const char *text)
{
	AUTO(buf_release) struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	assert_ok(blob_read(s, d, 1 << 20, &out, &e));
	assert_string_equal(out.data, text);
}

static struct blob_writer *begin(struct store *s, const char *text, unsigned flags)
{
	struct digest d = sha(text);
	struct blob_writer *w = NULL;
	struct err e = ERR_INIT;

	assert_ok(blob_begin(s, &d, strlen(text), flags, &w, &e));
	return w;
}

static void write_text(struct blob_writer *w, const char *text)
{
	blob_write(w, text, strlen(text));
}

/* --- committing ----------------------------------------------------------------------------- */

static void blob_commit__is_there_afterwards(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *w = begin(s, "hello", 0);
	AUTO(reader_close) struct blob_reader r = BLOB_READER_INIT;
	struct digest d = sha("hello"), got;
	struct err e = ERR_INIT;
	char text[6] = "";

	assert_false(holds(s, &d));
	write_text(w, "hel");
	write_text(w, "lo");
	assert_false(holds(s, &d));
	assert_ok(blob_commit(&w, NULL, &got, &e));
	assert_null(w);
	assert_true(digest_eq(&got, &d));
	assert_content(s, &d, "hello");
	assert_int_equal(blob_open(s, &d, &r, &e), 1);
	assert_int_equal(r.size, 5);
	assert_ok(reader_read(&r, 0, text, 5, &e));
	assert_string_equal(text, "hello");
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/stage")), 0);
}

static void blob_commit__without_announcement(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *w = NULL;
	struct digest d = sha("hello"), got;
	struct err e = ERR_INIT;

	assert_ok(blob_begin(s, NULL, BLOB_SIZE_UNKNOWN, 0, &w, &e));
	write_text(w, "hello");
	assert_int_equal(blob_offset(w), 5);
	assert_ok(blob_commit(&w, NULL, &got, &e));
	assert_true(digest_eq(&got, &d));
	assert_content(s, &d, "hello");
}

static void blob_commit__empty_and_sha512(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *w = begin(s, "", 0);
	struct err e = ERR_INIT;
	struct digest d;

	assert_ok(blob_commit(&w, NULL, NULL, &e));
	d = sha("");
	assert_content(s, &d, "");
	digest_of(&d, DIGEST_SHA512, span_of("hello"));
	assert_ok(blob_begin(s, &d, 5, BLOB_RESUME, &w, &e));
	write_text(w, "hello");
	assert_ok(blob_commit(&w, NULL, NULL, &e));
	assert_content(s, &d, "hello");
	assert_true(sandbox_exists(blob_path(*state, "s", &d)));
}

static void blob_commit__what_differs_leaves_nothing(void **state)
{
	static const struct {
		const char *name, *bytes, *words;
		uint64_t size;
		unsigned flags;
	} cases[] = {
		{ "short body", "hell", "5 bytes announced, 4 arrived", 5, 0 },
		{ "short body of a stage", "hell", "5 bytes announced, 4 arrived", 5, BLOB_RESUME },
		{ "long body", "hello!", "5 bytes announced, more arrived", 5, 0 },
		{ "other bytes", "hullo", "the bytes that arrived are sha256:", 5, BLOB_RESUME },
		{ "other bytes, no size", "hello!",
			"the bytes that arrived are sha256:", BLOB_SIZE_UNKNOWN, 0 },
	};
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest d = sha("hello");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(blob_abort) struct blob_writer *w = NULL;
		struct err e = ERR_INIT;

		print_message("%s\n", cases[i].name);
		assert_ok(blob_begin(s, &d, cases[i].size, cases[i].flags, &w, &e));
		write_text(w, cases[i].bytes);
		assert_err(blob_commit(&w, NULL, NULL, &e), ERR_CORRUPT, cases[i].words);
		assert_null(w);
		assert_non_null(strstr(e.text, "blob sha256:2cf24d"));
		assert_false(holds(s, &d));
		assert_int_equal(sandbox_count(sandbox_path(*state, "s/stage")), 0);
		assert_int_equal(sandbox_count(sandbox_path(*state, "s/blobs/sha256")), 0);
	}
}

static void blob_write__is_sticky_after_too_much(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *w = begin(s, "hello", 0);

	write_text(w, "hello");
	assert_false(blob_failed(w));
	write_text(w, "!");
	assert_true(blob_failed(w));
	write_text(w, "?");
	assert_int_equal(blob_offset(w), 5);
}

static void blob_begin__refuses_a_reading_handle(void **state)
{
	AUTO(store_close) struct store *w = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(store_close) struct store *r = sandbox_store(*state, "s", STORE_READ);
	AUTO(blob_abort) struct blob_writer *blob = NULL;
	struct err e = ERR_INIT;

	assert_err(blob_begin(r, NULL, 1, 0, &blob, &e), ERR_DENIED, "opened for reading");
}

static void blob_begin__knows_what_is_held(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *w = NULL;
	struct digest d = image_text(s, "hello");
	struct err e = ERR_INIT;

	assert_int_equal(blob_begin(s, &d, 5, 0, &w, &e), 1);
	assert_null(w);
	assert_int_equal(blob_begin(s, &d, BLOB_SIZE_UNKNOWN, BLOB_RESUME, &w, &e), 1);
	assert_err(blob_begin(s, &d, 6, 0, &w, &e), ERR_CORRUPT, "6 bytes announced, it has 5");
}

static void blob_begin__full_disk_is_told_before_the_bytes(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *w = NULL;
	struct digest d = sha("hello");
	struct err e = ERR_INIT;

	assert_err(blob_begin(s, &d, (uint64_t)1 << 43, BLOB_RESUME, &w, &e), ERR_FULL,
		"8796093022208 bytes wanted");
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/stage")), 0);
}

/* --- stages --------------------------------------------------------------------------------- */

static void blob_abort__keeps_a_stage_that_can_be_resumed(void **state)
{
	static const struct {
		const char *name;
		unsigned flags;
		size_t left;
	} cases[] = { { "resume", BLOB_RESUME, 1 }, { "not", 0, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(store_close)
		struct store *s = sandbox_store(*state, cases[i].name, STORE_WRITE);
		AUTO(blob_abort) struct blob_writer *w = begin(s, "hello", cases[i].flags);
		char stage[32];

		write_text(w, "hel");
		blob_abort(&w);
		snprintf(stage, sizeof(stage), "%s/stage", cases[i].name);
		assert_int_equal(sandbox_count(sandbox_path(*state, stage)), cases[i].left);
	}
}

static void blob_begin__resumes(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *w = begin(s, "hello", BLOB_RESUME);
	struct digest d = sha("hello");
	struct err e = ERR_INIT;

	write_text(w, "hel");
	blob_abort(&w);
	store_close(&s);
	s = sandbox_store(*state, "s", STORE_WRITE);
	w = begin(s, "hello", BLOB_RESUME);
	assert_int_equal(blob_offset(w), 3);
	write_text(w, "lo");
	assert_ok(blob_commit(&w, NULL, NULL, &e));
	assert_content(s, &d, "hello");
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/stage")), 0);
}

static void blob_begin__a_stage_that_is_too_long_starts_over(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *w = NULL;
	struct digest d = sha("hello");
	struct err e = ERR_INIT;

	assert_ok(blob_begin(s, &d, BLOB_SIZE_UNKNOWN, BLOB_RESUME, &w, &e));
	write_text(w, "more than hello");
	blob_abort(&w);
	w = begin(s, "hello", BLOB_RESUME);
	assert_int_equal(blob_offset(w), 0);
	write_text(w, "hello");
	assert_ok(blob_commit(&w, NULL, NULL, &e));
}

static int sync_fails(struct blobs *b, struct stage *const stages[], size_t count, struct err *e)
{
	(void)b, (void)stages, (void)count;
	return err_set(e, ERR_IO, "the device failed");
}

/* After a failed sync a second one would succeed, whatever became of the bytes: none goes on from them. */
static void blob_writer__bytes_that_were_not_synced_are_lost(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *sealed = NULL;
	AUTO(blob_abort) struct blob_writer *w = begin(s, "hello", BLOB_RESUME);
	const struct blob_ops *real = s->blobs->ops;
	struct blob_ops failing = *real;
	struct digest d = sha("hello");
	struct err e = ERR_INIT;

	failing.stage_sync = sync_fails;
	assert_ok(blob_begin_unnamed(s, DIGEST_SHA256, &sealed, &e));
	blob_mark(sealed);
	write_text(sealed, "hello");
	write_text(w, "hello");
	s->blobs->ops = &failing;
	assert_err(blob_seal(sealed, &d, &e), ERR_IO, "the device failed");
	assert_err(blob_commit(&w, NULL, NULL, &e), ERR_IO, "the device failed");
	s->blobs->ops = real;
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/stage")), 0);
	assert_err(blob_seal(sealed, &d, &e), ERR_IO, "the device failed");
	assert_err(blob_rewind(sealed, &e), ERR_IO, "the device failed");
}

/* What an earlier attempt left is no proof against the source: once. */
static void blob_commit__wants_all_bytes_again_when_some_are_of_another_attempt(void **state)
{
	static const struct {
		const char *name, *left, *rest, *again;
		bool other_attempt; /* the same writer, told of another attempt */
		bool asked; /* for all bytes once more */
		int rc; /* of the last commit */
	} cases[] = {
		{ "damaged", "hul", "lo", "hello", false, true, 0 },
		{ "damaged, one writer", "hul", "lo", "hello", true, true, 0 },
		{ "the source is bad too", "hul", "lo", "hullo", false, true, -1 },
		{ "only the source is bad", "", "hullo", NULL, false, false, -1 },
		{ "too short", "hul", "l", NULL, false, false, -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(mem_free) char *name = mem_printf("s%zu", i);
		AUTO(mem_free) char *stages = mem_printf("s%zu/stage", i);
		AUTO(store_close) struct store *s = sandbox_store(*state, name, STORE_WRITE);
		AUTO(blob_abort) struct blob_writer *w = begin(s, "hello", BLOB_RESUME);
		struct digest d = sha("hello");
		struct err e = ERR_INIT;
		int rc;

		write_text(w, cases[i].left);
		if (cases[i].other_attempt) {
			assert_int_equal(blob_resume_at(w), strlen(cases[i].left));
		} else {
			blob_abort(&w);
			w = begin(s, "hello", BLOB_RESUME);
		}
		write_text(w, cases[i].rest);
		rc = blob_commit(&w, NULL, NULL, &e);
		assert_err(rc, ERR_CORRUPT, "arrived");
		if (!w != !cases[i].asked)
			fail_msg("%s", cases[i].name);
		if (w) {
			assert_int_equal(blob_offset(w), 0);
			write_text(w, cases[i].again);
			rc = blob_commit(&w, NULL, NULL, &e);
		}
		assert_null(w);
		if (rc != cases[i].rc || holds(s, &d) != (rc == 0))
			fail_msg("%s", cases[i].name);
		assert_int_equal(sandbox_count(sandbox_path(*state, stages)), 0);
	}
}

static void blob_discard__forgets_the_stage(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *w = begin(s, "hello", BLOB_RESUME);

	write_text(w, "hel");
	blob_discard(&w);
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/stage")), 0);
}

static void blob_begin__one_writer_a_stage(void **state)
{
	AUTO(store_close) struct store *a = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(store_close) struct store *b = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *w = begin(a, "hello", BLOB_RESUME);
	AUTO(blob_abort) struct blob_writer *other = NULL;
	struct digest d = sha("hello");
	struct err e = ERR_INIT;

	assert_err(blob_begin(a, &d, 5, BLOB_RESUME, &other, &e), ERR_BUSY, "this handle");
	assert_err(blob_begin(b, &d, 5, BLOB_RESUME | BLOB_TRY, &other, &e), ERR_BUSY,
		"another process");
	/* Without a stage of that name nobody waits, and the first one wins. */
	assert_ok(blob_begin(b, &d, 5, 0, &other, &e));
	write_text(other, "hello");
	assert_ok(blob_commit(&other, NULL, NULL, &e));
	write_text(w, "hello");
	assert_ok(blob_commit(&w, NULL, NULL, &e));
	assert_content(a, &d, "hello");
}

/* Whose writer lives is told by its lock: a number in its name would be everybody's in a container. */
static void store_open__sweeps_temporary_stages_of_the_dead(void **state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const char *const names[] = { "s/stage/temp-1-0", "s/stage/temp-1-1" };
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(fd_close) int alive = -1;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		sandbox_write(sandbox_path(*state, names[i]), "left", 4);
	alive = open(sandbox_path(*state, names[1]), O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(alive, F_OFD_SETLK, &lock), 0);
	store_close(&s);
	s = sandbox_store(*state, "s", STORE_WRITE);
	assert_int_equal(access(sandbox_path(*state, names[0]), F_OK), -1);
	assert_int_equal(access(sandbox_path(*state, names[1]), F_OK), 0);
}

/* --- batches -------------------------------------------------------------------------------- */

static void batch_flush__makes_all_visible(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(batch_free) struct blob_batch *b = batch_new(s);
	struct err e = ERR_INIT;
	struct digest got[20];

	for (unsigned i = 0; i < 20; i++) {
		char text[16];

		snprintf(text, sizeof(text), "blob %u", i % 19);
		assert_ok(blob_put(s, b, span_of(text), &got[i], &e));
		assert_true(batch_has(b, &got[i]));
		assert_false(holds(s, &got[i]));
	}
	assert_ok(batch_flush(b, &e));
	assert_false(batch_has(b, &got[0]));
	assert_content(s, &got[7], "blob 7");
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/blobs/sha256")), 19);
	assert_ok(batch_flush(b, &e));
}

static void batch__flushes_by_itself_when_full(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(batch_free) struct blob_batch *b = batch_new(s);
	struct err e = ERR_INIT;
	struct digest got;

	for (unsigned i = 0; i < BATCH_BLOBS_MAX; i++) {
		char text[16];

		snprintf(text, sizeof(text), "blob %u", i);
		assert_ok(blob_put(s, b, span_of(text), &got, &e));
	}
	assert_true(holds(s, &got));
	assert_false(batch_has(b, &got));
}

static void batch_free__what_was_not_flushed_is_gone(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(batch_free) struct blob_batch *b = batch_new(s);
	struct err e = ERR_INIT;
	struct digest got;

	assert_ok(blob_put(s, b, span_of("hello"), &got, &e));
	batch_free(&b);
	assert_false(holds(s, &got));
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/blobs/sha256")), 0);
}

static void blob_begin__flushes_the_handles_own_batch(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(batch_free) struct blob_batch *b = batch_new(s);
	AUTO(blob_abort) struct blob_writer *w = begin(s, "hello", BLOB_RESUME);
	struct digest d = sha("hello");
	struct err e = ERR_INIT;

	write_text(w, "hello");
	assert_ok(blob_commit(&w, b, NULL, &e));
	assert_int_equal(blob_begin(s, &d, 5, BLOB_RESUME, &w, &e), 1);
	assert_true(holds(s, &d));
}

/* --- files behind the store's back ---------------------------------------------------------- */

static void blob_begin__adopts_a_file_without_a_row(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *w = NULL;
	struct digest d = sha("hello");
	struct err e = ERR_INIT;

	sandbox_write(blob_path(*state, "s", &d), "hello", 5);
	assert_false(holds(s, &d));
	assert_int_equal(blob_begin(s, &d, 5, 0, &w, &e), 1);
	assert_content(s, &d, "hello");
}

static void blob_begin__a_bad_file_without_a_row_goes_to_quarantine(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *w = NULL;
	struct digest d = sha("hello");
	struct err e = ERR_INIT;

	sandbox_write(blob_path(*state, "s", &d), "hullo", 5);
	w = begin(s, "hello", 0);
	assert_int_equal(
		sandbox_count(sandbox_path(*state, "s/quarantine")), 2); /* with a reason */
	/* And one that appears while we write. */
	sandbox_write(blob_path(*state, "s", &d), "hallo", 5);
	write_text(w, "hello");
	assert_ok(blob_commit(&w, NULL, NULL, &e));
	assert_content(s, &d, "hello");
}

static void blob_open__a_damaged_file_is_never_served(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(reader_close) struct blob_reader r = BLOB_READER_INIT;
	struct digest d = image_text(s, "hello");
	AUTO(buf_release) struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	sandbox_remove(blob_path(*state, "s", &d));
	assert_err(blob_open(s, &d, &r, &e), ERR_CORRUPT, "its file is missing");
	sandbox_write(blob_path(*state, "s", &d), "hell", 4);
	assert_err(blob_open(s, &d, &r, &e), ERR_CORRUPT, "5 bytes recorded");
	sandbox_write(blob_path(*state, "s", &d), "hullo", 5);
	assert_err(blob_read(s, &d, 10, &out, &e), ERR_CORRUPT, "other bytes");
	assert_err(blob_read(s, &d, 4, &out, &e), ERR_INPUT, "more than the limit of 4");
	assert_int_equal(out.len, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int test_blob(void)
{
	static const struct CMUnitTest tests[] = {
		T(blob_commit__is_there_afterwards),
		T(blob_commit__without_announcement),
		T(blob_commit__empty_and_sha512),
		T(blob_commit__what_differs_leaves_nothing),
		T(blob_write__is_sticky_after_too_much),
		T(blob_begin__refuses_a_reading_handle),
		T(blob_begin__knows_what_is_held),
		T(blob_begin__full_disk_is_told_before_the_bytes),
		T(blob_abort__keeps_a_stage_that_can_be_resumed),
		T(blob_begin__resumes),
		T(blob_begin__a_stage_that_is_too_long_starts_over),
		T(blob_commit__wants_all_bytes_again_when_some_are_of_another_attempt),
		T(blob_writer__bytes_that_were_not_synced_are_lost),
		T(blob_discard__forgets_the_stage),
		T(blob_begin__one_writer_a_stage),
		T(store_open__sweeps_temporary_stages_of_the_dead),
		T(batch_flush__makes_all_visible),
		T(batch__flushes_by_itself_when_full),
		T(batch_free__what_was_not_flushed_is_gone),
		T(blob_begin__flushes_the_handles_own_batch),
		T(blob_begin__adopts_a_file_without_a_row),
		T(blob_begin__a_bad_file_without_a_row_goes_to_quarantine),
		T(blob_open__a_damaged_file_is_never_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
