/* The reader of a list and what its files share; for list.c and list_files.c only. */
#ifndef MOAT_LIST_READ_H
#define MOAT_LIST_READ_H

#include "mirror-tool/list/list.h"

struct reader {
	struct list *list;
	const struct doc *doc;
	struct platforms platforms; /* the default of the list */
	struct exceptions exceptions; /* likewise */
};

MUST int list_parse_ref(
	struct ref *r, const struct doc *d, const struct node *n, const char *text, struct err *e);

/* `files:` of the list's root, after `registries:` was read. */
MUST int list_read_files(struct reader *r, const struct node *map, struct err *e);

#endif
