/*
 * Rows gathered in memory, to be one parameter of one statement: what would else be a round trip a row. Cells
 * come row by row, each row of the same columns:
 *
 *	AUTO(rowset_release) struct rowset r = ROWSET_INIT(2);
 *	rowset_bytes(&r, key, len);
 *	rowset_int(&r, size);
 *	query_rowset(&q, &r);
 *
 * In SQLite a statement reads it as rowset(?1), a table with the columns c0, c1 ... and the rowid from 0; a
 * server has arrays for that.
 */
#ifndef MOAT_DB_ROWSET_H
#define MOAT_DB_ROWSET_H

#include "storage/base/buf.h"

#define ROWSET_COLUMNS_MAX 6

struct rowset_cell {
	enum { CELL_NULL, CELL_INT, CELL_TEXT, CELL_BYTES } type;
	int64_t number; /* of text and bytes: where they begin in `bytes` */
	size_t len; /* without the NUL behind a text */
};

struct rowset {
	unsigned columns;
	struct rowset_cell *cells; /* row by row */
	size_t count; /* cells */
	struct buf bytes;
};
#define ROWSET_INIT(n)                                                                             \
	{                                                                                          \
		.columns = (n), .bytes = BUF_INIT                                                  \
	}
void rowset_release(struct rowset *r); /* for AUTO */

/* The next cell, row by row and in each from the first column. */
void rowset_null(struct rowset *r);
void rowset_int(struct rowset *r, int64_t value);
void rowset_text(struct rowset *r, const char *text); /* copied */
void rowset_bytes(struct rowset *r, const void *bytes, size_t len); /* copied */

static inline size_t rowset_rows(const struct rowset *r)
{
	return r->count / r->columns;
}

#endif
