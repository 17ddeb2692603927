/*
 * SQLite behind a few words; db.c is its one home. Statements are named in queries.sql, prepared on
 * first use and kept; using one is a scope:
 *
 *	AUTO(query_end) struct query q = query_begin(db, Q_REPO_FIND);
 *	query_text(&q, "docker.io/library/nginx");	parameters in their order
 *	rc = query_step(&q, e);				1 a row, 0 no (more) rows, -1
 *	id = query_get_int(&q, 0);
 *
 * Binding is sticky: what went wrong before is told by the step. No SQL is put together at run time.
 */
#ifndef MOAT_DB_H
#define MOAT_DB_H

#include "storage/base/buf.h"
#include "storage/base/err.h"

#define QUERY(name, sql) Q_##name,
enum query_name {
#include "storage/queries.inc"
	Q_COUNT
};
#undef QUERY

struct db;

/*
 * Open the database at `path`; with `write` it is made, or brought to this program's schema.
 *
 * Fails: ERR_ABSENT none there, ERR_UNSUPPORTED on NFS, CIFS or CephFS (their locks and shared
 *        memory do not hold what WAL needs) or a newer schema, ERR_CORRUPT, ERR_IO.
 * Settings, and why: storage/README.md.
 */
MUST int db_open(struct db **db, const char *path, bool write, struct err *e);
void db_close(struct db **db);

/*
 * A reader that may not write beside the database (its -shm file), while no writer has it open, reads it
 * as a file that does not change. When a writer comes after all, this opens it anew. *opened: how often
 * that was done; what was read before may be outdated when it differs. Costs such a reader two stat(2), and
 * others nothing. Not inside a query or transaction.
 */
MUST int db_refresh(struct db *db, uint32_t *opened, struct err *e);

/* An immediate transaction. Another writer is waited for up to busy_ms (of the connection), then
 * ERR_BUSY names the process. */
MUST int db_begin(struct db *db, struct err *e);
MUST int db_commit(struct db *db, struct err *e);
void db_rollback(struct db *db); /* nothing when there is none */
bool db_in_transaction(const struct db *db);

/* Within a transaction: clear.sql. */
MUST int db_clear(struct db *db, struct err *e);

struct query {
	struct db *db;
	void *stmt; /* sqlite3_stmt */
	enum query_name name;
	int next; /* parameter to bind, from 1 */
	int failed; /* first result code that was not good, 0 */
	bool own; /* prepared for this use: the kept one was busy */
};

struct query query_begin(struct db *db, enum query_name name);
void query_end(struct query *q); /* for AUTO */

void query_int(struct query *q, int64_t value);
void query_text(struct query *q, const char *text); /* borrowed until query_end; NULL binds NULL */
void query_bytes(struct query *q, const void *bytes, size_t len); /* copied */
MUST int query_step(struct query *q, struct err *e);
MUST int query_run(struct query *q, struct err *e); /* to the end: 0 or -1 */
uint64_t query_changes(const struct query *q); /* rows that the run changed */

/* Columns of the current row; borrowed until the next step. Text is never NULL. */
int64_t query_get_int(const struct query *q, int column);
bool query_is_null(const struct query *q, int column);
const char *query_get_text(const struct query *q, int column);
struct span query_get_bytes(const struct query *q, int column);

/* For the tests: the statement's text. */
const char *query_sql(enum query_name name, const char **label);

#endif
