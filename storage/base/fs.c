/*
 * The file system calls that moat makes, each with a sentence when it fails. Must never decide what
 * a file means, and never retry an fsync.
 */
#include "storage/base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd); /* never again on EINTR: the descriptor is gone */
	*fd = -1;
	errno = saved;
}

int fs_open_dir(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : err_sys(e, "%s", path);
}

int fs_open_dir_at(int dir, const char *name, struct err *e)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 ? fd : err_sys(e, "%s", name);
}

int fs_make_dir_at(int dir, const char *name, mode_t mode, struct err *e)
{
	if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
		return err_sys(e, "mkdir %s", name);
	return 0;
}

/* The directory that holds `path`, opened; *base is the last component. */
static int open_parent(int dir, const char *path, const char **base, struct err *e)
{
	const char *slash = strrchr(path, '/');
	AUTO(mem_free) char *parent = NULL;
	int fd;

	*base = slash ? slash + 1 : path;
	parent = slash ? mem_strndup(path, slash == path ? 1 : (size_t)(slash - path))
		       : mem_strdup(".");
	fd = openat(dir, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(e, "%s", parent);
}

/* A folder that we may write and not read cannot be synced: what we make there is no worse for it. */
static int sync_parent(const char *path, struct err *e)
{
	const char *name;
	AUTO(fd_close) int parent = open_parent(AT_FDCWD, path, &name, e);

	if (parent >= 0)
		return fs_sync(parent, path, e);
	if (e->code != ERR_RIGHTS)
		return -1;
	err_clear(e);
	return 0;
}

static int make_durable_dir(const char *path, mode_t mode, struct err *e)
{
	if (mkdir(path, mode) == 0)
		return sync_parent(path, e);
	return errno == EEXIST ? 0 : err_sys(e, "mkdir %s", path);
}

int fs_make_dirs(const char *path, mode_t mode, struct err *e)
{
	AUTO(mem_free) char *copy = mem_strdup(path);

	for (char *p = copy + 1; *copy && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (make_durable_dir(copy, mode, e) < 0)
			return -1;
		*p = '/';
	}
	return make_durable_dir(path, mode, e);
}

/* Open a path that another user may have replaced: never block on a FIFO, never acquire a terminal. */
static int open_regular(
	int dir, const char *name, int extra, int *fd, uint64_t *size, struct err *e)
{
	AUTO(fd_close)
	int opened = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | extra);
	struct stat st;

	if (opened < 0 && errno == ENOENT)
		return 0;
	if (opened < 0 && errno == ELOOP)
		return err_set(e, ERR_INPUT, "%s: a symbolic link, not a file", name);
	if (opened < 0 && errno == ENXIO) /* a socket, or a device that is not there */
		return err_set(e, ERR_INPUT, "%s: not a regular file", name);
	if (opened < 0 || fstat(opened, &st) < 0)
		return err_sys(e, "%s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, "%s: not a regular file", name);
	*size = (uint64_t)st.st_size;
	*fd = STEAL_FD(opened);
	return 1;
}

int fs_open_file(int dir, const char *name, int *fd, uint64_t *size, struct err *e)
{
	return open_regular(dir, name, O_NOFOLLOW, fd, size, e);
}

static int read_to_end(int fd, const char *name, size_t limit, struct buf *out, struct err *e)
{
	size_t before = out->len;

	for (;;) {
		ssize_t n;

		buf_reserve(out, 16384);
		n = read(fd, out->data + out->len, 16384);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read %s", name);
		if (n == 0)
			return 1;
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		if (out->len - before > limit)
			return err_set(e, ERR_INPUT, "%s: more than %zu bytes", name, limit);
	}
}

int fs_read_file(int dir, const char *name, size_t limit, struct buf *out, struct err *e)
{
	AUTO(fd_close) int fd = -1;
	uint64_t size;
	int rc = open_regular(dir, name, dir == AT_FDCWD ? 0 : O_NOFOLLOW, &fd, &size, e);

	if (rc <= 0)
		return rc;
	if (size > limit)
		return err_set(e, ERR_INPUT, "%s: %llu bytes, more than the limit of %zu", name,
			(unsigned long long)size, limit);
	return read_to_end(fd, name, limit, out, e);
}

int fs_write_all(int fd, const void *data, size_t len, const char *what, struct err *e)
{
	for (const char *p = data; len;) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "write %s", what);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fs_pwrite_all(
	int fd, const void *data, size_t len, uint64_t at, const char *what, struct err *e)
{
	for (const char *p = data; len;) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "write %s", what);
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int fs_pread_all(int fd, void *data, size_t len, uint64_t at, const char *what, struct err *e)
{
	for (char *p = data; len;) {
		ssize_t n = pread(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read %s", what);
		if (n == 0)
			return err_set(e, ERR_CORRUPT, "%s: ends at byte %llu, %zu bytes early",
				what, (unsigned long long)at, len);
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Are all of these bytes in the page cache? They are read then. */
static bool read_cached(int fd, void *data, size_t len, uint64_t at)
{
	struct iovec piece = { data, len };

	return preadv2(fd, &piece, 1, (off_t)at, RWF_NOWAIT) == (ssize_t)len;
}

int fs_pread_cold(int fd, void *data, size_t len, uint64_t at, const char *what, struct err *e)
{
	if (read_cached(fd, data, len, at))
		return 0;
	if (fs_pread_all(fd, data, len, at, what, e) < 0)
		return -1;
	posix_fadvise(fd, (off_t)at, (off_t)len, POSIX_FADV_DONTNEED);
	return 0;
}

int fs_sync(int fd, const char *what, struct err *e)
{
	return fsync(fd) < 0 ? err_sys(e, "fsync %s", what) : 0;
}

static int write_synced(int dir, const char *temp, struct span bytes, mode_t mode, struct err *e)
{
	AUTO(fd_close)
	int fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd < 0)
		return err_sys(e, "%s", temp);
	if (fs_write_all(fd, bytes.data, bytes.len, temp, e) < 0)
		return -1;
	return fs_sync(fd, temp, e);
}

int fs_read_stdin(size_t limit, struct buf *out, struct err *e)
{
	return read_to_end(STDIN_FILENO, "standard input", limit, out, e) < 0 ? -1 : 0;
}

/* Give a file its name: 1; 0 it is taken and must not be replaced; -1. */
static int put_name(int dir, const char *temp, const char *name, bool replace, struct err *e)
{
	if (replace)
		return renameat(dir, temp, dir, name) < 0 ? err_sys(e, "rename to %s", name) : 1;
	if (linkat(dir, temp, dir, name, 0) == 0) {
		unlinkat(dir, temp, 0);
		return 1;
	}
	return errno == EEXIST ? 0 : err_sys(e, "link %s", name);
}

static int put_file(
	int dir, const char *path, struct span bytes, mode_t mode, bool replace, struct err *e)
{
	const char *name;
	AUTO(fd_close) int parent = open_parent(dir, path, &name, e);
	AUTO(mem_free) char *temp = mem_printf(".%s.%d.tmp", name, (int)getpid());
	int rc;

	if (parent < 0)
		return -1;
	unlinkat(parent, temp, 0); /* of an earlier process with our number */
	rc = write_synced(parent, temp, bytes, mode, e);
	if (rc == 0)
		rc = put_name(parent, temp, name, replace, e);
	if (rc > 0)
		return fs_sync(parent, path, e) < 0 ? -1 : 1;
	unlinkat(parent, temp, 0);
	return rc;
}

int fs_replace_file(int dir, const char *path, struct span bytes, mode_t mode, struct err *e)
{
	return put_file(dir, path, bytes, mode, true, e) < 0 ? -1 : 0;
}

int fs_create_file(int dir, const char *path, struct span bytes, mode_t mode, struct err *e)
{
	return put_file(dir, path, bytes, mode, false, e);
}

int fs_free_bytes(int fd, uint64_t *bytes, struct err *e)
{
	struct statvfs st;

	if (fstatvfs(fd, &st) < 0)
		return err_sys(e, "statvfs");
	*bytes = (uint64_t)st.f_bavail * st.f_frsize;
	return 0;
}

int fs_open_unnamed(int dir, mode_t mode, struct err *e)
{
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT))
		return err_set(e, ERR_UNSUPPORTED, "no unnamed files on this file system");
	return fd >= 0 ? fd : err_sys(e, "unnamed file");
}

int fs_link_fd(int fd, int dir, const char *name, struct err *e)
{
	char self[64];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, self, dir, name, AT_SYMLINK_FOLLOW) == 0)
		return 1;
	if (errno == EEXIST)
		return 0;
	return err_sys(e, "link %s", name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void dir_close(DIR **d)
{
	if (*d)
		closedir(*d);
}

int fs_list(int dir, struct fs_names *out, struct err *e)
{
	int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(dir_close) DIR *d = again >= 0 ? fdopendir(again) : NULL;
	struct dirent *entry;

	*out = (struct fs_names){ NULL, 0 };
	if (!d)
		return err_sys(e, "list directory");
	while ((errno = 0, entry = readdir(d))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		*VEC_PUSH(out->names, out->count) = mem_strdup(entry->d_name);
	}
	if (errno) {
		err_sys(e, "list directory");
		fs_names_free(out);
		return -1;
	}
	if (out->count)
		qsort(out->names, out->count, sizeof(*out->names), by_name);
	return 0;
}

void fs_names_free(struct fs_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct fs_names){ NULL, 0 };
}
