/* Predicates over URLs. Does no I/O and parses no URL: http.c has libcurl do that. */
#include "mirror-tool/upstream/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <libpsl.h>
#include <stdlib.h>
#include <strings.h>

#include "storage/base/banned.h"

void url_release(struct url *u)
{
	int saved = errno;

	free(u->text);
	*u = (struct url)URL_INIT;
	errno = saved;
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return a->https == b->https && a->port == b->port && strcmp(a->host, b->host) == 0;
}

const char *url_authority(const struct url *u, char text[URL_HOST_MAX + 8])
{
	if (u->port == (u->https ? 443u : 80u))
		snprintf(text, URL_HOST_MAX + 8, "%s", u->host);
	else
		snprintf(text, URL_HOST_MAX + 8, "%s:%u", u->host, u->port);
	return text;
}

/* --- addresses ---------------------------------------------------------------------------- */

struct address_block {
	uint32_t net;
	unsigned bits;
	bool local; /* no foreign name may lead there */
};

static const struct address_block v4_blocks[] = {
	{ 0x00000000, 8, true }, /* unspecified, "this network" */
	{ 0x7f000000, 8, true }, /* loopback */
	{ 0xa9fe0000, 16, true }, /* link-local: metadata services of clouds */
	{ 0x0a000000, 8, false }, { 0xac100000, 12, false }, { 0xc0a80000, 16, false },
	{ 0x64400000, 10, false }, /* shared address space */
	{ 0xe0000000, 3, true }, /* multicast, reserved, broadcast */
};

static bool v4_is(uint32_t addr, bool local_only)
{
	for (size_t i = 0; i < ARRAY_SIZE(v4_blocks); i++) {
		const struct address_block *b = &v4_blocks[i];

		if ((addr ^ b->net) >> (32 - b->bits) == 0 && (b->local || !local_only))
			return true;
	}
	return false;
}

static bool v6_is(const struct in6_addr *a, bool local_only)
{
	const uint8_t *p = a->s6_addr;
	uint32_t v4 = (uint32_t)p[12] << 24 | (uint32_t)p[13] << 16 | (uint32_t)p[14] << 8 | p[15];

	if (IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_LINKLOCAL(a) ||
		IN6_IS_ADDR_MULTICAST(a))
		return true;
	if (IN6_IS_ADDR_V4MAPPED(a) || IN6_IS_ADDR_V4COMPAT(a))
		return v4_is(v4, local_only);
	if (p[0] == 0x00 && p[1] == 0x64 && p[2] == 0xff && p[3] == 0x9b) /* NAT64 */
		return v4_is(v4, local_only);
	return !local_only && (p[0] & 0xfe) == 0xfc; /* unique local */
}

bool address_is_local(const struct sockaddr *addr)
{
	if (addr->sa_family == AF_INET)
		return v4_is(
			ntohl(((const struct sockaddr_in *)(const void *)addr)->sin_addr.s_addr),
			true);
	if (addr->sa_family == AF_INET6)
		return v6_is(&((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr, true);
	return true;
}

/* "[fe80::1%25eth0]" to "fe80::1". */
static void bare_v6(const char *host, char out[URL_HOST_MAX + 1])
{
	size_t n = strcspn(host + 1, "]%");

	memcpy(out, host + 1, n);
	out[n] = '\0';
}

bool url_is_private(const struct url *u)
{
	char bare[URL_HOST_MAX + 1];
	struct in_addr v4;
	struct in6_addr v6;
	size_t len = strlen(u->host);

	if (u->host[0] == '[') {
		bare_v6(u->host, bare);
		return inet_pton(AF_INET6, bare, &v6) != 1 || v6_is(&v6, false);
	}
	if (inet_pton(AF_INET, u->host, &v4) == 1)
		return v4_is(ntohl(v4.s_addr), false);
	while (len && u->host[len - 1] == '.')
		len--;
	return (len == 9 || (len > 9 && u->host[len - 10] == '.')) &&
	       strncmp(u->host + len - 9, "localhost", 9) == 0;
}

static bool is_address(const char *host)
{
	struct in_addr v4;

	return host[0] == '[' || inet_pton(AF_INET, host, &v4) == 1;
}

bool url_same_domain(const char *host, const char *other)
{
	const psl_ctx_t *psl;
	const char *a, *b;

	if (strcasecmp(host, other) == 0)
		return true;
	if (is_address(host) || is_address(other))
		return false;
	psl = psl_builtin();
	if (!psl)
		return false;
	a = psl_registrable_domain(psl, host);
	b = psl_registrable_domain(psl, other);
	return a && b && strcasecmp(a, b) == 0;
}

/* --- text ----------------------------------------------------------------------------------- */

static void add_shown(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_char(out, isgraph((unsigned char)text[i]) ? text[i] : '?');
}

void url_redacted(struct buf *out, const char *text)
{
	const char *authority = strstr(text, "://");
	size_t n = strcspn(text, "?#"), i = 0;

	if (authority && (size_t)(authority - text) < n) {
		size_t start = (size_t)(authority - text) + 3;
		const char *at = memchr(text + start, '@', strcspn(text + start, "/?#"));

		if (at) {
			add_shown(out, text, start);
			i = (size_t)(at - text) + 1;
		}
	}
	add_shown(out, text + i, n - i);
	if (text[n])
		buf_str(out, "?...");
}

void url_encode(struct buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~", c))
			buf_char(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}
