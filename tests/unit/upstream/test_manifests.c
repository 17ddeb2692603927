/* Manifests by tag and digest, from a registry that lies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/cm.h"
#include "world.h"

#define BODY "{\"schemaVersion\":2}"

static void body_digest(char text[DIGEST_TEXT_SIZE])
{
	struct digest d;

	digest_of(&d, DIGEST_SHA256, span_of(BODY));
	digest_text(&d, text);
}

static void honest(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	char digest[DIGEST_TEXT_SIZE];
	struct world *w = ctx;

	body_digest(digest);
	if (w->ours != 2)
		fake_header(out, "Docker-Content-Digest: %s", digest);
	fake_header(out, "Content-Type: " MEDIA_OCI_MANIFEST "; charset=utf-8");
	fake_text(out, 200, BODY);
	if (strstr(r->target, "absent"))
		fake_text(out, 404, "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}");
	if (w->ours == 1 && strcmp(r->method, "HEAD") == 0)
		out->status = 405;
	if (!strstr(r->accept, MEDIA_OCI_INDEX) || !strstr(r->accept, MEDIA_DOCKER_MANIFEST) ||
		r->accept_encoding[0] || r->authorization[0])
		out->status = 400;
}

static void manifest__get_by_tag_gives_bytes_type_and_digest(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;
	char digest[DIGEST_TEXT_SIZE], want[DIGEST_TEXT_SIZE];

	(void)state;
	world_init(&w, honest, NULL);
	get_manifest(&w, "app:v1", false, &r);
	assert_found(&r);
	body_digest(want);
	assert_string_equal(r.bytes.data, BODY);
	assert_string_equal(r.type, MEDIA_OCI_MANIFEST);
	assert_string_equal(digest_text(&r.digest, digest), want);
	assert_int_equal(fake_count(w.a, "GET /v2/app/manifests/v1"), 1);
}

/* Gzip of BODY, though the request does not accept it. */
static void packed(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	static const char bytes[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x2a\x4e\xce"
				    "\x48\xcd\x4d\x0c\x4b\x2d\x2a\xce\xcc\xcf\x53\xb2\x32\xaa\x05"
				    "\x00\xc6\xf8\x27\x72\x13\x00\x00\x00";

	honest(ctx, r, out);
	fake_header(out, "Content-Encoding: gzip");
	buf_clear(&out->body);
	buf_add(&out->body, bytes, strstr(r->target, "cut") ? 20 : sizeof(bytes) - 1);
	out->chunked = strstr(r->target, "bit");
	out->first_chunk = 1;
}

static void manifest__gzip_that_nobody_asked_for_is_decoded(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;
	AUTO(result_release) struct result cut = RESULT_INIT;
	AUTO(result_release) struct result bit = RESULT_INIT;

	(void)state;
	world_init(&w, packed, NULL);
	get_manifest(&w, "app:v1", false, &r);
	assert_found(&r);
	assert_string_equal(r.bytes.data, BODY);
	assert_int_equal(fake_count(w.a, "GET /v2/app/manifests/v1"), 2);
	get_manifest(&w, "app:cut", false, &cut);
	assert_int_equal(cut.rc, -1);
	get_manifest(&w, "app:bit", false, &bit);
	assert_found(&bit);
	assert_string_equal(bit.bytes.data, BODY);
}

static void manifest__head_gives_digest_and_size_without_a_get(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;

	(void)state;
	world_init(&w, honest, NULL);
	get_manifest(&w, "app:v1", true, &r);
	assert_found(&r);
	assert_int_equal(r.size, strlen(BODY));
	assert_int_equal(r.bytes.len, 0);
	assert_int_equal(fake_count(w.a, "GET "), 0);
}

static void manifest__head_that_tells_nothing_or_is_refused_becomes_a_get(void **state)
{
	(void)state;
	for (int lie = 1; lie <= 2; lie++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;

		world_init(&w, honest, NULL);
		w.ours = lie;
		get_manifest(&w, "app:v1", true, &r);
		assert_found(&r);
		assert_string_equal(r.bytes.data, BODY);
	}
}

static void manifest__absent_is_an_answer(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;

	(void)state;
	world_init(&w, honest, NULL);
	get_manifest(&w, "app:absent", true, &r);
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.rc, 0);
	assert_int_equal(fake_count(w.a, ""), 1);
}

static void manifest__requests_share_few_connections(void **state)
{
	AUTO(world_end) struct world w;
	struct result r[200] = { 0 };
	struct ref ref;

	(void)state;
	world_init(&w, honest, NULL);
	world_open(&w);
	world_ref(&w, "app:v1", &ref);
	for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
		r[i].bytes = (struct buf)BUF_INIT;
		upstream_manifest(w.up, &ref, false, on_manifest, &r[i]);
	}
	world_run(&w);
	for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
		assert_found(&r[i]);
		result_release(&r[i]);
	}
	assert_in_range(fake_connections(w.a), 1, UPSTREAM_CONNECTIONS);
}

/* --- lies ------------------------------------------------------------------------------------- */

static const char other_digest[] =
	"sha256:0000000000000000000000000000000000000000000000000000000000000000";

static void liar(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	struct world *w = ctx;

	(void)r;
	fake_header(out, "Content-Type: %s", w->ours == 3 ? MEDIA_DOCKER_SCHEMA1_SIGNED : "x/y");
	if (w->ours == 1)
		fake_header(out, "Docker-Content-Digest: %s", other_digest);
	fake_text(out, 200, BODY);
	if (w->ours == 4 || w->ours == 5) {
		for (int i = 0; i < 1 << 16; i++)
			buf_add(&out->body,
				"0123456789abcdef0123456789abcdef0123456789abcdef"
				"0123456789abcdef0123456789abcdef",
				80);
		out->endless = w->ours == 5;
	}
	if (w->ours == 6)
		for (int i = 0; i < 10; i++)
			fake_header(out, "X-%d: %08000d", i, i);
	if (w->ours == 7)
		fake_text(
			out, 403, "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"no\\nway\"}]}");
}

static void manifest__lies_are_refused(void **state)
{
	static const struct {
		int lie;
		const char *name;
		enum err_code code;
		const char *words;
	} cases[] = {
		{ 1, "app:v1", ERR_CORRUPT, "not sha256:0000" },
		{ 2, "app@sha256:1111111111111111111111111111111111111111111111111111111111111111",
			ERR_CORRUPT, "not sha256:1111" },
		{ 3, "app:v1", ERR_UNSUPPORTED, "schema 1" },
		{ 4, "app:v1", ERR_INPUT, "at most 4194304" },
		{ 5, "app:v1", ERR_INPUT, "larger than 4194304" },
		{ 6, "app:v1", ERR_INPUT, "bytes of headers" },
		{ 7, "app:v1", ERR_DENIED, "HTTP 403 (DENIED: no\nway)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;

		world_init(&w, liar, NULL);
		w.ours = cases[i].lie;
		get_manifest(&w, cases[i].name, false, &r);
		assert_failed(&r, cases[i].code, cases[i].words);
		assert_int_equal(fake_count(w.a, ""), 1);
	}
}

static void manifest__host_without_plain_http_is_asked_by_https_only(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;

	(void)state;
	world_init(&w, honest, NULL);
	w.o.host_count = 0;
	w.o.attempts = 1;
	get_manifest(&w, "app:v1", false, &r);
	assert_failed(&r, ERR_NET, "https://localhost:");
	assert_int_equal(fake_count(w.a, ""), 0);
}

/* As a proxy sees it: the whole URL is the target. */
static void proxy(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	(void)ctx;
	fake_text(out, strncmp(r->target, "http://registry.example/v2/app/", 31) ? 400 : 200, BODY);
}

static void manifest__goes_through_the_proxy_of_the_environment(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;
	AUTO(result_release) struct result direct = RESULT_INIT;
	struct err e = ERR_INIT;
	char url[64];
	struct ref ref;

	(void)state;
	world_init(&w, honest, proxy);
	w.hosts[1] = (struct upstream_host){ .host = "registry.example", .plain_http = true };
	snprintf(url, sizeof(url), "http://%s", w.b_host);
	setenv("http_proxy", url, 1);
	setenv("no_proxy", "localhost", 1);
	world_open(&w);
	assert_ok(ref_parse(&ref, span_of("registry.example/app:v1"), &e));
	upstream_manifest(w.up, &ref, false, on_manifest, &r);
	world_run(&w);
	get_manifest(&w, "app:v1", false, &direct);
	unsetenv("http_proxy");
	unsetenv("no_proxy");
	assert_found(&r);
	assert_found(&direct);
	assert_int_equal(fake_count(w.a, "GET "), 1);
	assert_int_equal(fake_count(w.b, "GET "), 1);
}

static void run__stops_when_told(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;
	volatile sig_atomic_t stop = 1;
	struct err e = ERR_INIT;
	struct ref ref;

	(void)state;
	world_init(&w, honest, NULL);
	w.o.stop = &stop;
	world_open(&w);
	world_ref(&w, "app:v1", &ref);
	upstream_manifest(w.up, &ref, false, on_manifest, &r);
	assert_err(upstream_run(w.up, &e), ERR_BUSY, "interrupted");
	assert_int_equal(r.calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manifest__get_by_tag_gives_bytes_type_and_digest),
		cmocka_unit_test(manifest__gzip_that_nobody_asked_for_is_decoded),
		cmocka_unit_test(manifest__head_gives_digest_and_size_without_a_get),
		cmocka_unit_test(manifest__head_that_tells_nothing_or_is_refused_becomes_a_get),
		cmocka_unit_test(manifest__absent_is_an_answer),
		cmocka_unit_test(manifest__requests_share_few_connections),
		cmocka_unit_test(manifest__lies_are_refused),
		cmocka_unit_test(manifest__host_without_plain_http_is_asked_by_https_only),
		cmocka_unit_test(manifest__goes_through_the_proxy_of_the_environment),
		cmocka_unit_test(run__stops_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
