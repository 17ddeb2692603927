/*
 * Bytes on their way in: unnamed files, or files of stage/ under an exclusive lock. Must never write to one
 * that is published, and never overwrite a blob.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "storage/files/files_private.h"

#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define SYNC_FILES_MAX 8 /* up to here each file is synced, beyond that the file system once */
#define RESERVE_MIN (256u << 10) /* bytes: smaller files are not worth a call of their own */
#define WRITE_BEHIND (8u << 20) /* bytes after which the kernel is told to start writing */
#define SWEEP_MS 10000 /* a sweep holds a stage's lock for less */
#define LOCK_POLL_MS 20

#define NAME_SIZE (DIGEST_TEXT_SIZE + 24)

struct file_stage {
	struct stage base;
	struct files *files;
	int fd;
	char name[NAME_SIZE]; /* in stage/; "" when the file is unnamed */
	uint64_t started; /* writing up to here was started */
	uint64_t size; /* space that was asked for, or BLOB_SIZE_UNKNOWN */
};

static struct file_stage *file_stage_of(struct stage *st)
{
	return (struct file_stage *)st;
}

static void pause_ms(unsigned ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

/* Take the exclusive lock of an open file, for up to wait_ms: 1, 0 another writer holds it, -1. */
static int lock_wait(int fd, unsigned wait_ms, const char *name, struct err *e)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	for (unsigned waited = 0;; waited += LOCK_POLL_MS) {
		if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
			return 1;
		if (errno != EAGAIN && errno != EACCES)
			return err_sys(e, "lock stage %s", name);
		if (waited >= wait_ms)
			return 0;
		pause_ms(LOCK_POLL_MS);
	}
}

/* Is `name` still this file, and nothing but a stage? 1, 0, -1. A file with a second name is published: its
 * writer died before it took the stage's name away, and it must never be written again. */
static int still_ours(struct files *f, int fd, const char *name, struct err *e)
{
	struct stat opened, named;

	if (fstat(fd, &opened) < 0)
		return err_sys(e, "stage %s", name);
	if (fstatat(f->stage, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "stage %s", name);
	if (opened.st_ino != named.st_ino || opened.st_dev != named.st_dev)
		return 0;
	if (opened.st_nlink == 1)
		return 1;
	return unlinkat(f->stage, name, 0) == 0 ? 0 : err_sys(e, "stage %s", name);
}

/* Lock a stage that was opened: 1 and it has the descriptor; 0 the file was removed meanwhile: open it again;
 * -1. */
static int claim(struct file_stage *st, int *fd, unsigned wait_ms, struct err *e)
{
	int rc = lock_wait(*fd, wait_ms, st->name, e);

	if (rc == 0)
		return err_set(e, ERR_BUSY, "another process is writing %s", st->name);
	if (rc > 0)
		rc = still_ours(st->files, *fd, st->name, e);
	if (rc > 0)
		st->fd = STEAL_FD(*fd);
	return rc;
}

static int open_named(struct file_stage *st, unsigned wait_ms, struct err *e)
{
	for (;;) {
		AUTO(fd_close)
		int fd = openat(st->files->stage, st->name,
			O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		int rc;

		if (fd < 0)
			return err_sys(e, "stage %s", st->name);
		rc = claim(st, &fd, wait_ms, e);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
}

/* Make a stage under a name that is not resumed. Its lock shows that its writer lives: a sweep removes it
 * otherwise, and holds the lock for a moment. */
static int open_temp(struct file_stage *st, struct err *e)
{
	for (;;) {
		AUTO(fd_close) int fd = -1;
		int rc;

		snprintf(
			st->name, sizeof(st->name), "temp-%d-%u", (int)getpid(), st->files->temp++);
		fd = openat(st->files->stage, st->name,
			O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0)
			return err_sys(e, "stage %s", st->name);
		rc = claim(st, &fd, SWEEP_MS, e);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
}

static int open_unnamed(struct file_stage *st, struct err *e)
{
	st->fd = fs_open_unnamed(st->files->stage, 0444, e);
	if (st->fd >= 0)
		return 0;
	return e->code == ERR_UNSUPPORTED ? open_temp(st, e) : -1;
}

/* Count the bytes that are free, and those that the stage has on disk from an earlier attempt. */
static int available(const struct file_stage *st, uint64_t *bytes, struct err *e)
{
	struct stat now;

	if (fstat(st->fd, &now) < 0)
		return err_sys(e, "stage");
	if (fs_free_bytes(st->fd, bytes, e) < 0)
		return -1;
	*bytes += (uint64_t)now.st_blocks * 512;
	return 0;
}

/* Reserve space for the whole blob, so that a full disk is found before the bytes travel. Ask first: fallocate
 * takes all that is left from every other writer before it fails. */
static int reserve(struct file_stage *st, struct err *e)
{
	uint64_t there = 0, size = st->size;

	if (size == BLOB_SIZE_UNKNOWN || size < RESERVE_MIN)
		return 0;
	if (available(st, &there, e) < 0)
		return -1;
	if (there < size)
		return err_set(e, ERR_FULL, "%llu bytes wanted, %llu are free",
			(unsigned long long)size, (unsigned long long)there);
	if (fallocate(st->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) == 0 || errno == EOPNOTSUPP ||
		errno == ENOSYS)
		return 0;
	return err_sys(e, "reserve %llu bytes", (unsigned long long)size);
}

static void close_stage(struct file_stage **stp, bool retain)
{
	struct file_stage *st = *stp;

	if (!st)
		return;
	if (st->name[0] && !retain)
		unlinkat(st->files->stage, st->name, 0); /* while it is locked */
	fd_close(&st->fd);
	free(st);
	*stp = NULL;
}

static void drop(struct file_stage **st)
{
	close_stage(st, false);
}

static void name_stage(struct file_stage *st, const struct digest *d)
{
	char hex[DIGEST_HEX_SIZE];

	snprintf(st->name, sizeof(st->name), "%s-%s", digest_alg_name(d->alg), digest_hex(d, hex));
}

int files_stage_open(struct blobs *b, const struct stage_want *want, struct stage **out,
	uint64_t *have, struct err *e)
{
	AUTO(drop) struct file_stage *st = mem_alloc(sizeof(*st));
	struct stat info;

	st->files = files_of(b);
	st->fd = -1;
	if (want->name)
		name_stage(st, want->name);
	if ((want->name ? open_named(st, want->wait_ms, e) : open_unnamed(st, e)) < 0) {
		st->name[0] = '\0'; /* another writer's: leave the file alone */
		return -1;
	}
	st->size = want->size;
	if (reserve(st, e) < 0)
		return -1;
	if (fstat(st->fd, &info) < 0)
		return err_sys(e, "stage");
	*have = (uint64_t)info.st_size;
	*out = &STEAL(st)->base;
	return 0;
}

void files_stage_close(struct stage **base, bool retain)
{
	struct file_stage *st = file_stage_of(STEAL(*base));

	close_stage(&st, retain);
}

int files_stage_write(struct stage *base, uint64_t at, const void *data, size_t len, struct err *e)
{
	struct file_stage *st = file_stage_of(base);

	if (fs_pwrite_all(st->fd, data, len, at, st->name[0] ? st->name : "stage", e) < 0)
		return -1;
	if (at + len >= st->started + WRITE_BEHIND) {
		sync_file_range(st->fd, (off_t)st->started, (off_t)(at + len - st->started),
			SYNC_FILE_RANGE_WRITE);
		st->started = at + len;
	}
	return 0;
}

int files_stage_read(struct stage *base, uint64_t at, void *data, size_t len, struct err *e)
{
	struct file_stage *st = file_stage_of(base);

	return fs_pread_all(st->fd, data, len, at, st->name[0] ? st->name : "stage", e);
}

int files_stage_cut(struct stage *base, uint64_t len, struct err *e)
{
	struct file_stage *st = file_stage_of(base);

	if (ftruncate(st->fd, (off_t)len) < 0)
		return err_sys(e, "cut %s", st->name[0] ? st->name : "stage");
	if (st->started > len)
		st->started = len;
	return reserve(st, e); /* what was reserved behind `len` has gone */
}

int files_stage_sync(struct blobs *b, struct stage *const stages[], size_t count, struct err *e)
{
	if (count > SYNC_FILES_MAX)
		return syncfs(files_of(b)->stage) < 0 ? err_sys(e, "syncfs of the store") : 0;
	for (size_t i = 0; i < count; i++)
		if (fs_sync(file_stage_of(stages[i])->fd, "stage", e) < 0)
			return -1;
	return 0;
}

int files_stage_publish(struct stage *base, const struct digest *d, struct err *e)
{
	struct file_stage *st = file_stage_of(base);
	int dir = files_alg_dir_made(st->files, d->alg, e);
	char hex[DIGEST_HEX_SIZE];
	int rc;

	if (dir < 0)
		return -1;
	if (st->name[0] && fchmod(st->fd, 0444) < 0)
		return err_sys(e, "stage %s", st->name);
	rc = fs_link_fd(st->fd, dir, digest_hex(d, hex), e);
	st->files->unsynced[d->alg] =
		true; /* also of a name that was there: it may not be synced yet */
	return rc;
}

/* --- index.json ------------------------------------------------------------------------------ */

int files_index_stage(struct blobs *b, struct stage **out, struct err *e)
{
	AUTO(drop) struct file_stage *st = mem_alloc(sizeof(*st));

	st->files = files_of(b);
	st->fd = -1;
	st->size = BLOB_SIZE_UNKNOWN;
	if (open_temp(st, e) < 0) {
		st->name[0] = '\0';
		return -1;
	}
	*out = &STEAL(st)->base;
	return 0;
}

int files_index_put(struct stage *base, struct err *e)
{
	struct file_stage *st = file_stage_of(base);

	if (renameat(st->files->stage, st->name, st->files->root, "index.json") < 0)
		return err_sys(e, "rename to index.json");
	st->name[0] = '\0';
	return fs_sync(st->files->root, "the store's folder", e);
}

/* --- leftovers -------------------------------------------------------------------------------- */

/* Remove a stage that cannot be gone on from, if its writer died: it has a temporary name, or is published. */
static void sweep_stage(struct files *f, const char *name)
{
	AUTO(fd_close) int fd = openat(f->stage, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct err ignored = ERR_INIT;
	struct stat st;

	if (fd < 0 || lock_wait(fd, 0, name, &ignored) != 1 || fstat(fd, &st) < 0)
		return;
	if (st.st_nlink > 1 || strncmp(name, "temp-", 5) == 0)
		unlinkat(f->stage, name, 0);
}

int files_stage_lock(int fd, const char *name, struct err *e)
{
	return lock_wait(fd, 0, name, e);
}

int files_sweep_stages(struct files *f, struct err *e)
{
	AUTO(fs_names_free) struct fs_names list = { NULL, 0 };

	if (fs_list(f->stage, &list, e) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++)
		sweep_stage(f, list.names[i]);
	return 0;
}
