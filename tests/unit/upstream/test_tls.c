/* HTTPS: whose certificates are believed, and who gets to see ours. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_tls.h"
#include "storage/base/fs.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"
#include "world.h"

#define BODY "{\"schemaVersion\":2}"

struct scene {
	struct world w;
	struct fake_wire wire;
	char b_host[32];
	char certs[100]; /* --certs-dir */
	const char *dirs[1];
	unsigned client_certs; /* requests that came with one, at b */
};

/* One self-signed certificate for both names serves as authority, server and client. */
static void make_certs(const struct sandbox *sb)
{
	AUTO(mem_free)
	char *command = mem_printf(
		"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
		"-keyout %s/key.pem -out %s/cert.pem -subj /CN=test "
		"-addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null",
		sb->path, sb->path);

	assert_int_equal(system(command), 0);
}

static void trust(const struct sandbox *sb, const struct scene *s, const char *host, bool client)
{
	AUTO(mem_free)
	char *command = mem_printf(
		"mkdir -p %s/%s && cp %s/cert.pem %s/%s/ca.crt"
		" && cd %s/%s && echo Mac OS X | tee ._ca.crt ._c.cert ._k.key >/dev/null",
		s->certs, host, sb->path, s->certs, host, s->certs, host);
	AUTO(mem_free)
	char *pair = mem_printf("cp %s/cert.pem %s/%s/c.cert && cp %s/key.pem %s/%s/c.key",
		sb->path, s->certs, host, sb->path, s->certs, host);

	assert_int_equal(system(command), 0);
	if (client)
		assert_int_equal(system(pair), 0);
}

static void first(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	struct scene *s = ctx;

	fake_text(out, 200, BODY);
	if (strstr(r->target, "/moved")) {
		out->status = 307;
		fake_header(out, "Location: https://%s/x", s->b_host);
	} else if (strstr(r->target, "/plain")) {
		out->status = 307;
		fake_header(out, "Location: http://%s/x", fake_host(s->w.a));
	} else if (strstr(r->target, "/client") && !r->has_client_cert) {
		out->status = 403;
	}
}

static void second(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	struct scene *s = ctx;

	s->client_certs += r->has_client_cert;
	fake_text(out, 200, BODY);
}

static void scene_init(struct scene *s, const struct sandbox *sb, bool needs_client)
{
	char cert[100], key[100];

	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	make_certs(sb);
	snprintf(cert, sizeof(cert), "%s/cert.pem", sb->path);
	snprintf(key, sizeof(key), "%s/key.pem", sb->path);
	snprintf(s->certs, sizeof(s->certs), "%s/certs.d", sb->path);
	s->wire = fake_tls(cert, key, needs_client ? cert : NULL);
	s->w = (struct world){ .notes = BUF_INIT };
	s->w.a = fake_start(first, s, &s->wire);
	s->w.b = fake_start(second, s, &s->wire);
	snprintf(s->b_host, sizeof(s->b_host), "127.0.0.1:%u", fake_port(s->w.b));
	s->w.hosts[0] = (struct upstream_host){ .host = s->b_host };
	s->dirs[0] = s->certs;
	s->w.o = (struct upstream_options){ .hosts = s->w.hosts,
		.host_count = 1,
		.retry_ms = 1,
		.attempts = 2,
		.certs_dirs = s->dirs,
		.certs_dir_count = 1 };
}

static void scene_end(struct scene *s)
{
	world_end(&s->w);
	fake_tls_free(&s->wire);
}

static void tls__unknown_authority_is_refused(void **state)
{
	AUTO(scene_end) struct scene s = { 0 };
	AUTO(result_release) struct result r = RESULT_INIT;

	scene_init(&s, *state, false);
	get_manifest(&s.w, "app:v1", false, &r);
	assert_failed(&r, ERR_NET, "certificate");
	assert_int_equal(fake_count(s.w.a, ""), 0);
}

static void tls__authority_of_the_hosts_folder_is_believed_for_that_host(void **state)
{
	AUTO(scene_end) struct scene s = { 0 };
	AUTO(result_release) struct result r = RESULT_INIT;
	AUTO(result_release) struct result moved = RESULT_INIT;

	scene_init(&s, *state, false);
	trust(*state, &s, fake_host(s.w.a), false);
	get_manifest(&s.w, "app:v1", false, &r);
	assert_found(&r);
	get_manifest(&s.w, "app:moved", false, &moved);
	assert_failed(&moved, ERR_NET, "certificate");
	assert_int_equal(fake_count(s.w.b, ""), 0);
}

static void tls__client_certificate_goes_to_the_first_origin_only(void **state)
{
	AUTO(scene_end) struct scene s = { 0 };
	AUTO(result_release) struct result r = RESULT_INIT;
	AUTO(result_release) struct result moved = RESULT_INIT;

	scene_init(&s, *state, false);
	trust(*state, &s, fake_host(s.w.a), true);
	trust(*state, &s, s.b_host, true);
	get_manifest(&s.w, "app:client", false, &r);
	assert_found(&r);
	get_manifest(&s.w, "app:moved", false, &moved);
	assert_found(&moved);
	assert_int_equal(fake_count(s.w.b, ""), 1);
	assert_int_equal(s.client_certs, 0);
}

static void tls__server_that_wants_a_client_certificate(void **state)
{
	for (int with = 0; with < 2; with++) {
		AUTO(scene_end) struct scene s = { 0 };
		AUTO(result_release) struct result r = RESULT_INIT;

		scene_init(&s, *state, true);
		trust(*state, &s, fake_host(s.w.a), with == 1);
		get_manifest(&s.w, "app:v1", false, &r);
		if (with)
			assert_found(&r);
		else
			assert_failed(&r, ERR_NET, "");
	}
}

static void tls__redirect_to_plain_http_is_refused(void **state)
{
	AUTO(scene_end) struct scene s = { 0 };
	AUTO(result_release) struct result r = RESULT_INIT;

	scene_init(&s, *state, false);
	trust(*state, &s, fake_host(s.w.a), false);
	get_manifest(&s.w, "app:plain", false, &r);
	assert_failed(&r, ERR_INPUT, "redirect from https to http");
}

#define BOXED(test) cmocka_unit_test_setup_teardown(test, sandbox_setup, sandbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(tls__unknown_authority_is_refused),
		BOXED(tls__authority_of_the_hosts_folder_is_believed_for_that_host),
		BOXED(tls__client_certificate_goes_to_the_first_origin_only),
		BOXED(tls__server_that_wants_a_client_certificate),
		BOXED(tls__redirect_to_plain_http_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
