/* Pushing through the server core on loopback, byte by byte: bodies in pieces, bodies that end early,
 * refusals before and after a body, threads that wait for each other. */
#include <crypt.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "registry/dispatch.h"
#include "registry/http/server.h"
#include "registry/http/socket.h"
#include "storage/base/base64.h"
#include "storage/base/fs.h"
#include "tests/support/cm.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "running.h"
#include "wire.h"

#define LAYER (24u << 20) /* more than the sockets on the way can hold */
#define INDEX "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}"

struct fixture {
	struct running run;
	struct sandbox *sb;
	struct buf layer;
	char digest[DIGEST_TEXT_SIZE]; /* of the layer */
};

static struct server_config usual(void)
{
	struct server_config config = running_usual;

	config.push = (struct push_config){ .on = true,
		.deletes = true,
		.upload_max = 1 << 30,
		.uploads = { .total = 100, .each = 100, .expiry_seconds = 60 } };
	return config;
}

static void start(struct fixture *f, struct server_config config)
{
	running_start(&f->run, sandbox_path(f->sb, "store"), config);
}

static int prepare(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	void *sandbox = NULL;
	struct digest d;

	signal(SIGPIPE, SIG_IGN);
	if (sandbox_setup(&sandbox) != 0)
		return -1;
	f->sb = sandbox;
	running_prepare(&f->run);
	f->layer = (struct buf)BUF_INIT;
	image_bytes(&f->layer, "layer", LAYER);
	digest_of(&d, DIGEST_SHA256, buf_span(&f->layer));
	digest_text(&d, f->digest);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	int rc = prepare(state);

	if (rc == 0)
		start(*state, usual());
	return rc;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *sandbox = f->sb;

	running_end(&f->run);
	buf_release(&f->layer);
	mem_free(&f);
	return sandbox_teardown(&sandbox);
}

/* --- words ---------------------------------------------------------------------------------- */

static void head(struct wire *w, const char *method, const char *path, const char *lines)
{
	AUTO(mem_free)
	char *text = mem_printf("%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, path, lines);

	wire_str(w, text);
}

static unsigned ask(struct wire *w, const char *method, const char *path, const char *lines,
	struct span body, struct answer *a)
{
	AUTO(mem_free) char *all = mem_printf("%sContent-Length: %zu\r\n", lines, body.len);

	head(w, method, path, all);
	if (body.len > 0)
		wire_send(w, body.data, body.len);
	wire_read(w, strcmp(method, "HEAD") == 0, a);
	return a->status;
}

#define NOTHING ((struct span){ "", 0 })

static char *session(struct wire *w)
{
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	assert_int_equal(ask(w, "POST", "/v2/team/app/blobs/uploads/", "", NOTHING, &a), 202);
	return mem_strdup(answer_get(&a, "Location"));
}

static void check_layer(struct fixture *f, struct wire *w)
{
	AUTO(mem_free) char *path = mem_printf("/v2/team/app/blobs/%s", f->digest);
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	assert_int_equal(ask(w, "GET", path, "", NOTHING, &a), 200);
	assert_int_equal(a.body.len, LAYER);
	assert_memory_equal(a.body.data, f->layer.data, LAYER);
}

/* --- bodies --------------------------------------------------------------------------------- */

static void push__large_on_one_connection(void **state)
{
	struct fixture *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	AUTO(mem_free) char *at = session(&w);
	AUTO(mem_free) char *end = mem_printf("%s?digest=%s", at, f->digest);

	assert_int_equal(ask(&w, "PUT", end, "", buf_span(&f->layer), &a), 201);
	assert_string_equal(answer_get(&a, "Docker-Content-Digest"), f->digest);
	check_layer(f, &w);
	assert_true(wire_is_open(&w));
}

static void send_chunked(struct wire *w, struct span body, size_t chunk)
{
	while (body.len > 0) {
		size_t n = body.len < chunk ? body.len : chunk;
		char size[16];

		snprintf(size, sizeof(size), "%zx\r\n", n);
		wire_str(w, size);
		wire_send(w, body.data, n);
		wire_str(w, "\r\n");
		body = (struct span){ body.data + n, body.len - n };
	}
	wire_str(w, "0\r\n\r\n");
}

static void push__chunked_of_odd_sizes(void **state)
{
	static const size_t sizes[] = { 1000, 65537, 300001 };
	struct fixture *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		AUTO(mem_free) char *at = session(&w);
		AUTO(mem_free) char *end = mem_printf("%s?digest=%s", at, f->digest);

		head(&w, "PATCH", at, "Transfer-Encoding: chunked\r\n");
		send_chunked(&w, buf_span(&f->layer), sizes[i]);
		wire_read(&w, false, &a);
		assert_int_equal(a.status, 202);
		assert_string_equal(answer_get(&a, "Range"), "0-25165823");
		assert_int_equal(ask(&w, "PUT", end, "", NOTHING, &a), 201);
		check_layer(f, &w);
	}
}

static void push__zero_chunks_and_chunked_manifests(void **state)
{
	struct fixture *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	AUTO(mem_free) char *at = session(&w);
	AUTO(mem_free) char *end =
			mem_printf("%s?digest=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41"
				   "e4649b934ca495991b7852b855",
				at);

	head(&w, "PUT", end, "Transfer-Encoding: chunked\r\n");
	send_chunked(&w, NOTHING, 1);
	wire_read(&w, false, &a);
	assert_int_equal(a.status, 201);
	head(&w, "PUT", "/v2/team/app/manifests/1", "Transfer-Encoding: chunked\r\n");
	send_chunked(&w, span_of(INDEX), 7);
	wire_read(&w, false, &a);
	assert_int_equal(a.status, 201);
	assert_int_equal(ask(&w, "GET", "/v2/team/app/manifests/1", "", NOTHING, &a), 200);
	assert_string_equal(a.body.data, INDEX);
}

static void push__a_body_cut_in_half(void **state)
{
	struct fixture *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	AUTO(mem_free) char *at = session(&w);
	AUTO(mem_free) char *end = mem_printf("%s?digest=%s", at, f->digest);

	for (int i = 0; i < 3; i++) {
		AUTO(wire_close) struct wire cut = wire_open(f->run.port);

		head(&cut, i ? "PATCH" : "PUT", i ? at : end, "Content-Length: 25165824\r\n");
		wire_send(&cut, f->layer.data, LAYER / 2);
		wire_close(&cut);
		while (ask(&w, "GET", at, "", NOTHING, &a) == 400)
			usleep(1000); /* until the server has seen it */
		assert_int_equal(a.status, 204);
		assert_string_equal(answer_get(&a, "Range"), "0-0");
	}
	assert_int_equal(ask(&w, "PUT", end, "", buf_span(&f->layer), &a), 201);
	check_layer(f, &w);
}

static void push__two_requests_on_one_session(void **state)
{
	struct fixture *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(wire_close) struct wire first = wire_open(f->run.port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	AUTO(mem_free) char *at = session(&w);

	head(&first, "PATCH", at, "Content-Length: 10\r\n");
	wire_str(&first, "hello");
	while (ask(&w, "GET", at, "", NOTHING, &a) == 204)
		usleep(1000);
	assert_int_equal(a.status, 400);
	assert_int_equal(ask(&w, "PATCH", at, "", span_of("other"), &a), 400);
	assert_non_null(strstr(a.body.data, "BLOB_UPLOAD_INVALID"));
	wire_str(&first, "world");
	wire_read(&first, false, &a);
	assert_int_equal(a.status, 202);
	assert_string_equal(answer_get(&a, "Range"), "0-9");
}

/* --- refusals ------------------------------------------------------------------------------- */

static void push__refused_bodies_keep_the_connection(void **state)
{
	static const struct {
		const char *method, *path, *lines;
		unsigned status;
	} cases[] = {
		{ "PATCH", "/v2/team/app/blobs/uploads/0123456789abcdef0123456789abcdef", "", 404 },
		{ "PUT", "/v2/team/app/manifests/sha256:bad", "", 400 },
		{ "PUT", "/v2/TEAM/manifests/1", "", 400 },
		{ "POST", "/v2/team/app/blobs/uploads/?digest=sha256:bad", "", 400 },
		{ "PUT", "/v2/team/app/blobs/sha256:bad", "", 400 },
		{ "POST", "/v2/team/app/manifests/1", "", 405 },
		{ "DELETE", "/v2/team/app/manifests/1", "", 404 },
		{ "PUT", "/nothing", "", 404 },
	};
	struct fixture *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (ask(&w, cases[i].method, cases[i].path, cases[i].lines,
			    (struct span){ f->layer.data, 5 << 20 }, &a) != cases[i].status)
			fail_msg("%s %s: %u", cases[i].method, cases[i].path, a.status);
		assert_string_equal(answer_get(&a, "Connection"), "");
		assert_non_null(strstr(a.body.data, answer_get(&a, "X-Request-Id")));
	}
	assert_true(wire_is_open(&w));
}

/* In chunks they come from docker, and from those who do not know how long theirs is. */
static void push__refused_chunks_keep_the_connection(void **state)
{
	struct fixture *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	for (int i = 0; i < 3; i++) {
		head(&w, "PATCH", "/v2/team/app/blobs/uploads/0123456789abcdef0123456789abcdef",
			"Transfer-Encoding: chunked\r\n");
		send_chunked(&w, (struct span){ f->layer.data, 5 << 20 }, 100000);
		wire_read(&w, false, &a);
		assert_int_equal(a.status, 404);
		assert_string_equal(answer_get(&a, "Connection"), "");
	}
	assert_true(wire_is_open(&w));
}

/* The library reads no further than its buffer, and does not sleep. */
static void push__the_line_of_a_chunk_has_an_end(void **state)
{
	struct fixture *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(mem_free) char *at = session(&w);
	bool cut = false;

	head(&w, "PATCH", at, "Transfer-Encoding: chunked\r\n");
	wire_str(&w, "5;x=");
	for (size_t sent = 0; sent < 100 << 20 && !cut; sent += LAYER)
		for (size_t i = 0; i < LAYER && !cut; i += 4096) {
			char same[4096];

			memset(same, 'x', sizeof(same));
			cut = send(w.fd, same, sizeof(same), MSG_NOSIGNAL) < 0;
		}
	assert_true(cut);
}

/* Too many files are open: the client is told to come again, whether the file was open or not. */
static void pull__without_a_descriptor_left(void **state)
{
	struct fixture *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	AUTO(mem_free) char *path = mem_printf("/v2/team/app/blobs/%s", f->digest);
	AUTO(mem_free) char *put = mem_printf("/v2/team/app/blobs/uploads/?digest=%s", f->digest);
	struct rlimit before, none = { 3, 0 };
	unsigned status[2];

	assert_int_equal(ask(&w, "POST", put, "", buf_span(&f->layer), &a), 201);
	getrlimit(RLIMIT_NOFILE, &before);
	none.rlim_max = before.rlim_max;
	for (int i = 0; i < 2; i++) {
		setrlimit(RLIMIT_NOFILE, &none);
		status[i] = ask(&w, "GET", path, "Range: bytes=0-9\r\n", NOTHING, &a);
		setrlimit(RLIMIT_NOFILE, &before);
		assert_string_equal(answer_get(&a, "Retry-After"), "1");
		assert_int_equal(ask(&w, "GET", path, "Range: bytes=0-9\r\n", NOTHING, &a), 206);
	}
	assert_int_equal(status[0], 503);
	assert_int_equal(status[1], 503);
}

static void push__a_gigabyte_refused_is_not_read(void **state)
{
	struct fixture *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	head(&w, "PUT", "/v2/team/app/manifests/1", "Content-Length: 1000000000\r\n");
	wire_read(&w, false, &a);
	assert_int_equal(a.status, 413);
	assert_string_equal(answer_get(&a, "Connection"), "close");
	assert_true(wire_is_closed(&w));
}

static void push__expect_is_answered_by_what_comes(void **state)
{
	struct fixture *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(wire_close) struct wire no = wire_open(f->run.port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	AUTO(mem_free) char *at = session(&w);
	char line[64];

	head(&w, "PATCH", at, "Content-Length: 5\r\nExpect: 100-continue\r\n");
	assert_int_equal(recv(w.fd, line, 25, MSG_WAITALL), 25);
	assert_memory_equal(line, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	wire_str(&w, "hello");
	wire_read(&w, false, &a);
	assert_int_equal(a.status, 202);
	head(&no, "PATCH", "/v2/team/app/blobs/uploads/0123456789abcdef0123456789abcdef",
		"Content-Length: 5\r\nExpect: 100-continue\r\n");
	wire_read(&no, false, &a);
	assert_int_equal(a.status, 404);
	assert_true(wire_is_closed(&no));
}

static void push__endless_bodies_are_cut_off(void **state)
{
	struct fixture *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	bool cut = false;

	head(&w, "DELETE", "/v2/team/app/manifests/1", "Transfer-Encoding: chunked\r\n");
	for (int i = 0; i < 100 && !cut; i++) { /* 100 MiB of what nobody wants */
		char size[16];

		snprintf(size, sizeof(size), "%x\r\n", 1 << 20);
		cut = send(w.fd, size, strlen(size), MSG_NOSIGNAL) < 0;
		for (size_t at = 0; at < 1 << 20 && !cut;) {
			ssize_t n = send(w.fd, f->layer.data + at, (1 << 20) - at, MSG_NOSIGNAL);

			cut = n < 0;
			at += n > 0 ? (size_t)n : 0;
		}
		cut = cut || send(w.fd, "\r\n", 2, MSG_NOSIGNAL) < 0;
	}
	assert_true(cut);
}

static size_t rest_of(int fd)
{
	static char bytes[65536];
	size_t all = 0;
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		all += (size_t)n;
	return all;
}

/* Both are cut off within seconds; what the upload had before stays. */
static void rate__of_bodies_that_crawl(void **state)
{
	struct fixture *f = *state;
	struct server_config config = usual();
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	AUTO(mem_free) char *path = mem_printf("/v2/team/app/blobs/%s", f->digest);
	AUTO(mem_free) char *put = mem_printf("/v2/team/app/blobs/uploads/?digest=%s", f->digest);

	config.least_rate = 1 << 20;
	config.rate_window = 500;
	start(f, config);
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(wire_close) struct wire sends = wire_open(f->run.port);
	AUTO(wire_close) struct wire reads = wire_open(f->run.port);
	AUTO(mem_free) char *at = session(&w);

	assert_int_equal(ask(&w, "POST", put, "", buf_span(&f->layer), &a), 201);
	assert_int_equal(ask(&w, "PATCH", at, "", span_of("hello"), &a), 202);
	head(&sends, "PATCH", at, "Content-Length: 1000\r\n");
	wire_str(&sends, "slow");
	head(&reads, "GET", path, "");
	assert_true(wire_is_closed(&sends));
	while (ask(&w, "GET", at, "", NOTHING, &a) == 400)
		usleep(1000);
	assert_string_equal(answer_get(&a, "Range"), "0-4");
	sleep(3); /* and not a byte is taken */
	assert_true(rest_of(reads.fd) < LAYER);
}

/* Two that read nothing hold both turns until that is seen; a third one has its body before a turn would
 * expire, which is after a minute. */
static void fair_turn__given_up_by_what_does_not_move(void **state)
{
	struct fixture *f = *state;
	struct server_config config = usual();
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	AUTO(mem_free) char *path = mem_printf("/v2/team/app/blobs/%s", f->digest);
	AUTO(mem_free) char *put = mem_printf("/v2/team/app/blobs/uploads/?digest=%s", f->digest);

	config.bodies = 2;
	start(f, config);
	AUTO(wire_close) struct wire w = wire_open_from(0x7f000002, f->run.port);
	AUTO(wire_close) struct wire one = wire_open_from(0x7f000003, f->run.port);
	AUTO(wire_close) struct wire two = wire_open_from(0x7f000004, f->run.port);

	assert_int_equal(ask(&w, "POST", put, "", buf_span(&f->layer), &a), 201);
	head(&one, "GET", path, "");
	head(&two, "GET", path, "");
	assert_true(wire_has_begun(&one));
	assert_true(wire_has_begun(&two));
	assert_int_equal(ask(&w, "GET", path, "", NOTHING, &a), 200);
	assert_int_equal(a.body.len, f->layer.len);
}

/* --- users ---------------------------------------------------------------------------------- */

/* alice:secret, to be checked in 2^cost rounds */
static void add_users(struct fixture *f, unsigned cost)
{
	const char *users = sandbox_path(f->sb, "users");
	struct crypt_data data = { .initialized = 0 };
	AUTO(mem_free) char *line = NULL;
	char salt[64];
	struct err e;

	assert_non_null(crypt_gensalt_rn("$2y$", cost, NULL, 0, salt, sizeof(salt)));
	line = mem_printf("alice:%s\n", crypt_rn("secret", salt, &data, sizeof(data)));
	sandbox_write(users, line, strlen(line));
	assert_ok(auth_open(&f->run.auth,
		&(struct auth_config){ .users = users, .basic = true, .push = true }, &e));
}

/* Whoever waited for a login to be checked is due as before. */
static void get__a_body_that_does_not_come_behind_a_login(void **state)
{
	struct fixture *f = *state;
	struct server_config impatient = usual();
	struct timeval limit = { .tv_sec = 15 };
	char byte;

	impatient.header_seconds = 1;
	add_users(f, 5);
	start(f, impatient);
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	setsockopt(w.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	head(&w, "GET", "/v2/", "Authorization: Basic YWxpY2U6d3Jvbmc=\r\nContent-Length: 10\r\n");
	assert_int_equal(recv(w.fd, &byte, 1, 0), 0);
}

/* A manifest, pulled twice (the second time from the cache), pushed and refused. */
static void push_and_pull(struct fixture *f)
{
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	const char *path = "/v2/team/app/manifests/1";

	/* alice:secret, alice:wrong */
	assert_int_equal(ask(&w, "PUT", path, "Authorization: Basic YWxpY2U6c2VjcmV0\r\n",
				 span_of(INDEX), &a),
		201);
	assert_int_equal(ask(&w, "GET", path, "", NOTHING, &a), 200);
	assert_int_equal(ask(&w, "GET", path, "", NOTHING, &a), 200);
	assert_int_equal(
		ask(&w, "GET", path, "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n", NOTHING, &a),
		401);
}

/* An answer from the cache is counted by its route, and a caller that was not identified by none; the audit
 * knows both what was pushed and what was denied. */
static void server__counts_and_audits_by_route(void **state)
{
	static const char *const counts[] = {
		"moat_http_requests_total{route=\"manifest\",method=\"GET\",code=\"200\"} 2\n",
		"moat_http_requests_total{route=\"manifest\",method=\"PUT\",code=\"201\"} 1\n",
		"moat_http_requests_total{route=\"other\",method=\"GET\",code=\"401\"} 1\n"
	};
	static const char *const lines[] = { " result=allowed user=alice ",
		" action=push repository=team/app reference=1 status=201",
		" action=pull repository=team/app reference=1 status=401" };
	struct fixture *f = *state;
	struct server_config config = usual();
	const char *path = sandbox_path(f->sb, "audit");
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e;

	add_users(f, 5);
	config.metrics = metrics_new(config.threads, &dispatch_labels);
	assert_ok(log_file_open(&config.audit, "audit-log", path, &e));
	start(f, config);
	push_and_pull(f);
	server_stop(&f->run.server);
	log_file_close(&config.audit);
	metrics_write(config.metrics, &text);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		if (!strstr(text.data, counts[i]))
			fail_msg("no %s", counts[i]);
	metrics_free(&config.metrics);
	buf_clear(&text);
	assert_ok(fs_read_file(AT_FDCWD, path, 1 << 20, &text, &e));
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!strstr(text.data, lines[i]))
			fail_msg("no %s in\n%s", lines[i], text.data);
}

static void push__passwords_are_checked_by_other_threads(void **state)
{
	struct fixture *f = *state;
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	add_users(f, 5);
	start(f, usual());
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	assert_int_equal(ask(&w, "GET", "/v2/", "", NOTHING, &a), 401);
	assert_string_equal(answer_get(&a, "WWW-Authenticate"), "Basic realm=\"moat\"");
	for (int i = 0; i < 3; i++) {
		/* alice:wrong, alice:secret */
		assert_int_equal(
			ask(&w, "POST", "/v2/team/app/blobs/uploads/",
				"Authorization: Basic YWxpY2U6d3Jvbmc=\r\n", span_of("body"), &a),
			401);
		assert_int_equal(
			ask(&w, "PUT", "/v2/team/app/manifests/1",
				"Authorization: Basic YWxpY2U6c2VjcmV0\r\n", span_of(INDEX), &a),
			201);
		assert_int_equal(ask(&w, "HEAD", "/v2/team/app/manifests/1",
					 "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n", NOTHING, &a),
			401);
		assert_string_not_equal(answer_get(&a, "WWW-Authenticate"), "");
	}
	assert_int_equal(ask(&w, "GET", "/v2/team/app/manifests/1", "", NOTHING, &a), 200);
	assert_int_equal(ask(&w, "DELETE", "/v2/team/app/manifests/1", "", NOTHING, &a), 401);
	assert_int_equal(ask(&w, "GET", "/healthz", "", NOTHING, &a), 200);
}

/* A crowd of guesses from one address, each other than the one before, and one user at another. */
static void push__guesses_hold_up_only_their_address(void **state)
{
	struct fixture *f = *state;
	struct wire guesses[24];
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	unsigned waiting = 0;
	char byte;

	add_users(f, 10);
	start(f, usual());
	for (size_t i = 0; i < ARRAY_SIZE(guesses); i++) {
		AUTO(buf_release) struct buf line = BUF_INIT;
		AUTO(mem_free) char *login = mem_printf("alice:%zu", i);

		buf_str(&line, "Authorization: Basic ");
		base64_encode(&line, span_of(login));
		buf_str(&line, "\r\n");
		guesses[i] = wire_open_from(INADDR_LOOPBACK + 1, f->run.port);
		head(&guesses[i], "GET", "/v2/", line.data);
	}
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	assert_int_equal(
		ask(&w, "GET", "/v2/", "Authorization: Basic YWxpY2U6c2VjcmV0\r\n", NOTHING, &a),
		200);
	/* All are looked at before any is read, as time goes on meanwhile. */
	for (size_t i = 0; i < ARRAY_SIZE(guesses); i++)
		waiting += recv(guesses[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
	for (size_t i = 0; i < ARRAY_SIZE(guesses); i++) {
		if (i % 2)
			wire_read(&guesses[i], false, &a);
		wire_close(&guesses[i]);
	}
	assert_true(waiting > ARRAY_SIZE(guesses) / 4);
}

/* --- turns ---------------------------------------------------------------------------------- */

/* One body at a time: the second waits, and gets its turn when the first is done or gives up. */
static void pull__bodies_wait_for_their_turn(void **state)
{
	struct fixture *f = *state;
	struct server_config config = usual();
	AUTO(mem_free) char *path = mem_printf("/v2/team/app/blobs/%s", f->digest);
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	char piece[1024];

	config.bodies = 1;
	start(f, config);
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(mem_free) char *at = session(&w);
	AUTO(mem_free) char *end = mem_printf("%s?digest=%s", at, f->digest);
	assert_int_equal(ask(&w, "PUT", end, "", buf_span(&f->layer), &a), 201);
	for (int leave = 0; leave < 2; leave++) {
		AUTO(wire_close) struct wire first = wire_open(f->run.port);
		AUTO(wire_close) struct wire second = wire_open(f->run.port);

		head(&first, "GET", path, "");
		assert_true(recv(first.fd, piece, sizeof(piece), MSG_PEEK) > 0);
		head(&second, "GET", path, "");
		usleep(50000);
		assert_int_equal(
			recv(second.fd, piece, sizeof(piece), MSG_PEEK | MSG_DONTWAIT), -1);
		/* Small answers do not wait, nor does a HEAD. */
		assert_int_equal(ask(&w, "GET", "/v2/", "", NOTHING, &a), 200);
		assert_int_equal(ask(&w, "HEAD", path, "", NOTHING, &a), 200);
		if (leave) {
			wire_close(&first);
		} else {
			wire_read(&first, false, &a);
			assert_int_equal(a.body.len, LAYER);
		}
		wire_read(&second, false, &a);
		assert_int_equal(a.status, 200);
		assert_memory_equal(a.body.data, f->layer.data, LAYER);
	}
}

/* --- the end -------------------------------------------------------------------------------- */

/* Half an upload, a waiting download, a password being checked: nothing hangs, nothing is left. */
static void server_stop__in_the_middle_of_everything(void **state)
{
	struct fixture *f = *state;
	struct server_config config = usual();
	AUTO(mem_free) char *path = mem_printf("/v2/team/app/blobs/%s", f->digest);
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	char piece[1024];

	config.bodies = 1;
	start(f, config);
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(wire_close) struct wire sending = wire_open(f->run.port);
	AUTO(wire_close) struct wire waiting = wire_open(f->run.port);
	AUTO(mem_free) char *at = session(&w);
	AUTO(mem_free) char *half = session(&w);
	AUTO(mem_free) char *end = mem_printf("%s?digest=%s", at, f->digest);
	assert_int_equal(ask(&w, "PUT", end, "", buf_span(&f->layer), &a), 201);
	head(&w, "PATCH", half, "Content-Length: 25165824\r\n");
	wire_send(&w, f->layer.data, LAYER / 3);
	head(&sending, "GET", path, "");
	assert_true(recv(sending.fd, piece, sizeof(piece), MSG_PEEK) > 0);
	head(&waiting, "GET", path, "");
	usleep(20000);
	server_stop(&f->run.server);
	assert_int_equal(sandbox_count(sandbox_path(f->sb, "store/stage")), 0);
}

static void *drain(void *cls)
{
	server_drain(((struct fixture *)cls)->run.server, 60);
	return NULL;
}

static void server_drain__finishes_an_upload(void **state)
{
	struct fixture *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->run.port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	AUTO(mem_free) char *at = session(&w);
	AUTO(mem_free) char *end = mem_printf("%s?digest=%s", at, f->digest);
	pthread_t thread;

	head(&w, "PUT", end, "Content-Length: 25165824\r\n");
	wire_send(&w, f->layer.data, LAYER / 2);
	assert_int_equal(pthread_create(&thread, NULL, drain, f), 0);
	usleep(50000);
	wire_send(&w, f->layer.data + LAYER / 2, LAYER / 2);
	wire_read(&w, false, &a);
	assert_int_equal(a.status, 201);
	pthread_join(thread, NULL);
}

#define RUNNING(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define PREPARED(test) cmocka_unit_test_setup_teardown(test, prepare, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUNNING(push__large_on_one_connection),
		RUNNING(push__chunked_of_odd_sizes),
		RUNNING(push__zero_chunks_and_chunked_manifests),
		RUNNING(push__a_body_cut_in_half),
		RUNNING(push__two_requests_on_one_session),
		RUNNING(push__refused_bodies_keep_the_connection),
		RUNNING(push__refused_chunks_keep_the_connection),
		RUNNING(push__the_line_of_a_chunk_has_an_end),
		RUNNING(pull__without_a_descriptor_left),
		RUNNING(push__a_gigabyte_refused_is_not_read),
		RUNNING(push__expect_is_answered_by_what_comes),
		RUNNING(push__endless_bodies_are_cut_off),
		PREPARED(get__a_body_that_does_not_come_behind_a_login),
		PREPARED(server__counts_and_audits_by_route),
		PREPARED(push__passwords_are_checked_by_other_threads),
		PREPARED(push__guesses_hold_up_only_their_address),
		PREPARED(rate__of_bodies_that_crawl),
		PREPARED(fair_turn__given_up_by_what_does_not_move),
		PREPARED(pull__bodies_wait_for_their_turn),
		PREPARED(server_stop__in_the_middle_of_everything),
		RUNNING(server_drain__finishes_an_upload),
	};

	return cmocka_run_group_tests_name("registry/server_push", tests, NULL, NULL);
}
