/* Write pages of names. */
#include "registry/api/page.h"

#include <stdio.h>

#include "storage/base/tree.h"
#include "storage/base/banned.h"

void page_release(struct page **p)
{
	buf_release(&(*p)->json);
}

unsigned page_size(const struct route *route, unsigned usual, unsigned most)
{
	if (route->n == PAGE_UNSET)
		return usual;
	return route->n > most ? most : (unsigned)route->n;
}

/* Add a name as the API writes it; remember it as the store does. */
int page_add(void *ctx, const char *name, struct err *e)
{
	struct page *p = ctx;
	char served[REF_TEXT_SIZE];

	(void)e;
	ref_api_name(name, served);
	if (p->json.len > 0)
		buf_char(&p->json, ',');
	json_quote(&p->json, served, false);
	snprintf(p->last, sizeof(p->last), "%s", name);
	return 0;
}

int page_add_tag(void *ctx, const char *tag, struct err *e)
{
	struct page *p = ctx;
	size_t len = strlen(tag);

	(void)e;
	buf_str(&p->json, p->json.len > 0 ? ",\"" : "\"");
	buf_add(&p->json, tag, len);
	buf_char(&p->json, '"');
	memcpy(p->last, tag, len + 1);
	return 0;
}

void page_end(struct page *p, struct reply *r)
{
	reply_header(r, "Content-Type", "application/json");
	buf_add(&r->bytes, p->json.data, p->json.len);
	buf_str(&r->bytes, "]}");
}

static void encode(struct buf *out, const char *text)
{
	for (const char *p = text; *p; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9') || strchr("-._~/", *p);

		if (plain)
			buf_char(out, *p);
		else
			buf_printf(out, "%%%02X", (unsigned)(unsigned char)*p);
	}
}

void page_link(
	struct reply *r, const struct route *route, const char *path, unsigned n, const char *last)
{
	AUTO(buf_release) struct buf link = BUF_INIT;

	buf_printf(&link, "<%s?", path);
	if (n > 0)
		buf_printf(&link, "n=%u&", n);
	buf_str(&link, "last=");
	encode(&link, last);
	for (unsigned i = 0; i < route->types; i++) {
		buf_str(&link, "&artifactType=");
		encode(&link, route_value(route, i));
	}
	if (*route->ns) {
		buf_str(&link, "&ns=");
		encode(&link, route->ns);
	}
	buf_str(&link, ">; rel=\"next\"");
	reply_header(r, "Link", link.data);
}
