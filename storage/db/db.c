/*
 * The face of a database: transactions by their statements, statements by their driver. Every call is
 * checked here (argument, state, thread), as nbdkit's server/backend.c does for its plugins. Must never
 * let a driver see what db.h forbids.
 */
#include "storage/db/driver.h"

#include "storage/base/banned.h"

#define QUERY(name, write, sql) [Q_##name] = { #name, write },
static const struct {
	const char *name;
	bool writes;
} queries[Q_COUNT] = {
#include "storage/db/queries.inc"
};
#undef QUERY

/* --- one thread at a time ------------------------------------------------------------------- */

/* Relaxed, so that a race stays one for a tool that looks for races. */
static void enter(struct db *db, const char *what)
{
	if (!db)
		BUG("%s without a database", what);
	if (__atomic_exchange_n(&db->inside, true, __ATOMIC_RELAXED))
		BUG("%s while another thread uses the database", what);
	if (!db->queries && db->state == DB_IDLE)
		db->thread = pthread_self();
	else if (!pthread_equal(db->thread, pthread_self()))
		BUG("%s on another thread than that which opened what is open", what);
}

static void leave(struct db *db)
{
	__atomic_store_n(&db->inside, false, __ATOMIC_RELAXED);
}

/* --- opening -------------------------------------------------------------------------------- */

int db_open(struct db **out, const struct db_driver *driver, const char *where, bool write,
	struct err *e)
{
	struct db *db = NULL;

	if (!where)
		BUG("a database is opened nowhere");
	if (driver->open(&db, where, write, e) < 0)
		return -1;
	db->driver = driver;
	db->may_write = write;
	*out = db;
	return 0;
}

int db_set_aside(
	const struct db_driver *driver, const char *where, char aside[DB_ASIDE_SIZE], struct err *e)
{
	return driver->set_aside(where, aside, e);
}

void db_close(struct db **db)
{
	if (!*db)
		return;
	enter(*db, "close");
	if ((*db)->queries || (*db)->state != DB_IDLE)
		BUG("close with something open");
	(*db)->driver->close(*db);
	*db = NULL;
}

int db_change(struct db *db, uint64_t *number, struct err *e)
{
	uint32_t opened;
	int rc;

	enter(db, "change");
	if (db->queries)
		BUG("change with a query open");
	rc = db->state == DB_IDLE ? db->driver->refresh(db, e) : 0;
	opened = db->opened;
	leave(db);
	if (rc < 0)
		return -1;
	AUTO(query_end) struct query q = query_begin(db, Q_CHANGE);
	if (query_step(&q, e) < 0)
		return -1;
	*number = (uint64_t)opened << 32 | (uint32_t)query_get_int(&q, 0);
	return 0;
}

/* --- transactions --------------------------------------------------------------------------- */

static int run(struct db *db, enum query_name name, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, name);

	return query_run(&q, e);
}

/* No query is open, and the transaction is as it should be. */
static void need(struct db *db, const char *what, int state)
{
	enter(db, what);
	if (db->queries)
		BUG("%s with a query open", what);
	if ((int)db->state != state)
		BUG("%s, and the transaction is %d instead of %d", what, (int)db->state, state);
	leave(db);
}

int db_begin(struct db *db, struct err *e)
{
	need(db, "begin", DB_IDLE);
	if (!db->may_write)
		BUG("begin on a database that was opened for reading");
	if (run(db, Q_BEGIN, e) < 0)
		return -1;
	db->state = DB_WRITING;
	return 0;
}

int db_snapshot(struct db *db, struct err *e)
{
	need(db, "snapshot", DB_IDLE);
	if (run(db, Q_SNAPSHOT, e) < 0)
		return -1;
	db->state = DB_READING;
	return 0;
}

int db_commit(struct db *db, struct err *e)
{
	need(db, "commit", DB_WRITING);
	if (db->savepoint)
		BUG("commit with a savepoint open");
	if (run(db, Q_COMMIT, e) < 0) {
		db_rollback(db);
		return -1;
	}
	db->state = DB_IDLE;
	return 0;
}

/* After some failures the database has rolled back by itself, and says that there is nothing to do. */
void db_rollback(struct db *db)
{
	struct err ignored = ERR_INIT;

	need(db, "rollback", (int)db->state);
	if (db->state != DB_IDLE)
		(void)!run(db, Q_ROLLBACK, &ignored);
	db->state = DB_IDLE;
	db->savepoint = false;
}

int db_savepoint(struct db *db, struct err *e)
{
	need(db, "savepoint", DB_WRITING);
	if (db->savepoint)
		BUG("a savepoint within another");
	if (run(db, Q_SAVEPOINT, e) < 0)
		return -1;
	db->savepoint = true;
	return 0;
}

static void end_savepoint(struct db *db, const char *what)
{
	need(db, what, DB_WRITING);
	if (!db->savepoint)
		BUG("%s without one", what);
	db->savepoint = false;
}

int db_savepoint_release(struct db *db, struct err *e)
{
	end_savepoint(db, "release of a savepoint");
	return run(db, Q_SAVEPOINT_RELEASE, e);
}

int db_savepoint_undo(struct db *db, struct err *e)
{
	end_savepoint(db, "undo of a savepoint");
	return run(db, Q_SAVEPOINT_UNDO, e) < 0 ? -1 : run(db, Q_SAVEPOINT_RELEASE, e);
}

int db_clear(struct db *db, struct err *e)
{
	int rc;

	need(db, "clear", DB_WRITING);
	enter(db, "clear");
	rc = db->driver->clear(db, e);
	leave(db);
	return rc;
}

/* --- statements ------------------------------------------------------------------------------ */

struct query query_begin(struct db *db, enum query_name name)
{
	if ((unsigned)name >= Q_COUNT)
		BUG("a query by the name of %d", (int)name);
	enter(db, queries[name].name);
	if (queries[name].writes && db->state != DB_WRITING)
		BUG("%s outside a transaction", queries[name].name);
	db->queries++;
	leave(db);
	return (struct query){ .db = db, .name = name };
}

void query_end(struct query *q)
{
	enter(q->db, queries[q->name].name);
	if (q->started)
		q->db->driver->end(q->db, q);
	q->db->queries--;
	leave(q->db);
	q->started = false;
}

static struct query_param *next_param(struct query *q, enum db_type type)
{
	struct query_param *p;

	if (q->state != QUERY_NEW)
		BUG("%s: a parameter behind the first step", queries[q->name].name);
	if (q->count == QUERY_PARAMS_MAX)
		BUG("%s: too many parameters", queries[q->name].name);
	p = &q->params[q->count++];
	p->type = type;
	return p;
}

void query_int(struct query *q, int64_t value)
{
	next_param(q, DB_INT)->number = value;
}

void query_text(struct query *q, const char *text)
{
	next_param(q, text ? DB_TEXT : DB_NULL)->text = text;
}

void query_bytes(struct query *q, const void *bytes, size_t len)
{
	struct query_param *p = next_param(q, DB_BYTES);

	if (len > QUERY_BYTES_MAX)
		BUG("%s: %zu bytes as a parameter", queries[q->name].name, len);
	memcpy(p->bytes, bytes, len);
	p->len = len;
}

void query_rowset(struct query *q, const struct rowset *r)
{
	if (!r->columns || r->columns > ROWSET_COLUMNS_MAX || r->count % r->columns)
		BUG("%s: %zu cells in rows of %u", queries[q->name].name, r->count, r->columns);
	next_param(q, DB_ROWSET)->rows = r;
}

static int step(struct query *q, struct err *e)
{
	struct db *db = q->db;
	bool first = !q->started;

	q->started = true;
	return first && db->driver->start(db, q, e) < 0 ? -1 : db->driver->step(db, q, e);
}

int query_step(struct query *q, struct err *e)
{
	int rc;

	enter(q->db, queries[q->name].name);
	if (q->state == QUERY_DONE)
		BUG("%s: a step behind the last row", queries[q->name].name);
	rc = step(q, e);
	q->state = rc > 0 ? QUERY_ROW : QUERY_DONE;
	leave(q->db);
	return rc;
}

int query_run(struct query *q, struct err *e)
{
	int rc;

	do
		rc = query_step(q, e);
	while (rc == 1);
	return rc;
}

uint64_t query_changes(const struct query *q)
{
	if (q->state != QUERY_DONE || !queries[q->name].writes)
		BUG("%s: changes of what was not written", queries[q->name].name);
	return q->db->driver->changes(q->db, q);
}

static const struct db_driver *at_row(const struct query *q, int column)
{
	if (q->state != QUERY_ROW || column < 0)
		BUG("%s: column %d without a row", queries[q->name].name, column);
	return q->db->driver;
}

int64_t query_get_int(const struct query *q, int column)
{
	return at_row(q, column)->get_int(q->db, q, column);
}

bool query_is_null(const struct query *q, int column)
{
	return at_row(q, column)->is_null(q->db, q, column);
}

const char *query_get_text(const struct query *q, int column)
{
	return at_row(q, column)->get_text(q->db, q, column);
}

struct span query_get_bytes(const struct query *q, int column)
{
	return at_row(q, column)->get_bytes(q->db, q, column);
}
