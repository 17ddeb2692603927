/*
 * Write login and CA into hosts.toml, which is made anew each time: the given ones, else those of
 * the present file. containerd asks `server` itself after a 404 of the host, so both get them; else
 * a missing tag would be reported as a missing login.
 */
#include "mirror-tool/node/node.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/base/base64.h"
#include "storage/base/banned.h"

#define AUTHORIZATION "authorization = "
#define CLIENT "client = "
#define CA "ca = "
#define SERVER "server = "

void node_basic(const struct node_settings *s, struct buf *out)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	buf_printf(&text, "%s:%s", s->user, s->password);
	base64_encode(out, buf_span(&text));
	explicit_bzero(text.data, text.len);
}

void node_hosts_release(struct node_hosts_file *h)
{
	int saved = errno;

	free(h->server);
	free(h->ca);
	free(h->authorization);
	free(h->client);
	errno = saved;
}

/* Find the value of the first line `KEY = value` of a file, verbatim; NULL: none. */
static char *value_of(struct span have, const char *key)
{
	size_t len = strlen(key);

	while (have.len) {
		struct span line = span_until(&have, '\n');

		while (line.len && strchr(" \t", line.data[0]))
			line = (struct span){ line.data + 1, line.len - 1 };
		if (line.len > len && memcmp(line.data, key, len) == 0)
			return mem_strndup(line.data + len, line.len - len);
	}
	return NULL;
}

/* Drop a login of another server: it must not be sent to this one. */
static bool is_for(struct span have, const char *server)
{
	AUTO(mem_free) char *quoted = mem_printf("\"%s\"", server);
	AUTO(mem_free) char *said = value_of(have, SERVER);

	return said && strcmp(said, quoted) == 0;
}

static void put_key(struct buf *out, const char *indent, const char *key, const char *value)
{
	if (value)
		buf_printf(out, "%s%s%s\n", indent, key, value);
}

/* Insert the keys after `server` and after the capabilities of the host, where they belong in their
 * tables. */
static void put_lines(struct buf *out, struct span text, const char *client, const char *ca)
{
	while (text.len) {
		struct span line = span_until(&text, '\n');
		bool root = line.len > 9 && memcmp(line.data, SERVER, 9) == 0;
		bool host = line.len > 15 && memcmp(line.data, "  capabilities ", 15) == 0;

		buf_add(out, line.data, line.len);
		buf_char(out, '\n');
		if (!root && !host)
			continue;
		put_key(out, host ? "  " : "", CLIENT, client);
		put_key(out, host ? "  " : "", CA, ca);
	}
}

bool node_hosts_write(
	const struct node_hosts_file *h, struct span text, struct span have, struct buf *out)
{
	struct span old = is_for(have, h->server) ? have : (struct span){ "", 0 };
	AUTO(mem_free)
	char *authorization =
		h->authorization ? mem_strdup(h->authorization) : value_of(old, AUTHORIZATION);
	AUTO(mem_free)
	char *client = h->client ? mem_strdup(h->client) : value_of(old, CLIENT);
	AUTO(mem_free)
	char *ca = h->ca ? mem_strdup(h->ca) : value_of(old, CA);

	put_lines(out, text, client, ca);
	if (authorization)
		buf_printf(out,
			"\n[host.\"%s\".header]\n  " AUTHORIZATION
			"%s\n\n[header]\n  " AUTHORIZATION "%s\n",
			h->server, authorization, authorization);
	return authorization != NULL;
}
