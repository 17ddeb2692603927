/* Parameters and columns that are more than a number or a text. Only the files of meta/ include this. */
#ifndef MOAT_META_ROWS_H
#define MOAT_META_ROWS_H

#include "storage/meta/meta.h"

/* Digests as the database keeps them: the algorithm's byte, then the raw ones. */
void query_digest(struct query *q, const struct digest *d);
MUST int query_get_digest(const struct query *q, int column, struct digest *d, struct err *e);
/* digest, size, media type */
MUST int query_get_info(const struct query *q, int first, struct manifest_info *out, struct err *e);
/* Run a statement whose one parameter is rows, unless there are none. *changes: rows that it changed. */
MUST int query_run_rows(struct db *db, enum query_name name, const struct rowset *r,
	uint64_t *changes, struct err *e);
/* Run an INSERT ... RETURNING id. */
MUST int query_id(struct query *q, int64_t *id, struct err *e);

#endif
