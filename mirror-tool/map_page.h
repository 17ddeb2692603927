/*
 * A map of policies as one HTML page: a picture, a search, a table. It stands alone: no network, no other file, light and
 * dark as the reader has it. Text of manifests is escaped.
 */
#ifndef MOAT_MAP_PAGE_H
#define MOAT_MAP_PAGE_H

#include "mirror-tool/policy/map.h"
#include "mirror-tool/report.h"

#define MAP_PAGE_NODES_MAX 150 /* workloads in the picture; with more there is none */

/* The page up to its table: rows follow, then the end. Lines for people only (report_line()). */
void map_page_begin(struct report *r, const struct map *m, const struct map_choice *from,
	const struct map_choice *to);
void map_page_row(struct report *r, const char *src, const char *dst, const char *allow,
	const char *unknown, const char *reasons);
void map_page_end(struct report *r);

#endif
