/*
 * A request as handlers see it: what the framing checks let through, nothing of the HTTP library.
 * All text is borrowed and lives as long as the request. NULL: the header was not sent.
 */
#ifndef MOAT_REQUEST_H
#define MOAT_REQUEST_H

#include "registry/route.h"

enum method { METHOD_GET, METHOD_HEAD, METHOD_OTHER };

struct request {
	enum method method;
	const char *uri; /* raw, as it came */
	const struct route *route;
	const char *range, *if_range, *if_none_match;
	const char *id; /* ours or the client's X-Request-Id, safe in a header and in a log line */
};

#endif
