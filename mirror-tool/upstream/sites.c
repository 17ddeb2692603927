/* Hosts: their settings, certificates and addresses, and the ring in which they take turns. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "mirror-tool/upstream/exchange.h"
#include "storage/base/banned.h"

void upstream_note(struct upstream *up, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	if (!up->options.note)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	up->options.note(up->options.ctx, text);
}

const struct upstream_host *host_settings(const struct upstream *up, const char *authority)
{
	for (size_t i = 0; i < up->host_count; i++) {
		if (ref_same_host(up->hosts[i].host, authority))
			return &up->hosts[i];
	}
	return NULL;
}

static struct site *site_new(struct upstream *up, const char *host)
{
	struct site *s = mem_alloc(sizeof(*s));

	s->host = mem_strdup(host);
	s->settings = host_settings(up, host);
	s->connections = UPSTREAM_CONNECTIONS;
	if (s->settings && s->settings->connections)
		s->connections = s->settings->connections;
	s->small.tail = &s->small.first;
	s->bulk.tail = &s->bulk.first;
	if (up->turn) {
		s->next = up->turn->next;
		up->turn->next = s;
	} else {
		s->next = up->turn = s;
	}
	return s;
}

void sites_init(struct upstream *up)
{
	up->nowhere = site_new(up, "");
}

static void certs_free(struct upstream *up)
{
	for (struct authority_certs *c = up->certs, *next; c; c = next) {
		next = c->next;
		certs_release(&c->certs);
		free(c->authority);
		free(c);
	}
}

void sites_free(struct upstream *up)
{
	struct site *s = up->turn, *next;

	certs_free(up);
	do {
		next = s->next;
		url_release(&s->base);
		free(s->host);
		free(s);
		s = next;
	} while (s != up->turn);
	up->turn = NULL;
}

static struct site *site_find(struct upstream *up, const char *host)
{
	struct site *s = up->turn;

	do {
		if (strcmp(s->host, host) == 0)
			return s;
		s = s->next;
	} while (s != up->turn);
	return NULL;
}

struct site *site_for(struct upstream *up, const char *host, struct err *e)
{
	struct site *s = site_find(up, host);
	AUTO(mem_free) char *text = NULL;
	AUTO(url_release) struct url base = URL_INIT;
	const struct upstream_host *settings = host_settings(up, host);
	bool hub = strcmp(host, "docker.io") == 0;

	if (s)
		return s;
	text = mem_printf("%s://%s/", settings && settings->plain_http ? "http" : "https",
		hub ? "registry-1.docker.io" : host);
	if (url_parse(&base, NULL, span_of(text), e) < 0)
		return NULL;
	s = site_new(up, host);
	s->base = base;
	base = (struct url)URL_INIT;
	return s;
}

struct site *site_for_url(struct upstream *up, const struct url *u, struct err *e)
{
	char authority[URL_HOST_MAX + 8];
	const struct upstream_host *settings;

	url_authority(u, authority);
	settings = host_settings(up, authority);
	if (!u->https && !(settings && settings->plain_http)) {
		err_set(e, ERR_INPUT, "plain http to %s, which `registries:` does not allow",
			authority);
		return NULL;
	}
	return site_for(up, authority, e);
}

/* --- certificates -------------------------------------------------------------------------------- */

int certs_for(struct upstream *up, const char *authority, const struct certs **out, struct err *e)
{
	struct authority_certs *c;

	*out = NULL;
	for (c = up->certs; c; c = c->next) {
		if (strcmp(c->authority, authority) == 0)
			break;
	}
	if (!c) {
		c = mem_alloc(sizeof(*c));
		c->certs = (struct certs)CERTS_INIT;
		if (certs_read(&c->certs, up->certs_dirs, up->certs_dir_count, authority,
			    http_system_bundle(), e) < 0) {
			certs_release(&c->certs);
			free(c);
			return err_ctx(e, "certificates of %s", authority);
		}
		c->authority = mem_strdup(authority);
		c->next = up->certs;
		up->certs = c;
	}
	if (c->certs.ca.len || c->certs.client_cert)
		*out = &c->certs;
	return 0;
}
