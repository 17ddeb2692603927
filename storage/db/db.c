/* The face of a database: transactions by their statements, statements by their driver. */
#include "storage/db/driver.h"

#include "storage/base/banned.h"

int db_open(struct db **out, const struct db_driver *driver, const char *where, bool write,
	struct err *e)
{
	if (driver->open(out, where, write, e) < 0)
		return -1;
	(*out)->driver = driver;
	return 0;
}

void db_close(struct db **db)
{
	if (*db)
		(*db)->driver->close(*db);
	*db = NULL;
}

int db_drop(const struct db_driver *driver, const char *where, struct err *e)
{
	return driver->drop(where, e);
}

int db_change(struct db *db, uint64_t *number, struct err *e)
{
	uint32_t opened;

	if (db->driver->refresh(db, &opened, e) < 0)
		return -1;
	AUTO(query_end) struct query q = query_begin(db, Q_CHANGE);
	if (query_step(&q, e) < 0)
		return -1;
	*number = (uint64_t)opened << 32 | (uint32_t)query_get_int(&q, 0);
	return 0;
}

int db_clear(struct db *db, struct err *e)
{
	return db->driver->clear(db, e);
}

/* --- transactions --------------------------------------------------------------------------- */

static int run(struct db *db, enum query_name name, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, name);

	return query_run(&q, e);
}

int db_begin(struct db *db, struct err *e)
{
	if (run(db, Q_BEGIN, e) < 0)
		return -1;
	db->writing = true;
	return 0;
}

int db_snapshot(struct db *db, struct err *e)
{
	if (run(db, Q_SNAPSHOT, e) < 0)
		return -1;
	db->reading = true;
	return 0;
}

int db_commit(struct db *db, struct err *e)
{
	if (run(db, Q_COMMIT, e) < 0) {
		db_rollback(db);
		return -1;
	}
	db->writing = false;
	return 0;
}

/* After some failures the database has rolled back by itself, and says that there is nothing to do. */
void db_rollback(struct db *db)
{
	struct err ignored = ERR_INIT;

	if (db->writing || db->reading)
		(void)!run(db, Q_ROLLBACK, &ignored);
	db->writing = db->reading = false;
}

int db_savepoint(struct db *db, struct err *e)
{
	return run(db, Q_SAVEPOINT, e);
}

int db_savepoint_release(struct db *db, struct err *e)
{
	return run(db, Q_SAVEPOINT_RELEASE, e);
}

int db_savepoint_undo(struct db *db, struct err *e)
{
	return run(db, Q_SAVEPOINT_UNDO, e) < 0 ? -1 : run(db, Q_SAVEPOINT_RELEASE, e);
}

/* --- statements ------------------------------------------------------------------------------ */

struct query query_begin(struct db *db, enum query_name name)
{
	return (struct query){ .db = db, .name = name };
}

void query_end(struct query *q)
{
	if (q->started)
		q->db->driver->end(q->db, q);
	q->started = false;
}

static struct query_param *next_param(struct query *q, enum db_type type)
{
	struct query_param *p = &q->params[q->count++];

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

	memcpy(p->bytes, bytes, len);
	p->len = len;
}

int query_step(struct query *q, struct err *e)
{
	struct db *db = q->db;

	if (!q->started) {
		q->started = true;
		if (db->driver->start(db, q, e) < 0)
			return -1;
	}
	return db->driver->step(db, q, e);
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
	return q->db->driver->changes(q->db, q);
}

int64_t query_get_int(const struct query *q, int column)
{
	return q->db->driver->get_int(q->db, q, column);
}

bool query_is_null(const struct query *q, int column)
{
	return q->db->driver->is_null(q->db, q, column);
}

const char *query_get_text(const struct query *q, int column)
{
	return q->db->driver->get_text(q->db, q, column).data;
}

struct span query_get_bytes(const struct query *q, int column)
{
	return q->db->driver->get_bytes(q->db, q, column);
}
