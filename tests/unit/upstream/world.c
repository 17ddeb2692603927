/* Helpers of the tests of this folder. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/cm.h"

static void on_note(void *ctx, const char *text)
{
	struct world *w = ctx;

	buf_str(&w->notes, text);
	buf_char(&w->notes, '\n');
}

void world_init(struct world *w, fake_fn *a, fake_fn *b)
{
	*w = (struct world){ .notes = BUF_INIT };
	w->a = fake_start(a, w, NULL);
	w->hosts[0] = (struct upstream_host){ .host = fake_host(w->a), .plain_http = true };
	w->o = (struct upstream_options){
		.hosts = w->hosts, .host_count = 1, .retry_ms = 1, .note = on_note, .ctx = w
	};
	if (!b)
		return;
	w->b = fake_start(b, w, NULL);
	snprintf(w->b_host, sizeof(w->b_host), "127.0.0.1:%u", fake_port(w->b));
	w->hosts[1] = (struct upstream_host){ .host = w->b_host, .plain_http = true };
	w->o.host_count = 2;
}

void world_open(struct world *w)
{
	struct err e = ERR_INIT;

	if (!w->up)
		assert_ok(upstream_new(&w->up, &w->o, &e));
}

void world_end(struct world *w)
{
	upstream_free(&w->up);
	fake_stop(&w->a);
	fake_stop(&w->b);
	buf_release(&w->notes);
}

void result_release(struct result *r)
{
	buf_release(&r->bytes);
}

void world_ref(const struct world *w, const char *name, struct ref *out)
{
	AUTO(mem_free) char *text = mem_printf("%s/%s", fake_host(w->a), name);
	struct err e = ERR_INIT;

	assert_ok(ref_parse(out, span_of(text), &e));
}

void world_run(struct world *w)
{
	struct err e = ERR_INIT;

	assert_ok(upstream_run(w->up, &e));
}

static void take(struct result *r, int rc, const struct err *e)
{
	r->calls++;
	r->rc = rc;
	r->e = *e;
}

void on_manifest(void *ctx, int rc, const struct upstream_manifest *m, struct err *e)
{
	struct result *r = ctx;

	take(r, rc, e);
	assert_true((rc > 0) == (m != NULL));
	if (!m)
		return;
	r->digest = m->digest;
	r->size = m->size;
	snprintf(r->type, sizeof(r->type), "%s", m->media_type);
	buf_clear(&r->bytes);
	buf_add(&r->bytes, m->bytes.data, m->bytes.len);
}

void get_manifest(struct world *w, const char *name, bool head, struct result *r)
{
	struct ref ref;

	world_open(w);
	world_ref(w, name, &ref);
	r->calls = 0;
	upstream_manifest(w->up, &ref, head, on_manifest, r);
	assert_int_equal(r->calls, 0);
	world_run(w);
}

void on_done(void *ctx, int rc, struct err *e)
{
	take(ctx, rc, e);
}

void on_bytes(void *ctx, int rc, struct span bytes, struct err *e)
{
	struct result *r = ctx;

	take(r, rc, e);
	if (rc > 0)
		buf_add(&r->bytes, bytes.data, bytes.len);
}

static int on_tag(void *ctx, const char *tag, struct err *e)
{
	struct result *r = ctx;

	if (strcmp(tag, "refuse-me") == 0)
		return err_set(e, ERR_INPUT, "not that one");
	buf_printf(&r->bytes, "%s ", tag);
	return 0;
}

void get_tags(struct world *w, const char *repo, struct result *r)
{
	struct ref ref;

	world_open(w);
	world_ref(w, repo, &ref);
	upstream_tags(w->up, &ref, on_tag, on_done, r);
	world_run(w);
}

static void on_referrers(void *ctx, int rc, const struct upstream_referrers *refs, struct err *e)
{
	struct result *r = ctx;
	char text[DIGEST_TEXT_SIZE];

	take(r, rc, e);
	if (rc <= 0)
		return;
	r->count = refs->count;
	r->via_tag = refs->via_tag;
	for (size_t i = 0; i < refs->count; i++)
		buf_printf(&r->bytes, "%s\n", digest_text(&refs->items[i].digest, text));
}

void get_referrers(struct world *w, const char *name, struct result *r)
{
	struct ref ref;

	world_open(w);
	world_ref(w, name, &ref);
	upstream_referrers(w->up, &ref, on_referrers, r);
	world_run(w);
}

void get_blob(
	struct world *w, const char *repo, const char *content, struct store *s, struct result *r)
{
	struct digest d;
	struct ref ref;

	world_open(w);
	world_ref(w, repo, &ref);
	digest_of(&d, DIGEST_SHA256, span_of(content));
	r->calls = 0;
	upstream_blob(w->up, &ref, &d, strlen(content), s, NULL, on_done, r);
	assert_int_equal(r->calls, 0);
	world_run(w);
}

static void on_size(void *ctx, int rc, uint64_t size, struct err *e)
{
	struct result *r = ctx;

	take(r, rc, e);
	r->size = size;
}

void get_size(struct world *w, const char *url, struct result *r)
{
	world_open(w);
	upstream_url_size(w->up, url, on_size, r);
	world_run(w);
}
