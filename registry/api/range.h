/*
 * The Range header (RFC 9110 14.1, 14.2) as registries' clients use it.
 *
 * Pure. What is not a byte range is ignored, as the RFC wants; ranges stay as they were asked for,
 * in their order and never merged, because clients of zstd:chunked images count the parts.
 */
#ifndef MOAT_RANGE_H
#define MOAT_RANGE_H

#include "storage/base/buf.h"

#define RANGES_MAX 1024 /* in one header; podman halves its request when told 400 */

struct range {
	uint64_t first, last; /* inclusive; last < size */
};

enum range_answer {
	RANGE_WHOLE, /* no usable range, or not worth it: 200 */
	RANGE_ONE, /* 206 with items[0] */
	RANGE_PARTS, /* 206 multipart/byteranges */
	RANGE_NOWHERE, /* 416 */
	RANGE_TOO_MANY /* 400 */
};

struct ranges {
	struct range *items; /* NULL when none */
	size_t count;
};
#define RANGES_INIT                                                                                \
	{                                                                                          \
		.items = NULL                                                                      \
	}

/* Read `header` (NULL: absent) for content of `size` bytes. Ranges outside of the content are left out; when
 * more bytes are asked for than there are, the whole is the answer. r is to be released. */
MUST enum range_answer range_parse(struct ranges *r, const char *header, uint64_t size);
void ranges_release(struct ranges *r); /* for AUTO */

/*
 * The body of a multipart/byteranges answer, made as it is read: part headers in between the bytes
 * of the content. Its length is known before.
 */
#define BOUNDARY "moatbyteranges7d1c2f9e55a04b83"

struct parts {
	struct ranges ranges; /* owned */
	uint64_t size; /* of the content */
	uint64_t total; /* of the body */
	uint64_t *start; /* where each part's header begins in the body; count + 1 entries */
};

void parts_init(struct parts *p, struct ranges *r, uint64_t size); /* takes over the ranges */
void parts_release(struct parts *p); /* the ranges too */

/* Read the body at `at` (< total): either text (copied to out, at most max bytes) or bytes of the content.
 * Returns the number of bytes; *content is where they are in the content, or UINT64_MAX when they were text
 * and are in `out` already. */
size_t parts_at(const struct parts *p, uint64_t at, char *out, size_t max, uint64_t *content);

#endif
