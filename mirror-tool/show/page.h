/*
 * What `moat show` says: lines for people, or the members of one JSON object, from the same calls.
 *
 *	page_fact(p, "version", "1.0");		a line "version      1.0", or a member that is always there
 *	page_list_begin(p, "images");		a heading, or a member that is a list
 *	page_item_begin(p); ... page_item_end(p);	in JSON the braces of an item; its text is the caller's
 *	page_list_end(p);
 */
#ifndef MOAT_SHOW_PAGE_H
#define MOAT_SHOW_PAGE_H

#include "mirror-tool/look/look.h"
#include "storage/base/buf.h"

struct page {
	struct look *look; /* what is shown; borrowed */
	bool json;
	struct buf text; /* so far */
};

void page_release(struct page *p);

/* A line for people. What is said in it may come from outside and hold line feeds: it stays one line. */
void page_words(struct page *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
void page_fact(struct page *p, const char *label, const char *value); /* no line for "" */
void page_fact_digest(struct page *p, const char *label, const struct digest *d); /* none: as "" */
void page_fact_bytes(struct page *p, const char *label, uint64_t bytes);
void page_list_begin(struct page *p, const char *label);
void page_list_end(struct page *p);
void page_item_begin(struct page *p);
void page_item_end(struct page *p);

#endif
