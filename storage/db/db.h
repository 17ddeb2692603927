/*
 * A database behind a few words: named statements, transactions, and nothing that a server could not do
 * as well. What a statement says stands in a .sql file beside the driver that knows its dialect
 * (queries.sql: SQLite); no SQL is put together at run time. Using one is a scope:
 *
 *	AUTO(query_end) struct query q = query_begin(db, Q_REPO_FIND);
 *	query_text(&q, "docker.io/library/nginx");	parameters in their order
 *	rc = query_step(&q, e);				1 a row, 0 no (more) rows, -1
 *	id = query_get_int(&q, 0);
 *
 * The first step sends it with all its parameters, and tells what was wrong with them: nothing is asked
 * of a server before. Only storage/meta/, tx.c and open.c use this.
 *
 * A handle is for one thread at a time, and what is open on it (a transaction, a query) for the thread
 * that opened it. These functions look after that, and after the state: what writes needs db_begin(),
 * a transaction begins and ends with no query open, a row is read while there is one. A call that breaks
 * these rules ends in BUG() before a driver is asked; so drivers need not check.
 */
#ifndef MOAT_DB_H
#define MOAT_DB_H

#include "storage/base/buf.h"
#include "storage/base/err.h"
#include "storage/db/rowset.h"

/* How long another writer is waited for; then ERR_BUSY. */
#define STORE_BUSY_MS 60000

#define QUERY(name, write, sql) Q_##name,
enum query_name {
#include "storage/db/queries.inc"
	Q_COUNT
};
#undef QUERY

struct db;
struct db_driver; /* driver.h */

/* Files: the database of a store in a directory. */
extern const struct db_driver db_sqlite;

/*
 * Open the database of the store at `where`; with `write` it is made, or brought to this program's schema.
 *
 * Fails: ERR_ABSENT none there, ERR_UNSUPPORTED on NFS, CIFS or CephFS (their locks and shared
 *        memory do not hold what WAL needs) or a newer schema, ERR_CORRUPT, ERR_IO.
 * Settings, and why: storage/README.md.
 */
MUST int db_open(struct db **db, const struct db_driver *driver, const char *where, bool write,
	struct err *e);
void db_close(struct db **db); /* for AUTO */

/*
 * Move the database of the store at `where` out of use, with all that belongs to it; nothing is deleted. This process must
 * not have it open.
 *
 * aside:   where it is then, as a name in the store; "": there was none.
 * Fails:   ERR_BUSY naming a process that has it open, ERR_UNSUPPORTED its folder is a link, ERR_RIGHTS, ERR_IO.
 * Durable: on 0.
 */
#define DB_ASIDE_SIZE 64
MUST int db_set_aside(const struct db_driver *driver, const char *where, char aside[DB_ASIDE_SIZE],
	struct err *e);

/*
 * A number that differs after any commit of another handle. Not inside a query or transaction: a reader
 * that may not write beside the database reads it as a file that does not change, and here it notices that
 * a writer came after all and opens it anew. Costs such a reader two stat(2), and others two record locks.
 */
MUST int db_change(struct db *db, uint64_t *number, struct err *e);

/* A writing transaction, one at a time. Another writer is waited for up to STORE_BUSY_MS, then ERR_BUSY
 * names the process. What fails to commit is rolled back. */
MUST int db_begin(struct db *db, struct err *e);
MUST int db_commit(struct db *db, struct err *e);
/* Reads from here to db_rollback() see one state, and keep no writer waiting. */
MUST int db_snapshot(struct db *db, struct err *e);
void db_rollback(struct db *db); /* of either; nothing when there is none */

/* Within a transaction, one savepoint at a time: what follows can be undone by itself. Release and undo end it. */
MUST int db_savepoint(struct db *db, struct err *e);
MUST int db_savepoint_release(struct db *db, struct err *e);
MUST int db_savepoint_undo(struct db *db, struct err *e);

/* Forget everything but the numbers of states, within a transaction. */
MUST int db_clear(struct db *db, struct err *e);

/* --- statements ------------------------------------------------------------------------------- */

#define QUERY_PARAMS_MAX 10
#define QUERY_BYTES_MAX 65 /* bytes: a digest and its algorithm */

enum db_type { DB_NULL, DB_INT, DB_TEXT, DB_BYTES, DB_ROWSET };

struct query_param {
	enum db_type type;
	int64_t number;
	const char *text; /* borrowed */
	const struct rowset *rows; /* borrowed */
	size_t len; /* of the bytes */
	unsigned char bytes[QUERY_BYTES_MAX];
};

struct query {
	struct db *db;
	enum query_name name;
	enum { QUERY_NEW, QUERY_ROW, QUERY_DONE } state;
	bool started; /* the driver has it */
	unsigned count; /* parameters */
	struct query_param params[QUERY_PARAMS_MAX];
	void *stmt; /* the driver's */
	bool own; /* the driver's: not the one that it caches */
};

/* Begin a use of the statement; it must end before its handle is closed or its transaction ends. */
struct query query_begin(struct db *db, enum query_name name);
void query_end(struct query *q); /* for AUTO */

/* The next parameter, before the first step. */
void query_int(struct query *q, int64_t value);
void query_text(struct query *q, const char *text); /* borrowed until query_end; NULL binds NULL */
void query_bytes(struct query *q, const void *bytes, size_t len); /* copied; to QUERY_BYTES_MAX */
void query_rowset(struct query *q, const struct rowset *r); /* borrowed until query_end */
/* Go to the first or next row: 1, 0 there is no more, -1. */
MUST int query_step(struct query *q, struct err *e);
MUST int query_run(struct query *q, struct err *e); /* to the end: 0 or -1 */
uint64_t query_changes(const struct query *q); /* rows that the run changed */

/* Columns of the current row; borrowed until the next step. Text is never NULL. */
int64_t query_get_int(const struct query *q, int column);
bool query_is_null(const struct query *q, int column);
const char *query_get_text(const struct query *q, int column);
struct span query_get_bytes(const struct query *q, int column);

#endif
