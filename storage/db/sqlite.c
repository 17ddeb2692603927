/*
 * SQLite as a driver; sqlite*.c are its one home. Statements stand in queries.sql, are
 * prepared on first use and cached. Must never know what a table means, and never put SQL together.
 */
#include "storage/db/sqlite_private.h"

#include "storage/db/clear.inc"
#include "storage/base/banned.h"

#define QUERY(name, write, sql) [Q_##name] = { #name, sql },
static const struct {
	const char *name, *sql;
} queries[Q_COUNT] = {
#include "storage/db/queries.inc"
};
#undef QUERY

static sqlite3_stmt *prepare(struct sqlite *db, enum query_name name, int *rc)
{
	sqlite3_stmt *stmt = NULL;

	*rc = sqlite3_prepare_v3(
		db->conn, queries[name].sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	return stmt;
}

static int bind(sqlite3_stmt *stmt, int at, const struct query_param *p)
{
	switch (p->type) {
	case DB_NULL:
		return sqlite3_bind_null(stmt, at);
	case DB_INT:
		return sqlite3_bind_int64(stmt, at, p->number);
	case DB_TEXT:
		return sqlite3_bind_text(stmt, at, p->text, -1, SQLITE_STATIC);
	case DB_BYTES:
		return sqlite3_bind_blob(stmt, at, p->bytes, (int)p->len, SQLITE_STATIC);
	case DB_ROWSET:
		return sqlite3_bind_pointer(stmt, at, (void *)p->rows, "rowset", NULL);
	}
	BUG("a parameter of type %d", (int)p->type);
}

static int sqlite_start(struct db *base, struct query *q, struct err *e)
{
	struct sqlite *db = sqlite_of(base);
	int rc = SQLITE_OK;

	q->own = db->cache[q->name].busy;
	if (q->own || !db->cache[q->name].stmt) {
		q->stmt = prepare(db, q->name, &rc);
		if (!q->own)
			db->cache[q->name].stmt = q->stmt;
	} else {
		q->stmt = db->cache[q->name].stmt;
	}
	db->cache[q->name].busy = true;
	for (unsigned i = 0; i < q->count && rc == SQLITE_OK; i++)
		rc = bind(q->stmt, (int)i + 1, &q->params[i]);
	return rc == SQLITE_OK ? 0 : sqlite_err(db, rc, queries[q->name].name, e);
}

static int sqlite_step(struct db *base, struct query *q, struct err *e)
{
	struct sqlite *db = sqlite_of(base);
	int rc = sqlite3_step(q->stmt);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	sqlite_err(db, rc, queries[q->name].name, e);
	return q->name == Q_BEGIN && e->code == ERR_BUSY ? sqlite_busy_err(db, e) : -1;
}

static void sqlite_end(struct db *base, struct query *q)
{
	if (q->own) {
		sqlite3_finalize(q->stmt);
	} else {
		sqlite3_reset(q->stmt);
		sqlite3_clear_bindings(q->stmt);
		sqlite_of(base)->cache[q->name].busy = false;
	}
	q->stmt = NULL;
}

static uint64_t sqlite_changes(struct db *db, const struct query *q)
{
	(void)q;
	return (uint64_t)sqlite3_changes64(sqlite_of(db)->conn);
}

static int64_t sqlite_get_int(struct db *db, const struct query *q, int column)
{
	(void)db;
	return sqlite3_column_int64(q->stmt, column);
}

static bool sqlite_is_null(struct db *db, const struct query *q, int column)
{
	(void)db;
	return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

static const char *sqlite_get_text(struct db *db, const struct query *q, int column)
{
	const char *text = (const char *)sqlite3_column_text(q->stmt, column);

	(void)db;
	return text ? text : "";
}

static struct span sqlite_get_bytes(struct db *db, const struct query *q, int column)
{
	const char *data = sqlite3_column_blob(q->stmt, column);

	(void)db;
	return (struct span){ data, (size_t)sqlite3_column_bytes(q->stmt, column) };
}

static int sqlite_clear(struct db *db, struct err *e)
{
	return sqlite_script(sqlite_of(db), clear_sql, e);
}

const char *sqlite_text_of(enum query_name name, const char **label)
{
	*label = queries[name].name;
	return queries[name].sql;
}

const struct db_driver db_sqlite = {
	.name = "SQLite",
	.open = sqlite_open,
	.close = sqlite_close,
	.refresh = sqlite_refresh,
	.clear = sqlite_clear,
	.set_aside = sqlite_set_aside,
	.start = sqlite_start,
	.step = sqlite_step,
	.end = sqlite_end,
	.changes = sqlite_changes,
	.get_int = sqlite_get_int,
	.is_null = sqlite_is_null,
	.get_text = sqlite_get_text,
	.get_bytes = sqlite_get_bytes,
};
