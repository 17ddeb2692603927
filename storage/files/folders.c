/* The folders of a local store. Must never leave one whose name is not durable with blobs in it. */
#include <unistd.h>

#include "storage/files/files_private.h"

#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define OCI_LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

int files_alg_dir(struct files *f, enum digest_alg alg, struct err *e)
{
	if (f->alg[alg] < 0)
		f->alg[alg] = fs_open_dir_at(f->blobs, digest_alg_name(alg), e);
	return f->alg[alg];
}

int files_alg_dir_made(struct files *f, enum digest_alg alg, struct err *e)
{
	if (f->alg[alg] >= 0)
		return f->alg[alg];
	if (fs_make_dir_at(f->blobs, digest_alg_name(alg), 0755, e) < 0 ||
		fs_sync(f->blobs, "blobs", e) < 0)
		return -1;
	return files_alg_dir(f, alg, e);
}

/* Make the folders of a store, and last the file that makes it an OCI layout, all durable. */
static int make_layout(struct files *f, struct err *e)
{
	static const char *const dirs[] = { "blobs", "blobs/sha256", "stage", "meta" };
	struct span layout = span_of(OCI_LAYOUT);

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (fs_make_dir_at(f->root, dirs[i], 0755, e) < 0)
			return -1;
	if (faccessat(f->root, "oci-layout", F_OK, 0) == 0)
		return 0;
	f->blobs = fs_open_dir_at(f->root, "blobs", e);
	if (f->blobs < 0 || fs_sync(f->blobs, "blobs", e) < 0)
		return -1;
	fd_close(&f->blobs);
	return fs_replace_file(f->root, "oci-layout", layout, 0644, e);
}

int files_open_dirs(struct files *f, enum store_mode mode, struct err *e)
{
	if (mode == STORE_WRITE && make_layout(f, e) < 0)
		return -1;
	f->blobs = fs_open_dir_at(f->root, "blobs", e);
	if (f->blobs < 0)
		return -1;
	if (mode == STORE_READ)
		return 0;
	if (files_alg_dir(f, DIGEST_SHA256, e) < 0)
		return -1;
	f->stage = fs_open_dir_at(f->root, "stage", e);
	return f->stage < 0 ? -1 : 0;
}
