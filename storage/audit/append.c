/*
 * Appending to the audit log. Must never write without the lock of the folder, and never say that a record is there
 * before it is durable.
 */
#include "storage/audit/audit_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/base/clock.h"
#include "storage/base/fault.h"
#include "storage/base/banned.h"

#define LOCK_PAUSE_US 2000
#define FOLDER_MODE 0750
#define FILE_MODE 0640

struct audit {
	int root, dir; /* the store's folder and the log's */
	struct audit_who who;
	bool frees; /* the reserve may be given up */
	int fd; /* the last file, as we left it; -1: not known */
	unsigned number; /* of it */
	uint64_t size; /* of it; another one: somebody else appended */
	struct audit_head head;
	struct audit_rest rest;
};

/* --- opening ---------------------------------------------------------------------------------- */

/* Give to the owner of the store what root made in it: files of root would lock that user out. */
static int give(const struct audit *a, int fd, struct err *e)
{
	struct stat store, st;

	if (fstat(a->root, &store) < 0 || fstat(fd, &st) < 0)
		return err_sys(e, AUDIT_FOLDER);
	if (geteuid() != 0 || (st.st_uid == store.st_uid && st.st_gid == store.st_gid))
		return 0;
	return fchown(fd, store.st_uid, store.st_gid) < 0
		       ? err_sys(e, "give " AUDIT_FOLDER " to the owner of the store")
		       : 0;
}

static int make_folder(struct audit *a, struct err *e)
{
	if (fault("audit.folder", e) < 0 ||
		fs_make_dir_at(a->root, AUDIT_FOLDER, FOLDER_MODE, e) < 0)
		return -1;
	a->dir = fs_open_dir_at(a->root, AUDIT_FOLDER, e);
	if (a->dir < 0 || give(a, a->dir, e) < 0)
		return -1;
	return fs_sync(a->root, "the store's folder", e);
}

/* Keep room for the records of what frees space. Without it everything else works. */
static void make_reserve(struct audit *a)
{
	AUTO(fd_close)
	int fd = openat(a->dir, AUDIT_RESERVE,
		O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, FILE_MODE);
	struct err ignored = ERR_INIT;

	if (fd >= 0 &&
		(posix_fallocate(fd, 0, AUDIT_RESERVE_BYTES) != 0 || give(a, fd, &ignored) < 0))
		unlinkat(a->dir, AUDIT_RESERVE, 0);
}

int audit_open(struct audit **out, const char *store, struct err *e)
{
	AUTO(audit_close) struct audit *a = mem_alloc(sizeof(*a));

	a->dir = a->fd = -1;
	a->root = fs_open_dir(store, e);
	if (a->root < 0 || make_folder(a, e) < 0)
		return err_ctx(e, "%s, the audit log", store);
	if (faccessat(a->dir, ".", W_OK, AT_EACCESS) < 0)
		return err_sys(e, "%s/" AUDIT_FOLDER, store);
	make_reserve(a);
	audit_who_find(&a->who);
	*out = STEAL(a);
	return 0;
}

void audit_close(struct audit **out)
{
	struct audit *a = STEAL(*out);

	if (!a)
		return;
	fd_close(&a->fd);
	fd_close(&a->dir);
	fd_close(&a->root);
	audit_who_release(&a->who);
	free(a);
}

void audit_frees_space(struct audit *a)
{
	a->frees = true;
}

void audit_give_room(struct audit *a)
{
	unlinkat(a->dir, AUDIT_RESERVE, 0);
}

void audit_keep_room(struct audit *a)
{
	make_reserve(a);
}

/* --- one writer ------------------------------------------------------------------------------- */

static void unlock(int *dir)
{
	if (*dir >= 0)
		flock(*dir, LOCK_UN);
}

static int lock(int dir, struct err *e)
{
	int64_t until = clock_ms() + AUDIT_BUSY_MS;

	while (flock(dir, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, "lock " AUDIT_FOLDER);
		if (clock_ms() > until)
			return err_set(e, ERR_BUSY,
				"another process has the audit log for more than %d seconds",
				AUDIT_BUSY_MS / 1000);
		usleep(LOCK_PAUSE_US);
	}
	return 0;
}

/* --- the last file ---------------------------------------------------------------------------- */

static void forget(struct audit *a)
{
	fd_close(&a->fd);
}

/* Is the last file still the one that we left, and nothing in it but what we know? */
static bool is_known(const struct audit *a)
{
	char name[AUDIT_NAME_SIZE];
	struct stat ours, named;

	if (a->fd < 0 || fstat(a->fd, &ours) < 0 || (uint64_t)ours.st_size != a->size)
		return false;
	if (fstatat(a->dir, audit_name(a->number, name), &named, AT_SYMLINK_NOFOLLOW) < 0 ||
		named.st_ino != ours.st_ino || named.st_dev != ours.st_dev)
		return false;
	return fstatat(a->dir, audit_name(a->number + 1, name), &named, AT_SYMLINK_NOFOLLOW) < 0;
}

static int open_file(struct audit *a, unsigned number, int extra, struct err *e)
{
	char name[AUDIT_NAME_SIZE];
	AUTO(fd_close)
	int fd = openat(a->dir, audit_name(number, name),
		O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | extra, FILE_MODE);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, AUDIT_FOLDER "/%s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, AUDIT_FOLDER "/%s: not a regular file", name);
	forget(a);
	a->fd = STEAL_FD(fd);
	a->number = number;
	a->size = (uint64_t)st.st_size;
	return 0;
}

/* Begin file `number`, durably before a record is in it. */
static int begin_file(struct audit *a, unsigned number, struct err *e)
{
	if (fault("audit.file", e) < 0 || open_file(a, number, O_CREAT | O_EXCL, e) < 0 ||
		give(a, a->fd, e) < 0)
		return -1;
	return fs_sync(a->dir, AUDIT_FOLDER, e);
}

/* Of a record that a power cut took the line feed alone from nothing is lost: that is written in front of the next one. */
static void take_open_record(struct audit *a)
{
	if (!a->rest.is_record)
		return;
	a->head = a->rest.head;
	a->rest.bytes = 0;
}

static int find_last(struct audit *a, struct err *e)
{
	AUTO(mem_free) unsigned *numbers = NULL;
	size_t count;

	if (is_known(a))
		return 0;
	forget(a);
	if (audit_files(a->dir, &numbers, &count, e) < 0)
		return -1;
	if (!count) {
		a->head = (struct audit_head){ .hash.alg = DIGEST_SHA256 };
		a->rest = (struct audit_rest){ .bytes = 0 };
		return begin_file(a, 1, e);
	}
	if (open_file(a, numbers[count - 1], 0, e) < 0)
		return -1;
	if (audit_find_end(a->dir, numbers, count, a->size, &a->head, &a->rest, e) < 0)
		return -1;
	take_open_record(a);
	return 0;
}

/* What is left of a line stays with the record that names it. */
static bool is_full(const struct audit *a)
{
	return a->size >= AUDIT_FILE_MAX && !a->rest.bytes && !a->rest.is_open;
}

/* --- the append ------------------------------------------------------------------------------- */

/* Leave what was there before, where the file system lets us: a file may be append-only. */
static int write_text(struct audit *a, const struct buf *text, struct err *e)
{
	char name[AUDIT_NAME_SIZE];

	audit_name(a->number, name);
	if (fault("audit.write", e) < 0)
		return -1;
	if (fs_write_all(a->fd, text->data, text->len, AUDIT_FOLDER, e) < 0) {
		(void)!ftruncate(a->fd, (off_t)a->size);
		return err_ctx(e, "%s", name);
	}
	return fault("audit.sync", e) < 0 ? -1 : fs_sync(a->fd, AUDIT_FOLDER, e);
}

static int append(struct audit *a, const struct audit_record records[], size_t count, uint64_t *seq,
	struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct audit_head head = a->head;

	if (a->rest.is_open)
		buf_char(&text, '\n');
	for (size_t i = 0; i < count; i++)
		audit_line_add(&text, &a->who, &records[i], i ? NULL : &a->rest, &head);
	if (write_text(a, &text, e) < 0) {
		forget(a);
		return -1;
	}
	if (seq)
		*seq = a->head.seq + 1;
	a->head = head;
	a->rest = (struct audit_rest){ .bytes = 0 };
	a->size += text.len;
	return 0;
}

static int find_and_append(struct audit *a, const struct audit_record records[], size_t count,
	uint64_t *seq, struct err *e)
{
	if (find_last(a, e) < 0 || (is_full(a) && begin_file(a, a->number + 1, e) < 0))
		return -1;
	return append(a, records, count, seq, e);
}

/* Give up the reserve for records of what frees space. False: that does not help. */
static bool give_up_reserve(struct audit *a, const struct err *e)
{
	return e->code == ERR_FULL && a->frees && unlinkat(a->dir, AUDIT_RESERVE, 0) == 0;
}

int audit_append(struct audit *a, const struct audit_record records[], size_t count, uint64_t *seq,
	struct err *e)
{
	AUTO(unlock) int locked = -1;

	if (count > AUDIT_RECORDS_MAX)
		BUG("an append of %zu records", count);
	if (lock(a->dir, e) < 0)
		return err_ctx(e, "the audit log");
	locked = a->dir;
	if (find_and_append(a, records, count, seq, e) < 0 &&
		(!give_up_reserve(a, e) || find_and_append(a, records, count, seq, e) < 0))
		return err_ctx(e, "the audit log");
	return 0;
}

void audit_last(const struct audit *a, struct audit_head *head)
{
	*head = a->head;
	if (a->fd < 0) /* the last append failed */
		*head = (struct audit_head){ .seq = 0 };
}
