/* Blobs under their names. Must never look into a blob, and never write to one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "storage/files/files_private.h"

#include "storage/base/fs.h"
#include "storage/base/banned.h"

int files_publish_sync(struct blobs *b, struct err *e)
{
	struct files *f = files_of(b);

	for (int alg = DIGEST_SHA256; alg < ALGS; alg++) {
		if (!f->unsynced[alg])
			continue;
		if (fs_sync(f->alg[alg], "blobs", e) < 0)
			return -1;
		f->unsynced[alg] = false;
	}
	return 0;
}

/* Join the time of the last write and the inode: a file that was put back from a copy has another stamp, and is
 * read again. The device's number differs by boot, so it has no part in this. */
static uint64_t stamp_of(const struct stat *st)
{
	uint64_t written = (uint64_t)st->st_mtim.tv_sec * 1000000000u;
	uint64_t stamp = (written + (uint64_t)st->st_mtim.tv_nsec) ^
			 (uint64_t)st->st_ino * 0x9e3779b97f4a7c15u;

	return stamp ? stamp : 1;
}

int files_stat_at(int dir, const char *name, struct blob_file *out, struct err *e)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%s", name);
	*out = (struct blob_file){ .id = { st.st_dev, st.st_ino },
		.size = (uint64_t)st.st_size,
		.stamp = stamp_of(&st),
		.regular = S_ISREG(st.st_mode) };
	return 1;
}

/* Paths begin at blobs/, not at blobs/ALG, whose descriptors are opened by one thread only: so any thread may
 * open a blob. */
#define BLOB_PATH_SIZE DIGEST_TEXT_SIZE

static const char *blob_path(const struct digest *d, char path[BLOB_PATH_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	snprintf(path, BLOB_PATH_SIZE, "%s/%s", digest_alg_name(d->alg), digest_hex(d, hex));
	return path;
}

int files_blob_open(struct blobs *b, const struct digest *d, struct blob_reader *r, struct err *e)
{
	char path[BLOB_PATH_SIZE];

	return fs_open_file(files_of(b)->blobs, blob_path(d, path), &r->fd, &r->size, e);
}

int files_blob_stat(struct blobs *b, const struct digest *d, struct blob_file *out, struct err *e)
{
	char path[BLOB_PATH_SIZE];

	return files_stat_at(files_of(b)->blobs, blob_path(d, path), out, e);
}

int files_blob_sync(struct blobs *b, const struct digest *d, struct err *e)
{
	AUTO(reader_close) struct blob_reader r = BLOB_READER_INIT;
	int rc = files_blob_open(b, d, &r, e);

	if (rc <= 0)
		return rc < 0 ? -1 : err_set(e, ERR_ABSENT, "the blob is not there");
	if (fs_sync(r.fd, "blob", e) < 0 || files_alg_dir(files_of(b), d->alg, e) < 0)
		return -1;
	return fs_sync(files_of(b)->alg[d->alg], "blobs", e);
}

static int scan_dir(struct files *f, enum digest_alg alg, scan_fn *fn, stray_fn *stray, void *ctx,
	struct err *e)
{
	AUTO(fs_names_free) struct fs_names list = { NULL, 0 };

	if (fs_list(f->alg[alg], &list, e) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		const char *name = list.names[i];
		uint64_t size = BLOB_SIZE_UNKNOWN;
		bool regular = true;
		struct digest d;
		struct stat st;
		int rc;

		if (fstatat(f->alg[alg], name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			regular = S_ISREG(st.st_mode);
			size = (uint64_t)st.st_size;
		} else if (errno == ENOENT) {
			continue;
		} else if (err_code_of(errno) != ERR_IO) {
			return err_sys(e, "blobs/%s/%s", digest_alg_name(alg), name);
		}
		if (digest_from_hex(&d, alg, span_of(name), e) < 0 || !regular)
			rc = stray(ctx, name, e);
		else
			rc = fn(ctx, &d, size, e);
		if (rc < 0)
			return -1;
	}
	return 0;
}

int files_scan(struct blobs *b, scan_fn *fn, stray_fn *stray, void *ctx, struct err *e)
{
	for (int alg = DIGEST_SHA256; alg < ALGS; alg++) {
		if (files_alg_dir(files_of(b), (enum digest_alg)alg, e) < 0) {
			if (e->code == ERR_ABSENT)
				continue;
			return -1;
		}
		if (scan_dir(files_of(b), (enum digest_alg)alg, fn, stray, ctx, e) < 0)
			return -1;
	}
	return 0;
}

int files_index_open(struct blobs *b, struct blob_reader *r, struct err *e)
{
	return fs_open_file(files_of(b)->root, "index.json", &r->fd, &r->size, e);
}

int files_free_bytes(struct blobs *b, uint64_t *bytes, struct err *e)
{
	return fs_free_bytes(files_of(b)->blobs, bytes, e);
}
