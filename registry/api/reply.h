/*
 * An answer as plain data. Handlers fill it; server.c turns it into bytes on the wire.
 *
 * HEAD needs no care: give the body a GET would have, the server leaves it out.
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
	struct buf headers; /* "Name\0value\0" ... beside those of every answer */
	enum body_kind body;
	struct buf bytes;
	struct content *content; /* one reference */
	uint64_t first, length;
	struct parts parts;
	bool open_error; /* bytes are an error's body that reply_end() has to end */
};

void reply_init(struct reply *r); /* 200, no bytes */
void reply_release(struct reply *r);

/* value must be a legal header value: checked text of ours, never raw input. */
void reply_header(struct reply *r, const char *name, const char *value);
/* The value of a header, or NULL. */
const char *reply_get(const struct reply *r, const char *name);

/* The next (name, value) pair; start with *at = 0. False at the end. */
bool reply_next(const struct reply *r, size_t *at, const char **name, const char **value);

/* {"errors":[{"code":..,"message":..}]}; whatever was in the reply is dropped. Returns 0. The end is
 * left for reply_end(). */
int reply_error(struct reply *r, unsigned status, const char *code, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* When all is said: an error's body gets the request's id, by which the logs know it. */
void reply_end(struct reply *r, const char *id);

/* A failure of ours or of the store: 404, 500 or 503 by its code. The text stays in the log. */
void reply_failure(struct reply *r, const struct err *e);

/* What was wrong with the target. */
void reply_fault(struct reply *r, const struct route *route);

/* Content found: 200, 304, 206, 416 as the request's conditions and ranges want. */
void reply_content(struct reply *r, const struct request *q, struct content *content);

/* The headers of a 200 answer with this content. */
void reply_content_headers(struct reply *r, const struct content *content);

#endif
