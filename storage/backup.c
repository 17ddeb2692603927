/* A copy of the database alone, while others write. Must never replace a file, and never follow a link. */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/base/fault.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

/* One run. The copy grows as `part` and gets its name when it is whole. */
struct backup {
	const char *to; /* as it was named */
	const char *name;
	char *folder, *part; /* folder: without links */
	int dir, file;
	const char *made; /* what goes when it fails: NULL, part, name */
};

static void backup_release(struct backup *b)
{
	if (b->made)
		unlinkat(b->dir, b->made, 0);
	fd_close(&b->file);
	fd_close(&b->dir);
	free(b->folder);
	free(b->part);
}

static int refuse_existing(const struct backup *b, struct err *e)
{
	return err_set(e, ERR_INPUT, "%s is there already; a backup replaces nothing", b->to);
}

static int open_folder(struct backup *b, struct err *e)
{
	const char *slash = strrchr(b->to, '/');
	AUTO(mem_free)
	char *folder = slash ? mem_strndup(b->to, (size_t)(slash - b->to) + 1) : mem_strdup(".");
	struct stat st;

	b->name = slash ? slash + 1 : b->to;
	if (!*b->name)
		return err_set(e, ERR_INPUT, "%s: the name of a file is needed", b->to);
	b->part = mem_printf(".%s.part", b->name);
	b->dir = fs_open_dir(folder, e);
	if (b->dir < 0)
		return -1;
	b->folder = realpath(folder, NULL);
	if (!b->folder)
		return err_sys(e, "%s", folder);
	if (fstatat(b->dir, b->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return refuse_existing(b, e);
	return errno == ENOENT ? 0 : err_sys(e, "%s", b->to);
}

/* What a backup that was killed left is begun again; what is of others, or a link, is left alone. */
static int open_part(struct backup *b, struct err *e)
{
	struct stat st, now;

	b->file = openat(
		b->dir, b->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (b->file < 0 || fstat(b->file, &st) < 0)
		return err_sys(e, "%s/%s", b->folder, b->part);
	if (!S_ISREG(st.st_mode) || st.st_nlink > 1 || st.st_uid != geteuid())
		return err_set(e, ERR_INPUT, "%s/%s is no file that a backup left: move it away",
			b->folder, b->part);
	if (flock(b->file, LOCK_EX | LOCK_NB) < 0 ||
		fstatat(b->dir, b->part, &now, AT_SYMLINK_NOFOLLOW) < 0 || now.st_ino != st.st_ino)
		return err_set(e, ERR_BUSY, "%s: another backup writes it", b->to);
	b->made = b->part;
	return ftruncate(b->file, 0) < 0 ? err_sys(e, "%s/%s", b->folder, b->part) : 0;
}

/* Some file systems know only one of the two ways to give a name that must be free. */
static int give_name(struct backup *b, struct err *e)
{
	int rc = renameat2(b->dir, b->part, b->dir, b->name, RENAME_NOREPLACE);

	if (rc < 0 && errno == EINVAL) {
		rc = linkat(b->dir, b->part, b->dir, b->name, 0);
		if (rc == 0)
			rc = unlinkat(b->dir, b->part, 0);
	}
	if (rc < 0)
		return errno == EEXIST ? refuse_existing(b, e) : err_sys(e, "%s", b->to);
	b->made = b->name;
	return 0;
}

static int copy(struct store *s, struct backup *b, struct err *e)
{
	AUTO(mem_free) char *path = mem_printf("%s/%s", b->folder, b->part);

	if (fault("backup.copy", e) < 0 || meta_copy(s->db, path, e) < 0 ||
		fault("backup.sync", e) < 0 || fs_sync(b->file, b->to, e) < 0)
		return -1;
	return 0;
}

int store_backup(struct store *s, const char *to, uint64_t *bytes, struct err *e)
{
	AUTO(backup_release) struct backup b = { .to = to, .dir = -1, .file = -1 };
	struct stat st;

	if (open_folder(&b, e) < 0 || open_part(&b, e) < 0 || copy(s, &b, e) < 0)
		return -1;
	if (fstat(b.file, &st) < 0)
		return err_sys(e, "%s", to);
	if (fault("backup.name", e) < 0 || give_name(&b, e) < 0 || fault("backup.folder", e) < 0 ||
		fs_sync(b.dir, b.folder, e) < 0)
		return -1;
	b.made = NULL;
	*bytes = (uint64_t)st.st_size;
	return 0;
}
