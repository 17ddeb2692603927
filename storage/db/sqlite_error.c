/* What SQLite says went wrong, as an error that a caller can act on and a person can read. */
#include "storage/db/sqlite_private.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "storage/base/banned.h"

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

int sqlite_err(struct sqlite *db, int rc, const char *what, struct err *e)
{
	int number = db->conn ? sqlite3_system_errno(db->conn) : 0;
	enum err_code code = code_of(rc, number);

	/* SQLite calls both "disk I/O error". */
	if ((code == ERR_LIMIT || code == ERR_FULL) && number && err_code_of(number) == code) {
		errno = number;
		return err_sys(e, "%s: %s", db->path, what);
	}
	return err_set(e, code, "%s: %s: %s%s", db->path, what,
		db->conn ? sqlite3_errmsg(db->conn) : sqlite3_errstr(rc),
		code == ERR_CORRUPT
			? " (`moat rebuild --yes` makes the database again from the files; or "
			  "move meta/ out of the store: the next import or pull does it)"
			: "");
}

/* Who holds the write lock: the owner, by /proc/locks, of WAL_WRITE_LOCK, which is byte 120 of the
 * -shm file. Opening that file ourselves would drop SQLite's own locks when we close it. */
static int lock_holder(const struct sqlite *db)
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

const char *sqlite_process_name(int pid, char name[PROCESS_NAME_SIZE])
{
	AUTO(mem_free) char *path = mem_printf("/proc/%d/comm", pid);
	FILE *comm = fopen(path, "re");

	if (!comm || !fgets(name, PROCESS_NAME_SIZE, comm))
		name[0] = '\0';
	name[strcspn(name, "\n")] = '\0';
	if (comm)
		fclose(comm);
	return name;
}

int sqlite_busy_err(struct sqlite *db, struct err *e)
{
	int pid = lock_holder(db);
	char name[PROCESS_NAME_SIZE];

	if (pid > 0 && pid != (int)getpid())
		return err_set(e, ERR_BUSY,
			"the store is being written by process %d (%s); waited %d s", pid,
			sqlite_process_name(pid, name), STORE_BUSY_MS / 1000);
	return err_set(e, ERR_BUSY, "the store is being written by another user of it; waited %d s",
		STORE_BUSY_MS / 1000);
}

int sqlite_script(struct sqlite *db, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(db->conn, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : sqlite_err(db, rc, "set up", e);
}
