/* Check the framing of requests. Must never be lenient: a proxy in front may read a doubtful request
 * otherwise. */
#include "registry/http/framing.h"

#include <strings.h>

#include "storage/base/banned.h"

#define REQUEST_ID_MAX 64

enum once {
	ONCE_HOST = 1,
	ONCE_LENGTH = 2,
	ONCE_ENCODING = 4,
	ONCE_AUTHORIZATION = 8,
	ONCE_RANGE = 16,
	ONCE_CONTENT_RANGE = 32,
	ONCE_CONTENT_TYPE = 64,
	ONCE_IF_RANGE = 128,
	ONCE_IF_NONE_MATCH = 256,
	ONCE_EXPECT = 512,
	ONCE_REQUEST_ID = 1024
};

static const struct {
	const char *name;
	size_t len;
	enum once once;
} known[] = {
	{ "Host", 4, ONCE_HOST },
	{ "Range", 5, ONCE_RANGE },
	{ "Expect", 6, ONCE_EXPECT },
	{ "If-Range", 8, ONCE_IF_RANGE },
	{ "Content-Type", 12, ONCE_CONTENT_TYPE },
	{ "X-Request-Id", 12, ONCE_REQUEST_ID },
	{ "If-None-Match", 13, ONCE_IF_NONE_MATCH },
	{ "Authorization", 13, ONCE_AUTHORIZATION },
	{ "Content-Range", 13, ONCE_CONTENT_RANGE },
	{ "Content-Length", 14, ONCE_LENGTH },
	{ "Transfer-Encoding", 17, ONCE_ENCODING },
};

/* RFC 9110 5.6.2 */
static const bool token[256] = {
	['!'] = true,
	['#' ... '\''] = true,
	['*'] = true,
	['+'] = true,
	['-'] = true,
	['.'] = true,
	['0' ... '9'] = true,
	['A' ... 'Z'] = true,
	['^' ... 'z'] = true,
	['|'] = true,
	['~'] = true,
};

static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!token[(unsigned char)s.data[i]])
			return false;
	return s.len > 0;
}

static bool is_value(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static unsigned which(struct span name)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].len == name.len &&
			strncasecmp(known[i].name, name.data, name.len) == 0)
			return known[i].once;
	return 0;
}

static const char *read_length(struct framing *f, struct span value)
{
	if (value.len == 0 || value.len > 18)
		return "Content-Length is not a number";
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] < '0' || value.data[i] > '9')
			return "Content-Length is not a number";
		f->length = f->length * 10 + (uint64_t)(value.data[i] - '0');
	}
	return NULL;
}

static const char *read_encoding(struct framing *f, struct span value)
{
	if (value.len != 7 || strncasecmp(value.data, "chunked", 7) != 0)
		return "Transfer-Encoding is not \"chunked\"";
	f->chunked = true;
	return NULL;
}

/* Take the client's id of a request only when it is harmless in a log and in a header. */
static const char *request_id(struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		if (!token[(unsigned char)value.data[i]])
			return NULL;
	return value.len > 0 && value.len <= REQUEST_ID_MAX ? value.data : NULL;
}

static const char *note(struct framing *f, enum once once, struct span value)
{
	switch (once) {
	case ONCE_LENGTH:
		return read_length(f, value);
	case ONCE_ENCODING:
		return read_encoding(f, value);
	case ONCE_RANGE:
		f->range = value.data;
		return NULL;
	case ONCE_IF_RANGE:
		f->if_range = value.data;
		return NULL;
	case ONCE_IF_NONE_MATCH:
		f->if_none_match = value.data;
		return NULL;
	case ONCE_REQUEST_ID:
		f->request_id = request_id(value);
		return NULL;
	case ONCE_AUTHORIZATION:
		f->authorization = value.data;
		return NULL;
	case ONCE_CONTENT_TYPE:
		f->content_type = value.data;
		return NULL;
	case ONCE_CONTENT_RANGE:
		f->content_range = value.data;
		return NULL;
	case ONCE_HOST:
		f->host = value.data;
		return NULL;
	case ONCE_EXPECT:
		f->expects = true;
		return NULL;
	default:
		return NULL;
	}
}

void framing_init(struct framing *f)
{
	*f = (struct framing){ .wrong = NULL };
}

void framing_header(struct framing *f, struct span name, struct span value)
{
	unsigned once;

	if (f->wrong)
		return;
	if (!is_token(name)) {
		f->wrong = "a header name is not a token";
	} else if (!is_value(value)) {
		f->wrong = "a header value holds a control byte";
	} else if ((once = which(name))) {
		if (f->seen & once)
			f->wrong = "a header that may come once came twice";
		else
			f->wrong = note(f, (enum once)once, value);
		f->seen |= once;
	}
}

const char *framing_end(struct framing *f, bool http_1_0)
{
	if (f->wrong)
		return f->wrong;
	if ((f->seen & ONCE_LENGTH) && (f->seen & ONCE_ENCODING))
		f->wrong = "both Content-Length and Transfer-Encoding";
	else if (!(f->seen & ONCE_HOST) && !http_1_0)
		f->wrong = "no Host";
	return f->wrong;
}

int framing_method(const char *text, enum method *out)
{
	static const struct {
		const char *name;
		enum method method;
	} methods[] = { { "GET", METHOD_GET }, { "HEAD", METHOD_HEAD }, { "POST", METHOD_POST },
		{ "PUT", METHOD_PUT }, { "PATCH", METHOD_PATCH }, { "DELETE", METHOD_DELETE },
		{ "OPTIONS", METHOD_OTHER }, { "TRACE", METHOD_OTHER },
		{ "CONNECT", METHOD_OTHER } };

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (strcmp(text, methods[i].name) == 0) {
			*out = methods[i].method;
			return 0;
		}
	return -1;
}
