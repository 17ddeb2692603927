/* What the files of the SQLite driver share. */
#ifndef MOAT_DB_SQLITE_PRIVATE_H
#define MOAT_DB_SQLITE_PRIVATE_H

#include <sqlite3.h>
#include <sys/stat.h>

#include "storage/db/driver.h"

struct sqlite {
	struct db base;
	sqlite3 *conn;
	char *path;
	bool frozen; /* read as a file that nothing changes */
	struct stat seen; /* frozen: the file as it was opened */
	struct {
		sqlite3_stmt *stmt; /* NULL: not used yet */
		bool busy;
	} cache[Q_COUNT];
};

static inline struct sqlite *sqlite_of(struct db *db)
{
	return (struct sqlite *)db;
}

/* sqlite_error.c: a result code as an error. Returns -1. */
int sqlite_err(struct sqlite *db, int rc, const char *what, struct err *e);
int sqlite_busy_err(struct sqlite *db, struct err *e); /* ERR_BUSY, naming the writer */
/* What a process calls itself, "" when it is not known. Returns name. */
#define PROCESS_NAME_SIZE 64
const char *sqlite_process_name(int pid, char name[PROCESS_NAME_SIZE]);
MUST int sqlite_script(struct sqlite *db, const char *sql, struct err *e);

/* sqlite_rowset.c: rowset(?1) for the statements of a connection. A result code. */
MUST int sqlite_rowset_add(sqlite3 *conn);

/* sqlite_open.c */
MUST int sqlite_open(struct db **out, const char *where, bool write, struct err *e);
void sqlite_close(struct db *db);
MUST int sqlite_refresh(struct db *db, struct err *e);

/* sqlite_aside.c */
MUST int sqlite_set_aside(const char *where, char aside[DB_ASIDE_SIZE], struct err *e);

/* A statement's text and name, for the tests. */
const char *sqlite_text_of(enum query_name name, const char **label);

#endif
