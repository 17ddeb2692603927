/*
 * Parse a raw request target into a route (distribution-spec, "Endpoints").
 *
 * Pure. Paths are read from the right end, because names may hold components called `blobs`, `manifests`,
 * `tags` or `uploads`. Percent escapes are decoded once; an escaped '/', '\', '%' or control byte is refused,
 * so nothing can mean one thing here and another thing below.
 */
#ifndef MOAT_ROUTE_H
#define MOAT_ROUTE_H

#include "storage/oci/digest.h"
#include "storage/oci/media_type.h"
#include "storage/oci/ref.h"

#define URI_MAX 8192 /* bytes of path and query */
#define ROUTE_TYPES_MAX 8 /* artifactType parameters that count; more are refused */
#define ROUTE_TAGS_MAX 32 /* tag parameters of one manifest; more are answered 414 */
#define SESSION_ID_SIZE 33 /* 128 random bits in lower-case hex, and NUL */
#define LAST_MAX (REF_HOST_MAX + 1 + REF_REPO_MAX)

enum route_kind {
	ROUTE_NONE, /* no such route: 404 */
	ROUTE_BASE, /* /v2/ */
	ROUTE_CATALOG,
	ROUTE_DISCOVER,
	ROUTE_TAGS,
	ROUTE_MANIFEST,
	ROUTE_BLOB,
	ROUTE_REFERRERS,
	ROUTE_UPLOADS, /* NAME/blobs/uploads/: a session begins here */
	ROUTE_UPLOAD, /* ... and goes on at this one */
	ROUTE_TOKEN,
	ROUTE_METRICS,
	ROUTE_HEALTH,
	ROUTE_READY,
	ROUTE_COUNT
};

#define PAGE_UNSET (-1)

/* What is wrong with a target, as the error codes of the spec. */
enum route_fault {
	ROUTE_OK,
	ROUTE_BAD_TARGET, /* not a path, or bytes that have no place in one */
	ROUTE_TOO_LONG,
	ROUTE_BAD_NAME,
	ROUTE_BAD_DIGEST,
	ROUTE_BAD_TAG, /* can not exist: to be answered like an unknown manifest */
	ROUTE_BAD_QUERY, /* n, ns or artifactType */
	ROUTE_BAD_ALGORITHM, /* digest-algorithm */
	ROUTE_BAD_TAG_PARAMETER,
	ROUTE_MANY_TAGS
};

struct route {
	enum route_fault fault; /* not ROUTE_OK: kind may be known, nothing else */
	enum route_kind kind;
	char name[REF_REPO_MAX + 1]; /* "" where the route has none */
	char tag[REF_TAG_MAX + 1]; /* ROUTE_MANIFEST by tag; else "" */
	struct digest
		digest; /* manifest by digest, blob, referrers, ?digest= of an upload; else NONE */
	char ns[REF_HOST_MAX + 1]; /* ?ns=, a valid host; "" when absent */
	int64_t n; /* ?n=, PAGE_UNSET when absent; never negative otherwise */
	char last[LAST_MAX + 1]; /* ?last=, "" when absent */

	/* Of pushes. */
	char session[SESSION_ID_SIZE]; /* ROUTE_UPLOAD; "" when it cannot be one of ours */
	bool has_digest; /* ?digest= was there, good or not */
	struct digest mount; /* ?mount=, DIGEST_NONE when absent or not readable */
	char from[REF_REPO_MAX + 1]; /* ?from=, "" when absent or no name */
	enum digest_alg alg; /* ?digest-algorithm=, DIGEST_NONE when absent */
	struct span query; /* raw; borrowed from the target */

	/* Parameters that may come several times: ?artifactType= of referrers, ?tag= of a manifest. */
	unsigned types, tags;
	struct buf values; /* each ends in a NUL: route_value() */
};
#define ROUTE_INIT                                                                                 \
	{                                                                                          \
		.values = BUF_INIT                                                                 \
	}

/* Parse `uri`, overwriting what was parsed before. r: ROUTE_INIT at first. Returns r->fault. */
enum route_fault route_parse(struct route *r, struct span uri);
void route_release(struct route *r); /* for AUTO, too; r can be used again */

/* The value number i, below types or tags; lives as long as the route. */
const char *route_value(const struct route *r, unsigned i);
/* Copy a route; only the query is still borrowed. *to is overwritten, not released. */
void route_copy(struct route *to, const struct route *from);

#endif
