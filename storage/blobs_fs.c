/*
 * Blobs as files below the store's directory. A blob appears under its name by link, complete and
 * synced (S1), and is never written again. Must never look into a blob, and never overwrite one.
 */
#include "storage/blobs_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "storage/marks_fs.h"
#include "storage/quarantine_fs.h"
#include "storage/base/cleanup.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define ALGS (DIGEST_SHA512 + 1)
#define OCI_LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define SYNC_FILES_MAX 8 /* up to here each file is synced, beyond that the file system once */
#define RESERVE_MIN (256u << 10) /* smaller files are not worth a call of their own */
#define WRITE_BEHIND (8u << 20) /* bytes after which the kernel is told to start writing */
#define SWEEP_MS 10000 /* somebody who looks whether a stage was left holds its lock for less */
#define LOCK_POLL_MS 20

struct blobs_fs {
	struct blobs base;
	int root, blobs, stage;
	int alg[ALGS]; /* blobs/<alg>, -1 until needed */
	bool unsynced[ALGS]; /* a name was added to blobs/<alg> */
	_Atomic(unsigned) temp; /* number of the last temporary name */
};

#define NAME_SIZE (DIGEST_TEXT_SIZE + 24)

struct stage {
	struct blobs_fs *fs;
	int fd;
	char name[NAME_SIZE]; /* in stage/; "" when the file is unnamed */
	uint64_t started; /* writing up to here was started */
	uint64_t size; /* space that was asked for, or BLOB_SIZE_UNKNOWN */
};

static struct blobs_fs *fs_of(struct blobs *b)
{
	return (struct blobs_fs *)b;
}

static int alg_dir(struct blobs_fs *fs, enum digest_alg alg, struct err *e)
{
	if (fs->alg[alg] < 0)
		fs->alg[alg] = fs_open_dir_at(fs->blobs, digest_alg_name(alg), e);
	return fs->alg[alg];
}

/* The same, made when it is missing; its own name is synced before a blob can be in it. */
static int alg_dir_made(struct blobs_fs *fs, enum digest_alg alg, struct err *e)
{
	if (fs->alg[alg] >= 0)
		return fs->alg[alg];
	if (fs_make_dir_at(fs->blobs, digest_alg_name(alg), 0755, e) < 0 ||
		fs_sync(fs->blobs, "blobs", e) < 0)
		return -1;
	return alg_dir(fs, alg, e);
}

/* --- stages --------------------------------------------------------------------------------- */

static void pause_ms(unsigned ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

/* An exclusive lock that belongs to the descriptor: 1, 0 when others hold it all the time. */
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

/* Is `name` still this file, and only a stage? One that was published under its digest too, by a
 * writer that died before it could take the stage's name away, must never be written again. */
static int still_ours(struct blobs_fs *fs, int fd, const char *name, struct err *e)
{
	struct stat opened, named;

	if (fstat(fd, &opened) < 0)
		return err_sys(e, "stage %s", name);
	if (fstatat(fs->stage, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "stage %s", name);
	if (opened.st_ino != named.st_ino || opened.st_dev != named.st_dev)
		return 0;
	if (opened.st_nlink == 1)
		return 1;
	return unlinkat(fs->stage, name, 0) == 0 ? 0 : err_sys(e, "stage %s", name);
}

/* The lock of a stage that was opened: 1 and it has the descriptor; 0 others did away with the file
 * meanwhile, so it has to be opened again; -1. */
static int claim(struct stage *st, int *fd, unsigned wait_ms, struct err *e)
{
	int rc = lock_wait(*fd, wait_ms, st->name, e);

	if (rc == 0)
		return err_set(e, ERR_BUSY, "another process is writing %s", st->name);
	if (rc > 0)
		rc = still_ours(st->fs, *fd, st->name, e);
	if (rc > 0)
		st->fd = STEAL_FD(*fd);
	return rc;
}

static int open_named(struct stage *st, unsigned wait_ms, struct err *e)
{
	for (;;) {
		AUTO(fd_close)
		int fd = openat(
			st->fs->stage, st->name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		int rc;

		if (fd < 0)
			return err_sys(e, "stage %s", st->name);
		rc = claim(st, &fd, wait_ms, e);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
}

/* A name that nobody resumes. It is locked while its writer lives; whoever finds it free sweeps it, which
 * takes a moment. */
static int open_temp(struct stage *st, struct err *e)
{
	for (;;) {
		AUTO(fd_close) int fd = -1;
		int rc;

		snprintf(st->name, sizeof(st->name), "temp-%d-%u", (int)getpid(), st->fs->temp++);
		fd = openat(st->fs->stage, st->name,
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

static int open_unnamed(struct stage *st, struct err *e)
{
	st->fd = fs_open_unnamed(st->fs->stage, 0444, e);
	if (st->fd >= 0)
		return 0;
	return e->code == ERR_UNSUPPORTED ? open_temp(st, e) : -1;
}

/* Bytes that the stage has on disk already, from an earlier attempt, and those that are free. */
static int available(const struct stage *st, uint64_t *bytes, struct err *e)
{
	struct stat now;

	if (fstat(st->fd, &now) < 0)
		return err_sys(e, "stage");
	if (fs_free_bytes(st->fd, bytes, e) < 0)
		return -1;
	*bytes += (uint64_t)now.st_blocks * 512;
	return 0;
}

/* Space for the whole, so that a full disk is found out before the bytes travel. Asked first:
 * fallocate takes all there is before it says that there is not enough, from everybody else. */
static int reserve(struct stage *st, struct err *e)
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

static void stage_close(struct stage **stp, bool keep)
{
	struct stage *st = *stp;

	if (!st)
		return;
	if (st->name[0] && !keep)
		unlinkat(st->fs->stage, st->name, 0); /* while it is locked */
	fd_close(&st->fd);
	free(st);
	*stp = NULL;
}

static void stage_drop(struct stage **st)
{
	stage_close(st, false);
}

static void name_stage(struct stage *st, const struct digest *d)
{
	char hex[DIGEST_HEX_SIZE];

	snprintf(st->name, sizeof(st->name), "%s-%s", digest_alg_name(d->alg), digest_hex(d, hex));
}

static int stage_open(struct blobs *b, const struct stage_want *want, struct stage **out,
	uint64_t *have, struct err *e)
{
	AUTO(stage_drop) struct stage *st = mem_alloc(sizeof(*st));
	struct stat info;

	st->fs = fs_of(b);
	st->fd = -1;
	if (want->name)
		name_stage(st, want->name);
	if ((want->name ? open_named(st, want->wait_ms, e) : open_unnamed(st, e)) < 0) {
		st->name[0] = '\0'; /* somebody else's */
		return -1;
	}
	st->size = want->size;
	if (reserve(st, e) < 0)
		return -1;
	if (fstat(st->fd, &info) < 0)
		return err_sys(e, "stage");
	*have = (uint64_t)info.st_size;
	*out = STEAL(st);
	return 0;
}

static int stage_write(struct stage *st, uint64_t at, const void *data, size_t len, struct err *e)
{
	if (fs_pwrite_all(st->fd, data, len, at, st->name[0] ? st->name : "stage", e) < 0)
		return -1;
	if (at + len >= st->started + WRITE_BEHIND) {
		sync_file_range(st->fd, (off_t)st->started, (off_t)(at + len - st->started),
			SYNC_FILE_RANGE_WRITE);
		st->started = at + len;
	}
	return 0;
}

static int stage_read(struct stage *st, uint64_t at, void *data, size_t len, struct err *e)
{
	return fs_pread_all(st->fd, data, len, at, st->name[0] ? st->name : "stage", e);
}

static int stage_cut(struct stage *st, uint64_t len, struct err *e)
{
	if (ftruncate(st->fd, (off_t)len) < 0)
		return err_sys(e, "cut %s", st->name[0] ? st->name : "stage");
	if (st->started > len)
		st->started = len;
	return reserve(st, e); /* what was reserved behind `len` has gone */
}

static int stage_sync(struct blobs *b, struct stage *const stages[], size_t count, struct err *e)
{
	if (count > SYNC_FILES_MAX)
		return syncfs(fs_of(b)->stage) < 0 ? err_sys(e, "syncfs of the store") : 0;
	for (size_t i = 0; i < count; i++)
		if (fs_sync(stages[i]->fd, "stage", e) < 0)
			return -1;
	return 0;
}

static int stage_publish(struct stage *st, const struct digest *d, struct err *e)
{
	int dir = alg_dir_made(st->fs, d->alg, e);
	char hex[DIGEST_HEX_SIZE];
	int rc;

	if (dir < 0)
		return -1;
	if (st->name[0] && fchmod(st->fd, 0444) < 0)
		return err_sys(e, "stage %s", st->name);
	rc = fs_link_fd(st->fd, dir, digest_hex(d, hex), e);
	st->fs->unsynced[d->alg] =
		true; /* also when it was there: by whom, and synced, who knows */
	return rc;
}

static int publish_sync(struct blobs *b, struct err *e)
{
	struct blobs_fs *fs = fs_of(b);

	for (int alg = DIGEST_SHA256; alg < ALGS; alg++) {
		if (!fs->unsynced[alg])
			continue;
		if (fs_sync(fs->alg[alg], "blobs", e) < 0)
			return -1;
		fs->unsynced[alg] = false;
	}
	return 0;
}

/* --- published blobs ------------------------------------------------------------------------ */

/* blobs/ALG/HEX below blobs/: no descriptor of blobs/ALG is shared, so any thread may. */
#define BLOB_PATH_SIZE DIGEST_TEXT_SIZE

static const char *blob_path(const struct digest *d, char path[BLOB_PATH_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	snprintf(path, BLOB_PATH_SIZE, "%s/%s", digest_alg_name(d->alg), digest_hex(d, hex));
	return path;
}

static int open_blob(struct blobs *b, const struct digest *d, struct blob_reader *r, struct err *e)
{
	char path[BLOB_PATH_SIZE];

	return fs_open_file(fs_of(b)->blobs, blob_path(d, path), &r->fd, &r->size, e);
}

static int look_blob(struct blobs *b, const struct digest *d, struct blob_file *out, struct err *e)
{
	char path[BLOB_PATH_SIZE];

	return quarantine_look(fs_of(b)->blobs, blob_path(d, path), out, e);
}

static int sync_blob(struct blobs *b, const struct digest *d, struct err *e)
{
	AUTO(reader_close) struct blob_reader r = BLOB_READER_INIT;
	int rc = open_blob(b, d, &r, e);

	if (rc <= 0)
		return rc < 0 ? -1 : err_set(e, ERR_ABSENT, "the blob is not there");
	if (fs_sync(r.fd, "blob", e) < 0 || alg_dir(fs_of(b), d->alg, e) < 0)
		return -1;
	return fs_sync(fs_of(b)->alg[d->alg], "blobs", e);
}

static int set_aside(struct blobs *b, const struct digest *d, const struct blob_file *which,
	struct span reason, char where[ASIDE_NAME_SIZE], struct err *e)
{
	struct blobs_fs *fs = fs_of(b);
	char hex[DIGEST_HEX_SIZE], base[NAME_SIZE];
	struct aside a = { .root = fs->root,
		.from = alg_dir(fs, d->alg, e),
		.name = digest_hex(d, hex),
		.base = base,
		.which = which };

	if (a.from < 0)
		return -1;
	snprintf(base, sizeof(base), "%s-%s", digest_alg_name(d->alg), hex);
	return quarantine_put(&a, reason, where, e);
}

static int aside_each(struct blobs *b, quarantine_fn *fn, void *ctx, struct err *e)
{
	return quarantine_each(fs_of(b)->root, fn, ctx, e);
}

/* --- marks -------------------------------------------------------------------------------------- */

static int may_mark(struct blobs *b, struct err *e)
{
	return marks_may(fs_of(b)->root, e);
}

static int mark(struct blobs *b, const struct digest *d, struct span reason, struct err *e)
{
	return marks_put(fs_of(b)->root, d, reason, e);
}

static int unmark(struct blobs *b, const struct digest *d, struct err *e)
{
	return marks_drop(fs_of(b)->root, d, e);
}

static int mark_each(struct blobs *b, mark_fn *fn, void *ctx, struct err *e)
{
	return marks_each(fs_of(b)->root, fn, ctx, e);
}

static int place_put(struct blobs *b, struct span text, struct err *e)
{
	return marks_place_put(fs_of(b)->root, text, e);
}

static int place_get(struct blobs *b, struct buf *out, struct err *e)
{
	return marks_place_get(fs_of(b)->root, out, e);
}

static int scan_dir(struct blobs_fs *fs, enum digest_alg alg, scan_fn *fn, stray_fn *stray,
	void *ctx, struct err *e)
{
	AUTO(fs_names_free) struct fs_names list = { NULL, 0 };

	if (fs_list(fs->alg[alg], &list, e) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		const char *name = list.names[i];
		uint64_t size = BLOB_SIZE_UNKNOWN;
		bool regular = true;
		struct digest d;
		struct stat st;
		int rc;

		if (fstatat(fs->alg[alg], name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			regular = S_ISREG(st.st_mode);
			size = (uint64_t)st.st_size;
		} else if (errno == ENOENT) {
			continue;
		} else if (err_code_of(errno) != ERR_IO) {
			return err_sys(e, "blobs/%s/%s", digest_alg_name(alg), name);
		}
		if (digest_from_hex(&d, alg, span_of(name), e) < 0 || !regular)
			rc = stray(ctx, name, e);
		else
			rc = fn(ctx, &d, size, e);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int scan(struct blobs *b, scan_fn *fn, stray_fn *stray, void *ctx, struct err *e)
{
	for (int alg = DIGEST_SHA256; alg < ALGS; alg++) {
		if (alg_dir(fs_of(b), (enum digest_alg)alg, e) < 0) {
			if (e->code == ERR_ABSENT)
				continue;
			return -1;
		}
		if (scan_dir(fs_of(b), (enum digest_alg)alg, fn, stray, ctx, e) < 0)
			return -1;
	}
	return 0;
}

static int free_bytes(struct blobs *b, uint64_t *bytes, struct err *e)
{
	return fs_free_bytes(fs_of(b)->blobs, bytes, e);
}

/* --- index.json ----------------------------------------------------------------------------- */

static int index_stage(struct blobs *b, struct stage **out, struct err *e)
{
	AUTO(stage_drop) struct stage *st = mem_alloc(sizeof(*st));

	st->fs = fs_of(b);
	st->fd = -1;
	st->size = BLOB_SIZE_UNKNOWN;
	if (open_temp(st, e) < 0) {
		st->name[0] = '\0';
		return -1;
	}
	*out = STEAL(st);
	return 0;
}

static int index_put(struct stage *st, struct err *e)
{
	if (renameat(st->fs->stage, st->name, st->fs->root, "index.json") < 0)
		return err_sys(e, "rename to index.json");
	st->name[0] = '\0';
	return fs_sync(st->fs->root, "the store's folder", e);
}

static int index_open(struct blobs *b, struct blob_reader *r, struct err *e)
{
	return fs_open_file(fs_of(b)->root, "index.json", &r->fd, &r->size, e);
}

/* --- opening -------------------------------------------------------------------------------- */

static void close_blobs(struct blobs *b)
{
	struct blobs_fs *fs = fs_of(b);

	for (int i = 0; i < ALGS; i++)
		fd_close(&fs->alg[i]);
	fd_close(&fs->stage);
	fd_close(&fs->blobs);
	fd_close(&fs->root);
	free(fs);
}

static const struct blob_ops ops = {
	.close = close_blobs,
	.stage_open = stage_open,
	.stage_write = stage_write,
	.stage_read = stage_read,
	.stage_cut = stage_cut,
	.stage_sync = stage_sync,
	.stage_publish = stage_publish,
	.publish_sync = publish_sync,
	.stage_close = stage_close,
	.open = open_blob,
	.look = look_blob,
	.sync = sync_blob,
	.set_aside = set_aside,
	.aside_each = aside_each,
	.may_mark = may_mark,
	.mark = mark,
	.unmark = unmark,
	.mark_each = mark_each,
	.place_put = place_put,
	.place_get = place_get,
	.scan = scan,
	.free_bytes = free_bytes,
	.index_stage = index_stage,
	.index_put = index_put,
	.index_open = index_open,
};

/* Of a writer that died, where nobody can go on: it had no name but a temporary one, or died between the
 * link and taking the stage's name away. */
static void sweep_stage(struct blobs_fs *fs, const char *name)
{
	AUTO(fd_close) int fd = openat(fs->stage, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct err ignored = ERR_INIT;
	struct stat st;

	if (fd < 0 || lock_wait(fd, 0, name, &ignored) != 1 || fstat(fd, &st) < 0)
		return;
	if (st.st_nlink > 1 || strncmp(name, "temp-", 5) == 0)
		unlinkat(fs->stage, name, 0);
}

/* Leftovers of writers that died; what can be resumed stays. */
static int sweep_stages(struct blobs_fs *fs, struct err *e)
{
	AUTO(fs_names_free) struct fs_names list = { NULL, 0 };

	if (fs_list(fs->stage, &list, e) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++)
		sweep_stage(fs, list.names[i]);
	return 0;
}

/* The directories of a store, and the file that makes it an OCI layout, last and synced. */
static int make_layout(struct blobs_fs *fs, struct err *e)
{
	static const char *const dirs[] = { "blobs", "blobs/sha256", "stage", "meta" };
	struct span layout = span_of(OCI_LAYOUT);

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (fs_make_dir_at(fs->root, dirs[i], 0755, e) < 0)
			return -1;
	if (faccessat(fs->root, "oci-layout", F_OK, 0) == 0)
		return 0;
	fs->blobs = fs_open_dir_at(fs->root, "blobs", e);
	if (fs->blobs < 0 || fs_sync(fs->blobs, "blobs", e) < 0)
		return -1;
	fd_close(&fs->blobs);
	return fs_replace_file(fs->root, "oci-layout", layout, 0644, e);
}

static int open_dirs(struct blobs_fs *fs, enum store_mode mode, struct err *e)
{
	if (mode == STORE_WRITE && make_layout(fs, e) < 0)
		return -1;
	fs->blobs = fs_open_dir_at(fs->root, "blobs", e);
	if (fs->blobs < 0)
		return -1;
	if (mode == STORE_READ)
		return 0;
	if (alg_dir(fs, DIGEST_SHA256, e) < 0)
		return -1;
	fs->stage = fs_open_dir_at(fs->root, "stage", e);
	return fs->stage < 0 ? -1 : sweep_stages(fs, e);
}

static void drop(struct blobs_fs **fs)
{
	if (*fs)
		close_blobs(&(*fs)->base);
}

int blobs_fs_open(struct blobs **b, const char *where, enum store_mode mode, struct err *e)
{
	AUTO(drop) struct blobs_fs *fs = mem_alloc(sizeof(*fs));

	fs->base.ops = &ops;
	fs->root = fs->blobs = fs->stage = -1;
	for (int i = 0; i < ALGS; i++)
		fs->alg[i] = -1;
	if (mode == STORE_WRITE && fs_make_dirs(where, 0755, e) < 0)
		return -1;
	fs->root = fs_open_dir(where, e);
	if (fs->root < 0 || open_dirs(fs, mode, e) < 0)
		return err_ctx(e, "open store %s", where);
	*b = &fs->base;
	fs = NULL;
	return 0;
}
