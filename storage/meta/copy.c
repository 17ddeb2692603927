/* The database as a file of its own. */
#include "storage/meta/rows.h"

#include "storage/base/banned.h"

int meta_copy(struct db *db, const char *path, struct err *e)
{
	AUTO(query_end) struct query q = query_begin(db, Q_ALL_COPY);

	query_text(&q, path);
	return query_run(&q, e);
}
