/* Header values that control a transfer. Pure; hostile input. Spans point into the value. */
#ifndef MOAT_UPSTREAM_HEADERS_H
#define MOAT_UPSTREAM_HEADERS_H

#include <time.h>

#include "storage/base/buf.h"

/* Read `bytes 5-9/10`; total is UINT64_MAX for `*`. False when it is anything else. */
struct content_range {
	uint64_t first, last, total;
};
bool content_range_parse(struct span value, struct content_range *out);

/* Read `Retry-After` as seconds from `now`, at most a year: a number, or an HTTP date (RFC 9110
 * 10.2.3, all three forms). -1 when it is neither. */
int64_t retry_after_parse(struct span value, time_t now);

/* Read the first number of `ratelimit-remaining: 76;w=21600`, and its window in seconds (0: none).
 * False: no number. */
bool rate_limit_parse(struct span value, uint64_t *left, uint64_t *window);

/* Find the target of the first link with rel="next" (RFC 8288), verbatim; without one, of the first
 * without rel: registries send such, and all clients follow them. Returns 1, 0 none, -1 unreadable.
 * Missing angle brackets are accepted. */
int link_next(struct span value, struct span *target);

/* Copy the type without parameters, lower case: `application/json; charset=utf-8` to
 * `application/json`; "" when it is no type, or longer than `room` - 1. */
void content_type_parse(struct span value, char *out, size_t room);

/* Is this Content-Encoding gzip, alone? */
bool coding_is_gzip(struct span value);

#endif
