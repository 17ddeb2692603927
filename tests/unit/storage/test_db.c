/* The face of a database refuses what db.h forbids, before a driver is asked. */
#include "tests/support/cm.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/db/db.h"
#include "tests/support/sandbox.h"

typedef void misuse_fn(struct db *db);

static void run(struct db *db, enum query_name name)
{
	AUTO(query_end) struct query q = query_begin(db, name);
	struct err e;

	(void)!query_run(&q, &e);
}

static void begin(struct db *db)
{
	struct err e;

	(void)!db_begin(db, &e);
}

static void write_outside(struct db *db)
{
	run(db, Q_INDEX_DIRTY);
}

static void write_in_snapshot(struct db *db)
{
	struct err e;

	(void)!db_snapshot(db, &e);
	run(db, Q_INDEX_DIRTY);
}

static void begin_twice(struct db *db)
{
	begin(db);
	begin(db);
}

static void commit_nothing(struct db *db)
{
	struct err e;

	(void)!db_commit(db, &e);
}

static void commit_in_query(struct db *db)
{
	struct err e;

	begin(db);
	AUTO(query_end) struct query q = query_begin(db, Q_INDEX_STATE);
	(void)!db_commit(db, &e);
}

static void commit_in_savepoint(struct db *db)
{
	struct err e;

	begin(db);
	(void)!db_savepoint(db, &e);
	(void)!db_commit(db, &e);
}

static void savepoint_outside(struct db *db)
{
	struct err e;

	(void)!db_savepoint(db, &e);
}

static void savepoint_twice(struct db *db)
{
	struct err e;

	begin(db);
	(void)!db_savepoint(db, &e);
	(void)!db_savepoint(db, &e);
}

static void undo_nothing(struct db *db)
{
	struct err e;

	begin(db);
	(void)!db_savepoint_undo(db, &e);
}

static void clear_outside(struct db *db)
{
	struct err e;

	(void)!db_clear(db, &e);
}

static void no_row(struct db *db)
{
	AUTO(query_end) struct query q = query_begin(db, Q_INDEX_STATE);

	(void)query_get_int(&q, 0);
}

static void step_behind_end(struct db *db)
{
	AUTO(query_end) struct query q = query_begin(db, Q_ALL_BLOBS);
	struct err e;

	(void)!query_run(&q, &e);
	(void)!query_step(&q, &e);
}

static void parameter_too_late(struct db *db)
{
	AUTO(query_end) struct query q = query_begin(db, Q_INDEX_STATE);
	struct err e;

	(void)!query_step(&q, &e);
	query_int(&q, 1);
}

static void too_many_parameters(struct db *db)
{
	AUTO(query_end) struct query q = query_begin(db, Q_INDEX_STATE);

	for (int i = 0; i <= QUERY_PARAMS_MAX; i++)
		query_int(&q, i);
}

static void too_many_bytes(struct db *db)
{
	AUTO(query_end) struct query q = query_begin(db, Q_BLOB_GET);
	static const char bytes[QUERY_BYTES_MAX + 1];

	query_bytes(&q, bytes, sizeof(bytes));
}

static void half_a_row(struct db *db)
{
	AUTO(rowset_release) struct rowset rows = ROWSET_INIT(2);

	begin(db);
	AUTO(query_end) struct query q = query_begin(db, Q_BLOBS_WANT);
	rowset_int(&rows, 1);
	query_rowset(&q, &rows);
}

static void *use(void *db)
{
	run(db, Q_INDEX_STATE);
	return NULL;
}

static void another_thread(struct db *db)
{
	pthread_t thread;

	begin(db);
	if (pthread_create(&thread, NULL, use, db) == 0)
		pthread_join(thread, NULL);
}

static void close_in_transaction(struct db *db)
{
	begin(db);
	db_close(&db);
}

static void change_in_query(struct db *db)
{
	AUTO(query_end) struct query q = query_begin(db, Q_INDEX_STATE);
	uint64_t number;
	struct err e;

	(void)!db_change(db, &number, &e);
}

static const struct {
	misuse_fn *misuse;
	const char *words; /* of BUG() */
	bool reader;
} cases[] = {
	{ write_outside, "INDEX_DIRTY outside a transaction", false },
	{ write_in_snapshot, "INDEX_DIRTY outside a transaction", false },
	{ begin, "begin on a database that was opened for reading", true },
	{ begin_twice, "begin, and the transaction is 2 instead of 0", false },
	{ commit_nothing, "commit, and the transaction is 0 instead of 2", false },
	{ commit_in_query, "commit with a query open", false },
	{ commit_in_savepoint, "commit with a savepoint open", false },
	{ savepoint_outside, "savepoint, and the transaction is 0 instead of 2", false },
	{ savepoint_twice, "a savepoint within another", false },
	{ undo_nothing, "undo of a savepoint without one", false },
	{ clear_outside, "clear, and the transaction is 0 instead of 2", false },
	{ no_row, "INDEX_STATE: column 0 without a row", false },
	{ step_behind_end, "ALL_BLOBS: a step behind the last row", false },
	{ parameter_too_late, "INDEX_STATE: a parameter behind the first step", false },
	{ too_many_parameters, "INDEX_STATE: too many parameters", false },
	{ too_many_bytes, "BLOB_GET: 66 bytes as a parameter", false },
	{ half_a_row, "BLOBS_WANT: 1 cells in rows of 2", false },
	{ another_thread, "INDEX_STATE on another thread than that which opened what is open",
		false },
	{ close_in_transaction, "close with something open", false },
	{ change_in_query, "change with a query open", false },
};

/* Run it in a child, which says on standard error how it ended. */
static int run_case(size_t i, const char *where, const char *said)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct db *db = NULL;
		struct err e;

		signal(SIGABRT, SIG_DFL);
		if (dup2(open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO) < 0 ||
			db_open(&db, &db_sqlite, where, !cases[i].reader, &e) < 0)
			_exit(2);
		cases[i].misuse(db);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void db__refuses_misuse(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(mem_free) char *where = mem_strdup(sandbox_path(*state, "s"));
	AUTO(mem_free) char *said = mem_strdup(sandbox_path(*state, "said"));

	store_close(&s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT;
		int status = run_case(i, where, said);
		struct err e = ERR_INIT;

		assert_int_equal(fs_read_file(AT_FDCWD, said, 4096, &text, &e), 1);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT ||
			!strstr(text.data ? text.data : "", cases[i].words))
			fail_msg("%s: %s", cases[i].words, text.data ? text.data : "");
	}
}

/* What is allowed is not refused: handed from thread to thread with nothing open. */
static void db__goes_from_thread_to_thread(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(db_close) struct db *db = NULL;
	struct err e = ERR_INIT;
	pthread_t thread;

	assert_ok(db_open(&db, &db_sqlite, sandbox_path(*state, "s"), false, &e));
	run(db, Q_INDEX_STATE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_create(&thread, NULL, use, db), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	run(db, Q_INDEX_STATE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(db__refuses_misuse),
		T(db__goes_from_thread_to_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
