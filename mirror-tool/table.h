/* Rows of text for people: columns as wide as their widest cell, two spaces between them. */
#ifndef MOAT_TABLE_H
#define MOAT_TABLE_H

#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 8

struct table {
	size_t columns;
	char **cells; /* row by row */
	size_t count;
};

/* The first row is the heading. Exactly t->columns strings follow; they are copied. */
void table_row(struct table *t, ...);
void table_print(const struct table *t, FILE *out);
void table_release(struct table *t); /* for AUTO */

#endif
