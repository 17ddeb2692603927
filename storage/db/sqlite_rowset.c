/* A rowset as a table: rowset(?1), an eponymous virtual table over memory. Must never outlive its statement. */
#include "storage/db/sqlite_private.h"

#include <stdlib.h>

#include "storage/base/banned.h"

#define SOURCE ROWSET_COLUMNS_MAX /* the hidden column: the parameter */

struct cursor {
	sqlite3_vtab_cursor base;
	const struct rowset *rows;
	size_t at, count;
};

static int rowset_connect(sqlite3 *conn, void *aux, int argc, const char *const *argv,
	sqlite3_vtab **out, char **text)
{
	int rc = sqlite3_declare_vtab(
		conn, "CREATE TABLE x (c0, c1, c2, c3, c4, c5, source HIDDEN)");

	(void)aux, (void)argc, (void)argv, (void)text;
	if (rc != SQLITE_OK)
		return rc;
	*out = mem_alloc(sizeof(**out));
	return sqlite3_vtab_config(conn, SQLITE_VTAB_INNOCUOUS);
}

static int rowset_disconnect(sqlite3_vtab *table)
{
	free(table);
	return SQLITE_OK;
}

/* Never without its parameter, so that no plan can turn it inside out. */
static int rowset_best(sqlite3_vtab *table, sqlite3_index_info *info)
{
	(void)table;
	for (int i = 0; i < info->nConstraint; i++) {
		const struct sqlite3_index_constraint *c = &info->aConstraint[i];

		if (c->iColumn != SOURCE || c->op != SQLITE_INDEX_CONSTRAINT_EQ)
			continue;
		if (!c->usable)
			return SQLITE_CONSTRAINT;
		info->aConstraintUsage[i].argvIndex = 1;
		info->aConstraintUsage[i].omit = 1;
		info->estimatedCost = 100;
		info->estimatedRows = 100;
		return SQLITE_OK;
	}
	return SQLITE_CONSTRAINT;
}

static int rowset_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
	struct cursor *c = mem_alloc(sizeof(*c));

	(void)table;
	*out = &c->base;
	return SQLITE_OK;
}

static int rowset_close(sqlite3_vtab_cursor *cursor)
{
	free(cursor);
	return SQLITE_OK;
}

static int rowset_filter(
	sqlite3_vtab_cursor *cursor, int plan, const char *name, int argc, sqlite3_value **argv)
{
	struct cursor *c = (struct cursor *)cursor;

	(void)plan, (void)name, (void)argc;
	c->rows = sqlite3_value_pointer(argv[0], "rowset");
	c->at = 0;
	c->count = c->rows ? rowset_rows(c->rows) : 0;
	return SQLITE_OK;
}

static int rowset_next(sqlite3_vtab_cursor *cursor)
{
	((struct cursor *)cursor)->at++;
	return SQLITE_OK;
}

static int rowset_eof(sqlite3_vtab_cursor *cursor)
{
	const struct cursor *c = (struct cursor *)cursor;

	return c->at >= c->count;
}

static const char *bytes_of(const struct cursor *c, const struct rowset_cell *cell)
{
	return c->rows->bytes.data + cell->number;
}

static int rowset_column(sqlite3_vtab_cursor *cursor, sqlite3_context *out, int column)
{
	const struct cursor *c = (struct cursor *)cursor;
	const struct rowset_cell *cell;

	if ((unsigned)column >= c->rows->columns)
		return SQLITE_OK; /* NULL */
	cell = &c->rows->cells[c->at * c->rows->columns + (unsigned)column];
	if (cell->type == CELL_INT)
		sqlite3_result_int64(out, cell->number);
	else if (cell->type == CELL_TEXT)
		sqlite3_result_text(out, bytes_of(c, cell), (int)cell->len, SQLITE_STATIC);
	else if (cell->type == CELL_BYTES)
		sqlite3_result_blob(out, bytes_of(c, cell), (int)cell->len, SQLITE_STATIC);
	return SQLITE_OK;
}

static int rowset_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *id)
{
	*id = (sqlite3_int64)((struct cursor *)cursor)->at;
	return SQLITE_OK;
}

static const sqlite3_module module = {
	.xConnect = rowset_connect,
	.xDisconnect = rowset_disconnect,
	.xBestIndex = rowset_best,
	.xOpen = rowset_open,
	.xClose = rowset_close,
	.xFilter = rowset_filter,
	.xNext = rowset_next,
	.xEof = rowset_eof,
	.xColumn = rowset_column,
	.xRowid = rowset_rowid,
};

int sqlite_rowset_add(sqlite3 *conn)
{
	return sqlite3_create_module(conn, "rowset", &module, NULL);
}
