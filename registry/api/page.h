/* What lists in pages share: their size, their JSON array, and the Link to the next page. A page belongs to
 * one request. */
#ifndef MOAT_PAGE_H
#define MOAT_PAGE_H

#include "registry/api/context.h"

struct page {
	struct buf json; /* "a","b" */
	char last[NAME_MAX_BYTES + 1]; /* the last name, as the store has it */
};
void page_release(struct page **p); /* for AUTO; releases, does not free */

/* The size of the page: ?n= within its limits. */
unsigned page_size(const struct route *route, unsigned usual, unsigned most);

/* Add a name: a name_fn of page_tags() and page_repos(), with the page as ctx. */
int page_add(void *ctx, const char *name, struct err *e);

int page_add_tag(void *ctx, const char *tag, struct err *e); /* a tag needs no quoting */

/* Write the array and the end of the body, and set its type. */
void page_end(struct page *p, struct reply *r);

/* Set Link: <PATH?[n=N&]last=LAST[&artifactType=T...][&ns=NS]>; rel="next". n 0: none. */
void page_link(
	struct reply *r, const struct route *route, const char *path, unsigned n, const char *last);

#endif
