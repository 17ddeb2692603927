/* The default engine: blobs in local files, metadata in SQLite beside them. */
#include "storage/blobs_fs.h"
#include "storage/engine.h"

#include "storage/base/banned.h"

const struct engine engine_local = {
	.name = "local files and SQLite",
	.open_blobs = blobs_fs_open,
	.db = &db_sqlite,
};
