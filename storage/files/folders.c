/* The folders of a local store. Must never leave one whose name is not durable with blobs in it. */
#include <unistd.h>

#include "storage/files/files_private.h"

#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define OCI_LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

int files_alg_dir(struct files *fs, enum digest_alg alg, struct err *e)
{
	if (fs->alg[alg] < 0)
		fs->alg[alg] = fs_open_dir_at(fs->blobs, digest_alg_name(alg), e);
	return fs->alg[alg];
}

int files_alg_dir_made(struct files *fs, enum digest_alg alg, struct err *e)
{
	if (fs->alg[alg] >= 0)
		return fs->alg[alg];
	if (fs_make_dir_at(fs->blobs, digest_alg_name(alg), 0755, e) < 0 ||
		fs_sync(fs->blobs, "blobs", e) < 0)
		return -1;
	return files_alg_dir(fs, alg, e);
}

/* The directories of a store, and the file that makes it an OCI layout, last and synced. */
static int make_layout(struct files *fs, struct err *e)
{
	static const char *const dirs[] = { "blobs", "blobs/sha256", "stage", "meta" };
	struct span layout = span_of(OCI_LAYOUT);

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (fs_make_dir_at(fs->root, dirs[i], 0755, e) < 0)
			return -1;
	if (faccessat(fs->root, "oci-layout", F_OK, 0) == 0)
		return 0;
	fs->blobs = fs_open_dir_at(fs->root, "blobs", e);
	if (fs->blobs < 0 || fs_sync(fs->blobs, "blobs", e) < 0)
		return -1;
	fd_close(&fs->blobs);
	return fs_replace_file(fs->root, "oci-layout", layout, 0644, e);
}

int files_open_dirs(struct files *fs, enum store_mode mode, struct err *e)
{
	if (mode == STORE_WRITE && make_layout(fs, e) < 0)
		return -1;
	fs->blobs = fs_open_dir_at(fs->root, "blobs", e);
	if (fs->blobs < 0)
		return -1;
	if (mode == STORE_READ)
		return 0;
	if (files_alg_dir(fs, DIGEST_SHA256, e) < 0)
		return -1;
	fs->stage = fs_open_dir_at(fs->root, "stage", e);
	return fs->stage < 0 ? -1 : 0;
}
