/*
 * The only caller of SQLite. One connection is for one thread at a time; a reader's is read-only, a
 * writer's waits for other writers. Must never know what a table means, apart from the schema's
 * version, and never put SQL together.
 */
#include "storage/db.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "storage/store_write.h"
#include "storage/clear.inc"
#include "storage/schema.inc"
#include "storage/upgrade.inc"
#include "storage/upgrade_3.inc"
#include "storage/base/banned.h"

#define SCHEMA_VERSION 3

struct db {
	sqlite3 *conn;
	char *path;
	bool frozen; /* read as a file that nothing changes */
	struct stat seen; /* frozen: the file as it was opened */
	uint32_t opened; /* how often anew */
	struct {
		sqlite3_stmt *stmt; /* NULL: not used yet */
		bool busy;
	} kept[Q_COUNT];
};

#define QUERY(name, sql) { #name, sql },
static const struct {
	const char *name, *sql;
} queries[Q_COUNT] = {
#include "storage/queries.inc"
};
#undef QUERY

/* --- errors --------------------------------------------------------------------------------- */

/* number: the errno behind it, 0 for none. */
static enum err_code code_of(int rc, int number)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return ERR_RIGHTS;
	case SQLITE_NOMEM:
		return ERR_LIMIT;
	case SQLITE_CANTOPEN:
	case SQLITE_IOERR:
		return err_code_of(number);
	default:
		return ERR_IO;
	}
}

static int db_err(struct db *db, int rc, const char *what, struct err *e)
{
	int number = db->conn ? sqlite3_system_errno(db->conn) : 0;
	enum err_code code = code_of(rc, number);

	if (code == ERR_LIMIT && number) {
		errno = number;
		return err_sys(e, "%s: %s", db->path, what);
	}
	return err_set(e, code, "%s: %s: %s%s", db->path, what,
		db->conn ? sqlite3_errmsg(db->conn) : sqlite3_errstr(rc),
		code == ERR_CORRUPT ? " (move meta/ out of the store: the next import or pull "
				      "makes the database again from the files)"
				    : "");
}

/* Who holds the write lock: the owner, by /proc/locks, of WAL_WRITE_LOCK, which is byte 120 of the
 * -shm file. Opening that file ourselves would drop SQLite's own locks when we close it. */
static int lock_holder(const struct db *db)
{
	AUTO(mem_free) char *shm = mem_printf("%s-shm", db->path);
	FILE *locks = fopen("/proc/locks", "re");
	struct stat st;
	char line[256];
	int holder = 0;

	if (!locks)
		return 0;
	if (stat(shm, &st) == 0) {
		while (!holder && fgets(line, sizeof(line), locks)) {
			unsigned long long inode, from, to;
			int pid;

			if (sscanf(line, "%*s POSIX ADVISORY WRITE %d %*x:%*x:%llu %llu %llu", &pid,
				    &inode, &from, &to) == 4 &&
				inode == st.st_ino && from <= 120 && to >= 120)
				holder = pid;
		}
	}
	fclose(locks);
	return holder;
}

static int busy_err(struct db *db, struct err *e)
{
	int pid = lock_holder(db);
	char name[64] = "";

	if (pid > 0 && pid != (int)getpid()) {
		AUTO(mem_free) char *path = mem_printf("/proc/%d/comm", pid);
		FILE *comm = fopen(path, "re");

		if (comm) {
			if (!fgets(name, sizeof(name), comm))
				name[0] = '\0';
			name[strcspn(name, "\n")] = '\0';
			fclose(comm);
		}
		return err_set(e, ERR_BUSY,
			"the store is being written by process %d (%s); waited %d s", pid, name,
			STORE_BUSY_MS / 1000);
	}
	return err_set(e, ERR_BUSY, "the store is being written by another user of it; waited %d s",
		STORE_BUSY_MS / 1000);
}

/* --- opening -------------------------------------------------------------------------------- */

static int refuse_network(const char *path, struct err *e)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} unfit[] = {
		{ 0x6969, "NFS" },
		{ 0xff534d42, "CIFS" },
		{ 0xfe534d42, "SMB" },
		{ 0x517b, "SMB" },
		{ 0x00c36400, "CephFS" },
	};
	const char *slash = strrchr(path, '/');
	AUTO(mem_free) char *dir = mem_strndup(path, (size_t)(slash - path));
	struct statfs st;

	if (statfs(dir, &st) < 0)
		return err_sys(e, "%s", dir);
	for (size_t i = 0; i < ARRAY_SIZE(unfit); i++)
		if ((unsigned long)st.f_type == unfit[i].magic)
			return err_set(e, ERR_UNSUPPORTED,
				"%s is on %s, whose locks a database cannot rely on: keep meta/ on "
				"a "
				"local disk",
				dir, unfit[i].name);
	return 0;
}

static void configure_once(void)
{
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD); /* a connection is for one thread */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* counters under a lock that nobody reads */
	/* Else every connection takes 20 pages at once, and a server has one for each thread. */
	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
}

static int exec(struct db *db, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(db->conn, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_err(db, rc, "set up", e);
}

/* The first switch to WAL needs the file alone for a moment, and SQLite does not wait for that. */
static int use_wal(struct db *db, struct err *e)
{
	int rc;

	for (unsigned waited_ms = 0;; waited_ms += 10) {
		rc = sqlite3_exec(db->conn, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
		if ((rc & 0xff) != SQLITE_BUSY || waited_ms >= STORE_BUSY_MS)
			break;
		usleep(10000);
	}
	return rc == SQLITE_OK ? 0 : db_err(db, rc, "set up", e);
}

static int schema_version(struct db *db, int *version, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db->conn, "PRAGMA user_version", -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	*version = rc == SQLITE_ROW ? sqlite3_column_int(stmt, 0) : 0;
	sqlite3_finalize(stmt);
	/* Only a database that is not in WAL mode yet has such a journal. */
	if (rc == SQLITE_READONLY_ROLLBACK)
		return err_set(
			e, ERR_ABSENT, "%s: no store yet: its writer died at once", db->path);
	return rc == SQLITE_ROW ? 0 : db_err(db, rc, "read the schema's version", e);
}

static int migrate(struct db *db, struct err *e)
{
	int version = 0;

	if (db_begin(db, e) < 0)
		return -1;
	if (schema_version(db, &version, e) < 0 || (version == 0 && exec(db, schema_sql, e) < 0) ||
		(version == 1 && exec(db, upgrade_sql, e) < 0) ||
		(version >= 1 && version <= 2 && exec(db, upgrade_3_sql, e) < 0)) {
		db_rollback(db);
		return -1;
	}
	return db_commit(db, e);
}

/* A reader cannot migrate, and nodes must not wait for a writer: an older version is read as if it had
 * what is new. Stays right when a writer migrates meanwhile. */
static int read_older(struct db *db, int version, struct err *e)
{
	if (version < 2 && exec(db,
				   "CREATE TEMP VIEW manifest AS "
				   "SELECT id, media_type, artifact_type, subject, 1 AS whole "
				   "FROM main.manifest",
				   e) < 0)
		return -1;
	return exec(db,
		"CREATE TEMP VIEW held_set AS "
		"SELECT id, blob, name, version, bytes, pins, accepted, 0 AS missing "
		"FROM main.held_set;"
		"CREATE TEMP VIEW blob AS "
		"SELECT id, digest, size, live, 0 AS checked, 0 AS stamp FROM main.blob;"
		"CREATE TEMP VIEW consent AS SELECT 0 AS generation, '' AS taken WHERE 0",
		e);
}

static int check_schema(struct db *db, bool write, struct err *e)
{
	int version = 0;

	if (schema_version(db, &version, e) < 0)
		return -1;
	if (version > SCHEMA_VERSION)
		return err_set(e, ERR_UNSUPPORTED,
			"%s: made by a newer moat (schema %d, this one knows %d)", db->path,
			version, SCHEMA_VERSION);
	if (version == SCHEMA_VERSION)
		return 0;
	if (!write && version == 0)
		return err_set(e, ERR_ABSENT, "%s: no store yet", db->path);
	return write ? migrate(db, e) : read_older(db, version, e);
}

/* How large is the log that a writer keeps beside the database? 0: there is none. */
static off_t log_size(const struct db *db)
{
	AUTO(mem_free) char *path = mem_printf("%s-wal", db->path);
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : 0;
}

static int open_file(struct db *db, bool write)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_URI |
		    (write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
	AUTO(buf_release) struct buf uri = BUF_INIT;

	buf_str(&uri, "file:");
	for (const char *p = db->path; *p; p++)
		buf_printf(&uri, strchr("%?#", *p) ? "%%%02x" : "%c", (unsigned)*p);
	buf_str(&uri, db->frozen ? "?immutable=1" : "");
	return sqlite3_open_v2(uri.data, &db->conn, flags, NULL);
}

static int open_once(struct db *db, bool write, struct err *e)
{
	int rc = open_file(db, write);

	if (rc != SQLITE_OK)
		return db_err(db, rc, "open", e);
	sqlite3_busy_timeout(db->conn, STORE_BUSY_MS);
	if (write && (use_wal(db, e) < 0 || exec(db,
						    "PRAGMA synchronous = FULL;"
						    "PRAGMA foreign_keys = ON;"
						    "PRAGMA cache_size = -16384;"
						    "PRAGMA wal_autocheckpoint = 4000",
						    e) < 0))
		return -1;
	/* temp_store: what savepoints and sorts put aside stays in memory, as a confined server has no
	 * other place. */
	if (exec(db,
		    "PRAGMA mmap_size = 1073741824; PRAGMA trusted_schema = OFF;"
		    "PRAGMA temp_store = MEMORY",
		    e) < 0)
		return -1;
	return check_schema(db, write, e);
}

static void close_connection(struct db *db)
{
	for (int i = 0; i < Q_COUNT; i++) {
		sqlite3_finalize(db->kept[i].stmt);
		db->kept[i].stmt = NULL;
	}
	sqlite3_close(db->conn);
	db->conn = NULL;
}

/* SQLite tells a missing right as "unable to open database file". */
static int check_rights(const struct db *db, struct err *e)
{
	AUTO(mem_free)
	char *dir = mem_strndup(db->path, (size_t)(strrchr(db->path, '/') - db->path));

	return access(dir, W_OK) < 0 ? err_sys(e, "write to %s", dir) : 0;
}

/* A reader of a WAL database writes: its marks in the -shm file. Where it may not (a read-only mount,
 * another user's store) and no writer has the database open, so that there is no log, the file alone is
 * the whole truth; SQLite calls it immutable. What a writer does to it later, db_refresh() notices. */
static int open_frozen(struct db *db, struct err *e)
{
	struct err why = ERR_INIT;

	if ((e->code != ERR_RIGHTS && e->code != ERR_ABSENT && e->code != ERR_IO) ||
		check_rights(db, &why) == 0)
		return -1;
	if (log_size(db) > 0)
		return err_set(e, ERR_RIGHTS,
			"%s-wal: its writer did not end well, and this process may not write there "
			"to read it: run `moat list` once as the owner of the store",
			db->path);
	err_clear(e);
	close_connection(db);
	db->frozen = true;
	if (stat(db->path, &db->seen) < 0)
		return err_sys(e, "%s", db->path);
	return open_once(db, false, e);
}

static int open_connection(struct db *db, bool write, struct err *e)
{
	db->frozen = false;
	if (write && check_rights(db, e) < 0)
		return -1;
	if (open_once(db, write, e) == 0)
		return 0;
	return write ? -1 : open_frozen(db, e);
}

int db_open(struct db **out, const char *path, bool write, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	AUTO(db_close) struct db *db = mem_alloc(sizeof(*db));

	db->path = mem_strdup(path);
	pthread_once(&once, configure_once);
	if (refuse_network(path, e) < 0)
		return -1;
	if (!write && access(path, F_OK) < 0)
		return err_sys(e, "%s", path);
	if (open_connection(db, write, e) < 0)
		return -1;
	*out = STEAL(db);
	return 0;
}

static bool is_changed(const struct db *db)
{
	struct stat now;

	return log_size(db) > 0 || stat(db->path, &now) < 0 || now.st_ino != db->seen.st_ino ||
	       now.st_size != db->seen.st_size || now.st_mtim.tv_sec != db->seen.st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != db->seen.st_mtim.tv_nsec;
}

int db_refresh(struct db *db, uint32_t *opened, struct err *e)
{
	bool busy = false;

	for (int i = 0; i < Q_COUNT; i++)
		busy |= db->kept[i].busy;
	if (db->frozen && !busy && is_changed(db)) {
		close_connection(db);
		db->opened++;
		if (open_connection(db, false, e) < 0)
			return -1;
	}
	*opened = db->opened;
	return 0;
}

void db_close(struct db **db)
{
	if (!*db)
		return;
	close_connection(*db);
	free((*db)->path);
	free(*db);
	*db = NULL;
}

/* --- transactions --------------------------------------------------------------------------- */

int db_begin(struct db *db, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_BEGIN);

	if (query_run(&q, e) == 0)
		return 0;
	return e->code == ERR_BUSY ? busy_err(db, e) : -1;
}

int db_commit(struct db *db, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_COMMIT);

	if (query_run(&q, e) == 0)
		return 0;
	db_rollback(db);
	return -1;
}

void db_rollback(struct db *db)
{
	struct err ignored = ERR_INIT;

	if (!db_in_transaction(db))
		return;
	AUTO(query_end) struct query q = query_begin(db, Q_ROLLBACK);
	(void)!query_run(&q, &ignored);
}

bool db_in_transaction(const struct db *db)
{
	return !sqlite3_get_autocommit(db->conn);
}

int db_clear(struct db *db, struct err *e)
{
	return exec(db, clear_sql, e);
}

/* --- queries -------------------------------------------------------------------------------- */

static sqlite3_stmt *prepare(struct db *db, enum query_name name, int *rc)
{
	sqlite3_stmt *stmt = NULL;

	*rc = sqlite3_prepare_v3(
		db->conn, queries[name].sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	return stmt;
}

struct query query_begin(struct db *db, enum query_name name)
{
	struct query q = { .db = db, .name = name, .next = 1 };

	if (db->kept[name].busy) {
		q.own = true;
		q.stmt = prepare(db, name, &q.failed);
		return q;
	}
	if (!db->kept[name].stmt)
		db->kept[name].stmt = prepare(db, name, &q.failed);
	q.stmt = db->kept[name].stmt;
	db->kept[name].busy = true;
	return q;
}

void query_end(struct query *q)
{
	if (q->own) {
		sqlite3_finalize(q->stmt);
	} else {
		sqlite3_reset(q->stmt);
		sqlite3_clear_bindings(q->stmt);
		q->db->kept[q->name].busy = false;
	}
	q->stmt = NULL;
}

static void note(struct query *q, int rc)
{
	if (!q->failed && rc != SQLITE_OK)
		q->failed = rc;
}

void query_int(struct query *q, int64_t value)
{
	note(q, sqlite3_bind_int64(q->stmt, q->next++, value));
}

void query_text(struct query *q, const char *text)
{
	note(q, text ? sqlite3_bind_text(q->stmt, q->next++, text, -1, SQLITE_STATIC)
		     : sqlite3_bind_null(q->stmt, q->next++));
}

void query_bytes(struct query *q, const void *bytes, size_t len)
{
	note(q, sqlite3_bind_blob(q->stmt, q->next++, bytes, (int)len, SQLITE_TRANSIENT));
}

int query_step(struct query *q, struct err *e)
{
	int rc = q->failed ? q->failed : sqlite3_step(q->stmt);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return db_err(q->db, rc, queries[q->name].name, e);
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
	return (uint64_t)sqlite3_changes64(q->db->conn);
}

int64_t query_get_int(const struct query *q, int column)
{
	return sqlite3_column_int64(q->stmt, column);
}

bool query_is_null(const struct query *q, int column)
{
	return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

const char *query_get_text(const struct query *q, int column)
{
	const char *text = (const char *)sqlite3_column_text(q->stmt, column);

	return text ? text : "";
}

struct span query_get_bytes(const struct query *q, int column)
{
	const char *data = sqlite3_column_blob(q->stmt, column);

	return (struct span){ data, (size_t)sqlite3_column_bytes(q->stmt, column) };
}

const char *query_sql(enum query_name name, const char **label)
{
	if (label)
		*label = queries[name].name;
	return queries[name].sql;
}
