/*
 * Parse targets. Must never read anything but the bytes of the target, and never let an undecoded or
 * twice-decoded byte through to a name.
 */
#include "registry/api/route.h"

#include "storage/base/banned.h"

/* a name, "/manifests/" and a sha512 digest fit; a longer path cannot be a route */
#define PATH_MAX_BYTES (REF_REPO_MAX + 200)

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Visible ASCII but for what has no place in a target: \ # " < > (RFC 3986). */
static const unsigned char allowed[256] = {
	['!'] = 1, ['$' ... ';'] = 1, ['='] = 1, ['?' ... '['] = 1, [']' ... '~'] = 1
};

static bool is_target_byte(char c)
{
	return allowed[(unsigned char)c];
}

static bool is_target(struct span bytes)
{
	unsigned char all = 1;

	for (size_t i = 0; i < bytes.len; i++)
		all &= allowed[(unsigned char)bytes.data[i]];
	return all;
}

/* Decode a byte of `in` at *at; -1 when it has no place in a target, or is an escape of one that separates or
 * ends. `slash`: an escaped '/' is allowed (in a query it separates nothing). */
static int decode_byte(struct span in, size_t *at, bool slash)
{
	char c = in.data[(*at)++];
	int high, low, value;

	if (c != '%')
		return is_target_byte(c) ? c : -1;
	if (in.len - *at < 2)
		return -1;
	high = hex_value(in.data[*at]);
	low = hex_value(in.data[*at + 1]);
	if (high < 0 || low < 0)
		return -1;
	*at += 2;
	value = high * 16 + low;
	if (value < ' ' || value >= 0x7f || value == '%' || value == '\\')
		return -1;
	return value == '/' && !slash ? -1 : value;
}

/* Decode a part of a target whose bytes read_target() has checked: the length; -1 a bad escape, -2 too long. */
static long decode(struct span in, char *out, size_t size, bool slash)
{
	size_t at = 0, len = 0;

	if (in.len < size && !memchr(in.data, '%', in.len)) {
		memcpy(out, in.data, in.len);
		out[in.len] = '\0';
		return (long)in.len;
	}
	while (at < in.len) {
		int c = decode_byte(in, &at, slash);

		if (c < 0)
			return -1;
		if (len + 1 >= size)
			return -2;
		out[len++] = (char)c;
	}
	out[len] = '\0';
	return (long)len;
}

static bool ends_with(struct span path, const char *suffix, struct span *rest)
{
	size_t n = strlen(suffix);

	if (path.len < n || memcmp(path.data + path.len - n, suffix, n) != 0)
		return false;
	*rest = (struct span){ path.data, path.len - n };
	return true;
}

static bool set_name(struct route *r, struct span name)
{
	if (name.len > REF_REPO_MAX || !ref_is_repo(name))
		return false;
	memcpy(r->name, name.data, name.len);
	r->name[name.len] = '\0';
	return true;
}

static enum route_fault set_digest(struct route *r, struct span text)
{
	struct err e;

	return digest_parse(&r->digest, text, &e) < 0 ? ROUTE_BAD_DIGEST : ROUTE_OK;
}

/* Read a tag or digest. A reference with ':' is a digest, never a tag. */
static enum route_fault set_reference(struct route *r, struct span text)
{
	if (memchr(text.data, ':', text.len))
		return set_digest(r, text);
	if (text.len > REF_TAG_MAX || !ref_is_tag(text))
		return ROUTE_BAD_TAG;
	memcpy(r->tag, text.data, text.len);
	r->tag[text.len] = '\0';
	return ROUTE_OK;
}

/* Find the last '/' before `end` in path: its index, or -1. */
static long slash_before(struct span path, size_t end)
{
	const char *slash = memrchr(path.data, '/', end);

	return slash ? slash - path.data : -1;
}

/* Cut `NAME/KIND/LAST` at the last two slashes. */
static bool cut(struct span path, struct span *name, struct span *kind, struct span *last)
{
	long b = slash_before(path, path.len);
	long a = b > 0 ? slash_before(path, (size_t)b) : -1;

	if (a < 0)
		return false;
	*name = (struct span){ path.data, (size_t)a };
	*kind = (struct span){ path.data + a + 1, (size_t)(b - a - 1) };
	*last = (struct span){ path.data + b + 1, path.len - (size_t)b - 1 };
	return true;
}

static enum route_fault named(struct route *r, enum route_kind kind, struct span name)
{
	r->kind = kind;
	return set_name(r, name) ? ROUTE_OK : ROUTE_BAD_NAME;
}

/* Read the id of a session. What cannot be one of ours stays "", which no session has. */
static void set_session(struct route *r, struct span id)
{
	for (size_t i = 0; i < id.len; i++)
		if (!(id.data[i] >= '0' && id.data[i] <= '9') &&
			!(id.data[i] >= 'a' && id.data[i] <= 'f'))
			return;
	if (id.len != SESSION_ID_SIZE - 1)
		return;
	memcpy(r->session, id.data, id.len);
	r->session[id.len] = '\0';
}

/* Read NAME/blobs/uploads, with or without a session behind it: its kind, or ROUTE_NONE. */
static enum route_kind read_upload(struct route *r, struct span path, struct span *name)
{
	struct span kind, last, outer;

	if (ends_with(path, "/blobs/uploads", name))
		return name->len > 0 ? ROUTE_UPLOADS : ROUTE_NONE;
	if (!cut(path, &outer, &kind, &last) || !span_is(kind, "uploads") ||
		!ends_with(outer, "/blobs", name) || name->len == 0)
		return ROUTE_NONE;
	if (last.len == 0)
		return ROUTE_UPLOADS;
	set_session(r, last);
	return ROUTE_UPLOAD;
}

/* Read what is behind "/v2/". */
static enum route_fault read_api(struct route *r, struct span path)
{
	struct span name, kind, last;
	enum route_fault fault;
	enum route_kind upload;

	if (span_is(path, "_catalog"))
		return r->kind = ROUTE_CATALOG, ROUTE_OK;
	if (span_is(path, "_oci/ext/discover"))
		return r->kind = ROUTE_DISCOVER, ROUTE_OK;
	if (ends_with(path, "/_oci/ext/discover", &name))
		return named(r, ROUTE_DISCOVER, name);
	if (ends_with(path, "/tags/list", &name) && name.len > 0)
		return named(r, ROUTE_TAGS, name);
	upload = read_upload(r, path, &name);
	if (upload != ROUTE_NONE)
		return named(r, upload, name);
	if (!cut(path, &name, &kind, &last) || last.len == 0)
		return ROUTE_OK;
	if (span_is(kind, "manifests"))
		r->kind = ROUTE_MANIFEST;
	else if (span_is(kind, "blobs"))
		r->kind = ROUTE_BLOB;
	else if (span_is(kind, "referrers"))
		r->kind = ROUTE_REFERRERS;
	else
		return ROUTE_OK;
	fault = r->kind == ROUTE_MANIFEST ? set_reference(r, last) : set_digest(r, last);
	return set_name(r, name) ? fault : ROUTE_BAD_NAME;
}

static enum route_fault read_path(struct route *r, struct span raw)
{
	char text[PATH_MAX_BYTES + 1];
	struct span path = { text, 0 };
	long len = decode(raw, text, sizeof(text), false);

	if (len == -1 || raw.len == 0 || raw.data[0] != '/')
		return ROUTE_BAD_TARGET;
	if (len == -2)
		return ROUTE_TOO_LONG;
	path.len = (size_t)len;
	if (span_is(path, "/v2/") || span_is(path, "/v2"))
		r->kind = ROUTE_BASE;
	else if (span_is(path, "/healthz"))
		r->kind = ROUTE_HEALTH;
	else if (span_is(path, "/readyz"))
		r->kind = ROUTE_READY;
	else if (span_is(path, "/metrics"))
		r->kind = ROUTE_METRICS;
	else if (span_is(path, "/token"))
		r->kind = ROUTE_TOKEN;
	else if (len > 4 && memcmp(text, "/v2/", 4) == 0)
		return read_api(r, (struct span){ text + 4, (size_t)len - 4 });
	return ROUTE_OK;
}

/* Read ?n=: digits only; too large a number becomes the largest. */
static enum route_fault read_n(struct route *r, const char *value)
{
	int64_t n = 0;

	if (*value == '\0')
		return ROUTE_BAD_QUERY;
	for (const char *p = value; *p; p++) {
		if (*p < '0' || *p > '9')
			return ROUTE_BAD_QUERY;
		if (n < INT32_MAX)
			n = n * 10 + (*p - '0');
	}
	r->n = n > INT32_MAX ? INT32_MAX : n;
	return ROUTE_OK;
}

static enum route_fault read_ns(struct route *r, struct span raw)
{
	struct err e;
	char text[sizeof(r->ns)];
	long len = decode(raw, text, sizeof(text), false);

	if (len <= 0 || ref_normal_host((struct span){ text, (size_t)len }, r->ns, &e) < 0)
		return ROUTE_BAD_QUERY;
	return ROUTE_OK;
}

/* Read ?artifactType=. A literal '+' stays one (application/x+json). Clients that encode it as a space by
 * mistake never meant a space: no media type holds one. */
static enum route_fault read_type(struct route *r, struct span raw)
{
	char type[MEDIA_TYPE_MAX + 1];
	long len;

	if (r->types == ROUTE_TYPES_MAX)
		return ROUTE_BAD_QUERY;
	len = decode(raw, type, sizeof(type), true);
	if (len < 0)
		return ROUTE_BAD_QUERY;
	for (long i = 0; i < len; i++)
		if (type[i] == ' ')
			type[i] = '+';
	if (len > 0 && r->kind == ROUTE_REFERRERS) {
		buf_add(&r->values, type, (size_t)len + 1);
		r->types++;
	}
	return ROUTE_OK;
}

/* Read the digest of a parameter. One that cannot be read stays NONE, and its handler says so. */
static void read_digest(struct digest *d, struct span raw)
{
	char text[DIGEST_TEXT_SIZE];
	long len = decode(raw, text, sizeof(text), false);
	struct err e;

	if (len > 0 && digest_parse(d, (struct span){ text, (size_t)len }, &e) < 0)
		d->alg = DIGEST_NONE;
}

/* Read ?from=. What is no repository stays "": the mount then fails as it should. */
static void read_from(struct route *r, struct span raw)
{
	long len = decode(raw, r->from, sizeof(r->from), true);

	if (len <= 0 || !ref_is_repo((struct span){ r->from, (size_t)len }))
		r->from[0] = '\0';
}

static enum route_fault read_algorithm(struct route *r, struct span raw)
{
	if (span_is(raw, "sha256"))
		r->alg = DIGEST_SHA256;
	else if (span_is(raw, "sha512"))
		r->alg = DIGEST_SHA512;
	else
		return ROUTE_BAD_ALGORITHM;
	return ROUTE_OK;
}

static enum route_fault read_tag(struct route *r, struct span raw)
{
	char tag[REF_TAG_MAX + 1];
	long len;

	if (r->tags == ROUTE_TAGS_MAX)
		return ROUTE_MANY_TAGS;
	len = decode(raw, tag, sizeof(tag), false);
	if (len < 0 || !ref_is_tag((struct span){ tag, (size_t)len }))
		return ROUTE_BAD_TAG_PARAMETER;
	if (r->kind != ROUTE_MANIFEST)
		return ROUTE_OK; /* `values` are of one kind */
	buf_add(&r->values, tag, (size_t)len + 1);
	r->tags++;
	return ROUTE_OK;
}

/* Read a parameter of an upload; unknown ones are ignored. */
static enum route_fault read_upload_parameter(struct route *r, struct span key, struct span raw)
{
	if (span_is(key, "digest")) {
		r->has_digest = true;
		read_digest(&r->digest, raw);
	} else if (span_is(key, "mount")) {
		read_digest(&r->mount, raw);
	} else if (span_is(key, "from")) {
		read_from(r, raw);
	} else if (span_is(key, "digest-algorithm")) {
		return read_algorithm(r, raw);
	}
	return ROUTE_OK;
}

static enum route_fault read_parameter(struct route *r, struct span key, struct span raw)
{
	char n[24];

	if (r->kind == ROUTE_UPLOADS || r->kind == ROUTE_UPLOAD)
		return span_is(key, "ns") ? read_ns(r, raw) : read_upload_parameter(r, key, raw);
	if (r->kind == ROUTE_MANIFEST && span_is(key, "tag"))
		return read_tag(r, raw);

	if (span_is(key, "ns"))
		return read_ns(r, raw);
	if (span_is(key, "artifactType"))
		return read_type(r, raw);
	if (span_is(key, "last"))
		return decode(raw, r->last, sizeof(r->last), true) < 0 ? ROUTE_BAD_QUERY : ROUTE_OK;
	if (span_is(key, "n"))
		return decode(raw, n, sizeof(n), false) < 0 ? ROUTE_BAD_QUERY : read_n(r, n);
	return ROUTE_OK;
}

static enum route_fault read_query(struct route *r, struct span query)
{
	while (query.len > 0) {
		struct span value = span_until(&query, '&');
		struct span key = span_until(&value, '=');
		enum route_fault fault = read_parameter(r, key, value);

		if (fault != ROUTE_OK)
			return fault;
	}
	return ROUTE_OK;
}

/* Reset it. The long fields are not cleared: their first byte says that they are empty. */
static void begin(struct route *r)
{
	r->kind = ROUTE_NONE;
	r->name[0] = r->tag[0] = r->ns[0] = r->last[0] = '\0';
	r->digest.alg = DIGEST_NONE;
	r->n = PAGE_UNSET;
	r->types = r->tags = 0;
	buf_clear(&r->values);
	r->session[0] = r->from[0] = '\0';
	r->has_digest = false;
	r->mount.alg = r->alg = DIGEST_NONE;
}

static enum route_fault read_target(struct route *r, struct span uri)
{
	struct span path;
	enum route_fault fault;

	if (uri.len > URI_MAX)
		return ROUTE_TOO_LONG;
	if (!is_target(uri))
		return ROUTE_BAD_TARGET;
	path = span_until(&uri, '?');
	fault = read_path(r, path);
	if (fault != ROUTE_OK || r->kind == ROUTE_NONE)
		return fault;
	r->query = uri;
	if (r->kind == ROUTE_TOKEN)
		return ROUTE_OK; /* its parameters are read where they are understood */
	return read_query(r, uri);
}

enum route_fault route_parse(struct route *r, struct span uri)
{
	begin(r);
	return r->fault = read_target(r, uri);
}

void route_release(struct route *r)
{
	buf_release(&r->values);
}

const char *route_value(const struct route *r, unsigned i)
{
	const char *value = r->values.data;

	for (; i > 0; i--)
		value += strlen(value) + 1;
	return value;
}

void route_copy(struct route *to, const struct route *from)
{
	*to = *from;
	to->values = (struct buf)BUF_INIT;
	buf_add(&to->values, from->values.data, from->values.len);
}
