/*
 * quarantine/ of a local store. A name in blobs/ is taken away here by one process at a time, and by collection
 * (trash.c); so nothing else comes under the name between a file's check and its move. Must never replace or
 * remove what lies in quarantine.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>

#include "storage/files/files_private.h"

#include "storage/base/clock.h"
#include "storage/base/fault.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define FOLDER "quarantine"
#define REASON ".json"
#define REASON_MAX 4096 /* bytes */
#define SAME_SECOND_MAX 1000 /* files of one digest in one second */

int files_quarantine_lock(int dir, struct err *e)
{
	while (flock(dir, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, "lock " FOLDER);
	return 0;
}

/* Open the folder, made durably if need be, and lock it until it is closed. */
static int open_locked(int root, struct err *e)
{
	AUTO(fd_close) int fd = -1;

	if (fs_make_dir_at(root, FOLDER, 0755, e) < 0 || fs_sync(root, "the store's folder", e) < 0)
		return -1;
	fd = fs_open_dir_at(root, FOLDER, e);
	if (fd < 0 || files_quarantine_lock(fd, e) < 0)
		return -1;
	return STEAL_FD(fd);
}

/* Write the reason under a free name; the file will get the same without ".json". */
static int put_reason(int dir, const char *base, struct span reason,
	char where[QUARANTINE_NAME_SIZE], struct err *e)
{
	AUTO(fd_close) int fd = -1;
	char name[QUARANTINE_NAME_SIZE + sizeof(REASON)];
	long long now = (long long)clock_now();

	for (unsigned i = 0; i < SAME_SECOND_MAX && fd < 0; i++) {
		snprintf(where, QUARANTINE_NAME_SIZE, i ? "%s.%lld-%u" : "%s.%lld", base, now, i);
		snprintf(name, sizeof(name), "%s" REASON, where);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	if (fd < 0)
		return err_sys(e, FOLDER "/%s", name);
	if (fs_write_all(fd, reason.data, reason.len, name, e) < 0)
		return -1;
	return fs_sync(fd, name, e);
}

/* Move `name` of the folder `from`: 1; 0 it has gone: collection takes no lock of ours. */
static int move(int from, const char *name, int dir, const char *where, struct err *e)
{
	if (fault("quarantine.move", e) < 0)
		return -1;
	if (renameat(from, name, dir, where) < 0)
		return errno == ENOENT ? 0 : err_sys(e, FOLDER "/%s", where);
	if (fault("quarantine.sync", e) < 0 || fs_sync(dir, FOLDER, e) < 0)
		return -1;
	return fs_sync(from, "blobs", e) < 0 ? -1 : 1;
}

int files_quarantine(struct blobs *b, const struct digest *d, const struct blob_file *which,
	struct span reason, char where[QUARANTINE_NAME_SIZE], struct err *e)
{
	struct files *f = files_of(b);
	int from = files_alg_dir(f, d->alg, e), rc = -1;
	AUTO(fd_close) int dir = from < 0 ? -1 : open_locked(f->root, e);
	char hex[DIGEST_HEX_SIZE], base[DIGEST_TEXT_SIZE];
	struct blob_file now;

	digest_hex(d, hex);
	snprintf(base, sizeof(base), "%s-%s", digest_alg_name(d->alg), hex);
	if (dir >= 0)
		rc = files_stat_at(from, hex, &now, e);
	if (rc <= 0)
		return rc;
	if (now.id[0] != which->id[0] || now.id[1] != which->id[1])
		return 0;
	if (put_reason(dir, base, reason, where, e) < 0)
		return -1;
	return move(from, hex, dir, where, e);
}

static int tell(int dir, const char *name, quarantine_fn *fn, void *ctx, struct err *e)
{
	AUTO(buf_release) struct buf reason = BUF_INIT;
	size_t len = strlen(name), end = strlen(REASON);
	AUTO(mem_free) char *where = NULL;
	struct blob_file file;
	int rc;

	if (len <= end || strcmp(name + len - end, REASON) != 0)
		return 0;
	where = mem_strndup(name, len - end);
	rc = files_stat_at(dir, where, &file, e);
	if (rc <= 0) /* its writer died before the move, or a person took it away */
		return rc;
	if (fs_read_file(dir, name, REASON_MAX, &reason, e) < 0)
		return -1;
	return fn(ctx, where, reason.data ? reason.data : "", e);
}

int files_quarantine_each(struct blobs *b, quarantine_fn *fn, void *ctx, struct err *e)
{
	AUTO(fs_names_free) struct fs_names list = { NULL, 0 };
	AUTO(fd_close) int dir = fs_open_dir_at(files_of(b)->root, FOLDER, e);

	if (dir < 0)
		return e->code == ERR_ABSENT ? 0 : -1;
	if (fs_list(dir, &list, e) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++)
		if (tell(dir, list.names[i], fn, ctx, e) < 0)
			return -1;
	return 0;
}
