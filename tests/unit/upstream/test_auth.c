/* Tokens and passwords against a registry that asks for them in odd ways. */
#include <stdio.h>
#include <string.h>

#include "tests/support/cm.h"
#include "tests/support/sandbox.h"
#include "world.h"

#define BODY "{\"schemaVersion\":2}"
#define BASIC "Basic dXNlcjpwYXNz" /* user:pass */

enum mode {
	ANONYMOUS, /* token without credentials */
	PASSWORD, /* token for user:pass */
	IDENTITY, /* token by POST of a refresh token */
	BASIC_ONLY,
	SILENT, /* 401 without a challenge but at /v2/ */
	SILENT_BASIC,
	STALE, /* tokens are good for two requests */
	REFUSING, /* no token is good */
	FOREIGN, /* realm at somebody else's */
	EMPTY, /* the token service answers {} */
	INJECT, /* a token with a line end */
	NO_SERVICE, /* 404 */
	FLAKY, /* 503 first */
	NO_CREDENTIALS /* Basic, and the token service wants a password */
};

static void challenge(struct world *w, struct fake_reply *out)
{
	fake_text(out, 401, "{}");
	if (w->ours == BASIC_ONLY || w->ours == SILENT_BASIC)
		fake_header(out, "WWW-Authenticate: bAsIc realm=\"a, b\", charset=UTF-8");
	else if (w->ours == FOREIGN)
		fake_header(out, "WWW-Authenticate: Bearer realm=\"https://evil.example/token\"");
	else
		fake_header(out,
			"WWW-Authenticate: Negotiate, Basic realm=\"x\", bearer "
			"SERVICE=\"reg, \\\"one\\\"\",scope=\"repository:app:pull other:x:y\","
			"realm=\"http://%s/token?a=b\"",
			fake_host(w->a));
}

static void token(struct world *w, const struct fake_request *r, struct fake_reply *out)
{
	const bool by_password = w->ours == PASSWORD || w->ours == NO_CREDENTIALS;

	fake_text(out, 200, "{\"token\":\"t0ken\",\"expires_in\":300}");
	if (w->ours == STALE)
		buf_cut(&out->body, 0),
			buf_printf(&out->body, "{\"access_token\":\"t%u\"}", r->count);
	if (w->ours == EMPTY)
		fake_text(out, 200, "{}");
	if (w->ours == INJECT)
		fake_text(out, 200, "{\"token\":\"a\\r\\nX: y\"}");
	if (w->ours == NO_SERVICE)
		fake_text(out, 404, "");
	if (w->ours == FLAKY && r->count == 0)
		fake_text(out, 503, "");
	if (by_password && strcmp(r->authorization, BASIC) != 0)
		fake_text(out, 401, "");
	if (w->ours == ANONYMOUS && r->authorization[0])
		out->status = 400;
	if (w->ours == IDENTITY) {
		if (strcmp(r->method, "POST") != 0 || r->authorization[0] ||
			!strstr(r->body, "refresh_token=re%2Ffresh") ||
			!strstr(r->body, "grant_type=refresh_token") ||
			!strstr(r->body, "service=reg%2C%20%22one%22"))
			fake_text(out, 400, "");
	} else if (!strstr(r->target, "a=b&service=reg%2C%20%22one%22&scope=repository%3A") ||
		   strcmp(r->method, "GET") != 0) {
		out->status = 400;
	}
}

static bool is_good(struct world *w, const struct fake_request *r)
{
	unsigned mine = 0;

	if (w->ours == BASIC_ONLY || w->ours == SILENT_BASIC)
		return strcmp(r->authorization, BASIC) == 0;
	if (w->ours == STALE) /* t0 was good before, t1 is now */
		return sscanf(r->authorization, "Bearer t%u", &mine) == 1 &&
		       (mine == 1 || !strstr(r->target, "late"));
	return w->ours != REFUSING && strcmp(r->authorization, "Bearer t0ken") == 0;
}

static void registry(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	struct world *w = ctx;

	if (strncmp(r->target, "/token", 6) == 0) {
		token(w, r, out);
		return;
	}
	fake_text(out, 200, BODY);
	if (strncmp(r->target, "/layers/", 8) == 0)
		out->status = r->authorization[0] ? 403 : 200;
	if (strncmp(r->target, "/layers/", 8) == 0 || is_good(w, r))
		return;
	if ((w->ours == SILENT || w->ours == SILENT_BASIC) && strcmp(r->target, "/v2/") != 0)
		fake_text(out, 401, "");
	else
		challenge(w, out);
}

static void write_auth(
	struct world *w, const struct sandbox *sb, const char *format, char *file, size_t room)
{
	char text[500];

	snprintf(file, room, "%s", sandbox_path(sb, "auth.json"));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), format, fake_host(w->a));
#pragma GCC diagnostic pop
	sandbox_write(file, text, strlen(text));
	w->o.authfile = file;
}

static const char user_pass[] = "{\"auths\":{\"%s\":{\"auth\":\"dXNlcjpwYXNz\"}}}";
static const char refresh[] = "{\"auths\":{\"%s\":{\"identitytoken\":\"re/fresh\"}}}";
static const char nothing[] = "{\"auths\":{\"x%s\":{\"auth\":\"dXNlcjpwYXNz\"}}}";

static void auth__each_way_in_is_found(void **state)
{
	static const struct {
		enum mode mode;
		const char *file;
		unsigned tokens, pings;
	} cases[] = {
		{ ANONYMOUS, nothing, 1, 0 },
		{ PASSWORD, user_pass, 1, 0 },
		{ IDENTITY, refresh, 1, 0 },
		{ BASIC_ONLY, user_pass, 0, 0 },
		{ SILENT, nothing, 1, 1 },
		{ SILENT_BASIC, user_pass, 0, 1 },
		{ FLAKY, nothing, 2, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;
		char file[300];

		world_init(&w, registry, NULL);
		write_auth(&w, *state, cases[i].file, file, sizeof(file));
		w.ours = (int)cases[i].mode;
		get_manifest(&w, "app:v1", false, &r);
		assert_found(&r);
		assert_int_equal(fake_count(w.a, "GET /token") + fake_count(w.a, "POST /token"),
			cases[i].tokens);
		assert_int_equal(fake_count(w.a, "GET /v2/app"), 2);
		assert_int_equal(fake_count(w.a, "GET /v2/") - fake_count(w.a, "GET /v2/app"),
			cases[i].pings);
		/* what was learnt serves the next request */
		get_manifest(&w, "app:v2", true, &r);
		assert_int_equal(fake_count(w.a, "HEAD /v2/app"), r.rc == 1 ? 1 : 99);
	}
}

static void auth__refusals_end_with_a_reason(void **state)
{
	static const struct {
		enum mode mode;
		const char *file;
		enum err_code code;
		const char *words;
	} cases[] = {
		{ REFUSING, nothing, ERR_DENIED, "the token does not allow it" },
		{ FOREIGN, user_pass, ERR_DENIED, "evil.example is not of localhost" },
		{ EMPTY, nothing, ERR_INPUT, "holds no token" },
		{ INJECT, nothing, ERR_INPUT, "holds no token" },
		{ NO_SERVICE, nothing, ERR_DENIED, "HTTP 404" },
		{ NO_CREDENTIALS, nothing, ERR_DENIED, "were refused" },
		{ BASIC_ONLY, nothing, ERR_DENIED, "needs a user and password" },
		{ BASIC_ONLY, "{\"auths\":{\"%s\":{\"auth\":\"dXNlcjp3cm9uZw==\"}}}", ERR_DENIED,
			"were refused" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;
		char file[300];

		world_init(&w, registry, NULL);
		write_auth(&w, *state, cases[i].file, file, sizeof(file));
		w.ours = (int)cases[i].mode;
		get_manifest(&w, "app:v1", false, &r);
		assert_failed(&r, cases[i].code, cases[i].words);
		assert_null(strstr(r.e.text, "dXNlcjpwYXNz"));
		assert_in_range(fake_count(w.a, ""), 1, 4);
	}
}

static void auth__a_token_that_went_stale_is_replaced_once(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;

	(void)state;
	world_init(&w, registry, NULL);
	w.ours = STALE;
	get_manifest(&w, "app:v1", false, &r);
	assert_found(&r);
	get_manifest(&w, "app:late", false, &r);
	assert_found(&r);
	assert_int_equal(fake_count(w.a, "GET /token"), 2);
}

static void auth__many_requests_share_one_token(void **state)
{
	AUTO(world_end) struct world w;
	struct result r[50] = { 0 };
	struct ref ref;

	(void)state;
	world_init(&w, registry, NULL);
	w.ours = ANONYMOUS;
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
	assert_int_equal(fake_count(w.a, "GET /token"), 1);
}

static void auth__many_requests_at_once_may_all_learn_of_basic(void **state)
{
	AUTO(world_end) struct world w;
	struct result r[50] = { 0 };
	struct ref ref;
	char file[300];

	world_init(&w, registry, NULL);
	write_auth(&w, *state, user_pass, file, sizeof(file));
	w.ours = BASIC_ONLY;
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
}

/* An address in a manifest is a stranger's choice, also when it leads to a registry whose password or
 * token is known by then. */
static void auth__addresses_in_manifests_get_no_credentials(void **state)
{
	static const enum mode modes[] = { BASIC_ONLY, PASSWORD };
	struct digest d;

	digest_of(&d, DIGEST_SHA256, span_of(BODY));
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		const char *name = i ? "two" : "one";
		AUTO(store_close) struct store *s = sandbox_store(*state, name, STORE_WRITE);
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT, layer = RESULT_INIT;
		char file[300], url[100];

		world_init(&w, registry, NULL);
		write_auth(&w, *state, user_pass, file, sizeof(file));
		w.ours = (int)modes[i];
		get_manifest(&w, "app:v1", false, &r);
		assert_found(&r);
		snprintf(url, sizeof(url), "http://%s/layers/1", fake_host(w.a));
		upstream_foreign_url(w.up, url, &d, strlen(BODY), s, NULL, on_done, &layer);
		world_run(&w);
		assert_found(&layer);
		assert_int_equal(fake_count(w.a, "GET /layers/"), 1);
	}
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, sandbox_setup, sandbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(auth__each_way_in_is_found),
		BOXED(auth__refusals_end_with_a_reason),
		BOXED(auth__a_token_that_went_stale_is_replaced_once),
		BOXED(auth__many_requests_share_one_token),
		BOXED(auth__many_requests_at_once_may_all_learn_of_basic),
		BOXED(auth__addresses_in_manifests_get_no_credentials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
