/* Parse challenges. Skips what it does not know; must never read past the value. */
#include "mirror-tool/upstream/challenge.h"

#include <ctype.h>
#include <strings.h>

#include "storage/base/banned.h"

static bool is_token(char c)
{
	return c && (isalnum((unsigned char)c) || strchr("!#$%&'*+-.^_`|~", c));
}

static void skip(struct span *s, const char *set)
{
	while (s->len && *s->data && strchr(set, *s->data)) {
		s->data++;
		s->len--;
	}
}

static struct span take_token(struct span *s)
{
	struct span t = { s->data, 0 };

	while (t.len < s->len && is_token(t.data[t.len]))
		t.len++;
	s->data += t.len;
	s->len -= t.len;
	return t;
}

static bool is_nocase(struct span s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.data, text, s.len) == 0;
}

/* Copy an unquoted value to `out` (CHALLENGE_VALUE_MAX + 1 bytes) and move behind it. False when it
 * is too long or has a control character. */
static bool take_value(struct span *s, char *out)
{
	bool quoted = s->len && *s->data == '"', fits = true;
	size_t n = 0, i = quoted ? 1 : 0;

	for (; i < s->len; i++) {
		char c = s->data[i];

		if (quoted ? c == '"' : strchr(", \t", c) != NULL)
			break;
		if (quoted && c == '\\' && i + 1 < s->len)
			c = s->data[++i];
		if (iscntrl((unsigned char)c) || n == CHALLENGE_VALUE_MAX)
			fits = false;
		else
			out[n++] = c;
	}
	out[n] = '\0';
	if (quoted && i < s->len)
		i++;
	s->data += i;
	s->len -= i;
	return fits;
}

/* Read parameters up to the next scheme or the end. False when one could not be read. */
static bool take_params(struct span *s, struct challenge *c)
{
	char other[CHALLENGE_VALUE_MAX + 1];
	bool good = true;

	for (;;) {
		struct span at, key;
		char *out = other;

		skip(s, ", \t");
		at = *s;
		key = take_token(&at);
		skip(&at, " \t");
		if (!key.len || !at.len || *at.data != '=')
			return good; /* a scheme, or unknown syntax */
		at.data++;
		at.len--;
		skip(&at, " \t");
		if (is_nocase(key, "realm"))
			out = c->realm;
		else if (is_nocase(key, "service"))
			out = c->service;
		else if (is_nocase(key, "scope"))
			out = c->scope;
		else if (is_nocase(key, "error"))
			out = c->error;
		good = take_value(&at, out) && good;
		*s = at;
	}
}

void challenge_parse(struct challenge *c, struct span value)
{
	struct challenge basic = { .kind = AUTH_NONE }, one;

	while (value.len) {
		struct span scheme;
		bool good;

		skip(&value, ", \t");
		scheme = take_token(&value);
		if (!scheme.len) {
			if (value.len) {
				value.data++;
				value.len--;
			}
			continue;
		}
		one = (struct challenge){ .kind = AUTH_NONE };
		good = take_params(&value, &one);
		if (good && is_nocase(scheme, "bearer") && one.realm[0]) {
			one.kind = AUTH_BEARER;
			*c = one;
			return;
		}
		if (good && is_nocase(scheme, "basic") && basic.kind == AUTH_NONE) {
			one.kind = AUTH_BASIC;
			basic = one;
		}
	}
	*c = basic;
}
