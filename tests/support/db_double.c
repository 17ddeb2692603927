/* A driver that counts, waits and fails. */
#include "tests/support/db_double.h"

#include <stdlib.h>
#include <unistd.h>

#include "storage/base/buf.h"

struct db_double db_double_state;

struct doubled {
	struct db base;
	struct db *real;
};

static struct db *real_of(struct db *db)
{
	return ((struct doubled *)db)->real;
}

static int d_open(struct db **db, const char *where, bool write, struct err *e)
{
	struct doubled *d = mem_alloc(sizeof(*d));

	if (db_sqlite.open(&d->real, where, write, e) < 0) {
		free(d);
		return -1;
	}
	*db = &d->base;
	return 0;
}

static void d_close(struct db *db)
{
	db_sqlite.close(real_of(db));
	free(db);
}

static int d_refresh(struct db *db, struct err *e)
{
	int rc = db_sqlite.refresh(real_of(db), e);

	db->opened = real_of(db)->opened;
	return rc;
}

/* Is it its turn to fail? */
static bool count(enum query_name name)
{
	struct db_double *d = &db_double_state;
	unsigned n = __atomic_add_fetch(&d->statements, 1, __ATOMIC_RELAXED);

	__atomic_add_fetch(&d->by_name[name], 1, __ATOMIC_RELAXED);
	if (d->delay_us)
		usleep(d->delay_us);
	if (n != d->fail_at)
		return false;
	d->reached = true;
	return name != Q_ROLLBACK;
}

static int d_clear(struct db *db, struct err *e)
{
	return db_sqlite.clear(real_of(db), e);
}

static int d_start(struct db *db, struct query *q, struct err *e)
{
	q->stmt = NULL;
	if (count(q->name))
		return err_set(e, ERR_IO, "statement %u fails", db_double_state.fail_at);
	if (db_double_state.busy && q->name == Q_BEGIN)
		return err_set(e, ERR_BUSY, "the store is being written");
	return db_sqlite.start(real_of(db), q, e);
}

static int d_step(struct db *db, struct query *q, struct err *e)
{
	return db_sqlite.step(real_of(db), q, e);
}

static void d_end(struct db *db, struct query *q)
{
	if (q->stmt)
		db_sqlite.end(real_of(db), q);
}

static uint64_t d_changes(struct db *db, const struct query *q)
{
	return db_sqlite.changes(real_of(db), q);
}

static int64_t d_get_int(struct db *db, const struct query *q, int column)
{
	return db_sqlite.get_int(real_of(db), q, column);
}

static bool d_is_null(struct db *db, const struct query *q, int column)
{
	return db_sqlite.is_null(real_of(db), q, column);
}

static const char *d_get_text(struct db *db, const struct query *q, int column)
{
	return db_sqlite.get_text(real_of(db), q, column);
}

static struct span d_get_bytes(struct db *db, const struct query *q, int column)
{
	return db_sqlite.get_bytes(real_of(db), q, column);
}

const struct db_driver db_double = {
	.name = "double",
	.open = d_open,
	.close = d_close,
	.refresh = d_refresh,
	.clear = d_clear,
	.start = d_start,
	.step = d_step,
	.end = d_end,
	.changes = d_changes,
	.get_int = d_get_int,
	.is_null = d_is_null,
	.get_text = d_get_text,
	.get_bytes = d_get_bytes,
};
