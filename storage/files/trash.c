/*
 * trash/ of a local store, where collection moves blobs, and what it removes for good: there, and what writers
 * that died left in stage/, and old files of quarantine/; and gc.json, the rules for it. Must never remove what a row calls held: only names
 * that the caller gives, under the lock that engine.h asks for, leave blobs/.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/files/files_private.h"

#include "storage/base/fault.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define FOLDER "trash"
#define RULES "gc.json"
#define RULES_MAX 4096 /* bytes */
#define PURGERS 4 /* threads that remove files for good */
#define PURGE_ALONE 256 /* files: fewer are removed by one */

static bool no_space(int error)
{
	return error == ENOSPC || error == EDQUOT;
}

/* Open the folder, made if need be: 1; 0 there is no space for it; -1. */
static int open_trash(struct files *f, struct err *e)
{
	if (f->trash >= 0)
		return 1;
	if (fs_make_dir_at(f->root, FOLDER, 0755, e) < 0)
		return e->code == ERR_FULL ? 0 : -1;
	if (fs_sync(f->root, "the store's folder", e) < 0)
		return -1;
	f->trash = fs_open_dir_at(f->root, FOLDER, e);
	return f->trash < 0 ? -1 : 1;
}

/* Move it: 1, 0 there is no such file, -1. Without space for its new name it goes at once. */
static int move(struct files *f, int from, const char *hex, enum digest_alg alg, struct err *e)
{
	char name[DIGEST_TEXT_SIZE];
	int rc = open_trash(f, e);

	if (rc < 0)
		return -1;
	snprintf(name, sizeof(name), "%s-%s", digest_alg_name(alg), hex);
	if (rc > 0 && renameat(from, hex, f->trash, name) == 0)
		return 1;
	if (rc > 0 && !no_space(errno))
		return errno == ENOENT ? 0 : err_sys(e, FOLDER "/%s", name);
	if (unlinkat(from, hex, 0) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "remove blob %s", hex);
	return 1;
}

int files_discard(struct blobs *b, const struct digest *d, struct err *e)
{
	struct files *f = files_of(b);
	int from = files_alg_dir(f, d->alg, e), rc;
	char hex[DIGEST_HEX_SIZE];

	if (from < 0)
		return e->code == ERR_ABSENT ? 0 : -1;
	if (fault("gc.move", e) < 0)
		return -1;
	rc = move(f, from, digest_hex(d, hex), d->alg, e);
	f->discarded[d->alg] = f->discarded[d->alg] || rc > 0;
	return rc;
}

int files_discard_sync(struct blobs *b, struct err *e)
{
	struct files *f = files_of(b);

	for (int alg = DIGEST_SHA256; alg < ALGS; alg++) {
		if (!f->discarded[alg])
			continue;
		if (fault("gc.sync", e) < 0 ||
			(f->trash >= 0 && fs_sync(f->trash, FOLDER, e) < 0) ||
			fs_sync(f->alg[alg], "blobs", e) < 0)
			return -1;
		f->discarded[alg] = false;
	}
	return 0;
}

int files_born(struct blobs *b, const struct digest *d, int64_t *when, struct err *e)
{
	struct files *f = files_of(b);
	int dir = files_alg_dir(f, d->alg, e);
	char hex[DIGEST_HEX_SIZE];
	struct stat st;

	if (dir < 0)
		return e->code == ERR_ABSENT ? 0 : -1;
	if (fstatat(dir, digest_hex(d, hex), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "blob %s", hex);
	*when = st.st_ctim.tv_sec; /* a new name changes it; the bytes may be older */
	return 1;
}

/* --- for good ---------------------------------------------------------------------------------- */

struct purge {
	int dir;
	enum litter kind;
	int64_t before;
	bool dry;
	const struct fs_names *names;
};

/* When a file came to lie there. What a writer goes on with counts from its last write. */
static int64_t since(const struct purge *p, const struct stat *st)
{
	return p->kind == LITTER_STAGES ? st->st_mtim.tv_sec : st->st_ctim.tv_sec;
}

/* Is a stage without a writer, which its lock shows? Held while *fd is open. 1, 0, -1. */
static int is_left(const struct purge *p, const char *name, int *fd, struct err *e)
{
	if (p->kind != LITTER_STAGES)
		return 1;
	*fd = openat(p->dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (*fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "stage %s", name);
	return files_stage_lock(*fd, name, e);
}

/* 1, 0 somebody else did, -1. */
static int remove_one(const struct purge *p, const char *name, struct err *e)
{
	if (fault("gc.purge", e) < 0)
		return -1;
	if (unlinkat(p->dir, name, 0) == 0)
		return 1;
	return errno == ENOENT ? 0 : err_sys(e, "remove %s", name);
}

static int purge_one(const struct purge *p, const char *name, struct gc_count *out, struct err *e)
{
	AUTO(fd_close) int fd = -1;
	struct stat st;
	int rc;

	if (fstatat(p->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%s", name);
	if (!S_ISREG(st.st_mode) || since(p, &st) > p->before)
		return 0;
	rc = p->dry ? 1 : is_left(p, name, &fd, e);
	if (rc > 0 && !p->dry)
		rc = remove_one(p, name, e);
	if (rc <= 0)
		return rc;
	out->blobs++;
	out->bytes += (uint64_t)st.st_size;
	return 0;
}

/* One of those that purge: each `step`-th name. */
struct purger {
	const struct purge *purge;
	size_t first, step;
	pthread_t thread;
	struct gc_count count;
	int rc;
	struct err e;
};

static void *purge_some(void *arg)
{
	struct purger *p = arg;
	const struct fs_names *names = p->purge->names;

	for (size_t i = p->first; i < names->count && p->rc == 0; i += p->step)
		p->rc = purge_one(p->purge, names->names[i], &p->count, &p->e);
	return NULL;
}

/* By several when they are many: a file system that discards at once (mounted with discard, without a journal) makes
 * each wait a millisecond for its disk. What got no thread is done here. */
static int purge_names(const struct purge *p, struct gc_count *out, struct err *e)
{
	AUTO(mem_free) struct purger *purgers = mem_alloc(PURGERS * sizeof(*purgers));
	size_t count = p->names->count < PURGE_ALONE ? 1 : PURGERS, started = 1;
	int rc = 0;

	for (size_t i = 0; i < count; i++)
		purgers[i] = (struct purger){ .purge = p, .first = i, .step = count };
	while (started < count &&
		pthread_create(&purgers[started].thread, NULL, purge_some, &purgers[started]) == 0)
		started++;
	purge_some(&purgers[0]);
	for (size_t i = 1; i < count; i++)
		if (i >= started)
			purge_some(&purgers[i]);
		else
			pthread_join(purgers[i].thread, NULL);
	for (size_t i = 0; i < count; i++) {
		out->blobs += purgers[i].count.blobs;
		out->bytes += purgers[i].count.bytes;
		if (purgers[i].rc < 0 && rc == 0)
			*e = purgers[i].e;
		rc = rc < 0 ? rc : purgers[i].rc;
	}
	return rc;
}

int files_purge(struct blobs *b, enum litter kind, int64_t before, bool dry, struct gc_count *out,
	struct err *e)
{
	static const char *const folders[] = { [LITTER_TRASH] = FOLDER,
		[LITTER_STAGES] = "stage",
		[LITTER_QUARANTINE] = "quarantine" };
	AUTO(fs_names_free) struct fs_names list = { NULL, 0 };
	AUTO(fd_close) int dir = fs_open_dir_at(files_of(b)->root, folders[kind], e);
	const struct purge p = { dir, kind, before, dry, &list };

	if (dir < 0) {
		if (e->code != ERR_ABSENT)
			return -1;
		err_clear(e);
		return 0;
	}
	if ((kind == LITTER_QUARANTINE && !dry && files_quarantine_lock(dir, e) < 0) ||
		fs_list(dir, &list, e) < 0)
		return -1;
	return purge_names(&p, out, e) < 0 ? err_ctx(e, "%s", folders[kind]) : 0;
}

/* --- rules -------------------------------------------------------------------------------------- */

int files_rules_put(struct blobs *b, struct span text, struct err *e)
{
	if (fault("gc.rules", e) < 0)
		return -1;
	return fs_replace_file(files_of(b)->root, RULES, text, 0644, e);
}

int files_rules_get(struct blobs *b, struct buf *out, struct err *e)
{
	return fs_read_file(files_of(b)->root, RULES, RULES_MAX, out, e);
}
