/*
 * Is this request framed so that every program on its way reads it the same way (RFC 9112 11.2)?
 *
 * Pure. The HTTP library accepts more than it should (both lengths, a length twice, a space before
 * the colon); whatever is doubtful is answered 400 and the connection closed. Headers that we use
 * are noted on the way.
 */
#ifndef MOAT_FRAMING_H
#define MOAT_FRAMING_H

#include "registry/api/request.h"
#include "storage/base/buf.h"

struct framing {
	const char *wrong; /* what is wrong, or NULL */
	unsigned seen; /* bits of headers that may come once */
	bool chunked;
	bool expects; /* Expect: 100-continue */
	uint64_t length; /* Content-Length; 0 when absent */
	/* borrowed; NULL when absent */
	const char *range, *if_range, *if_none_match, *request_id;
	const char *authorization, *content_type, *content_range, *host;
};

void framing_init(struct framing *f); /* before the first header */

/* Check one header line and note what is used. value must be NUL-terminated at value.len; it is borrowed. */
void framing_header(struct framing *f, struct span name, struct span value);

/* Check the whole, after the last header. http_1_0: no Host is needed then. NULL, or what is wrong, a
 * constant. */
const char *framing_end(struct framing *f, bool http_1_0);

/* Read a method: one that is served, METHOD_OTHER for another known one, or -1. Exact bytes, upper case. */
MUST int framing_method(const char *text, enum method *out);

#endif
