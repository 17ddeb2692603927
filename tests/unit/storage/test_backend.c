/* Calls to the engine of blobs that are mistakes of ours: each ends the program, and says which it is. */
#include "tests/support/cm.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/blobs/backend.h"
#include "tests/support/sandbox.h"

#define TEXT "hello"

static struct digest text_digest(void)
{
	struct digest d;

	digest_of(&d, DIGEST_SHA256, span_of(TEXT));
	return d;
}

static struct stage *begin(struct blobs *b)
{
	struct stage_want want = { .size = BLOB_SIZE_UNKNOWN };
	struct stage *st = NULL;
	struct err e = ERR_INIT;
	uint64_t have;

	if (stage_open(b, &want, &st, &have, &e) < 0 || stage_write(st, 0, TEXT, 5, &e) < 0)
		_exit(1);
	return st;
}

static struct stage *synced(struct blobs *b)
{
	struct stage *st = begin(b);
	struct err e = ERR_INIT;

	if (stages_sync(b, &st, 1, &e) < 0)
		_exit(1);
	return st;
}

static struct stage *published(struct blobs *b)
{
	struct stage *st = synced(b);
	struct digest d = text_digest();
	struct err e = ERR_INIT;

	if (stage_publish(st, &d, &e) != 1 || blobs_sync_names(b, &e) < 0)
		_exit(1);
	return st;
}

/* --- mistakes ---------------------------------------------------------------------------------- */

static void no_digest(struct blobs *b)
{
	struct blob_reader r = BLOB_READER_INIT;
	struct digest none = { .alg = DIGEST_NONE };
	struct err e;

	(void)!blobs_open(b, &none, &r, &e);
}

static void no_digest_at_all(struct blobs *b)
{
	struct err e;

	(void)!blobs_sync(b, NULL, &e);
}

static void reader_twice(struct blobs *b)
{
	struct stage *st = published(b);
	struct blob_reader r = BLOB_READER_INIT;
	struct digest d = text_digest();
	struct err e;

	stage_close(&st, false);
	for (int i = 0; i < 2; i++)
		(void)!blobs_open(b, &d, &r, &e);
}

static void read_behind_the_end(struct blobs *b)
{
	struct stage *st = published(b);
	struct blob_reader r = BLOB_READER_INIT;
	struct digest d = text_digest();
	char text[6];
	struct err e;

	if (blobs_open(b, &d, &r, &e) == 1 && reader_read(&r, 2, text, 3, &e) == 0 && st)
		(void)!reader_read(&r, 2, text, 4, &e);
}

static void write_with_a_hole(struct blobs *b)
{
	struct err e;

	(void)!stage_write(begin(b), 6, TEXT, 5, &e);
}

static void write_over(struct blobs *b)
{
	struct err e;

	(void)!stage_write(begin(b), 4, TEXT, 5, &e);
}

static void read_what_was_not_written(struct blobs *b)
{
	char text[6];
	struct err e;

	(void)!stage_read(begin(b), 0, text, 6, &e);
}

static void cut_to_more(struct blobs *b)
{
	struct err e;

	(void)!stage_cut(begin(b), 6, &e);
}

static void publish_without_a_sync(struct blobs *b)
{
	struct stage *st = synced(b);
	struct digest d = text_digest();
	struct err e;

	(void)!stage_write(st, 5, "!", 1, &e);
	(void)!stage_publish(st, &d, &e);
}

static void write_after_publishing(struct blobs *b)
{
	struct err e;

	(void)!stage_write(published(b), 5, TEXT, 5, &e);
}

static void publish_twice(struct blobs *b)
{
	struct stage *st = published(b);
	struct digest d = text_digest();
	struct err e;

	(void)!stage_publish(st, &d, &e);
}

static void write_after_closing(struct blobs *b)
{
	struct stage *st = begin(b);
	struct err e;

	stage_close(&st, false);
	(void)!stage_write(st, 0, TEXT, 5, &e);
}

static void sync_nothing(struct blobs *b)
{
	struct err e;

	(void)!stages_sync(b, NULL, 0, &e);
}

static void publish_index_as_blob(struct blobs *b)
{
	struct digest d = text_digest();
	struct stage *st = NULL;
	struct err e;

	if (blobs_index_stage(b, &st, &e) == 0 && stage_write(st, 0, TEXT, 5, &e) == 0 &&
		stages_sync(b, &st, 1, &e) == 0)
		(void)!stage_publish(st, &d, &e);
}

static void put_blob_as_index(struct blobs *b)
{
	struct err e;

	(void)!stage_put_index(synced(b), &e);
}

static void close_before_stages(struct blobs *b)
{
	(void)begin(b);
	blobs_detach(&b);
}

/* Two threads: what the second one does while the first is in a callback of a scan. */
static void *open_named(void *ctx)
{
	struct digest d = text_digest();
	struct stage_want want = { .name = &d, .size = BLOB_SIZE_UNKNOWN };
	struct stage *st;
	uint64_t have;
	struct err e;

	(void)!stage_open(ctx, &want, &st, &have, &e);
	return NULL;
}

static void *open_unnamed(void *ctx)
{
	struct stage *st = begin(ctx);

	stage_close(&st, false);
	return NULL;
}

static int beside(void *ctx, const struct digest *d, uint64_t size, struct err *e)
{
	pthread_t other;

	(void)size;
	if (blobs_sync(ctx, d, e) < 0) /* a call within a call of the same thread */
		_exit(1);
	if (pthread_create(&other, NULL, open_unnamed, ctx) != 0 || pthread_join(other, NULL) != 0)
		_exit(1);
	if (pthread_create(&other, NULL, open_named, ctx) != 0)
		_exit(1);
	pthread_join(other, NULL);
	return 0;
}

static int stray(void *ctx, const char *what, struct err *e)
{
	(void)ctx, (void)what, (void)e;
	return 0;
}

static void two_threads(struct blobs *b)
{
	struct stage *st = published(b);
	struct err e;

	if (st)
		(void)!blobs_scan(b, beside, stray, b, &e);
}

static void write_a_store_for_reading(struct blobs *b)
{
	struct err e;

	b->mode = STORE_READ;
	(void)!blobs_sync_names(b, &e);
}

/* In front of the engine: a write during which the stage is used a second time, and a sync that fails. */
static const struct blob_ops *real;

static int write_within(struct stage *st, uint64_t at, const void *data, size_t len, struct err *e)
{
	return at == 0 ? real->stage_write(st, at, data, len, e) : stage_cut(st, 0, e);
}

static int sync_fails(struct blobs *b, struct stage *const stages[], size_t count, struct err *e)
{
	(void)b, (void)stages, (void)count;
	return err_set(e, ERR_IO, "the device failed");
}

static void stand_in_front(struct blobs *b, struct blob_ops *ops)
{
	real = b->ops;
	*ops = *real;
	ops->stage_write = write_within;
	ops->stage_sync = sync_fails;
	b->ops = ops;
}

static void two_in_a_stage(struct blobs *b)
{
	static struct blob_ops ops;
	struct err e;

	stand_in_front(b, &ops);
	(void)!stage_write(begin(b), 5, TEXT, 5, &e);
}

static void sync_again_after_a_failure(struct blobs *b)
{
	static struct blob_ops ops;
	struct stage *st;
	struct err e;

	stand_in_front(b, &ops);
	st = begin(b);
	if (stages_sync(b, &st, 1, &e) < 0)
		(void)!stages_sync(b, &st, 1, &e);
}

static void nothing_wrong(struct blobs *b)
{
	struct stage *st = published(b);

	stage_close(&st, false);
	blobs_detach(&b);
}

static const struct {
	void (*call)(struct blobs *b);
	const char *words; /* NULL: it is right */
} cases[] = {
	{ nothing_wrong, NULL },
	{ no_digest, "blobs_open: no digest" },
	{ no_digest_at_all, "blobs_sync: no digest" },
	{ reader_twice, "blobs_open: the reader is open" },
	{ read_behind_the_end, "4 bytes at 2 of a blob of 5" },
	{ write_with_a_hole, "stage_write: 5 bytes at 6 of a stage of 5" },
	{ write_over, "stage_write: 5 bytes at 4 of a stage of 5" },
	{ read_what_was_not_written, "stage_read: 6 bytes at 0 of a stage of 5" },
	{ cut_to_more, "stage_cut: to 6 of 5 bytes" },
	{ publish_without_a_sync, "stage_publish: bytes that were not synced (S2)" },
	{ write_after_publishing, "stage_write: the stage is published" },
	{ publish_twice, "stage_publish: the stage is published" },
	{ write_after_closing, "stage_write: the stage is closed" },
	{ sync_nothing, "stages_sync: 0 stages" },
	{ publish_index_as_blob, "stage_publish: index.json is no blob" },
	{ put_blob_as_index, "stage_put_index: a blob is no index.json" },
	{ close_before_stages, "a store is closed before its 1 stages" },
	{ two_threads, "open_named: another thread uses this store" },
	{ write_a_store_for_reading, "blobs_sync_names: the store was opened for reading" },
	{ two_in_a_stage, "stage_cut: another thread uses this stage" },
	{ sync_again_after_a_failure, "stages_sync: the stage could not be synced" },
};

/* Run it in a child: how that ended, and what it said. */
static int run(size_t i, const char *where, struct buf *said)
{
	int status = 0, fds[2];
	char piece[200];
	ssize_t len;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		struct blobs *b = NULL;
		struct err e;

		dup2(fds[1], STDERR_FILENO);
		if (blobs_attach(&b, &engine_local, where, STORE_WRITE, &e) < 0)
			_exit(1);
		cases[i].call(b);
		_exit(0);
	}
	close(fds[1]);
	while ((len = read(fds[0], piece, sizeof(piece))) > 0)
		buf_add(said, piece, (size_t)len);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void backend__ends_the_program_at_a_mistake(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(mem_free) char *name = mem_printf("s%zu", i);
		AUTO(buf_release) struct buf said = BUF_INIT;
		int status = run(i, sandbox_path(*state, name), &said);
		bool bug = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;

		if (!cases[i].words ? !WIFEXITED(status) || WEXITSTATUS(status) != 0
				    : !bug || !strstr(said.data, cases[i].words))
			fail_msg("%zu: %s", i, said.data ? said.data : "");
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			backend__ends_the_program_at_a_mistake, sandbox_setup, sandbox_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
