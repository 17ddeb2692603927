/* The default engine: blobs in local files, metadata in SQLite beside them. */
#include "storage/files/files.h"

#include "storage/base/banned.h"

const struct engine engine_local = {
	.name = "local files and SQLite",
	.open_blobs = files_open,
	.db = &db_sqlite,
};
