/*
 * What a database must do for db.h. Only db.c, drivers and their doubles include this. db.c checks
 * arguments, state and thread before it calls; a driver need not.
 */
#ifndef MOAT_DB_DRIVER_H
#define MOAT_DB_DRIVER_H

#include <pthread.h>

#include "storage/db/db.h"

struct db {
	const struct db_driver *driver; /* a driver's own struct begins with this one */
	uint32_t opened; /* how often refresh() opened it anew */
	/* The rest is db.c's. */
	bool may_write;
	enum { DB_IDLE, DB_READING, DB_WRITING } state;
	bool savepoint;
	unsigned queries; /* open ones */
	pthread_t thread; /* that opened what is open */
	bool inside; /* a call of some thread */
};

struct db_driver {
	const char *name;

	int (*open)(struct db **db, const char *where, bool write, struct err *e);
	void (*close)(struct db *db);

	/* Notice that what was opened is not what is there any more, and open it anew: nothing is open on it.
	 * db->opened counts it. */
	int (*refresh)(struct db *db, struct err *e);
	int (*clear)(struct db *db, struct err *e);
	int (*set_aside)(const char *where, char aside[DB_ASIDE_SIZE], struct err *e);

	/* Take the statement with its parameters; q->stmt and q->own are the driver's until end(). What
	 * fails may be told by start or by the first step. Several may be open at once, of one name too.
	 * Transactions are statements: BEGIN, SNAPSHOT, COMMIT, ROLLBACK, SAVEPOINT... */
	int (*start)(struct db *db, struct query *q, struct err *e);
	int (*step)(struct db *db, struct query *q, struct err *e); /* 1 a row, 0, -1 */
	void (*end)(struct db *db, struct query *q);
	uint64_t (*changes)(struct db *db, const struct query *q);

	int64_t (*get_int)(struct db *db, const struct query *q, int column);
	bool (*is_null)(struct db *db, const struct query *q, int column);
	/* Borrowed until the next step; text is never NULL. */
	const char *(*get_text)(struct db *db, const struct query *q, int column);
	struct span (*get_bytes)(struct db *db, const struct query *q, int column);
};

#endif
