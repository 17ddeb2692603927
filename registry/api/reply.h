/*
 * A reply as plain data. Handlers fill it; http/send.c turns it into bytes on the wire.
 *
 * A handler need not care for HEAD: it gives the body that a GET would have, and the server leaves it out.
 * One thread at a time.
 */
#ifndef MOAT_REPLY_H
#define MOAT_REPLY_H

#include "registry/api/content.h"
#include "registry/api/range.h"
#include "registry/api/request.h"

enum body_kind {
	BODY_BYTES, /* reply.bytes; may be empty */
	BODY_CONTENT, /* the whole of reply.content */
	BODY_SLICE, /* reply.length bytes of reply.content (a file) from reply.first */
	BODY_PARTS /* reply.parts of reply.content */
};

struct reply {
	unsigned status;
	struct buf headers; /* "Name\0value\0" ..., without those of every reply */
	enum body_kind body;
	struct buf bytes;
	struct content *content; /* one reference */
	uint64_t first, length;
	struct parts parts;
	bool open_error; /* bytes are an error's body; reply_end() ends it */
};

void reply_init(struct reply *r); /* 200, no bytes */
void reply_release(struct reply *r); /* for AUTO; reply_init() before it is used again */

/* Add a header. value must be a legal one: checked text of ours, never raw input. Both are copied. */
void reply_header(struct reply *r, const char *name, const char *value);
/* The value of a header, or NULL. */
const char *reply_get(const struct reply *r, const char *name);

/* Get the next (name, value) pair; start with *at = 0. False at the end. */
bool reply_next(const struct reply *r, size_t *at, const char **name, const char **value);

/* Make it an error: {"errors":[{"code":..,"message":..}]}. What was in the reply is dropped. Returns 0.
 * reply_end() ends the body. */
int reply_error(struct reply *r, unsigned status, const char *code, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* End the reply. The body of an error gets the request's id, by which the logs know it. */
void reply_end(struct reply *r, const char *id);

/* Make it a failure of ours or of the store: 404, 500 or 503 by the code of e. The text stays in the log. */
void reply_failure(struct reply *r, const struct err *e);

/* Make it an error by route->fault. */
void reply_fault(struct reply *r, const struct route *route);

/* Reply with content: 200, 304, 206, 416 as the request's conditions and ranges want. Takes a reference. */
void reply_content(struct reply *r, const struct request *q, struct content *content);

/* Add the headers of a 200 reply with this content. */
void reply_content_headers(struct reply *r, const struct content *content);

#endif
