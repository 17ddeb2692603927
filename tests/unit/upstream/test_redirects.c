/* Redirects: which are followed, and who sees the credentials on the way. */
#include <stdio.h>
#include <string.h>

#include "storage/base/fs.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"
#include "world.h"

#define BODY "{\"schemaVersion\":2}"

/* Where /v2/app/manifests/TAG leads: by tag. */
static void registry(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	struct world *w = ctx;
	const char *tag = strrchr(r->target, '/') + 1;

	out->status = 307;
	if (strncmp(r->target, "/blob", 5) == 0)
		fake_text(out, 200, BODY);
	else if (strcmp(tag, "relative") == 0)
		fake_header(out, "Location: /blob?sig=secret");
	else if (strcmp(tag, "other") == 0)
		fake_header(out, "Location: http://%s/blob?sig=secret", w->b_host);
	else if (strcmp(tag, "loop") == 0)
		fake_header(out, "Location: loop");
	else if (strcmp(tag, "nowhere") == 0)
		out->status = 302;
	else if (strcmp(tag, "plain") == 0)
		fake_header(out, "Location: http://example.org/x");
	else if (strcmp(tag, "metadata") == 0)
		fake_header(out, "Location: https://169.254.169.254/latest?sig=secret");
	else if (strcmp(tag, "number") == 0)
		fake_header(out, "Location: https://2130706433/x");
	else if (strcmp(tag, "ten") == 0)
		fake_header(out, "Location: https://10.1.2.3/x");
	else if (strcmp(tag, "mapped") == 0)
		fake_header(out, "Location: https://[::ffff:127.0.0.1]/x");
	else if (strcmp(tag, "user") == 0)
		fake_header(out, "Location: https://me:secret@example.org/x");
	else if (strcmp(tag, "file") == 0)
		fake_header(out, "Location: file:///etc/passwd");
	else if (strcmp(tag, "signed") == 0)
		fake_header(out, "Location: http://%s/signed?n=%u", w->b_host, r->count);
	else if (strcmp(tag, "challenge") == 0)
		fake_header(out, "Location: http://%s/challenge", w->b_host);
	else if (strcmp(tag, "basic") == 0)
		fake_header(out, "Location: http://%s/basic", w->b_host);
	else if (!r->authorization[0]) {
		fake_header(out, "WWW-Authenticate: Basic realm=x");
		out->status = 401;
	} else
		fake_header(out, "Location: http://%s/blob", w->b_host);
}

static void stranger(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	struct world *w = ctx;

	w->ours += r->authorization[0] || r->cookie[0];
	fake_text(out, 200, BODY);
	if (strcmp(r->target, "/signed?n=0") == 0)
		fake_text(out, 403, "expired");
	if (strcmp(r->target, "/basic") == 0) {
		out->status = 401;
		fake_header(out, "WWW-Authenticate: Basic realm=gimme");
	}
	if (strncmp(r->target, "/token?", 7) == 0)
		fake_text(out, 200, "{\"token\":\"anonymous\"}");
	if (strcmp(r->target, "/challenge") == 0 && !r->authorization[0]) {
		out->status = 401;
		fake_header(out, "WWW-Authenticate: Bearer realm=\"http://%s/token\"", w->b_host);
	}
}

static void redirect__relative_and_to_a_configured_host_is_followed(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;

		world_init(&w, registry, stranger);
		get_manifest(&w, i ? "app:other" : "app:relative", false, &r);
		assert_found(&r);
		assert_int_equal(fake_count(i ? w.b : w.a, "GET /blob?sig=secret"), 1);
	}
}

static void redirect__unsafe_ones_are_refused_without_a_request(void **state)
{
	static const struct {
		const char *name, *words;
	} cases[] = {
		{ "app:loop", "more than 10 redirects" },
		{ "app:nowhere", "without a Location" },
		{ "app:plain", "plain http at example.org" },
		{ "app:metadata", "private address 169.254.169.254" },
		{ "app:number", "private address 127.0.0.1" },
		{ "app:ten", "private address 10.1.2.3" },
		{ "app:mapped", "private address [::ffff:127.0.0.1]" },
		{ "app:user", "credentials in a URL" },
		{ "app:file", "file:///etc/passwd: no URL" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;

		world_init(&w, registry, stranger);
		get_manifest(&w, cases[i].name, false, &r);
		assert_failed(&r, ERR_INPUT, cases[i].words);
		assert_null(strstr(r.e.text, "secret"));
		assert_int_equal(fake_count(w.b, ""), 0);
	}
}

static void redirect__to_a_private_host_that_is_not_configured_is_refused(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;

	(void)state;
	world_init(&w, registry, stranger);
	w.o.host_count = 1;
	get_manifest(&w, "app:other", false, &r);
	assert_failed(&r, ERR_INPUT, "which `registries:` does not");
	assert_int_equal(fake_count(w.b, ""), 0);
}

static void redirect__expired_address_is_asked_for_again(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;

	(void)state;
	world_init(&w, registry, stranger);
	get_manifest(&w, "app:signed", false, &r);
	assert_found(&r);
	assert_int_equal(fake_count(w.b, "GET /signed?n=0"), 1);
	assert_int_equal(fake_count(w.b, "GET /signed?n=1"), 1);
	assert_null(strstr(w.notes.data, "n=0"));
}

static void redirect__target_gets_an_anonymous_token_never_ours(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;

	(void)state;
	world_init(&w, registry, stranger);
	get_manifest(&w, "app:challenge", false, &r);
	assert_found(&r);
	assert_int_equal(fake_count(w.b, "GET /token?"), 1);
}

static void redirect__target_that_asks_for_a_password_is_refused(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;

	(void)state;
	world_init(&w, registry, stranger);
	get_manifest(&w, "app:basic", false, &r);
	assert_failed(&r, ERR_DENIED, "the target of a redirect asks for credentials");
}

static void redirect__credentials_stay_at_the_first_origin(void **state)
{
	const struct sandbox *sb = *state;
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;
	char file[300], text[300];

	world_init(&w, registry, stranger);
	snprintf(file, sizeof(file), "%s", sandbox_path(sb, "auth.json"));
	snprintf(text, sizeof(text), "{\"auths\":{\"%s\":{\"auth\":\"dXNlcjpwYXNz\"}}}",
		fake_host(w.a));
	sandbox_write(file, text, strlen(text));
	w.o.authfile = file;
	get_manifest(&w, "app:needs-password", false, &r);
	assert_found(&r);
	assert_int_equal(w.ours, 0);
	assert_int_equal(fake_count(w.b, "GET /blob"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redirect__relative_and_to_a_configured_host_is_followed),
		cmocka_unit_test(redirect__unsafe_ones_are_refused_without_a_request),
		cmocka_unit_test(redirect__to_a_private_host_that_is_not_configured_is_refused),
		cmocka_unit_test(redirect__expired_address_is_asked_for_again),
		cmocka_unit_test(redirect__target_gets_an_anonymous_token_never_ours),
		cmocka_unit_test(redirect__target_that_asks_for_a_password_is_refused),
		cmocka_unit_test_setup_teardown(redirect__credentials_stay_at_the_first_origin,
			sandbox_setup, sandbox_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
