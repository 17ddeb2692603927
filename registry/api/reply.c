/*
 * Build replies: errors by the spec's codes, content by the conditions of the request. Must never put raw
 * input into a header.
 */
#include "registry/api/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "storage/base/tree.h"
#include "storage/base/banned.h"

#define MESSAGE_MAX 600
#define ETAG_SIZE (DIGEST_TEXT_SIZE + 2)

void reply_init(struct reply *r)
{
	*r = (struct reply){ .status = 200, .headers = BUF_INIT, .bytes = BUF_INIT };
}

void reply_release(struct reply *r)
{
	buf_release(&r->headers);
	buf_release(&r->bytes);
	content_unref(&r->content);
	if (r->body == BODY_PARTS)
		parts_release(&r->parts);
}

void reply_header(struct reply *r, const char *name, const char *value)
{
	buf_add(&r->headers, name, strlen(name) + 1);
	buf_add(&r->headers, value, strlen(value) + 1);
}

bool reply_next(const struct reply *r, size_t *at, const char **name, const char **value)
{
	if (*at >= r->headers.len)
		return false;
	*name = r->headers.data + *at;
	*at += strlen(*name) + 1;
	*value = r->headers.data + *at;
	*at += strlen(*value) + 1;
	return true;
}

const char *reply_get(const struct reply *r, const char *wanted)
{
	const char *name, *value;
	size_t at = 0;

	while (reply_next(r, &at, &name, &value))
		if (strcasecmp(name, wanted) == 0)
			return value;
	return NULL;
}

int reply_error(struct reply *r, unsigned status, const char *code, const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	reply_release(r);
	reply_init(r);
	r->status = status;
	reply_header(r, "Content-Type", "application/json");
	buf_printf(&r->bytes, "{\"errors\":[{\"code\":\"%s\",\"message\":", code);
	json_quote(&r->bytes, message, false);
	r->open_error = true;
	return 0;
}

void reply_end(struct reply *r, const char *id)
{
	if (!r->open_error)
		return;
	buf_str(&r->bytes, ",\"detail\":{\"request\":");
	json_quote(&r->bytes, id, false);
	buf_str(&r->bytes, "}}]}\n");
	reply_header(r, "X-Request-Id", id);
	r->open_error = false;
}

void reply_failure(struct reply *r, const struct err *e)
{
	switch (e->code) {
	case ERR_FULL:
		reply_error(r, 507, "UNKNOWN", "the registry's disk is full");
		break;
	case ERR_BUSY:
	case ERR_LIMIT:
		reply_error(r, 503, "UNKNOWN", "the registry is short of something; try again");
		reply_header(r, "Retry-After", "1");
		break;
	case ERR_CORRUPT:
		reply_error(r, 500, "UNKNOWN",
			"the stored bytes are damaged and are not served; see the registry's log");
		break;
	default:
		reply_error(r, 500, "UNKNOWN", "internal error; see the registry's log");
	}
}

void reply_fault(struct reply *r, const struct route *route)
{
	switch (route->fault) {
	case ROUTE_TOO_LONG:
		reply_error(r, 414, "NAME_INVALID", "the request target is too long");
		break;
	case ROUTE_BAD_NAME:
		reply_error(r, 400, "NAME_INVALID", "not a repository name");
		break;
	case ROUTE_BAD_DIGEST:
		reply_error(r, 400, "DIGEST_INVALID",
			"not a digest: sha256 or sha512 and lower-case hex are needed");
		break;
	case ROUTE_BAD_TAG:
		reply_error(
			r, 404, "MANIFEST_UNKNOWN", "%s: not a tag that could exist", route->name);
		break;
	case ROUTE_BAD_ALGORITHM:
		reply_error(r, 400, "DIGEST_INVALID", "digest-algorithm: sha256 or sha512");
		break;
	case ROUTE_BAD_TAG_PARAMETER:
		reply_error(r, 400, "MANIFEST_INVALID", "a tag parameter is not a tag");
		break;
	case ROUTE_MANY_TAGS:
		reply_error(
			r, 414, "MANIFEST_INVALID", "more than %d tag parameters", ROUTE_TAGS_MAX);
		break;
	case ROUTE_BAD_QUERY:
		reply_error(r, 400, "UNSUPPORTED", "a query parameter has no acceptable value");
		break;
	default:
		reply_error(r, 400, "NAME_INVALID", "not a path of this registry");
	}
}

static void etag_of(const struct content *c, char etag[ETAG_SIZE])
{
	char text[DIGEST_TEXT_SIZE];

	snprintf(etag, ETAG_SIZE, "\"%s\"", digest_text(&c->digest, text));
}

/* Does Range apply? To blobs only: manifests are read whole, large ones in files, too. */
static bool has_ranges(const struct content *c)
{
	return c->kind == CONTENT_FILE && strcmp(c->media_type, MEDIA_BLOB) == 0;
}

void reply_content_headers(struct reply *r, const struct content *c)
{
	char text[DIGEST_TEXT_SIZE], etag[ETAG_SIZE];

	reply_header(r, "Content-Type", c->media_type);
	if (c->link)
		reply_header(r, "Link", c->link);
	if (*c->ns)
		reply_header(r, "OCI-Namespace", c->ns);
	if (!c->digest.alg)
		return;
	etag_of(c, etag);
	reply_header(r, "Docker-Content-Digest", digest_text(&c->digest, text));
	reply_header(r, "ETag", etag);
	if (c->cache_control)
		reply_header(r, "Cache-Control", c->cache_control);
	if (has_ranges(c))
		reply_header(r, "Accept-Ranges", "bytes");
}

/* Is the tag in If-None-Match: a list of tags, weak or strong, with or without quotes, or a star? */
static bool etag_listed(const char *list, const char *etag)
{
	struct span rest = span_of(list), bare = { etag + 1, strlen(etag) - 2 };

	while (rest.len > 0) {
		struct span one = span_until(&rest, ',');

		while (one.len > 0 && (*one.data == ' ' || *one.data == '\t'))
			one = (struct span){ one.data + 1, one.len - 1 };
		while (one.len > 0 &&
			(one.data[one.len - 1] == ' ' || one.data[one.len - 1] == '\t'))
			one.len--;
		if (span_is(one, "*"))
			return true;
		if (one.len > 2 && memcmp(one.data, "W/", 2) == 0)
			one = (struct span){ one.data + 2, one.len - 2 };
		if (one.len > 2 && one.data[0] == '"' && one.data[one.len - 1] == '"')
			one = (struct span){ one.data + 1, one.len - 2 };
		if (one.len == bare.len && memcmp(one.data, bare.data, bare.len) == 0)
			return true;
	}
	return false;
}

static void not_modified(struct reply *r, const struct content *c)
{
	reply_content_headers(r, c);
	r->status = 304;
	r->body = BODY_BYTES;
}

static void nowhere(struct reply *r, const struct content *c)
{
	char range[64];

	reply_error(r, 416, "UNSUPPORTED", "the range is outside of the %llu bytes of this blob",
		(unsigned long long)c->size);
	snprintf(range, sizeof(range), "bytes */%llu", (unsigned long long)c->size);
	reply_header(r, "Content-Range", range);
}

static void one_range(struct reply *r, const struct content *c, const struct range *range)
{
	char text[80];

	r->status = 206;
	r->body = BODY_SLICE;
	r->first = range->first;
	r->length = range->last - range->first + 1;
	reply_content_headers(r, c);
	snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)range->first,
		(unsigned long long)range->last, (unsigned long long)c->size);
	reply_header(r, "Content-Range", text);
}

static void many_ranges(struct reply *r, struct content *c, struct ranges *ranges)
{
	char text[DIGEST_TEXT_SIZE], etag[ETAG_SIZE];

	etag_of(c, etag);
	r->status = 206;
	r->body = BODY_PARTS;
	parts_init(&r->parts, ranges, c->size);
	reply_header(r, "Content-Type", "multipart/byteranges; boundary=" BOUNDARY);
	reply_header(r, "Docker-Content-Digest", digest_text(&c->digest, text));
	reply_header(r, "ETag", etag);
	if (*c->ns)
		reply_header(r, "OCI-Namespace", c->ns);
}

/* Choose the ranges of a blob, unless If-Range names other bytes. Range means nothing with HEAD (RFC 9110,
 * 14.2). */
static enum range_answer wanted(
	const struct request *q, const struct content *c, struct ranges *ranges)
{
	char etag[ETAG_SIZE];

	*ranges = (struct ranges)RANGES_INIT;
	if (!q->range || q->method != METHOD_GET || !has_ranges(c))
		return RANGE_WHOLE;
	etag_of(c, etag);
	if (q->if_range && strcmp(q->if_range, etag) != 0)
		return RANGE_WHOLE;
	return range_parse(ranges, q->range, c->size);
}

void reply_content(struct reply *r, const struct request *q, struct content *c)
{
	AUTO(ranges_release) struct ranges ranges = RANGES_INIT;
	char etag[ETAG_SIZE];

	if (q->if_none_match && c->digest.alg) {
		etag_of(c, etag);
		if (etag_listed(q->if_none_match, etag)) {
			not_modified(r, c);
			return;
		}
	}
	r->status = 200;
	r->body = BODY_CONTENT;
	r->content = content_ref(c);
	switch (wanted(q, c, &ranges)) {
	case RANGE_ONE:
		one_range(r, c, &ranges.items[0]);
		break;
	case RANGE_PARTS:
		many_ranges(r, c, &ranges);
		break;
	case RANGE_NOWHERE:
		nowhere(r, c);
		break;
	case RANGE_TOO_MANY:
		reply_error(r, 400, "UNSUPPORTED", "more than %d ranges", RANGES_MAX);
		break;
	case RANGE_WHOLE:
		break;
	}
}
