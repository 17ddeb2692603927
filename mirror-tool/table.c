/* Tables. A cell stays one line, whatever its text holds. */
#include "mirror-tool/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/printable.h"
#include "storage/base/banned.h"

static char *printable(const char *text)
{
	AUTO(buf_release) struct buf cell = BUF_INIT;

	printable_add(&cell, span_of(text), PRINTABLE_LINE);
	return buf_detach(&cell);
}

void table_row(struct table *t, ...)
{
	va_list ap;

	t->cells = mem_grow(t->cells, t->count + t->columns, sizeof(*t->cells));
	va_start(ap, t);
	for (size_t i = 0; i < t->columns; i++)
		t->cells[t->count++] = printable(va_arg(ap, const char *));
	va_end(ap);
}

void table_print(const struct table *t, FILE *out)
{
	size_t width[TABLE_COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < t->count; i++)
		if (strlen(t->cells[i]) > width[i % t->columns])
			width[i % t->columns] = strlen(t->cells[i]);
	for (size_t i = 0; i < t->count; i++) {
		size_t column = i % t->columns;

		if (column + 1 == t->columns)
			fprintf(out, "%s\n", t->cells[i]);
		else
			fprintf(out, "%-*s  ", (int)width[column], t->cells[i]);
	}
}

void table_release(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->count = 0;
}
