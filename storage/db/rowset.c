/* Rows gathered in memory. */
#include "storage/db/rowset.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

void rowset_release(struct rowset *r)
{
	free(r->cells);
	r->cells = NULL;
	r->count = 0;
	buf_release(&r->bytes);
}

void rowset_null(struct rowset *r)
{
	VEC_PUSH(r->cells, r->count)->type = CELL_NULL;
}

void rowset_int(struct rowset *r, int64_t value)
{
	*VEC_PUSH(r->cells, r->count) = (struct rowset_cell){ .type = CELL_INT, .number = value };
}

void rowset_text(struct rowset *r, const char *text)
{
	size_t len = strlen(text);

	*VEC_PUSH(r->cells, r->count) = (struct rowset_cell){
		.type = CELL_TEXT, .number = (int64_t)r->bytes.len, .len = len
	};
	buf_add(&r->bytes, text, len + 1);
}

void rowset_bytes(struct rowset *r, const void *bytes, size_t len)
{
	*VEC_PUSH(r->cells, r->count) = (struct rowset_cell){
		.type = CELL_BYTES, .number = (int64_t)r->bytes.len, .len = len
	};
	buf_add(&r->bytes, bytes, len);
}
