/*
 * A store's database moved out of use, whole. Must never take it from a process that has it open, nor remove anything.
 */
#include "storage/db/sqlite_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/clock.h"
#include "storage/base/fault.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define SAME_SECOND_MAX 100 /* folders of one second */

/* Whoever has the database open in WAL mode holds a lock on its file as long, a reader too. */
static int refuse_open(int db, struct err *e)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char name[PROCESS_NAME_SIZE];

	if (fcntl(db, F_SETLK, &lock) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return err_sys(e, "lock the database");
	if (fcntl(db, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		lock.l_pid = 0;
	if (lock.l_pid <= 0)
		return err_set(e, ERR_BUSY, "another process has the store open: end it first");
	return err_set(e, ERR_BUSY, "process %d (%s) has the store open: end it first",
		(int)lock.l_pid, sqlite_process_name((int)lock.l_pid, name));
}

static int move(int dir, char aside[DB_ASIDE_SIZE], struct err *e)
{
	time_t now = clock_now();
	char base[DB_ASIDE_SIZE / 2];
	struct tm tm;
	int rc = -1;

	strftime(base, sizeof(base), "meta-%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	errno = EEXIST;
	for (unsigned i = 1; i <= SAME_SECOND_MAX && rc < 0 && errno == EEXIST; i++) {
		snprintf(aside, DB_ASIDE_SIZE, i > 1 ? "%s-%u" : "%s", base, i);
		rc = renameat2(dir, "meta", dir, aside, RENAME_NOREPLACE);
	}
	return rc < 0 ? err_sys(e, "move meta/ to %s/", aside) : 0;
}

int sqlite_set_aside(const char *where, char aside[DB_ASIDE_SIZE], struct err *e)
{
	AUTO(fd_close) int dir = fs_open_dir(where, e), db = -1;

	struct stat st;

	aside[0] = '\0';
	if (dir < 0)
		return -1;
	if (fstatat(dir, "meta", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "meta");
	if (S_ISLNK(st.st_mode))
		return err_set(e, ERR_UNSUPPORTED,
			"meta is a link: move away what it leads to, then the next import or pull "
			"makes the database again");
	db = openat(dir, "meta/moat.db", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (db < 0 && errno != ENOENT)
		return err_sys(e, "meta/moat.db");
	if (db >= 0 && refuse_open(db, e) < 0)
		return -1;
	if (fault("aside.move", e) < 0 || move(dir, aside, e) < 0 || fault("aside.sync", e) < 0)
		return -1;
	return fs_sync(dir, "the store's folder", e);
}
