/*
 * URLs as plain data, and the questions that redirects and token realms raise about them.
 * Parsing is libcurl's (http.c), so that what is judged here is what will be connected to.
 */
#ifndef MOAT_UPSTREAM_URL_H
#define MOAT_UPSTREAM_URL_H

#include <stdbool.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"

#define URL_MAX 8192 /* bytes; signed CDN addresses reach 2 KiB */
#define URL_HOST_MAX 255

struct url {
	bool https; /* else http: no other scheme gets this far */
	char host[URL_HOST_MAX + 1]; /* lower case; IPv6 in brackets; numbers as a.b.c.d */
	unsigned port; /* never 0 */
	char *text; /* the whole URL, normalised, without user and fragment; heap */
};
#define URL_INIT                                                                                   \
	{                                                                                          \
		.port = 0                                                                          \
	}

void url_release(struct url *u); /* for AUTO; leaves it empty */

bool url_same_origin(const struct url *a, const struct url *b); /* scheme, host and port */

/* "host" or "host:port" as in references and folders of certificates: the port of the scheme is
 * left out. */
const char *url_authority(const struct url *u, char text[URL_HOST_MAX + 8]);

/* Is the host a literal address, or a name, that only this machine or its own network has:
 * loopback, private, link-local, shared, unspecified, multicast; localhost? */
bool url_is_private(const struct url *u);

/* The same for an address as `struct sockaddr` holds it; only what no foreign name may lead to:
 * loopback, link-local, unspecified. */
struct sockaddr;
bool address_is_local(const struct sockaddr *addr);

/* Equal hosts, or names under one registrable domain (public suffix list). */
bool url_same_domain(const char *host, const char *other);

/* Where a message may show it: without user and query, which may be secrets. */
void url_redacted(struct buf *out, const char *text);

/* Append `text` percent-encoded as a query value or form field. */
void url_encode(struct buf *out, const char *text);

#endif
