/*
 * The bytes of files, from a store or from the volumes of a medium, into a folder. Must never keep a byte whose
 * digest was not compared.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror-tool/extract/extract.h"
#include "mirror-tool/extract/folder.h"
#include "mirror-tool/media/medium.h"
#include "mirror-tool/media/tar_read.h"
#include "storage/oci/digest_map.h"
#include "storage/base/fault.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define CHUNK (1u << 20) /* bytes */

/* A blob of a medium: it goes into the first of its files, and from there into the others. */
struct arriving {
	struct digest digest;
	const struct extract_file *file;
	uint64_t have; /* bytes of its front that are in the file */
	struct hasher hasher;
	bool whole;
};

/* One run. */
struct writing {
	const struct extract_files *files;
	struct folder folder;
	struct digest_map blobs; /* struct arriving */
	size_t left; /* blobs that did not arrive yet */
	char *chunk;
};

static void arriving_done(void *item)
{
	hasher_release(&((struct arriving *)item)->hasher);
}

static void writing_release(struct writing *w)
{
	folder_release(&w->folder);
	digest_map_release(&w->blobs);
	free(w->chunk);
}

static int open_file(struct writing *w, const struct extract_file *f, bool again, struct err *e)
{
	int flags = O_WRONLY | O_NOFOLLOW | O_CLOEXEC | (again ? 0 : O_CREAT | O_EXCL);
	int fd;

	if (!again && folder_make_above(&w->folder, f->path, e) < 0)
		return -1;
	fd = openat(w->folder.root, f->path, flags, 0644);
	return fd < 0 ? err_sys(e, "%s", f->path) : fd;
}

/* Compare the digest, and make the file durable. */
static int finish(const struct extract_file *f, int fd, struct hasher *h, struct err *e)
{
	char want[DIGEST_TEXT_SIZE];
	struct digest got;

	hasher_end(h, &got);
	if (!digest_eq(&got, &f->digest))
		return err_set(e, ERR_CORRUPT, "%s: the bytes of %s are not those of %s",
			f->reference, f->path, digest_text(&f->digest, want));
	if (fault("extract.file", e) < 0)
		return -1;
	return fchmod(fd, 0644) < 0 ? err_sys(e, "%s", f->path) : fs_sync(fd, f->path, e);
}

static int copy(
	struct writing *w, const struct extract_file *f, const struct blob_reader *r, struct err *e)
{
	AUTO(hasher_release) struct hasher h = HASHER_INIT;
	AUTO(fd_close) int fd = open_file(w, f, false, e);
	size_t len;

	if (fd < 0)
		return -1;
	hasher_init(&h, f->digest.alg);
	for (uint64_t at = 0; at < f->size; at += len) {
		len = f->size - at < CHUNK ? (size_t)(f->size - at) : CHUNK;
		if (reader_read(r, at, w->chunk, len, e) < 0 ||
			fs_write_all(fd, w->chunk, len, f->path, e) < 0)
			return -1;
		hasher_add(&h, w->chunk, len);
	}
	return finish(f, fd, &h, e);
}

/* --- a store -------------------------------------------------------------------------------- */

static int copy_held(
	struct writing *w, struct store *s, const struct extract_file *f, struct err *e)
{
	AUTO(reader_close) struct blob_reader r = BLOB_READER_INIT;
	char text[DIGEST_TEXT_SIZE];
	int rc = blob_open(s, &f->digest, &r, e);

	if (rc == 0)
		return err_set(e, ERR_INCOMPLETE, "%s: %s is not held: %s", f->reference, f->path,
			digest_text(&f->digest, text));
	if (rc > 0 && r.size != f->size)
		return err_set(e, ERR_CORRUPT, "%s: %s has another size than its manifest says",
			f->reference, f->path);
	if (rc < 0)
		return err_ctx(e, "%s: %s", f->reference, f->path);
	reader_cold(&r);
	return copy(w, f, &r, e);
}

static int write_held(struct writing *w, struct store *s, struct err *e)
{
	for (size_t i = 0; i < w->files->count; i++)
		if (copy_held(w, s, &w->files->items[i], e) < 0)
			return -1;
	return 0;
}

/* --- a medium ------------------------------------------------------------------------------- */

static void expect(struct writing *w)
{
	for (size_t i = 0; i < w->files->count; i++) {
		const struct extract_file *f = &w->files->items[i];
		struct arriving *a = digest_map_add(&w->blobs, &f->digest, sizeof(*a));

		if (a->file)
			continue;
		a->file = f;
		hasher_init(&a->hasher, f->digest.alg);
		w->left++;
	}
}

static int take_bytes(struct arriving *a, struct tar_reader *tar, int fd, struct err *e)
{
	struct span bytes;
	int rc;

	while ((rc = tar_data(tar, &bytes, e)) == 1) {
		if (fs_pwrite_all(fd, bytes.data, bytes.len, a->have, a->file->path, e) < 0)
			return -1;
		hasher_add(&a->hasher, bytes.data, bytes.len);
		a->have += bytes.len;
	}
	return rc;
}

/* Take a part that follows on what is here. */
static int take_entry(
	struct writing *w, struct tar_reader *tar, const struct tar_entry *entry, struct err *e)
{
	AUTO(fd_close) int fd = -1;
	struct arriving *a;
	struct digest d;
	uint64_t at = 0;

	if (volume_name_parse(entry->name, &d, &at) == VOLUME_OTHER)
		return 0;
	a = digest_map_find(&w->blobs, &d);
	if (!a || a->whole || a->have != at || (entry->size == 0 && a->file->size))
		return 0;
	if (entry->size > a->file->size - at)
		return err_set(e, ERR_CORRUPT, "%s: larger than its manifest says", entry->name);
	fd = open_file(w, a->file, at > 0, e);
	if (fd < 0 || take_bytes(a, tar, fd, e) < 0)
		return -1;
	if (a->have < a->file->size)
		return 0;
	if (finish(a->file, fd, &a->hasher, e) < 0)
		return -1;
	a->whole = true;
	w->left--;
	return 0;
}

static int read_volume(struct writing *w, const char *path, struct err *e)
{
	AUTO(fd_close) int fd = -1;
	AUTO(tar_close) struct tar_reader *tar = NULL;
	struct tar_entry entry;
	int rc = 0;

	if (medium_open(path, &fd, e) < 0 || tar_open(&tar, fd, path, 0, e) < 0)
		return -1;
	while (w->left && (rc = tar_next(tar, &entry, e)) == 1)
		if (take_entry(w, tar, &entry, e) < 0)
			return err_ctx(e, "%s", path);
	return rc < 0 ? -1 : 0;
}

/* Bytes that arrived. */
static uint64_t arrived(const struct writing *w)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < w->files->count; i++) {
		const struct extract_file *f = &w->files->items[i];
		const struct arriving *a = digest_map_find(&w->blobs, &f->digest);

		sum += a->file == f ? a->have : 0;
	}
	return sum;
}

/* Read volumes until a round brings nothing: they may have been named in any order. */
static int read_rounds(struct writing *w, const struct medium_paths *paths, struct err *e)
{
	uint64_t before;

	do {
		before = arrived(w);
		for (size_t i = 0; i < paths->count && w->left; i++)
			if (read_volume(w, paths->items[i], e) < 0)
				return -1;
	} while (w->left && arrived(w) > before);
	return 0;
}

/* Fill the other files of a blob. */
static int copy_arrived(struct writing *w, const struct extract_file *f, struct err *e)
{
	const struct arriving *a = digest_map_find(&w->blobs, &f->digest);
	AUTO(reader_close) struct blob_reader r = BLOB_READER_INIT;
	char text[DIGEST_TEXT_SIZE];

	if (!a->whole)
		return err_set(e, ERR_INCOMPLETE, "%s: %s (%s) is not " EXTRACT_NOT_ON_MEDIUM,
			f->reference, f->path, digest_text(&f->digest, text));
	if (a->file == f)
		return 0;
	if (a->file->size != f->size)
		return err_set(e, ERR_CORRUPT, "%s: %s has another size than its manifest says",
			f->reference, f->path);
	if (fs_open_file(w->folder.root, a->file->path, &r.fd, &r.size, e) <= 0)
		return err_set(e, ERR_IO, "%s is gone", a->file->path);
	return copy(w, f, &r, e);
}

static int write_from(struct writing *w, const struct texts *from, struct err *e)
{
	AUTO(medium_paths_release) struct medium_paths paths = { NULL, 0 };

	if (medium_paths_find(&paths, from->items, from->count, e) < 0)
		return -1;
	expect(w);
	if (read_rounds(w, &paths, e) < 0)
		return -1;
	for (size_t i = 0; i < w->files->count; i++)
		if (copy_arrived(w, &w->files->items[i], e) < 0)
			return -1;
	return 0;
}

/* --- both ----------------------------------------------------------------------------------- */

static int check_room(const struct writing *w, const char *to, struct err *e)
{
	uint64_t room, need = extract_bytes(w->files);

	if (fs_free_bytes(w->folder.parent, &room, e) < 0)
		return -1;
	if (need <= room)
		return 0;
	return err_set(
		e, ERR_FULL, "%s: %llu bytes are missing", to, (unsigned long long)(need - room));
}

static int sync_folders(const struct writing *w, struct err *e)
{
	for (size_t i = 0; i < w->files->count; i++)
		if (folder_sync_above(&w->folder, w->files->items[i].path,
			    i ? w->files->items[i - 1].path : NULL, e) < 0)
			return -1;
	return 0;
}

int extract_write(const struct extract_files *f, struct store *s, const struct texts *from,
	const char *to, struct err *e)
{
	AUTO(writing_release)
	struct writing w = { .files = f,
		.folder = FOLDER_INIT,
		.blobs = { .done = arriving_done },
		.chunk = mem_alloc(CHUNK) };

	if (folder_make(&w.folder, to, e) < 0 || check_room(&w, to, e) < 0)
		return -1;
	if ((s ? write_held(&w, s, e) : write_from(&w, from, e)) < 0 || sync_folders(&w, e) < 0)
		return -1;
	return folder_keep(&w.folder, e);
}
