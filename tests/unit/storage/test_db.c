/* The face of a database refuses what db.h forbids, before a driver is asked. */
#include "tests/support/cm.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* Does it end by BUG()? In a child: it aborts, and without a core. */
static bool is_refused(const char *where, bool write, misuse_fn *misuse)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct db *db = NULL;
		struct err e;

		signal(SIGABRT, SIG_DFL);
		if (!freopen("/dev/null", "w", stderr) ||
			db_open(&db, &db_sqlite, where, write, &e) < 0)
			_exit(2);
		misuse(db);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 2);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void db__refuses_misuse(void **state)
{
	static const struct {
		const char *name;
		misuse_fn *misuse;
		bool reader;
	} cases[] = {
		{ "write outside a transaction", write_outside, false },
		{ "write in a snapshot", write_in_snapshot, false },
		{ "begin of a reader", begin, true },
		{ "begin twice", begin_twice, false },
		{ "commit of nothing", commit_nothing, false },
		{ "commit in a query", commit_in_query, false },
		{ "commit in a savepoint", commit_in_savepoint, false },
		{ "savepoint outside", savepoint_outside, false },
		{ "undo of nothing", undo_nothing, false },
		{ "clear outside", clear_outside, false },
		{ "column without a row", no_row, false },
		{ "step behind the end", step_behind_end, false },
		{ "parameter too late", parameter_too_late, false },
		{ "too many parameters", too_many_parameters, false },
		{ "too many bytes", too_many_bytes, false },
		{ "another thread", another_thread, false },
		{ "close in a transaction", close_in_transaction, false },
		{ "change in a query", change_in_query, false },
	};
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);

	store_close(&s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		print_message("%s\n", cases[i].name);
		assert_true(
			is_refused(sandbox_path(*state, "s"), !cases[i].reader, cases[i].misuse));
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
