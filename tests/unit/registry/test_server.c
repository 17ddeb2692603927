/* The server core on loopback, driven by raw bytes. */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "registry/http/server.h"
#include "registry/http/socket.h"
#include "storage/base/fs.h"
#include "tests/support/cm.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "running.h"
#include "wire.h"

#define LAYER (24u << 20) /* more than the sockets on the way can hold */
#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define MANIFEST "/v2/docker.io/library/nginx/manifests/1"

/* Made once: nobody writes to it afterwards. */
static struct {
	struct sandbox *sb;
	struct digest layer, manifest;
	struct buf layer_bytes;
	char blob[200]; /* its path */
} made;

static void start(struct running *f, struct server_config config)
{
	running_start(f, sandbox_path(made.sb, "store"), config);
}

static int make_store(void **state)
{
	struct image_want want = { .seed = "nginx", .layers = 1, .layer_size = LAYER };
	char text[DIGEST_TEXT_SIZE];
	void *sandbox = NULL;
	struct err e;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (sandbox_setup(&sandbox) != 0)
		return -1;
	made.sb = sandbox;
	made.layer_bytes = (struct buf)BUF_INIT;
	image_bytes(&made.layer_bytes, "nginx/0", LAYER);
	digest_of(&made.layer, DIGEST_SHA256, buf_span(&made.layer_bytes));
	snprintf(made.blob, sizeof(made.blob), "/v2/library/nginx/blobs/%s",
		digest_text(&made.layer, text));
	AUTO(store_close) struct store *s = sandbox_store(made.sb, "store", STORE_WRITE);
	made.manifest = image_make(s, NULL, &want);
	assert_ok(image_put(
		s, "docker.io/library/nginx", "1", &made.manifest, MEDIA_OCI_MANIFEST, &e));
	return 0;
}

static int remove_store(void **state)
{
	void *sandbox = made.sb;

	(void)state;
	buf_release(&made.layer_bytes);
	return sandbox_teardown(&sandbox);
}

static int prepare(void **state)
{
	running_prepare(*state = mem_alloc(sizeof(struct running)));
	return 0;
}

static int setup(void **state)
{
	int rc = prepare(state);

	if (rc == 0)
		start(*state, running_usual);
	return rc;
}

static int teardown(void **state)
{
	struct running *f = *state;

	running_end(f);
	mem_free(&f);
	return 0;
}

/* One request with these further header lines on the connection. */
static void ask(
	struct wire *w, const char *method, const char *path, const char *lines, struct answer *a)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	buf_printf(&text, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, path, lines);
	wire_send(w, text.data, text.len);
	wire_read(w, strcmp(method, "HEAD") == 0, a);
}

static void server__a_thousand_requests_on_one_connection(void **state)
{
	struct running *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	char text[DIGEST_TEXT_SIZE];

	digest_text(&made.manifest, text);
	for (int i = 0; i < 1000; i++) {
		ask(&w, "GET", MANIFEST, "", &a);
		assert_int_equal(a.status, 200);
		assert_string_equal(answer_get(&a, "Docker-Content-Digest"), text);
	}
}

static const struct {
	const char *method, *path, *lines;
	unsigned status;
} kept[] = {
	{ "GET", "/nothing", "", 404 },
	{ "GET", "/v2/x/manifests/1", "", 404 },
	{ "GET", "/v2/x/manifests/sha256:bad", "", 400 },
	{ "GET", "/v2/UP/manifests/1", "", 400 },
	{ "GET", "/v2/a%2Fb/manifests/1", "", 400 },
	{ "GET", "/v2/a%00/manifests/1", "", 400 },
	{ "GET", "/v2/../etc/manifests/1", "", 400 },
	{ "GET", "/v2//manifests/1", "", 400 },
	{ "GET", "/v2/x/tags/list", "", 404 },
	{ "DELETE", MANIFEST, "", 405 },
	{ "PUT", MANIFEST, "Content-Length: 0\r\n", 405 },
	{ "POST", "/v2/x/blobs/uploads/", "", 405 },
	{ "OPTIONS", "/v2/", "", 405 },
	{ "GET", MANIFEST, "Accept: a/b\r\nAccept: c/d, */*\r\nAccept: e/f\r\n", 200 },
};

static void server__refusals_keep_the_connection(void **state)
{
	struct running *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		ask(&w, kept[i].method, kept[i].path, kept[i].lines, &a);
		if (a.status != kept[i].status)
			fail_msg("%s %s: %u", kept[i].method, kept[i].path, a.status);
		assert_string_equal(answer_get(&a, "Connection"), "");
	}
	ask(&w, "GET", made.blob, "Range: bytes=99999999-\r\n", &a);
	assert_int_equal(a.status, 416);
	assert_string_equal(answer_get(&a, "Content-Range"), "bytes */25165824");
	assert_true(wire_is_open(&w));
}

#define HOST "Host: x\r\n"
#define REQUEST(lines) "GET /v2/ HTTP/1.1\r\n" lines "\r\n"
/* Bytes with NULs in them have a length. */
#define RAW(text) text, sizeof(text) - 1
/* 400, or closed without an answer: NUL in the request line by libmicrohttpd 0.9, and by 1.0 */
#define BAD_OR_CLOSED 1

static const struct {
	const char *text;
	size_t len;
	unsigned status; /* 0: closed without an answer */
} attacks[] = {
	{ RAW(REQUEST(HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")), 400 },
	{ RAW(REQUEST(HOST "Content-Length: 3\r\nContent-Length: 3\r\n") "abc"), 400 },
	{ RAW(REQUEST(HOST "Content-Length: 3\r\nContent-Length: 4\r\n") "abcd"), 400 },
	{ RAW(REQUEST(HOST "Content-Length : 3\r\n") "abc"), 400 },
	{ RAW(REQUEST(HOST "Transfer-Encoding : chunked\r\n") "0\r\n\r\n"), 400 },
	{ RAW(REQUEST(HOST "Transfer-Encoding: xchunked\r\n")), 400 },
	{ RAW(REQUEST(HOST "Transfer-Encoding: gzip, chunked\r\n")), 400 },
	{ RAW(REQUEST(HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")), 400 },
	{ RAW(REQUEST(HOST "Content-Length: +5\r\n") "abcde"), 400 },
	{ RAW(REQUEST(HOST "Content-Length: -1\r\n")), 400 },
	{ RAW(REQUEST(HOST "Content-Length: 5, 5\r\n") "abcde"), 400 },
	{ RAW(REQUEST(HOST "Content-Length:\r\n 3\r\n") "abc"), 400 },
	{ RAW(REQUEST(HOST "Content-Length:\r\n\t33\r\n") REQUEST(HOST)), 400 },
	{ RAW(REQUEST(HOST "Content-Length: 3\r\n 0\r\n") "abc"), 400 },
	{ RAW(REQUEST(HOST "Transfer-Encoding:\r\n chunked\r\n") "0\r\n\r\n"), 400 },
	{ RAW(REQUEST(HOST "X: a\r\n b\r\n")), 400 },
	{ RAW(REQUEST(HOST "Transfer-Encoding: chunked\r\n") "1;aaaa"), 413 },
	{ RAW(REQUEST("")), 400 },
	{ RAW(REQUEST(HOST HOST)), 400 },
	{ RAW(REQUEST(HOST "Range: bytes=0-1\r\nRange: bytes=0-1\r\n")), 400 },
	{ RAW(REQUEST(HOST "Authorization: a\r\nAuthorization: b\r\n")), 400 },
	{ RAW(REQUEST(HOST "X y: z\r\n")), 400 },
	{ RAW(REQUEST(HOST "X: a\001b\r\n")), 400 },
	{ RAW("get /v2/ HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ RAW("BREW /v2/ HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ RAW("GET http://x/v2/ HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ RAW("GET * HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ RAW("GET v2/ HTTP/1.1\r\n" HOST "\r\n"), 400 },
	{ RAW("GET /v2/ HTTP/2.0\r\n" HOST "\r\n"), 505 },
	{ RAW("GET /v2/\0/../x HTTP/1.1\r\n" HOST "\r\n"), BAD_OR_CLOSED },
	{ RAW(REQUEST(HOST "Range: bytes=0-1\0,5-6\r\n")), 400 },
	{ RAW("G\0T /v2/ HTTP/1.1\r\n" HOST "\r\n"), BAD_OR_CLOSED },
	{ RAW("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), 400 },
};

static bool is_refusal(unsigned status, unsigned want)
{
	return want == BAD_OR_CLOSED ? status == 400 || status == 0 : status == want;
}

static void server__doubtful_requests_end_the_connection(void **state)
{
	struct running *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		AUTO(wire_close) struct wire w = wire_open(f->port);
		AUTO(answer_release) struct answer a = ANSWER_INIT;

		wire_send(&w, attacks[i].text, attacks[i].len);
		shutdown(w.fd, SHUT_WR);
		wire_read(&w, false, &a);
		if (!is_refusal(a.status, attacks[i].status))
			fail_msg("row %zu: %u: %s", i, a.status, attacks[i].text);
		while (a.status != 0) /* nothing but refusals may follow */
			if (wire_read(&w, false, &a), a.status == 200)
				fail_msg("row %zu: the rest was taken for a request", i);
	}
	AUTO(wire_close) struct wire w = wire_open(f->port);
	assert_true(wire_is_open(&w));
}

/* Records of TLS with a hello of any length and bytes, as clients send them that try TLS first. */
static void server__a_hello_of_tls_is_answered(void **state)
{
	struct running *f = *state;
	uint32_t random = 0x9e3779b9;

	for (size_t i = 0; i < 200; i++) {
		AUTO(wire_close) struct wire w = wire_open(f->port);
		AUTO(answer_release) struct answer a = ANSWER_INIT;
		size_t len = i % 10 == 9 ? 16000 : 60 + i * 7;
		unsigned char hello[16005] = { 0x16, 0x03, 0x01, (unsigned char)(len >> 8),
			(unsigned char)len, 0x01 };

		for (size_t n = 6; n < len + 5; n++) {
			random ^= random << 13;
			random ^= random >> 17;
			random ^= random << 5;
			hello[n] = (unsigned char)random;
		}
		wire_send(&w, hello, i % 3 + 1);
		wire_send(&w, hello + i % 3 + 1, len + 5 - (i % 3 + 1));
		wire_read(&w, false, &a);
		if (a.status != 400 || !strstr(a.body.data, "not TLS"))
			fail_msg("hello %zu: %u %s", i, a.status, a.body.data);
		assert_non_null(strstr(a.body.data, answer_get(&a, "X-Request-Id")));
		assert_true(wire_is_closed(&w));
	}
}

static void server__pipelined_requests_are_answered_in_order(void **state)
{
	struct running *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT;

	for (int i = 0; i < 50; i++)
		buf_str(&text, i % 3 == 0 ? GET("/v2/") : i % 3 == 1 ? GET(MANIFEST) : GET("/x"));
	wire_send(&w, text.data, text.len);
	for (int i = 0; i < 50; i++) {
		wire_read(&w, false, &a);
		assert_int_equal(a.status, i % 3 == 2 ? 404 : 200);
		assert_int_equal(*answer_get(&a, "ETag") != '\0', i % 3 == 1);
	}
}

static void server__sizes_of_requests(void **state)
{
	static const struct {
		size_t uri, header;
		unsigned status;
	} sizes[] = { { 100, 100, 200 }, { 8000, 100, 200 }, { 9000, 100, 414 },
		{ 100, 22500, 200 }, { 100, 24500, 200 }, { 40000, 100, 414 },
		{ 100, 40000, 431 } };
	struct running *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		AUTO(wire_close) struct wire w = wire_open(f->port);
		AUTO(answer_release) struct answer a = ANSWER_INIT;
		AUTO(buf_release) struct buf text = BUF_INIT;

		buf_str(&text, "GET /v2/?");
		for (size_t n = 0; n < sizes[i].uri; n++)
			buf_char(&text, 'x');
		buf_str(&text, " HTTP/1.1\r\nHost: x\r\nX: ");
		for (size_t n = 0; n < sizes[i].header; n++)
			buf_char(&text, 'x');
		buf_str(&text, "\r\n\r\n");
		wire_send(&w, text.data, text.len);
		wire_read(&w, false, &a);
		if (a.status != sizes[i].status)
			fail_msg("%zu, %zu: %u", sizes[i].uri, sizes[i].header, a.status);
	}
}

static void server__http_1_0(void **state)
{
	struct running *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	wire_str(&w, "GET " MANIFEST " HTTP/1.0\r\n\r\n");
	wire_read(&w, false, &a);
	assert_int_equal(a.status, 200);
	assert_true(wire_is_closed(&w));
}

static void server__small_bodies_are_swallowed(void **state)
{
	struct running *f = *state;
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	AUTO(wire_close) struct wire w = wire_open(f->port);

	wire_str(&w, "PUT " MANIFEST " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
	wire_read(&w, false, &a);
	assert_int_equal(a.status, 405);
	wire_str(&w, "GET " MANIFEST " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
	wire_read(&w, false, &a);
	assert_int_equal(a.status, 200);
	assert_true(wire_is_open(&w));
}

static void server__large_bodies_are_refused_unread(void **state)
{
	static const char *const lines[] = { "Content-Length: 1000000000\r\n",
		"Content-Length: 10\r\nExpect: 100-continue\r\n",
		"Transfer-Encoding: chunked\r\n" };
	struct running *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		AUTO(answer_release) struct answer a = ANSWER_INIT;
		AUTO(wire_close) struct wire w = wire_open(f->port);

		ask(&w, "PUT", MANIFEST, lines[i], &a);
		assert_int_equal(a.status, 405);
		assert_string_equal(answer_get(&a, "Connection"), "close");
		assert_true(wire_is_closed(&w));
	}
}

/* Headers but for the date and the request's id, body or not. */
static void compare_heads(const struct answer *get, const struct answer *head)
{
	const char *line = get->head.data;

	while (*line) {
		size_t n = strcspn(line, "\r") + 2;
		AUTO(mem_free) char *text = mem_strndup(line, n);

		if (strncasecmp(text, "Date:", 5) != 0 &&
			strncasecmp(text, "X-Request-Id:", 13) != 0 &&
			!strstr(head->head.data, text))
			fail_msg("HEAD lacks %s", text);
		line += n;
	}
}

static void server__head_for_every_get(void **state)
{
	struct running *f = *state;
	const char *digest = strrchr(made.blob, '/') + 1;
	AUTO(mem_free) char *referrers = mem_printf("/v2/library/nginx/referrers/%s", digest);
	const char *const paths[] = { "/v2/", MANIFEST, made.blob, "/v2/library/nginx/tags/list",
		"/v2/_catalog", "/v2/_oci/ext/discover", "/healthz", "/readyz", "/nothing",
		"/metrics", "/token", "/v2/library/nginx/tags/list?ns=docker.io", referrers,
		"/v2/x/manifests/1", "/v2/x/referrers/sha256:bad" };
	AUTO(wire_close) struct wire w = wire_open(f->port);

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		AUTO(answer_release) struct answer get = ANSWER_INIT, head = ANSWER_INIT;

		ask(&w, "GET", paths[i], "", &get);
		ask(&w, "HEAD", paths[i], "", &head);
		assert_int_equal(get.status, head.status);
		compare_heads(&get, &head);
	}
	assert_true(wire_is_open(&w));
}

static void server__blob_bytes(void **state)
{
	struct running *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	for (int i = 0; i < 2; i++) {
		ask(&w, "GET", made.blob, "", &a);
		assert_int_equal(a.status, 200);
		assert_int_equal(a.body.len, LAYER);
		assert_memory_equal(a.body.data, made.layer_bytes.data, LAYER);
	}
}

static const struct {
	uint64_t first, last;
} slices[] = { { 0, 0 }, { 0, 1 }, { 100, 70000 }, { LAYER - 1, LAYER - 1 }, { 1, LAYER - 1 },
	{ LAYER / 2, LAYER - 2 } };

static void server__ranges_byte_by_byte(void **state)
{
	struct running *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(slices); i++) {
		char line[100];
		size_t len = (size_t)(slices[i].last - slices[i].first + 1);

		snprintf(line, sizeof(line), "Range: bytes=%llu-%llu\r\n",
			(unsigned long long)slices[i].first, (unsigned long long)slices[i].last);
		ask(&w, "GET", made.blob, line, &a);
		assert_int_equal(a.status, 206);
		assert_int_equal(a.body.len, len);
		assert_memory_equal(a.body.data, made.layer_bytes.data + slices[i].first, len);
	}
}

/* Read the parts of a multipart body, as containers/image does. */
static void check_parts(const struct answer *a, unsigned count, unsigned gap)
{
	const char *boundary = strstr(answer_get(a, "Content-Type"), "boundary=") + 9;
	AUTO(mem_free) char *line = mem_printf("--%s\r\n", boundary);
	const char *p = a->body.data;

	for (unsigned i = 0; i < count; i++) {
		unsigned long long first, last, size;
		char *blank;

		p += i ? 2 : 0;
		assert_memory_equal(p, line, strlen(line));
		blank = strstr(p, "\r\n\r\n");
		assert_int_equal(
			sscanf(strstr(p, "Content-Range:"), "Content-Range: bytes %llu-%llu/%llu",
				&first, &last, &size),
			3);
		assert_int_equal(first, (unsigned long long)i * gap);
		assert_int_equal(size, LAYER);
		p = blank + 4;
		assert_memory_equal(p, made.layer_bytes.data + first, last - first + 1);
		p += last - first + 1;
	}
	assert_memory_equal(p, "\r\n--", 4);
	assert_int_equal((size_t)(p - a->body.data) + strlen(line) + 4, a->body.len);
}

static void server__many_ranges(void **state)
{
	static const unsigned counts[] = { 2, 16, 1024 };
	struct running *f = *state;
	AUTO(wire_close) struct wire w = wire_open(f->port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(counts) + 1; i++) {
		bool too_many = i == ARRAY_SIZE(counts);
		unsigned count = too_many ? 1025 : counts[i], gap = LAYER / 1100;
		AUTO(buf_release) struct buf lines = BUF_INIT;

		buf_str(&lines, "Range: bytes=");
		for (unsigned n = 0; n < count; n++)
			buf_printf(&lines, "%s%u-%u", n ? "," : "", n * gap, n * gap + 1000);
		buf_str(&lines, "\r\n");
		ask(&w, "GET", made.blob, lines.data, &a);
		assert_int_equal(a.status, too_many ? 400 : 206);
		if (!too_many)
			check_parts(&a, count, gap);
	}
	assert_true(wire_is_open(&w));
}

/* The HTTP library's own loop sleeps for seconds on exactly 128 ready connections. */
static void server__128_clients_at_the_same_moment(void **state)
{
	struct running *f = *state;
	struct wire w[128];
	struct answer a = ANSWER_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(w); i++) {
		w[i] = wire_open(f->port);
		assert_true(wire_is_open(&w[i]));
	}
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(w); i++)
			wire_str(&w[i], GET(MANIFEST));
		for (size_t i = 0; i < ARRAY_SIZE(w); i++) {
			wire_read(&w[i], false, &a);
			assert_int_equal(a.status, 200);
		}
	}
	answer_release(&a);
	for (size_t i = 0; i < ARRAY_SIZE(w); i++)
		wire_close(&w[i]);
}

/* Bytes of a request that never ends. */
static void server__slow_headers_are_cut_off(void **state)
{
	static const char *const halves[] = { "", "GET /v2", "GET /v2/ HTTP/1.1\r\nHost: x\r\nX:" };
	struct running *f = *state;
	struct server_config config = running_usual;
	struct wire w[ARRAY_SIZE(halves)];

	config.header_seconds = 1;
	start(f, config);
	for (size_t i = 0; i < ARRAY_SIZE(w); i++) {
		w[i] = wire_open(f->port);
		wire_str(&w[i], halves[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(w); i++) {
		assert_true(wire_is_closed(&w[i]));
		wire_close(&w[i]);
	}
}

static void server__idle_connections_are_closed(void **state)
{
	struct running *f = *state;
	struct server_config config = running_usual;

	config.idle_seconds = 1;
	start(f, config);
	AUTO(wire_close) struct wire w = wire_open(f->port);
	assert_true(wire_is_open(&w));
	assert_true(wire_is_closed(&w));
}

static void server__one_address_gets_its_share(void **state)
{
	struct running *f = *state;
	struct server_config config = running_usual;

	config.connections_each = 2;
	start(f, config);
	AUTO(wire_close) struct wire a = wire_open(f->port);
	assert_true(wire_is_open(&a)); /* before the next: loops accept beside each other */
	AUTO(wire_close) struct wire b = wire_open(f->port);
	assert_true(wire_is_open(&b));
	AUTO(wire_close) struct wire c = wire_open(f->port);
	assert_true(wire_is_closed(&c));
}

/* --- Unix sockets ---------------------------------------------------------------------------- */

static void unix_path(struct sockaddr_un *un)
{
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	assert_true(snprintf(un->sun_path, sizeof(un->sun_path), "%s",
			    sandbox_path(made.sb, "socket")) < (int)sizeof(un->sun_path));
}

/* As a service manager hands one over. */
static void start_local(struct running *f, struct server_config config)
{
	struct sockaddr_un un;

	unix_path(&un);
	unlink(un.sun_path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(f->listener, 100), 0);
	start(f, config);
}

static struct wire call_local(void)
{
	struct wire w = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .in = BUF_INIT };
	struct timeval patience = { .tv_sec = 20 };
	struct sockaddr_un un;

	unix_path(&un);
	setsockopt(w.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(w.fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return w;
}

static void local__bodies_are_those_of_the_store(void **state)
{
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	start_local(*state, running_usual);
	AUTO(wire_close) struct wire w = call_local();
	for (int i = 0; i < 2; i++) {
		ask(&w, "GET", made.blob, "", &a);
		assert_int_equal(a.status, 200);
		assert_int_equal(a.body.len, LAYER);
		assert_memory_equal(a.body.data, made.layer_bytes.data, LAYER);
		ask(&w, "GET", made.blob, "Range: bytes=1000001-1999999\r\n", &a);
		assert_int_equal(a.status, 206);
		assert_int_equal(a.body.len, 999999);
		assert_memory_equal(a.body.data, made.layer_bytes.data + 1000001, 999999);
		ask(&w, "GET", MANIFEST, "", &a);
		assert_int_equal(a.status, 200);
		ask(&w, "HEAD", made.blob, "", &a);
		assert_int_equal(a.status, 200);
	}
}

/* A large manifest: it comes from memory. */
static void put_large(char path[200])
{
	AUTO(store_close) struct store *s = sandbox_store(made.sb, "store", STORE_WRITE);
	AUTO(buf_release) struct buf text = BUF_INIT;
	char digest[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;
	struct digest d;

	buf_str(&text, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
		       "\",\"manifests\":[],\"annotations\":{\"a\":\"");
	for (int i = 0; i < 2 << 20; i++)
		buf_char(&text, 'x');
	buf_str(&text, "\"}}");
	assert_ok(blob_put(s, NULL, buf_span(&text), &d, &e));
	assert_ok(image_put(s, "docker.io/library/nginx", "large", &d, MEDIA_OCI_INDEX, &e));
	snprintf(path, 200, "/v2/library/nginx/manifests/%s", digest_text(&d, digest));
}

/* Whoever takes nothing is cut off, whether a file or memory is sent; nothing acknowledges on such a socket. */
static void local__what_takes_nothing_is_cut_off(void **state)
{
	struct server_config config = running_usual;
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	char large[200];

	put_large(large);
	config.least_rate = 1 << 20;
	config.rate_window = 500;
	start_local(*state, config);
	AUTO(wire_close) struct wire w = call_local();
	ask(&w, "GET", large, "", &a);
	assert_int_equal(a.status, 200);
	assert_true(a.body.len > 2 << 20);
	for (int i = 0; i < 2; i++) {
		AUTO(wire_close) struct wire stuck = call_local();
		AUTO(mem_free)
		char *text =
			mem_printf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", i ? large : made.blob);
		struct pollfd end = { .fd = stuck.fd, .events = POLLRDHUP };

		wire_str(&stuck, text);
		assert_true(wire_has_begun(&stuck));
		assert_int_equal(poll(&end, 1, 20000), 1);
		assert_true(end.revents & POLLRDHUP);
	}
}

/* All such clients are one: it has one of the two turns. */
static void local__a_turn_is_given_up_by_what_does_not_move(void **state)
{
	struct server_config config = running_usual;
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	config.bodies = 2;
	start_local(*state, config);
	AUTO(wire_close) struct wire stuck = call_local();
	AUTO(wire_close) struct wire w = call_local();
	wire_str(&stuck, "GET ");
	wire_str(&stuck, made.blob);
	wire_str(&stuck, " HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(wire_has_begun(&stuck));
	ask(&w, "GET", made.blob, "", &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body.len, LAYER);
}

static void *drain(void *cls)
{
	struct running *f = cls;

	server_drain(f->server, 60);
	return NULL;
}

static void server__drain_finishes_what_is_being_sent(void **state)
{
	struct running *f = *state;
	AUTO(wire_close) struct wire busy = wire_open(f->port);
	AUTO(wire_close) struct wire idle = wire_open(f->port);
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	pthread_t thread;
	char piece[1024];
	ssize_t n;

	assert_true(wire_is_open(&idle));
	wire_str(&busy, "GET ");
	wire_str(&busy, made.blob);
	wire_str(&busy, " HTTP/1.1\r\nHost: x\r\n\r\n");
	n = recv(busy.fd, piece, sizeof(piece), 0);
	assert_true(n > 0);
	buf_add(&busy.in, piece, (size_t)n);
	assert_int_equal(pthread_create(&thread, NULL, drain, f), 0);
	assert_true(wire_is_closed(&idle));
	wire_read(&busy, false, &a);
	assert_int_equal(a.status, 200);
	assert_memory_equal(a.body.data, made.layer_bytes.data, LAYER);
	assert_true(wire_is_closed(&busy));
	pthread_join(thread, NULL);
}

static void server__access_log_lines(void **state)
{
	struct running *f = *state;
	const char *path = sandbox_path(made.sb, "access.log");
	AUTO(mem_free) char *moved = mem_printf("%s.1", path);
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	struct err e;

	assert_ok(log_file_open(&f->log, "access-log", path, &e));
	start(f, running_usual);
	AUTO(wire_close) struct wire w = wire_open(f->port);
	ask(&w, "GET", MANIFEST, "X-Request-Id: abc-1\r\n", &a);
	ask(&w, "HEAD", "/v2/x/manifests/1", "", &a);
	assert_int_equal(rename(path, moved), 0);
	assert_ok(log_file_reopen(f->log, &e));
	ask(&w, "GET", "/nothing", "", &a);
	assert_string_not_equal(answer_get(&a, "X-Request-Id"), "");
	server_stop(&f->server);
	/* A line is written soon after its answer: before the rename or after it. */
	assert_ok(fs_read_file(AT_FDCWD, path, 1 << 20, &text, &e));
	assert_non_null(strstr(text.data, " uri=/nothing status=404 "));
	assert_ok(fs_read_file(AT_FDCWD, moved, 1 << 20, &text, &e));
	assert_non_null(strstr(text.data, " method=GET uri=" MANIFEST " status=200 bytes="));
	assert_non_null(strstr(text.data, " id=abc-1\n"));
	assert_non_null(
		strstr(text.data, " method=HEAD uri=/v2/x/manifests/1 status=404 bytes=0 "));
}

/* Whoever can reach the server can write them. */
static void server__believes_no_forwarded_address(void **state)
{
	static const char *const lines[] = { "X-Forwarded-For: 10.9.9.9\r\n",
		"X-Forwarded-For: 10.9.9.9, 127.0.0.1\r\n", "X-Real-IP: 10.9.9.9\r\n",
		"Forwarded: for=10.9.9.9\r\n" };
	struct running *f = *state;
	const char *path = sandbox_path(made.sb, "forwarded.log");
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	size_t count = 0;
	struct err e;

	assert_ok(log_file_open(&f->log, "access-log", path, &e));
	start(f, running_usual);
	AUTO(wire_close) struct wire w = wire_open(f->port);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		ask(&w, "GET", MANIFEST, lines[i], &a);
	server_stop(&f->server);
	assert_ok(fs_read_file(AT_FDCWD, path, 1 << 20, &text, &e));
	assert_null(strstr(text.data, "10.9.9.9"));
	for (const char *at = text.data; (at = strstr(at, "127.0.0.1:")); at++)
		count++;
	assert_int_equal(count, ARRAY_SIZE(lines));
}

static void server__no_store(void **state)
{
	struct server_config config = running_usual;
	struct server *none = NULL;
	struct err e;

	(void)state;
	config.store = sandbox_path(made.sb, "nothing");
	assert_err(server_start(&none, &config, &e), ERR_ABSENT, "nothing");
	assert_null(none);
}

#define RUNNING(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define PREPARED(test) cmocka_unit_test_setup_teardown(test, prepare, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUNNING(server__a_thousand_requests_on_one_connection),
		RUNNING(server__refusals_keep_the_connection),
		RUNNING(server__doubtful_requests_end_the_connection),
		RUNNING(server__a_hello_of_tls_is_answered),
		RUNNING(server__pipelined_requests_are_answered_in_order),
		RUNNING(server__sizes_of_requests),
		RUNNING(server__http_1_0),
		RUNNING(server__small_bodies_are_swallowed),
		RUNNING(server__large_bodies_are_refused_unread),
		RUNNING(server__head_for_every_get),
		RUNNING(server__blob_bytes),
		RUNNING(server__ranges_byte_by_byte),
		RUNNING(server__many_ranges),
		RUNNING(server__128_clients_at_the_same_moment),
		PREPARED(server__slow_headers_are_cut_off),
		PREPARED(server__idle_connections_are_closed),
		PREPARED(server__one_address_gets_its_share),
		RUNNING(server__drain_finishes_what_is_being_sent),
		PREPARED(server__access_log_lines),
		PREPARED(server__believes_no_forwarded_address),
		PREPARED(server__no_store),
		PREPARED(local__bodies_are_those_of_the_store),
		PREPARED(local__what_takes_nothing_is_cut_off),
		PREPARED(local__a_turn_is_given_up_by_what_does_not_move),
	};

	return cmocka_run_group_tests_name("registry/server", tests, make_store, remove_store);
}
