/* Read many volumes as one medium: open files, order them, and leave each to volume_read.c. */
#include "mirror-tool/media/medium.h"
#include "mirror-tool/sign/key_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

/* --- paths ----------------------------------------------------------------------------------- */

void medium_paths_release(struct medium_paths *p)
{
	int saved = errno;

	for (size_t i = 0; i < p->count; i++)
		free(p->items[i]);
	free(p->items);
	*p = (struct medium_paths){ NULL, 0 };
	errno = saved;
}

static void add_path(struct medium_paths *p, char *path)
{
	*VEC_PUSH(p->items, p->count) = path;
}

static int add_folder(struct medium_paths *p, const char *path, struct err *e)
{
	AUTO(fd_close) int dir = fs_open_dir(path, e);
	AUTO(fs_names_free) struct fs_names names = { NULL, 0 };
	size_t before = p->count;

	if (dir < 0 || fs_list(dir, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (volume_is_file_name(names.names[i]))
			add_path(p, mem_printf("%s/%s", path, names.names[i]));
	if (p->count > before)
		return 0;
	return err_set(e, ERR_ABSENT,
		"%s: no volumes in this folder (*.NNN-of-NNN.tar), and folders in it are not "
		"looked "
		"into: name the folder of the set",
		path);
}

int medium_paths_find(struct medium_paths *p, const char *const *paths, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct stat st;

		if (stat(paths[i], &st) < 0)
			return err_sys(e, "%s", paths[i]);
		if (!S_ISDIR(st.st_mode))
			add_path(p, mem_strdup(paths[i]));
		else if (add_folder(p, paths[i], e) < 0)
			return -1;
	}
	return 0;
}

/* --- one volume ------------------------------------------------------------------------------ */

/* An opened file with its readers. */
struct opened {
	int fd;
	struct tar_reader *tar;
	struct volume_reader *v;
};

static void opened_close(struct opened *o)
{
	volume_reader_free(&o->v);
	tar_close(&o->tar);
	fd_close(&o->fd);
}

#define TAR_HEADER 512 /* bytes */
#define TAR_SUM 148 /* where its checksum is, of 8 bytes */

/* Is it the header of a tar entry? The checksum counts itself as spaces. */
static bool is_tar_header(const char head[TAR_HEADER])
{
	char said[8 + 1] = "";
	unsigned sum = 0;

	memcpy(said, head + TAR_SUM, 8);
	for (unsigned i = 0; i < TAR_HEADER; i++)
		sum += i >= TAR_SUM && i < TAR_SUM + 8 ? ' ' : (unsigned char)head[i];
	return *head && strtoul(said, NULL, 8) == sum;
}

/* Refuse a file of another kind, other than a damaged volume: by its name, and by a first entry
 * that is no volume's. */
static int check_kind(int fd, const char *path, struct err *e)
{
	char head[TAR_HEADER + 1] = "";
	bool named = volume_is_file_name(path);

	if (pread(fd, head, TAR_HEADER, 0) < 0)
		return err_sys(e, "read %s", path);
	if (strcmp(head, VOLUME_LAYOUT) == 0)
		return 0;
	if (!is_tar_header(head) && named)
		return 0; /* the reader says which byte is bad */
	if (!is_tar_header(head))
		return err_set(e, ERR_INPUT, "%s: not a volume of moat, nor a tar archive", path);
	return err_set(e, ERR_INPUT,
		"%s: not a volume of moat: a tar archive whose first entry is \"%.100s\"", path,
		head);
}

int medium_open(const char *path, int *fd, struct err *e)
{
	uint64_t size;
	int rc = fs_open_file(AT_FDCWD, path, fd, &size, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT, "%s: no such file", path);
	return rc < 0 ? -1 : 0;
}

static int open_volume(
	struct opened *o, struct medium *m, const char *path, uint32_t *volume, struct err *e)
{
	if (medium_open(path, &o->fd, e) < 0 || check_kind(o->fd, path, e) < 0 ||
		tar_open(&o->tar, o->fd, path, TAR_EXACT, e) < 0)
		return -1;
	posix_fadvise(o->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	o->v = volume_reader_new(m, o->tar, path);
	return volume_read_head(o->v, volume, e);
}

static int read_file(
	struct medium *m, const char *path, const struct medium_events *events, struct err *e)
{
	AUTO(opened_close) struct opened o = { .fd = -1 };
	uint32_t volume = 0;
	int rc;

	if (open_volume(&o, m, path, &volume, e) < 0 || volume_read_blobs(o.v, e) < 0)
		return -1;
	rc = tar_again(o.tar, e);
	if (rc > 0)
		return err_set(e, ERR_CORRUPT, "%s: there is more behind its end", path);
	return rc < 0 ? -1 : events->volume(m->ctx, m, path, volume, e);
}

/* --- files ----------------------------------------------------------------------------------- */

struct numbered {
	const char *path;
	uint32_t volume;
};

static int by_volume(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	if (x->volume != y->volume)
		return x->volume < y->volume ? -1 : 1;
	return strcmp(x->path, y->path);
}

static int failed(
	struct medium *m, const char *path, const struct medium_events *events, struct err *e)
{
	struct err why = *e;

	return events->failed ? events->failed(m->ctx, path, &why, e) : -1;
}

/* Read the heads of all files, so that a volume of another set is known before anything is written. */
static int number_files(struct medium *m, const struct medium_paths *paths,
	const struct medium_events *events, struct numbered *out, size_t *count, struct err *e)
{
	for (size_t i = 0; i < paths->count; i++) {
		AUTO(opened_close) struct opened o = { .fd = -1 };

		out[*count].path = paths->items[i];
		if (open_volume(&o, m, paths->items[i], &out[*count].volume, e) == 0)
			(*count)++;
		else if (failed(m, paths->items[i], events, e) < 0)
			return -1;
	}
	if (*count)
		qsort(out, *count, sizeof(*out), by_volume);
	return 0;
}

static int read_files(struct medium *m, const struct medium_paths *paths,
	const struct medium_events *events, struct err *e)
{
	AUTO(mem_free) struct numbered *files = mem_alloc(paths->count * sizeof(*files));
	size_t count = 0;

	if (number_files(m, paths, events, files, &count, e) < 0)
		return -1;
	if (count == 0)
		return 0; /* each has failed and was reported */
	if (events->begin(m->ctx, m, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (read_file(m, files[i].path, events, e) < 0 &&
			failed(m, files[i].path, events, e) < 0)
			return -1;
	return 0;
}

/* --- a stream -------------------------------------------------------------------------------- */

static int read_stream_volume(
	struct medium *m, struct tar_reader *tar, const struct medium_events *events, struct err *e)
{
	AUTO(volume_reader_free)
	struct volume_reader *v = volume_reader_new(m, tar, "stdin");
	bool first = !m->trusted;
	uint32_t volume = 0;

	if (volume_read_head(v, &volume, e) < 0)
		return -1;
	if (first && events->begin(m->ctx, m, e) < 0)
		return -1;
	if (volume_read_blobs(v, e) < 0)
		return -1;
	return events->volume(m->ctx, m, "stdin", volume, e);
}

static int read_stream(struct medium *m, const struct medium_events *events, struct err *e)
{
	AUTO(tar_close) struct tar_reader *tar = NULL;
	int rc;

	if (tar_open(&tar, STDIN_FILENO, "stdin", TAR_EXACT, e) < 0)
		return -1;
	do {
		if (read_stream_volume(m, tar, events, e) < 0)
			return -1;
		rc = tar_again(tar, e);
	} while (rc > 0);
	return rc;
}

/* --- excuses --------------------------------------------------------------------------------- */

static bool signer_is_strict(const struct medium *m)
{
	for (size_t i = 0; i < m->trust->count; i++)
		if (verify_key_text(m->trust->keys[i])->strict &&
			medium_is_signed_by(m, m->trust->keys[i]))
			return true;
	return false;
}

int medium_check_excuses(const struct medium *m, struct err *e)
{
	const struct set *s = &m->head.set;

	if (!s->excuses || !(m->trust->strict || signer_is_strict(m)))
		return 0;
	return err_set(e, ERR_INCOMPLETE,
		"set %s %s leaves out %llu thing%s that its list wants, and %s; its moat.lock says "
		"what and why; nothing was written",
		s->name, s->version, (unsigned long long)s->excuses, s->excuses == 1 ? "" : "s",
		m->trust->strict ? "--strict was given" : "its key says strict: true");
}

/* --- all of it ------------------------------------------------------------------------------- */

int medium_read(struct medium *m, const char *const *paths, size_t count,
	const struct medium_events *events, struct err *e)
{
	AUTO(medium_paths_release) struct medium_paths found = { NULL, 0 };

	if (count == 1 && strcmp(paths[0], "-") == 0)
		return read_stream(m, events, e);
	if (medium_paths_find(&found, paths, count, e) < 0)
		return -1;
	return read_files(m, &found, events, e);
}

/* Read the heads of one volume, or of all. A delta may be of several exports, so of it all are. */
static int read_heads(
	struct medium *m, const char *const *paths, size_t count, bool all, struct err *e)
{
	AUTO(medium_paths_release) struct medium_paths found = { NULL, 0 };

	if (medium_paths_find(&found, paths, count, e) < 0)
		return -1;
	if (found.count == 0)
		BUG("no path to look for volumes in");
	for (size_t i = 0; i < found.count; i++) {
		AUTO(opened_close) struct opened o = { .fd = -1 };
		uint32_t volume;

		if (open_volume(&o, m, found.items[i], &volume, e) < 0)
			return -1;
		volume_pass_blobs(o.v);
		if (!all && m->exports[0].base.kind == BASE_NONE)
			break;
	}
	return 0;
}

int medium_read_head(struct medium *m, const char *const *paths, size_t count, struct err *e)
{
	return read_heads(m, paths, count, false, e);
}

int medium_read_heads(struct medium *m, const char *const *paths, size_t count, struct err *e)
{
	return read_heads(m, paths, count, true, e);
}

/* --- what is missing --------------------------------------------------------------------------- */

enum lack { LACK_NOTHING, LACK_AGAIN, LACK_VOLUME };

/* What each volume of an export is needed for, from 1, with room for one more at the end. */
static void find_lacks(const struct medium *m, const struct medium_export *x, uint8_t *lacks)
{
	for (size_t i = 0; i < m->head.inventory.count; i++) {
		struct volume_range r = x->map.lines[i];
		uint32_t n = x->reached[i] ? x->reached[i] + 1u : r.first;

		if (m->arrived[i] || medium_find_line(m, i) != x)
			continue;
		for (; n <= r.last; n++) {
			uint8_t lack = x->seen[n] ? LACK_AGAIN : LACK_VOLUME;

			lacks[n] = lack > lacks[n] ? lack : lacks[n];
		}
	}
}

/* Write "volume 2" or "volumes 2, 4-6"; false when there is none. */
static bool list_volumes(uint32_t volumes, const uint8_t *lacks, enum lack which, struct buf *out)
{
	size_t start = out->len;
	bool several = false;

	for (uint32_t n = 1, last; n <= volumes; n = last + 1) {
		for (last = n; lacks[n] == which && lacks[last + 1] == which; last++)
			;
		if (lacks[n] != which)
			continue;
		several |= last > n || out->len > start;
		buf_printf(
			out, last > n ? "%s%u-%u" : "%s%u", out->len > start ? ", " : "", n, last);
	}
	if (out->len == start)
		return false;
	AUTO(mem_free) char *list = mem_strdup(out->data + start);
	buf_cut(out, start);
	buf_printf(out, "volume%s %s", several ? "s" : "", list);
	return true;
}

/* Tell what is missing of one export; of several, of which. */
static void list_lacks(const struct medium *m, const struct medium_export *x, struct buf *out)
{
	AUTO(mem_free) uint8_t *lacks = mem_alloc(x->volumes + 2);
	AUTO(buf_release) struct buf text = BUF_INIT;
	bool missing;

	find_lacks(m, x, lacks);
	missing = list_volumes(x->volumes, lacks, LACK_VOLUME, &text);
	if (missing)
		buf_printf(&text, " of %u missing", x->volumes);
	buf_str(&text, missing && memchr(lacks, LACK_AGAIN, x->volumes + 1) ? "; " : "");
	if (list_volumes(x->volumes, lacks, LACK_AGAIN, &text))
		buf_str(&text,
			missing ? " to be read again after that" : " to be read again, in order");
	if (text.len == 0)
		return;
	buf_str(out, out->len ? "; " : "");
	if (m->export_count > 1 && x->base.kind != BASE_NONE) {
		buf_str(out, "of ");
		base_say(&x->base, out);
		buf_str(out, ", ");
	}
	buf_add(out, text.data, text.len);
}

int medium_check_complete(const struct medium *m, const char *then, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	for (size_t i = 0; i < m->export_count; i++)
		list_lacks(m, &m->exports[i], &text);
	if (text.len == 0)
		return 0;
	return err_set(e, ERR_INCOMPLETE, "set %s %s is not complete: %s%s", m->head.set.name,
		m->head.set.version, text.data, then);
}
