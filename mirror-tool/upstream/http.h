/*
 * A thin layer over libcurl, its only user: many HTTP/1.1 transfers on one thread, one connection
 * pool. Knows no registry: no redirect is followed, no status is judged, nothing is tried again.
 * Plain http happens only when the URL says so; proxies come from the environment (http_proxy,
 * HTTPS_PROXY, NO_PROXY); netrc and cookies are off, and no content coding is asked for.
 */
#ifndef MOAT_UPSTREAM_HTTP_H
#define MOAT_UPSTREAM_HTTP_H

#include "mirror-tool/upstream/certs.h"
#include "mirror-tool/upstream/url.h"

#define HEADERS_MAX (64u << 10) /* bytes of one answer's headers */

/* Parse `text`, against `base` when that is not NULL (relative Location and Link). ERR_INPUT: no
 * http or https URL, over URL_MAX, with a user in it. */
MUST int url_parse(struct url *u, const struct url *base, struct span text, struct err *e);

enum http_header {
	HTTP_CONTENT_TYPE,
	HTTP_CONTENT_RANGE,
	HTTP_CONTENT_DIGEST, /* Docker-Content-Digest */
	HTTP_LOCATION,
	HTTP_LINK,
	HTTP_AUTHENTICATE, /* WWW-Authenticate */
	HTTP_RETRY_AFTER,
	HTTP_RATE_REMAINING, /* ratelimit-remaining */
	HTTP_CODING, /* Content-Encoding */
	HTTP_FRAMING, /* Transfer-Encoding */
	HTTP_HEADER_COUNT
};

struct http_head {
	int status;
	bool has_length; /* of the bytes that `data` gets */
	uint64_t length; /* Content-Length */
	struct span
		value[HTTP_HEADER_COUNT]; /* repeated ones joined with ", "; empty when absent */
};

struct http_request {
	const char *url;
	bool head; /* HEAD instead of GET */
	const char *form; /* POST of this form body instead */
	const char *accept; /* NULL: any */
	const char *authorization; /* NULL: none */
	const char *range; /* "0-0", "1000-"; NULL: all */
	const struct certs *certs; /* NULL: system; must live as long as the connection pool */
	bool with_client; /* present the client certificate of `certs` */
	bool foreign; /* refuse loopback and link-local addresses, whatever the name */
	bool bulk; /* a large body is expected */
	bool decode; /* undo a content coding that was not asked for */
};

/* Negative results end the transfer with e. The text of `head` lives until `end` returns. */
struct http_handler {
	int (*head)(void *ctx, const struct http_head *head, struct err *e);
	int (*data)(void *ctx, const char *data, size_t len, struct err *e);
	/* Exactly once, from http_step(); 0, or -1 with e. again: another try may help. The transfer
	 * is gone when this is called, except for the head's text. */
	void (*end)(void *ctx, int rc, bool again, struct err *e);
};

struct http;
struct transfer;

/* Begin without transfers, with the proxies of the environment. ERR_IO: libcurl does not start. */
MUST int http_new(struct http **h, struct err *e);
void http_free(struct http **h); /* transfers are dropped without a call */

/* Not from within head or data. Everything in `r` is copied but certs. */
MUST int http_begin(struct http *h, const struct http_request *r, const struct http_handler *fn,
	void *ctx, struct transfer **t, struct err *e);

/* Move all transfers on; wait at most `wait_ms` when none can. */
MUST int http_step(struct http *h, int wait_ms, struct err *e);

/* The bundle of authorities that is used without certs. */
const char *http_system_bundle(void);

#endif
