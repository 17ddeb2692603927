/* Header values that steer a transfer. Pure: text in, numbers out; hostile input. */
#ifndef MOAT_UPSTREAM_HEADERS_H
#define MOAT_UPSTREAM_HEADERS_H

#include <time.h>

#include "storage/base/buf.h"

/* `bytes 5-9/10`. total is UINT64_MAX for `*`. False when it is anything else. */
struct content_range {
	uint64_t first, last, total;
};
bool content_range_parse(struct span value, struct content_range *out);

/* `Retry-After` in seconds from `now`, at most a year: a number, or an HTTP date (RFC 9110
 * 10.2.3, all three forms). -1 when it is neither. */
int64_t retry_after_parse(struct span value, time_t now);

/* First number of `ratelimit-remaining: 76;w=21600`, and its window in seconds (0: not said). */
bool rate_limit_parse(struct span value, uint64_t *left, uint64_t *window);

/* The target of the first link with rel="next" (RFC 8288), verbatim; without one, of the first that
 * has no rel at all: registries send such, and all clients follow them. 1, 0 none, -1 no Link that can
 * be understood. Missing angle brackets are forgiven. */
int link_next(struct span value, struct span *target);

/* `application/json; charset=utf-8` to `application/json`, lower case; "" when it is no type. */
void content_type_parse(struct span value, char *out, size_t room);

/* Is this Content-Encoding gzip, alone? */
bool coding_is_gzip(struct span value);

#endif
