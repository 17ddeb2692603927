/* Parse header values. Must never use a length or number without a check. */
#include "mirror-tool/upstream/headers.h"

#include <ctype.h>
#include <strings.h>

#include "storage/base/number.h"
#include "storage/base/banned.h"

#define NUMBER_MOST 9999999999999999999ull /* what a header may say: 19 digits */
#define YEAR (366 * 24 * 3600)

static struct span trim(struct span s)
{
	while (s.len && (*s.data == ' ' || *s.data == '\t')) {
		s.data++;
		s.len--;
	}
	while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool span_is_nocase(struct span s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.data, text, s.len) == 0;
}

static bool parse_number(struct span value, uint64_t *out)
{
	return number_parse(value, NUMBER_MOST, out);
}

bool content_range_parse(struct span value, struct content_range *out)
{
	struct span rest = trim(value), unit = span_until(&rest, ' ');
	struct span first = span_until(&rest, '-'), last = span_until(&rest, '/');

	if (!span_is_nocase(unit, "bytes") || !parse_number(first, &out->first) ||
		!parse_number(last, &out->last) || out->last < out->first)
		return false;
	if (span_is(rest, "*")) {
		out->total = UINT64_MAX;
		return true;
	}
	return parse_number(rest, &out->total) && out->last < out->total;
}

/* --- dates ---------------------------------------------------------------------------------- */

static bool http_date(struct span value, time_t *out)
{
	static const char *const forms[] = {
		"%a, %d %b %Y %H:%M:%S GMT", /* IMF-fixdate */
		"%A, %d-%b-%y %H:%M:%S GMT", /* RFC 850 */
		"%a %b %d %H:%M:%S %Y", /* asctime */
	};
	char text[64];

	if (value.len >= sizeof(text))
		return false;
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, forms[i], &tm);

		if (end && *end == '\0') {
			*out = timegm(&tm);
			return true;
		}
	}
	return false;
}

int64_t retry_after_parse(struct span value, time_t now)
{
	struct span s = trim(value);
	uint64_t seconds;
	time_t when;

	if (parse_number(s, &seconds))
		return seconds > YEAR ? YEAR : (int64_t)seconds;
	if (!http_date(s, &when))
		return -1;
	if (when <= now)
		return 0;
	return when - now > YEAR ? YEAR : (int64_t)(when - now);
}

bool rate_limit_parse(struct span value, uint64_t *left, uint64_t *window)
{
	struct span rest = value, number = trim(span_until(&rest, ';'));

	*window = 0;
	while (rest.len) {
		struct span param = trim(span_until(&rest, ';'));

		if (param.len > 2 && (param.data[0] == 'w' || param.data[0] == 'W') &&
			param.data[1] == '=' &&
			!parse_number((struct span){ param.data + 2, param.len - 2 }, window))
			*window = 0;
	}
	return parse_number(number, left);
}

/* --- Link ------------------------------------------------------------------------------------ */

/* Take one parameter `;name=value` or `;name="value"` off the front of *s; false at the end of the
 * link. Name and value are views, without quotes. */
static bool link_param(struct span *s, struct span *name, struct span *value)
{
	size_t n;

	*s = trim(*s);
	if (!s->len || *s->data != ';')
		return false;
	*s = trim((struct span){ s->data + 1, s->len - 1 });
	for (n = 0; n < s->len && !strchr("=;, \t", s->data[n]); n++)
		;
	*name = (struct span){ s->data, n };
	*value = (struct span){ s->data + n, 0 };
	*s = trim((struct span){ s->data + n, s->len - n });
	if (!s->len || *s->data != '=')
		return true;
	*s = trim((struct span){ s->data + 1, s->len - 1 });
	if (s->len && *s->data == '"') {
		*s = (struct span){ s->data + 1, s->len - 1 };
		*value = span_until(s, '"');
		return true;
	}
	for (n = 0; n < s->len && !strchr(";, \t", s->data[n]); n++)
		;
	*value = (struct span){ s->data, n };
	*s = (struct span){ s->data + n, s->len - n };
	return true;
}

struct link {
	struct span url;
	bool has_rel, next;
};

static void link_rel(struct link *l, struct span rel)
{
	l->has_rel = true;
	while (rel.len)
		l->next = span_is_nocase(span_until(&rel, ' '), "next") || l->next;
}

/* Take `<URL>` and its parameters off the front of *s. Without both brackets the URL ends where the
 * parameters begin. */
static void link_take(struct span *s, struct link *l)
{
	bool open = *s->data == '<', closed = open && memchr(s->data, '>', s->len);
	struct span name, value, whole;

	*l = (struct link){ .has_rel = false };
	if (open)
		*s = (struct span){ s->data + 1, s->len - 1 };
	if (closed) {
		l->url = trim(span_until(s, '>'));
	} else {
		whole = *s;
		l->url = trim(span_until(&whole, ';'));
		*s = (struct span){ l->url.data + l->url.len,
			s->len - (size_t)(l->url.data + l->url.len - s->data) };
	}
	while (link_param(s, &name, &value))
		if (span_is_nocase(name, "rel"))
			link_rel(l, value);
	*s = trim(*s);
}

int link_next(struct span value, struct span *target)
{
	struct span s = trim(value), bare = { NULL, 0 };

	while (s.len) {
		struct link l;

		link_take(&s, &l);
		if (!l.url.len || (s.len && *s.data != ','))
			return -1;
		if (l.next) {
			*target = l.url;
			return 1;
		}
		if (!l.has_rel && !bare.len)
			bare = l.url;
		if (s.len)
			s = trim((struct span){ s.data + 1, s.len - 1 });
	}
	*target = bare;
	return bare.len > 0;
}

bool coding_is_gzip(struct span value)
{
	return span_is_nocase(trim(value), "gzip") || span_is_nocase(trim(value), "x-gzip");
}

void content_type_parse(struct span value, char *out, size_t room)
{
	struct span rest = value, type = trim(span_until(&rest, ';'));

	out[0] = '\0';
	if (type.len >= room)
		return;
	for (size_t i = 0; i < type.len; i++) {
		if (!isgraph((unsigned char)type.data[i]))
			return;
	}
	for (size_t i = 0; i < type.len; i++)
		out[i] = (char)tolower((unsigned char)type.data[i]);
	out[type.len] = '\0';
}
