/* A folder that appears whole. Must never replace anything, and never follow a link out of what it made. */
#include "mirror-tool/extract/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/base/fault.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define FOLDER_DEPTH_MAX 300 /* a name of 255 bytes has 128 components at the most */

static int empty(int dir, unsigned depth, struct err *e);

static int remove_name(int dir, const char *name, unsigned depth, struct err *e)
{
	AUTO(fd_close) int fd = -1;

	if (unlinkat(dir, name, 0) == 0)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, "%s", name);
	fd = fs_open_dir_at(dir, name, e);
	if (fd < 0 || empty(fd, depth + 1, e) < 0)
		return -1;
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 ? err_sys(e, "%s", name) : 0;
}

static int empty(int dir, unsigned depth, struct err *e)
{
	AUTO(fs_names_free) struct fs_names names = { NULL, 0 };

	if (depth > FOLDER_DEPTH_MAX)
		return err_set(
			e, ERR_INPUT, "more than %d folders in each other", FOLDER_DEPTH_MAX);
	if (fs_list(dir, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (remove_name(dir, names.names[i], depth, e) < 0)
			return -1;
	return 0;
}

void folder_release(struct folder *f)
{
	struct err ignored = ERR_INIT;
	int saved = errno;

	if (f->made && empty(f->root, 0, &ignored) == 0)
		unlinkat(f->parent, f->made, AT_REMOVEDIR);
	fd_close(&f->root);
	fd_close(&f->parent);
	free(f->base);
	free(f->name);
	free(f->part);
	*f = (struct folder)FOLDER_INIT;
	errno = saved;
}

static int refuse_existing(const struct folder *f, struct err *e)
{
	return err_set(e, ERR_INPUT, "%s is there already; a new folder is needed", f->to);
}

/* Part `to` into what it is in and its name, without slashes behind it. */
static int part_path(struct folder *f, struct err *e)
{
	size_t len = strlen(f->to), at;

	while (len && f->to[len - 1] == '/')
		len--;
	for (at = len; at && f->to[at - 1] != '/';)
		at--;
	f->base = at ? mem_strndup(f->to, at) : mem_strdup(".");
	f->name = mem_strndup(f->to + at, len - at);
	f->part = mem_printf(".%s.moat-part", f->name);
	if (!*f->name || strcmp(f->name, ".") == 0 || strcmp(f->name, "..") == 0)
		return err_set(e, ERR_INPUT, "\"%s\": the name of a new folder is needed", f->to);
	return 0;
}

/* Take the lock that tells a run that goes on from one that was killed, whose files go. */
static int take_over(struct folder *f, struct err *e)
{
	struct stat st, now;

	f->root = fs_open_dir_at(f->parent, f->part, e);
	if (f->root < 0)
		return err_ctx(e, "%s", f->base);
	if (fstat(f->root, &st) < 0)
		return err_sys(e, "%s/%s", f->base, f->part);
	if (st.st_uid != geteuid())
		return err_set(
			e, ERR_INPUT, "%s/%s is another user's: move it away", f->base, f->part);
	if (flock(f->root, LOCK_EX | LOCK_NB) < 0 ||
		fstatat(f->parent, f->part, &now, AT_SYMLINK_NOFOLLOW) < 0 ||
		now.st_ino != st.st_ino)
		return err_set(e, ERR_BUSY, "%s: another process writes it", f->to);
	f->made = f->part;
	return empty(f->root, 0, e) < 0 ? err_ctx(e, "%s/%s", f->base, f->part) : 0;
}

int folder_make(struct folder *f, const char *to, struct err *e)
{
	struct stat st;

	f->to = to;
	if (part_path(f, e) < 0)
		return -1;
	f->parent = fs_open_dir(f->base, e);
	if (f->parent < 0)
		return -1;
	if (fstatat(f->parent, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return refuse_existing(f, e);
	if (errno != ENOENT)
		return err_sys(e, "%s", to);
	if (fault("extract.make", e) < 0 || fs_make_dir_at(f->parent, f->part, 0700, e) < 0)
		return -1;
	return take_over(f, e);
}

int folder_make_above(const struct folder *f, const char *path, struct err *e)
{
	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
		AUTO(mem_free) char *above = mem_strndup(path, (size_t)(at - path));

		if (fs_make_dir_at(f->root, above, 0755, e) < 0)
			return -1;
	}
	return 0;
}

static int sync_folder(int fd, const char *what, struct err *e)
{
	if (fault("extract.sync", e) < 0)
		return -1;
	return fchmod(fd, 0755) < 0 ? err_sys(e, "%s", what) : fs_sync(fd, what, e);
}

int folder_sync_above(const struct folder *f, const char *path, const char *before, struct err *e)
{
	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
		AUTO(mem_free) char *above = mem_strndup(path, (size_t)(at - path));
		AUTO(fd_close) int fd = -1;

		if (before && strncmp(before, path, (size_t)(at - path) + 1) == 0)
			continue;
		fd = fs_open_dir_at(f->root, above, e);
		if (fd < 0 || sync_folder(fd, above, e) < 0)
			return -1;
	}
	return 0;
}

/* Some file systems cannot refuse what is there; on those an empty folder of that very moment would go. */
static int give_name(struct folder *f, struct err *e)
{
	struct stat st;
	int rc = renameat2(f->parent, f->part, f->parent, f->name, RENAME_NOREPLACE);

	if (rc < 0 && errno == EINVAL) {
		if (fstatat(f->parent, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return refuse_existing(f, e);
		rc = renameat(f->parent, f->part, f->parent, f->name);
	}
	if (rc < 0)
		return errno == EEXIST || errno == ENOTEMPTY ? refuse_existing(f, e)
							     : err_sys(e, "%s", f->to);
	f->made = f->name;
	return 0;
}

int folder_keep(struct folder *f, struct err *e)
{
	if (sync_folder(f->root, f->to, e) < 0 || fault("extract.name", e) < 0 ||
		give_name(f, e) < 0 || fault("extract.named", e) < 0 ||
		fs_sync(f->parent, f->base, e) < 0)
		return -1;
	f->made = NULL;
	return 0;
}
