/* Attempts, pauses and limits of a host. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/cm.h"
#include "world.h"

#define BODY "{\"schemaVersion\":2}"

/* Fails w->ours times a target, then answers. What it fails with is in the tag. */
static void failing(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	struct world *w = ctx;
	const char *how = strrchr(r->target, '/') + 1;

	fake_text(out, 200, BODY);
	if (r->count >= (unsigned)w->ours)
		return;
	if (strcmp(how, "close") == 0)
		out->status = 0;
	else if (strcmp(how, "cut") == 0)
		out->cut = 5;
	else if (strcmp(how, "date") == 0)
		fake_header(out, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT"), out->status = 503;
	else if (strcmp(how, "zero") == 0)
		fake_header(out, "Retry-After: 0"), out->status = 429;
	else if (strcmp(how, "year") == 0)
		fake_header(out, "Retry-After: 31536000"), out->status = 429;
	else
		out->status = (how[0] - '0') * 100 + (how[1] - '0') * 10 + (how[2] - '0');
}

static void retry__transient_failures_are_tried_again(void **state)
{
	static const char *const names[] = { "app:408", "app:429", "app:499", "app:500", "app:502",
		"app:503", "app:504", "app:507", "app:522", "app:close", "app:cut", "app:date",
		"app:zero" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;

		world_init(&w, failing, NULL);
		w.ours = 3;
		get_manifest(&w, names[i], false, &r);
		assert_found(&r);
		assert_int_equal(fake_count(w.a, "GET "), 4);
		assert_non_null(strstr(w.notes.data, "again in"));
	}
}

static void retry__ends_after_the_last_attempt(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;

	(void)state;
	world_init(&w, failing, NULL);
	w.ours = 100;
	w.o.attempts = 4;
	get_manifest(&w, "app:503", false, &r);
	assert_failed(&r, ERR_NET, "after 4 attempts: HTTP 503");
	assert_int_equal(fake_count(w.a, "GET "), 4);
}

/* A server of plain HTTP that somebody greets with TLS. */
static void *answer_plainly(void *ctx, int fd)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
	char hello[1024];

	(void)ctx;
	if (read(fd, hello, sizeof(hello)) > 0 && write(fd, text, sizeof(text) - 1) < 0)
		perror("write");
	return NULL;
}

static void retry__a_server_without_tls_is_not_tried_again(void **state)
{
	const struct fake_wire wire = { .open = answer_plainly };
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;
	char words[100];

	(void)state;
	world_init(&w, failing, NULL);
	fake_stop(&w.a);
	w.a = fake_start(failing, &w, &wire);
	w.hosts[0] = (struct upstream_host){ .host = fake_host(w.a) };
	get_manifest(&w, "app:1", false, &r);
	snprintf(words, sizeof(words), "registries: {\"%s\": {plain-http: true}}", fake_host(w.a));
	assert_failed(&r, ERR_NET, words);
	assert_non_null(strstr(r.e.text, "does not speak TLS"));
	assert_int_equal(fake_connections(w.a), 1);
	assert_int_equal(w.notes.len, 0);
}

static void retry__final_answers_are_not_tried_again(void **state)
{
	static const struct {
		const char *name;
		enum err_code code;
		const char *words;
	} cases[] = {
		{ "app:400", ERR_NET, "HTTP 400" },
		{ "app:403", ERR_DENIED, "HTTP 403" },
		{ "app:405", ERR_NET, "HTTP 405" },
		{ "app:501", ERR_NET, "HTTP 501" },
		{ "app:204", ERR_NET, "HTTP 204" },
		{ "app:year", ERR_NET, "asks to wait 31536000 s" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(world_end) struct world w;
		AUTO(result_release) struct result r = RESULT_INIT;

		world_init(&w, failing, NULL);
		w.ours = 100;
		get_manifest(&w, cases[i].name, false, &r);
		assert_failed(&r, cases[i].code, cases[i].words);
		assert_int_equal(fake_count(w.a, "GET "), 1);
	}
}

static void retry__one_bad_item_does_not_touch_the_others(void **state)
{
	AUTO(world_end) struct world w;
	struct result r[3] = { 0 };
	static const char *const names[] = { "app:403", "app:408", "app:v1" };
	struct ref ref;

	(void)state;
	world_init(&w, failing, NULL);
	w.ours = 1;
	world_open(&w);
	for (size_t i = 0; i < 3; i++) {
		r[i].bytes = (struct buf)BUF_INIT;
		world_ref(&w, names[i], &ref);
		upstream_manifest(w.up, &ref, false, on_manifest, &r[i]);
	}
	w.ours = 1;
	world_run(&w);
	assert_failed(&r[0], ERR_DENIED, "HTTP 403");
	assert_found(&r[1]);
	for (size_t i = 0; i < 3; i++)
		result_release(&r[i]);
}

static void retry__nobody_listens(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;
	struct ref ref;

	(void)state;
	world_init(&w, failing, NULL);
	w.o.attempts = 2;
	world_open(&w);
	world_ref(&w, "app:v1", &ref);
	fake_stop(&w.a);
	upstream_manifest(w.up, &ref, false, on_manifest, &r);
	world_run(&w);
	assert_failed(&r, ERR_NET, "after 2 attempts");
}

/* --- limits of a host ---------------------------------------------------------------------------- */

static void counting(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	struct world *w = ctx;

	fake_text(out, 200, BODY);
	if (strcmp(r->method, "GET") == 0)
		fake_header(out, "RateLimit-Remaining: %d;w=21600", --w->ours);
	fake_header(out, "Docker-Content-Digest: sha256:%064d", 0);
}

static void limit__manifests_stop_below_the_line_and_heads_do_not(void **state)
{
	AUTO(world_end) struct world w;
	AUTO(result_release) struct result r = RESULT_INIT;

	(void)state;
	world_init(&w, counting, NULL);
	w.ours = 13;
	w.hosts[0].stop_below = 10;
	for (int i = 0; i < 4; i++) {
		get_manifest(&w, "app:v1", false, &r);
		assert_int_equal(r.e.code, ERR_CORRUPT);
	}
	assert_int_equal(w.ours, 9);
	get_manifest(&w, "app:v1", false, &r);
	assert_failed(&r, ERR_NET, "9 pulls are left in its window of 21600 s, stop-below is 10");
	get_manifest(&w, "app:v1", true, &r);
	assert_found(&r);
	assert_int_equal(fake_count(w.a, "GET "), 4);
}

static void limit__connections_of_a_host_are_kept(void **state)
{
	AUTO(world_end) struct world w;
	struct result r[40] = { 0 };
	struct ref ref;

	(void)state;
	world_init(&w, failing, NULL);
	w.hosts[0].connections = 2;
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
	assert_in_range(fake_connections(w.a), 1, 2);
}

static void give_up(void *ctx, int rc, const struct upstream_manifest *m, struct err *e)
{
	struct world *w = ctx;
	struct err why = ERR_INIT;

	(void)rc;
	(void)m;
	(void)e;
	err_set(&why, ERR_FULL, "no space");
	upstream_abandon(w->up, &why);
	w->ours++;
}

static void run__ends_when_a_callback_gives_up(void **state)
{
	AUTO(world_end) struct world w;
	struct err e = ERR_INIT;
	struct ref ref;

	(void)state;
	world_init(&w, failing, NULL);
	w.hosts[0].connections = 1;
	world_open(&w);
	world_ref(&w, "app:v1", &ref);
	for (int i = 0; i < 10; i++)
		upstream_manifest(w.up, &ref, false, give_up, &w);
	assert_err(upstream_run(w.up, &e), ERR_FULL, "no space");
	assert_int_equal(w.ours, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retry__transient_failures_are_tried_again),
		cmocka_unit_test(retry__ends_after_the_last_attempt),
		cmocka_unit_test(retry__a_server_without_tls_is_not_tried_again),
		cmocka_unit_test(retry__final_answers_are_not_tried_again),
		cmocka_unit_test(retry__one_bad_item_does_not_touch_the_others),
		cmocka_unit_test(retry__nobody_listens),
		cmocka_unit_test(limit__manifests_stop_below_the_line_and_heads_do_not),
		cmocka_unit_test(limit__connections_of_a_host_are_kept),
		cmocka_unit_test(run__ends_when_a_callback_gives_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
