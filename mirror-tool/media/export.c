/*
 * Write the folder of a medium. Must never touch a volume of another set, remove a file without
 * telling, or leave SHA256SUMS beside volumes that it does not describe.
 */
#include "mirror-tool/media/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "mirror-tool/media/tar_read.h"
#include "mirror-tool/media/verify_text.h"
#include "storage/base/fault.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define SUMS "SHA256SUMS"
#define VERIFY_TEXT "verify.txt"
#define PUBLIC_KEY "moat.pub"
#define PART ".part"
#define SPACE_MARGIN (1u << 20)
#define SUMS_MAX (4u << 20) /* bytes: a line for each volume */
#define HEAD_ENTRIES 8 /* of a volume, among which its set comes */

/* Progress over all volumes. */
struct way {
	const struct export_events *events;
	uint64_t before; /* bytes of the volumes before the current one */
	uint64_t told;
};

struct folder {
	struct volume_writer *w;
	struct way way;
	const char *path; /* borrowed */
	int dir;
	bool has_sums; /* of volumes as they were; until the first of them changes */
	struct buf sums;
	const struct export_events *events;
};

static void folder_release(struct folder *f)
{
	volume_writer_free(&f->w);
	fd_close(&f->dir);
	buf_release(&f->sums);
}

static void move(void *ctx, uint64_t bytes)
{
	struct way *way = ctx;
	uint64_t at = way->before + bytes;

	if (way->events->moved && at > way->told)
		way->events->moved(way->events->ctx, at - way->told);
	way->told = at > way->told ? at : way->told;
}

/* --- limits -------------------------------------------------------------------------------- */

/* Choose the limit for a file on this file system: 0 none, or EXPORT_FAT_LIMIT. */
static uint64_t default_limit(int dir)
{
	/* statfs(2): file systems that take files of any size */
	static const uint32_t large[] = { 0xef53 /* ext */, 0x58465342 /* xfs */,
		0x9123683e /* btrfs */, 0x01021994 /* tmpfs */, 0x2fc12fc1 /* zfs */,
		0xf2f52010 /* f2fs */, 0x794c7630 /* overlay */, 0xca451a4e /* bcachefs */ };
	struct statfs st;

	if (fstatfs(dir, &st) < 0)
		return EXPORT_FAT_LIMIT;
	for (size_t i = 0; i < ARRAY_SIZE(large); i++)
		if ((uint32_t)st.f_type == large[i])
			return 0;
	return EXPORT_FAT_LIMIT;
}

static void tell_begin(struct volume_writer *w, const struct export_events *events)
{
	struct export_report r = { .head = volume_writer_head(w),
		.volumes = volume_writer_count(w),
		.base = volume_writer_base(w) };

	for (uint32_t n = 1; n <= r.volumes; n++)
		r.bytes += volume_writer_bytes(w, n);
	r.left_out = volume_writer_left_out(w, &r.left_out_bytes);
	if (events->begin)
		events->begin(events->ctx, &r);
}

/* --- what is in the folder --------------------------------------------------------------------- */

static int refuse(const struct folder *f, const char *name, const char *what, struct err *e)
{
	return err_set(e, ERR_INPUT,
		"%s holds %s, %s; move it away, or export into a folder of its own", f->path, name,
		what);
}

static void lose(const struct folder *f, const char *name, const char *why)
{
	if (f->events->lose)
		f->events->lose(f->events->ctx, name, why);
}

/* NAME-VERSION, and what tells a delta. */
static char *volume_prefix(const struct volume_writer *w)
{
	const struct set *s = &volume_writer_head(w)->set;

	return mem_printf(
		"%s-%s%s.", s->name, s->version, base_suffix(volume_writer_base(w)->kind));
}

/* Is it NAME-VERSION.NNN-of-NNN.tar of this set and kind? Version "1" is not "1.2". */
static bool is_ours(const struct folder *f, const char *name)
{
	AUTO(mem_free) char *prefix = volume_prefix(f->w);
	size_t len = strlen(prefix);

	return volume_is_file_name(name) && strncmp(name, prefix, len) == 0 &&
	       strcmp(strchr(name + len, '.'), ".tar") == 0;
}

/* Read the set that a volume states in its first blob. Returns 1, 0 none, -1. */
static int volume_set(const struct folder *f, const char *name, struct digest *set, struct err *e)
{
	AUTO(fd_close) int fd = -1;
	AUTO(tar_close) struct tar_reader *tar = NULL;
	struct tar_entry entry;
	struct digest on;
	uint64_t size, at;
	int rc = fs_open_file(f->dir, name, &fd, &size, e);

	if (rc <= 0)
		return rc;
	rc = tar_open(&tar, fd, name, 0, e);
	for (unsigned i = 0; rc >= 0 && i < HEAD_ENTRIES; i++) {
		rc = tar_next(tar, &entry, e);
		if (rc <= 0)
			break;
		if (volume_name_parse(entry.name, set, &at) == VOLUME_BLOB ||
			volume_packed_parse(entry.name, set, &on))
			return 1;
	}
	if (rc < 0 && e->code != ERR_CORRUPT)
		return -1;
	err_clear(e);
	return 0;
}

/* Refuse volumes of another set of this name and version, which was sealed again. A volume tells
 * its set, or NAME.part until it is complete. */
static int check_volume(const struct folder *f, const char *name, struct err *e)
{
	const char *part = strrchr(name, '.');
	size_t len = part && strcmp(part, PART) == 0 ? (size_t)(part - name) : strlen(name);
	AUTO(mem_free) char *volume = mem_strndup(name, len);
	const struct head *h = volume_writer_head(f->w);
	struct digest set;
	int rc;

	if (!volume_is_file_name(volume))
		return 0;
	if (!is_ours(f, volume))
		return len < strlen(name) ? 0
					  : refuse(f, name, "a volume of another set or export", e);
	rc = volume_set(f, name, &set, e);
	if (rc <= 0 || digest_eq(&set, &h->digest))
		return rc < 0 ? -1 : 0;
	return refuse(f, name, "a volume of another set of the same name and version", e);
}

/* Are these the sums of a medium of this set? */
static int check_sums(struct folder *f, struct err *e)
{
	AUTO(buf_release) struct buf sums = BUF_INIT;
	struct span rest;

	int rc = fs_read_file(f->dir, SUMS, SUMS_MAX, &sums, e);

	if (rc < 0)
		return err_ctx(e, "%s", f->path);
	f->has_sums = rc > 0;
	rest = buf_span(&sums);
	while (rest.len) {
		struct span line = span_until(&rest, '\n');
		AUTO(mem_free) char *text = mem_strndup(line.data, line.len);
		const char *name = strstr(text, "  ");

		if (!name || (strcmp(name + 2, VERIFY_TEXT) != 0 && !is_ours(f, name + 2)))
			return refuse(f, SUMS, "sums of other files", e);
	}
	return 0;
}

/* Refuse files that cannot be replaced before a volume is written. */
static int check_papers(const struct folder *f, struct err *e)
{
	static const char *const names[] = { VERIFY_TEXT, PUBLIC_KEY };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (fstatat(f->dir, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			return refuse(f, names[i], "a folder", e);
	return 0;
}

static int check_strangers(struct folder *f, struct err *e)
{
	AUTO(fs_names_free) struct fs_names names = { NULL, 0 };

	if (fs_list(f->dir, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (check_volume(f, names.names[i], e) < 0)
			return -1;
	return check_papers(f, e) < 0 ? -1 : check_sums(f, e);
}

static uint64_t size_of(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)
		       ? (uint64_t)st.st_size
		       : 0;
}

static char *file_name(const struct folder *f, uint32_t n)
{
	return volume_file_name(&volume_writer_head(f->w)->set, volume_writer_base(f->w)->kind, n,
		volume_writer_count(f->w));
}

/* Reckon the space needed, without volumes that are there, complete or not. */
static int check_space(struct folder *f, struct err *e)
{
	uint64_t available, needed = 0;

	for (uint32_t n = 1; n <= volume_writer_count(f->w); n++) {
		AUTO(mem_free) char *name = file_name(f, n);
		AUTO(mem_free) char *part = mem_printf("%s" PART, name);
		uint64_t size = volume_writer_bytes(f->w, n), staged = size_of(f->dir, part);

		if (size_of(f->dir, name) != size)
			needed += size > staged ? size - staged : 0;
	}
	if (fs_free_bytes(f->dir, &available, e) < 0)
		return -1;
	if (needed == 0 || available >= needed + SPACE_MARGIN)
		return 0;
	return err_set(e, ERR_FULL, "%s: %llu bytes are needed and %llu are free", f->path,
		(unsigned long long)(needed + SPACE_MARGIN), (unsigned long long)available);
}

/* Remove sums that would no longer be right. */
static int drop_sums(struct folder *f, struct err *e)
{
	if (!f->has_sums)
		return 0;
	f->has_sums = false;
	lose(f, SUMS, "is removed until all is whole");
	if (fault("export.drop", e) < 0)
		return -1;
	return unlinkat(f->dir, SUMS, 0) < 0 ? err_sys(e, "remove " SUMS) : 0;
}

/* Is it a volume of this set, complete or not, with another count of volumes? Returns 1, 0, -1. */
static int is_stale(const struct folder *f, const char *name, struct err *e)
{
	size_t len = strlen(name), suffix = strlen(PART);
	bool part = len > suffix && strcmp(name + len - suffix, PART) == 0;
	AUTO(mem_free) char *volume = mem_strndup(name, part ? len - suffix : len);
	struct digest set;
	int rc;

	if (!is_ours(f, volume))
		return 0;
	for (uint32_t n = 1; n <= volume_writer_count(f->w); n++) {
		AUTO(mem_free) char *current = file_name(f, n);

		if (strcmp(current, volume) == 0)
			return 0;
	}
	if (!part)
		return 1;
	rc = volume_set(f, name, &set, e);
	return rc > 0 ? digest_eq(&set, &volume_writer_head(f->w)->digest) : rc;
}

static int remove_stale(struct folder *f, struct err *e)
{
	AUTO(fs_names_free) struct fs_names names = { NULL, 0 };

	if (fs_list(f->dir, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		int rc = is_stale(f, names.names[i], e);

		if (rc < 0 || (rc > 0 && drop_sums(f, e) < 0))
			return -1;
		if (rc == 0)
			continue;
		lose(f, names.names[i], "is removed: the set is divided otherwise now");
		if (fault("export.stale", e) < 0)
			return -1;
		if (unlinkat(f->dir, names.names[i], 0) < 0)
			return err_sys(e, "remove %s", names.names[i]);
	}
	return 0;
}

/* --- volumes ------------------------------------------------------------------------------- */

static int fill(struct folder *f, uint32_t n, int fd, const char *name, enum spool_mode mode,
	struct digest *sha256, struct err *e)
{
	AUTO(spool_free) struct spool *spool = NULL;
	uint64_t size;

	if (spool_open(&spool, fd, name, mode, e) < 0)
		return -1;
	spool_watch(spool, move, &f->way);
	if (volume_writer_write(f->w, n, spool, e) < 0 || spool_close(&spool, sha256, &size, e) < 0)
		return -1;
	if (size != volume_writer_bytes(f->w, n))
		BUG("volume %s has %llu bytes", name, (unsigned long long)size);
	return 0;
}

/* Is the volume there with the right bytes? Returns 1, 0, -1. */
static int is_there(
	struct folder *f, uint32_t n, const char *name, struct digest *sha256, struct err *e)
{
	AUTO(fd_close) int fd = -1;
	uint64_t size;
	int rc = fs_open_file(f->dir, name, &fd, &size, e);

	if (rc <= 0 || size != volume_writer_bytes(f->w, n))
		return rc < 0 ? -1 : 0;
	if (fill(f, n, fd, name, SPOOL_CHECK, sha256, e) == 0)
		return 1;
	if (e->code != ERR_ABSENT)
		return -1;
	err_clear(e);
	return 0;
}

/* Refuse a file of that name that was not begun here. */
static int tell_part(const struct folder *f, const char *part, struct err *e)
{
	struct digest set;
	int rc = size_of(f->dir, part) ? volume_set(f, part, &set, e) : 1;

	if (rc == 0)
		lose(f, part, "is written over: it does not begin as a volume of this set");
	return rc < 0 ? -1 : 0;
}

static int write_file(
	struct folder *f, uint32_t n, const char *name, struct digest *sha256, struct err *e)
{
	AUTO(mem_free) char *part = mem_printf("%s" PART, name);
	AUTO(fd_close) int fd = -1;

	if (drop_sums(f, e) < 0 || tell_part(f, part, e) < 0)
		return -1;
	fd = openat(f->dir, part, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(e, "%s", part);
	if (fault("export.write", e) < 0 || fill(f, n, fd, part, SPOOL_RESUME, sha256, e) < 0 ||
		fs_sync(fd, part, e) < 0 || fault("export.rename", e) < 0)
		return -1;
	if (faccessat(f->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		lose(f, name, "is replaced: it had other bytes");
	if (renameat(f->dir, part, f->dir, name) < 0)
		return err_sys(e, "rename to %s", name);
	return fs_sync(f->dir, f->path, e);
}

static int write_volume(struct folder *f, uint32_t n, struct err *e)
{
	AUTO(mem_free) char *name = file_name(f, n);
	struct digest sha256;
	char hex[DIGEST_HEX_SIZE];
	int there = is_there(f, n, name, &sha256, e);

	if (there < 0 || (!there && write_file(f, n, name, &sha256, e) < 0))
		return err_ctx(e, "%s", name);
	f->way.before += volume_writer_bytes(f->w, n);
	buf_printf(&f->sums, "%s  %s\n", digest_hex(&sha256, hex), name);
	if (f->events->volume)
		f->events->volume(f->events->ctx, name, n, volume_writer_count(f->w), there > 0);
	return 0;
}

/* --- for people ---------------------------------------------------------------------------- */

static void add_sum(struct folder *f, const char *name, struct span text)
{
	struct digest sha256;
	char hex[DIGEST_HEX_SIZE];

	digest_of(&sha256, DIGEST_SHA256, text);
	buf_printf(&f->sums, "%s  %s\n", digest_hex(&sha256, hex), name);
}

static int write_paper(struct folder *f, const char *name, struct span text, struct err *e)
{
	AUTO(buf_release) struct buf have = BUF_INIT;
	int rc = fs_read_file(f->dir, name, SUMS_MAX, &have, e);

	if (rc < 0) {
		AUTO(mem_free) char *why = mem_printf("is replaced: %s", e->text);

		lose(f, name, why);
		err_clear(e);
	} else if (rc > 0) {
		if (have.len == text.len && memcmp(have.data, text.data, text.len) == 0)
			return 0;
		lose(f, name, "is replaced: it had another text");
	}
	if ((strcmp(name, VERIFY_TEXT) == 0 && drop_sums(f, e) < 0) || fault("export.paper", e) < 0)
		return -1;
	return fs_replace_file(f->dir, name, text, 0644, e);
}

static int write_papers(struct folder *f, struct span key, struct err *e)
{
	const struct head *h = volume_writer_head(f->w);
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(buf_release) struct buf carried = BUF_INIT;
	AUTO(mem_free) char *first = file_name(f, 1);
	AUTO(mem_free) char *prefix = volume_prefix(f->w);
	struct verify_words words = { .volume = first, .prefix = prefix };

	if (key.len == 0 && head_public_key(h, &carried))
		key = buf_span(&carried);
	words.sparse = volume_writer_base(f->w)->kind != BASE_NONE;
	words.on = volume_writer_packs(f->w) ? volume_writer_base(f->w) : NULL;
	if (verify_text_write(&text, h, &words, key, e) < 0 ||
		write_paper(f, VERIFY_TEXT, buf_span(&text), e) < 0)
		return -1;
	add_sum(f, VERIFY_TEXT, buf_span(&text));
	if (key.len && write_paper(f, PUBLIC_KEY, key, e) < 0)
		return -1;
	return write_paper(f, SUMS, buf_span(&f->sums), e);
}

int export_folder(struct store *s, const struct digest *set, const char *dir, uint64_t limit,
	const struct delta *delta, struct span public_key, const struct export_events *events,
	struct err *e)
{
	AUTO(folder_release)
	struct folder f = { .path = dir,
		.dir = -1,
		.sums = BUF_INIT,
		.way = { .events = events },
		.events = events };

	if (fs_make_dirs(dir, 0755, e) < 0 || (f.dir = fs_open_dir(dir, e)) < 0)
		return -1;
	if (limit == EXPORT_LIMIT_AUTO)
		limit = default_limit(f.dir);
	if (volume_writer_open(&f.w, s, set, limit, delta, e) < 0 || check_strangers(&f, e) < 0 ||
		check_space(&f, e) < 0)
		return -1;
	tell_begin(f.w, events);
	for (uint32_t n = 1; n <= volume_writer_count(f.w); n++)
		if (write_volume(&f, n, e) < 0)
			return err_ctx(e, "%s", dir);
	if (remove_stale(&f, e) < 0 || write_papers(&f, public_key, e) < 0)
		return err_ctx(e, "%s", dir);
	return 0;
}

int export_stream(struct store *s, const struct digest *set, int fd, uint64_t limit,
	const struct delta *delta, const struct export_events *events, struct err *e)
{
	AUTO(volume_writer_free) struct volume_writer *w = NULL;
	struct way way = { .events = events };

	if (volume_writer_open(&w, s, set, limit == EXPORT_LIMIT_AUTO ? 0 : limit, delta, e) < 0)
		return -1;
	tell_begin(w, events);
	for (uint32_t n = 1; n <= volume_writer_count(w); n++) {
		AUTO(spool_free) struct spool *spool = NULL;
		struct digest sha256;
		uint64_t size;

		if (spool_open(&spool, fd, "stdout", SPOOL_WRITE, e) < 0)
			return err_ctx(e, "volume %u", n);
		spool_watch(spool, move, &way);
		if (volume_writer_write(w, n, spool, e) < 0 ||
			spool_close(&spool, &sha256, &size, e) < 0)
			return err_ctx(e, "volume %u", n);
		way.before += size;
		if (events->volume)
			events->volume(events->ctx, "stdout", n, volume_writer_count(w), false);
	}
	return 0;
}
