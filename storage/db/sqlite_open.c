/*
 * A store's database as a file: found, made, brought up to date, and taken out of use. A reader's is
 * read-only, a writer's waits for other writers. Must never know what a table means, apart from the
 * schema's version.
 */
#include "storage/db/sqlite_private.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "storage/db/schema.inc"
#include "storage/db/upgrade.inc"
#include "storage/db/upgrade_3.inc"
#include "storage/db/upgrade_4.inc"
#include "storage/db/upgrade_5.inc"
#include "storage/base/banned.h"

#define SCHEMA_VERSION 5

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
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* counters that are never read */
	/* Else every connection takes 20 pages at once, and a server has one for each thread. */
	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
}

/* The first switch to WAL needs the file alone for a moment, and SQLite does not wait for that. */
static int use_wal(struct sqlite *db, struct err *e)
{
	int rc;

	for (unsigned waited_ms = 0;; waited_ms += 10) {
		rc = sqlite3_exec(db->conn, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
		if ((rc & 0xff) != SQLITE_BUSY || waited_ms >= STORE_BUSY_MS)
			break;
		usleep(10000);
	}
	return rc == SQLITE_OK ? 0 : sqlite_err(db, rc, "set up", e);
}

static int schema_version(struct sqlite *db, int *version, struct err *e)
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
	return rc == SQLITE_ROW ? 0 : sqlite_err(db, rc, "read the schema's version", e);
}

static int migrate(struct sqlite *db, struct err *e)
{
	int version = 0;

	if (sqlite_script(db, "BEGIN IMMEDIATE", e) < 0)
		return e->code == ERR_BUSY ? sqlite_busy_err(db, e) : -1;
	if (schema_version(db, &version, e) < 0 ||
		(version == 0 && sqlite_script(db, schema_sql, e) < 0) ||
		(version == 1 && sqlite_script(db, upgrade_sql, e) < 0) ||
		(version >= 1 && version <= 2 && sqlite_script(db, upgrade_3_sql, e) < 0) ||
		(version >= 1 && version <= 3 && sqlite_script(db, upgrade_4_sql, e) < 0) ||
		(version >= 1 && version <= 4 && sqlite_script(db, upgrade_5_sql, e) < 0)) {
		sqlite3_exec(db->conn, "ROLLBACK", NULL, NULL, NULL);
		return -1;
	}
	return sqlite_script(db, "COMMIT", e);
}

/* Tables that got columns since. before_3: also those of version 3. */
static int read_older_rows(struct sqlite *db, bool before_3, struct err *e)
{
	AUTO(mem_free)
	char *sql =
		mem_printf("CREATE TEMP VIEW held_set AS "
			   "SELECT id, blob, name, version, bytes, pins, accepted, %s AS missing, "
			   "0 AS created, 0 AS expires, NULL AS previous FROM main.held_set;"
			   "CREATE TEMP VIEW blob AS "
			   "SELECT id, digest, size, live, %s, "
			   "CAST(strftime('%%s', 'now') AS INTEGER) AS touched, 0 AS condemned "
			   "FROM main.blob;"
			   "CREATE TEMP VIEW generation AS "
			   "SELECT id, channel, number, held_set, activated, ("
			   "SELECT max(b.id) FROM main.generation b WHERE b.channel = g.channel "
			   "AND b.id < g.id AND b.held_set <> g.held_set) AS back "
			   "FROM main.generation g;"
			   "CREATE TEMP VIEW removed AS SELECT '' AS name, '' AS version WHERE 0",
			before_3 ? "0" : "missing",
			before_3 ? "0 AS checked, 0 AS stamp" : "checked, stamp");

	return sqlite_script(db, sql, e);
}

/* A reader cannot migrate, and nodes must not wait for a writer: an older version is read as if it had
 * what is new. Stays right when a writer migrates meanwhile. */
static int read_older(struct sqlite *db, int version, struct err *e)
{
	if (version < 2 && sqlite_script(db,
				   "CREATE TEMP VIEW manifest AS "
				   "SELECT id, media_type, artifact_type, subject, 1 AS whole "
				   "FROM main.manifest",
				   e) < 0)
		return -1;
	if (version < 3 && sqlite_script(db,
				   "CREATE TEMP VIEW consent AS "
				   "SELECT 0 AS generation, '' AS taken WHERE 0",
				   e) < 0)
		return -1;
	if (version < 4 && read_older_rows(db, version < 3, e) < 0)
		return -1;
	return sqlite_script(db,
		"CREATE TEMP VIEW repo AS "
		"SELECT r.id AS id, r.name AS name, ("
		"SELECT coalesce(sum(b.size), 0) FROM main.link l JOIN main.blob b ON b.id = "
		"l.blob "
		"WHERE l.repo = r.id) AS bytes FROM main.repo r",
		e);
}

static int check_schema(struct sqlite *db, bool write, struct err *e)
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
static off_t log_size(const struct sqlite *db)
{
	AUTO(mem_free) char *path = mem_printf("%s-wal", db->path);
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : 0;
}

static int open_file(struct sqlite *db, bool write)
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

static int open_once(struct sqlite *db, bool write, struct err *e)
{
	int rc = open_file(db, write);

	if (rc != SQLITE_OK)
		return sqlite_err(db, rc, "open", e);
	rc = sqlite_rowset_add(db->conn);
	if (rc != SQLITE_OK)
		return sqlite_err(db, rc, "set up", e);
	sqlite3_busy_timeout(db->conn, STORE_BUSY_MS);
	if (write && (use_wal(db, e) < 0 || sqlite_script(db,
						    "PRAGMA synchronous = FULL;"
						    "PRAGMA foreign_keys = ON;"
						    "PRAGMA cache_size = -16384;"
						    "PRAGMA wal_autocheckpoint = 4000",
						    e) < 0))
		return -1;
	/* temp_store: what savepoints and sorts write beside the database stays in memory, as a confined server has no
	 * other place. */
	if (sqlite_script(db,
		    "PRAGMA mmap_size = 1073741824; PRAGMA trusted_schema = OFF;"
		    "PRAGMA temp_store = MEMORY",
		    e) < 0)
		return -1;
	return check_schema(db, write, e);
}

static void close_connection(struct sqlite *db)
{
	for (int i = 0; i < Q_COUNT; i++) {
		sqlite3_finalize(db->cache[i].stmt);
		db->cache[i].stmt = NULL;
	}
	sqlite3_close(db->conn);
	db->conn = NULL;
}

/* SQLite tells a missing right as "unable to open database file". */
static int check_rights(const struct sqlite *db, struct err *e)
{
	AUTO(mem_free)
	char *dir = mem_strndup(db->path, (size_t)(strrchr(db->path, '/') - db->path));

	return access(dir, W_OK) < 0 ? err_sys(e, "write to %s", dir) : 0;
}

/* A reader of a WAL database writes: its marks in the -shm file. Where it may not (a read-only mount,
 * another user's store) or cannot (a full disk) and no writer has the database open, so that there is no log,
 * the file alone is the whole truth; SQLite calls it immutable. What a writer does to it later, db_refresh()
 * notices. */
static int open_frozen(struct sqlite *db, struct err *e)
{
	bool full = e->code == ERR_FULL;
	struct err why = ERR_INIT;

	if (!full && ((e->code != ERR_RIGHTS && e->code != ERR_ABSENT && e->code != ERR_IO) ||
			     check_rights(db, &why) == 0))
		return -1;
	if (full && log_size(db) > 0)
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

static int open_connection(struct sqlite *db, bool write, struct err *e)
{
	db->frozen = false;
	if (write && check_rights(db, e) < 0)
		return -1;
	if (open_once(db, write, e) == 0)
		return 0;
	return write ? -1 : open_frozen(db, e);
}

static struct sqlite *sqlite_new(const char *where)
{
	AUTO(mem_free) char *dir = realpath(where, NULL);
	struct sqlite *db;

	if (!dir)
		return NULL;
	db = mem_alloc(sizeof(*db));
	db->path = mem_printf("%s/meta/moat.db", dir);
	return db;
}

static void sqlite_release(struct sqlite **db)
{
	if (!*db)
		return;
	close_connection(*db);
	free((*db)->path);
	free(*db);
	*db = NULL;
}

static int open_path(struct sqlite *db, bool write, struct err *e)
{
	if (refuse_network(db->path, e) < 0)
		return -1;
	if (!write && access(db->path, F_OK) < 0)
		return err_sys(e, "%s", db->path);
	return open_connection(db, write, e);
}

int sqlite_open(struct db **out, const char *where, bool write, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	AUTO(sqlite_release) struct sqlite *db = sqlite_new(where);

	if (!db)
		return err_sys(e, "%s", where);
	pthread_once(&once, configure_once);
	if (open_path(db, write, e) < 0)
		return err_ctx(e, "open store %s", where);
	*out = &STEAL(db)->base;
	return 0;
}

void sqlite_close(struct db *base)
{
	struct sqlite *db = sqlite_of(base);

	sqlite_release(&db);
}

static bool is_changed(const struct sqlite *db)
{
	struct stat now;

	return log_size(db) > 0 || stat(db->path, &now) < 0 || now.st_ino != db->seen.st_ino ||
	       now.st_size != db->seen.st_size || now.st_mtim.tv_sec != db->seen.st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != db->seen.st_mtim.tv_nsec;
}

int sqlite_refresh(struct db *base, struct err *e)
{
	struct sqlite *db = sqlite_of(base);

	if (db->frozen && is_changed(db)) {
		close_connection(db);
		base->opened++;
		if (open_connection(db, false, e) < 0)
			return -1;
	}
	return 0;
}
