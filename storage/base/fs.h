/*
 * Files, by directory descriptor and name. Nothing here follows a symbolic link in the last
 * component, and every descriptor is close-on-exec. Errors name the file.
 */
#ifndef MOAT_FS_H
#define MOAT_FS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"

void fd_close(int *fd); /* for AUTO; closes once, sets -1, keeps errno */

/* A directory (links in the path of a user's are followed). Returns the descriptor or -1. */
MUST int fs_open_dir(const char *path, struct err *e);
MUST int fs_open_dir_at(int dir, const char *name, struct err *e);

/* Make a directory unless it is there. Durable only after fs_sync() of the parent. */
MUST int fs_make_dir_at(int dir, const char *name, mode_t mode, struct err *e);
/* The same with its parents. What is made is durable on 0, unless the folder it is made in may not be read. */
MUST int fs_make_dirs(const char *path, mode_t mode, struct err *e);

/* A regular file for reading. Returns 1 and *fd, 0 when there is none, -1 (also for a link, FIFO, socket,
 * device or directory: ERR_INPUT; none of them is waited for). */
MUST int fs_open_file(int dir, const char *name, int *fd, uint64_t *size, struct err *e);

/* A whole small file appended to `out`: 1, 0 absent, -1 (ERR_INPUT when larger than limit). `dir`
 * may be AT_FDCWD, then `name` is a user's path and links are followed. */
MUST int fs_read_file(int dir, const char *name, size_t limit, struct buf *out, struct err *e);
/* Append what standard input holds up to its end. ERR_INPUT when that is more than `limit` bytes. */
MUST int fs_read_stdin(size_t limit, struct buf *out, struct err *e);

/* Write or replace a small file: temporary name beside it, fsync, rename, fsync of the directory.
 * Durable on 0; before that the old file is untouched. */
MUST int fs_replace_file(int dir, const char *name, struct span bytes, mode_t mode, struct err *e);
/* Write a small file that is not there yet, by link instead of rename: 1 durable, 0 the name is taken and nothing was changed,
 * -1. Of several at once one gets 1; nobody ever sees a part. */
MUST int fs_create_file(int dir, const char *name, struct span bytes, mode_t mode, struct err *e);

/* All bytes or an error; short writes and EINTR are dealt with. `what` is for the message. */
MUST int fs_write_all(int fd, const void *data, size_t len, const char *what, struct err *e);
MUST int fs_pwrite_all(
	int fd, const void *data, size_t len, uint64_t at, const char *what, struct err *e);
/* Exactly len bytes from `at`, or -1 (ERR_CORRUPT when the file ends early). */
MUST int fs_pread_all(int fd, void *data, size_t len, uint64_t at, const char *what, struct err *e);

/* The same, without leaving in the page cache what was not in it: for reading much beside a server that
 * needs the cache. POSIX_FADV_RANDOM belongs on such a descriptor, or read-ahead fills the cache all the same. */
MUST int fs_pread_cold(
	int fd, void *data, size_t len, uint64_t at, const char *what, struct err *e);

/* fsync of a file or directory. An error is final: pages are clean afterwards, so the caller must
 * drop what it wrote and never try fsync again. */
MUST int fs_sync(int fd, const char *what, struct err *e);

/* Bytes an unprivileged writer may still write to the file system of `fd`. */
MUST int fs_free_bytes(int fd, uint64_t *bytes, struct err *e);

/* A new unnamed file in `dir` (O_TMPFILE) to be given a name by fs_link_fd; where the file system
 * cannot, ERR_UNSUPPORTED. Returns the descriptor or -1. */
MUST int fs_open_unnamed(int dir, mode_t mode, struct err *e);
/* Give it a name: 1 done, 0 the name is taken (nothing was changed), -1. */
MUST int fs_link_fd(int fd, int dir, const char *name, struct err *e);

/* Every name in a directory but . and .., sorted bytewise; free with fs_names_free. */
struct fs_names {
	char **names;
	size_t count;
};
MUST int fs_list(int dir, struct fs_names *out, struct err *e);
void fs_names_free(struct fs_names *names);

#endif
