/*
 * A request as handlers see it: what the framing checks let through, nothing of the HTTP library. Text is
 * borrowed and lives as long as the request. NULL: the header was not sent. One thread at a time.
 */
#ifndef MOAT_REQUEST_H
#define MOAT_REQUEST_H

#include "registry/api/route.h"
#include "registry/ops/address.h"

struct who;

enum method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_PATCH,
	METHOD_DELETE,
	METHOD_OTHER, /* known to HTTP, of no use here */
	METHOD_COUNT
};

#define LENGTH_UNKNOWN UINT64_MAX /* the body comes in chunks */

struct request {
	enum method method;
	const char *uri; /* raw, as it came */
	struct route route; /* what the target means: request_route() */
	bool routed; /* else only route.kind is known, and only after an answer from the cache */
	const char *range, *if_range, *if_none_match;
	const char *authorization, *content_type, *content_range, *host;
	uint64_t length; /* bytes of the body, 0 when there is none; or LENGTH_UNKNOWN */
	const char *id; /* ours or the client's X-Request-Id, safe in a header and in a log line */
	const struct address *peer; /* NULL in tests */
	const struct who *who; /* the caller; NULL without auth */
};

/* Parse the target unless that was done: an answer from the cache needs no route. Handlers are called with a
 * parsed one. q->route is to be released. */
static inline const struct route *request_route(struct request *q)
{
	if (!q->routed)
		route_parse(&q->route, span_of(q->uri));
	q->routed = true;
	return &q->route;
}

static inline bool request_reads(const struct request *q)
{
	return q->method == METHOD_GET || q->method == METHOD_HEAD;
}

#endif
