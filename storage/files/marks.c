/*
 * marks/ of a local store: a file for each blob that a reader found bad, and one for the place of its check.
 * Only hints: what is marked is checked before anything is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "storage/files/files_private.h"

#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define FOLDER "marks"
#define PLACE "place"
#define PLACE_BYTES_MAX 4096

#define NAME_SIZE (DIGEST_TEXT_SIZE + 8)

static const char *mark_name(const struct digest *d, char name[NAME_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	snprintf(name, NAME_SIZE, "%s-%s", digest_alg_name(d->alg), digest_hex(d, hex));
	return name;
}

/* Read the digest out of a mark's name. False: it is no mark. */
static bool mark_parse(const char *name, struct digest *d)
{
	struct err ignored = ERR_INIT;

	for (int alg = DIGEST_SHA256; alg <= DIGEST_SHA512; alg++) {
		const char *prefix = digest_alg_name((enum digest_alg)alg);
		size_t len = strlen(prefix);

		if (strncmp(name, prefix, len) == 0 && name[len] == '-' &&
			digest_from_hex(
				d, (enum digest_alg)alg, span_of(name + len + 1), &ignored) == 0)
			return true;
	}
	return false;
}

/* Make the folder, and ask whether this process may write there. */
int files_may_mark(struct blobs *b, struct err *e)
{
	AUTO(fd_close) int dir = -1;

	if (fs_make_dir_at(files_of(b)->root, FOLDER, 0755, e) < 0)
		return 0;
	dir = fs_open_dir_at(files_of(b)->root, FOLDER, e);
	return dir >= 0 && faccessat(dir, ".", W_OK, AT_EACCESS) == 0;
}

static int write_mark(int dir, const char *name, struct span reason, struct err *e)
{
	AUTO(fd_close)
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return errno == EEXIST ? 0 : err_sys(e, FOLDER "/%s", name);
	if (fs_write_all(fd, reason.data, reason.len, name, e) < 0 || fs_sync(fd, name, e) < 0)
		return -1;
	return fs_sync(dir, FOLDER, e);
}

int files_mark(struct blobs *b, const struct digest *d, struct span reason, struct err *e)
{
	AUTO(fd_close) int dir = fs_open_dir_at(files_of(b)->root, FOLDER, e);
	char name[NAME_SIZE];

	return dir < 0 ? -1 : write_mark(dir, mark_name(d, name), reason, e);
}

int files_unmark(struct blobs *b, const struct digest *d, struct err *e)
{
	AUTO(fd_close) int dir = fs_open_dir_at(files_of(b)->root, FOLDER, e);
	char name[NAME_SIZE];

	if (dir < 0)
		return -1;
	if (unlinkat(dir, mark_name(d, name), 0) < 0 && errno != ENOENT)
		return err_sys(e, FOLDER "/%s", name);
	return fs_sync(dir, FOLDER, e);
}

int files_mark_each(struct blobs *b, mark_fn *fn, void *ctx, struct err *e)
{
	AUTO(fs_names_free) struct fs_names list = { NULL, 0 };
	AUTO(fd_close) int dir =
			openat(files_of(b)->root, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct digest d;

	if (dir < 0) /* no such folder, or something else by its name */
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(e, FOLDER);
	if (fs_list(dir, &list, e) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++)
		if (mark_parse(list.names[i], &d) && fn(ctx, &d, e) < 0)
			return -1;
	return 0;
}

int files_place_put(struct blobs *b, struct span text, struct err *e)
{
	return fs_replace_file(files_of(b)->root, FOLDER "/" PLACE, text, 0644, e);
}

int files_place_get(struct blobs *b, struct buf *out, struct err *e)
{
	return fs_read_file(files_of(b)->root, FOLDER "/" PLACE, PLACE_BYTES_MAX, out, e);
}
