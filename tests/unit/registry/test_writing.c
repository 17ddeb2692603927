/* What writes, on a real store with its threads, without a socket: requests in, replies out. */
#include <crypt.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "registry/writing.h"
#include "storage/base/base64.h"
#include "tests/support/cm.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

#define NGINX "docker.io/library/nginx"
#define APP "team/app"
#define INDEX "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}"

struct fixture {
	struct sandbox *sb;
	struct names names;
	struct cache *cache;
	struct writers writers;
	struct auth *auth;
	struct site site;
	_Atomic(bool) draining;
	struct reply reply;
	struct who who;
	sem_t woken;
	int64_t now_ms;
	char uri[9000];
};

static const struct uploads_limits few = { .total = 8, .each = 4, .expiry_seconds = 100 };

static int setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	void *sandbox = NULL;
	struct err e = ERR_INIT;

	if (sandbox_setup(&sandbox) != 0)
		return -1;
	f->sb = sandbox;
	sem_init(&f->woken, 0, 0);
	assert_ok(names_init(&f->names, NULL, "docker.io", &e));
	f->cache = cache_new(1 << 20, 64);
	f->writers = (struct writers){ .upload_max = 8 << 20, .deletes = true };
	f->writers.uploads = uploads_new(&few);
	assert_ok(committer_new(&f->writers.committer, sandbox_path(f->sb, "store"), f->cache, &e));
	assert_ok(jobs_new(&f->writers.jobs, 2, &e));
	f->site = (struct site){ .store = sandbox_store(f->sb, "store", STORE_READ),
		.names = &f->names,
		.cache = f->cache,
		.writers = &f->writers,
		.draining = &f->draining,
		.catalog = true };
	reply_init(&f->reply);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *sandbox = f->sb;

	reply_release(&f->reply);
	jobs_free(&f->writers.jobs);
	uploads_free(&f->writers.uploads);
	committer_free(&f->writers.committer);
	store_close(&f->site.store);
	cache_free(&f->cache);
	auth_close(&f->auth);
	who_release(&f->who);
	names_release(&f->names);
	sem_destroy(&f->woken);
	mem_free(&f);
	return sandbox_teardown(&sandbox);
}

/* --- asking --------------------------------------------------------------------------------- */

static void do_nothing(void *ctx)
{
	(void)ctx;
}

static void wake(void *ctx)
{
	sem_post(&((struct fixture *)ctx)->woken);
}

/* The body in pieces, as a loop would hand it over. */
static void send_body(struct fixture *f, struct writing *w, struct span body)
{
	while (body.len > 0) {
		size_t n = body.len < 20000 ? body.len : 20000;
		size_t taken = writing_take(w, body.data, n);

		if (taken < n)
			sem_wait(&f->woken);
		body = (struct span){ body.data + taken, body.len - taken };
	}
}

static void write_request(struct fixture *f, struct request *q, struct span body, bool leave)
{
	struct waker waker = { do_nothing, wake, f };
	AUTO(writing_free) struct writing *w = NULL;
	struct err e;

	site_write(&f->site, q, &waker, &w, &f->reply, &e);
	if (!w)
		return;
	if (!writing_answered(w)) {
		send_body(f, w, body);
		if (leave)
			return; /* the client is gone */
		writing_end(w);
		sem_wait(&f->woken);
	}
	reply_release(&f->reply);
	f->reply = w->reply;
	reply_init(&w->reply);
}

struct ask {
	enum method method;
	struct span body;
	bool chunked, leave;
	const char *content_type, *content_range, *authorization;
};

static unsigned ask(struct fixture *f, struct ask a, const char *fmt, ...) PRINTF_LIKE(3, 4);
static unsigned ask(struct fixture *f, struct ask a, const char *fmt, ...)
{
	struct request q = { .method = a.method,
		.uri = f->uri,
		.id = "id",
		.host = "registry.local",
		.content_type = a.content_type,
		.content_range = a.content_range,
		.length = a.chunked ? LENGTH_UNKNOWN : a.body.len,
		.who = &f->who };
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->uri, sizeof(f->uri), fmt, ap);
	va_end(ap);
	reply_release(&f->reply);
	reply_init(&f->reply);
	site_refresh(&f->site, f->now_ms += 2);
	if (request_reads(&q))
		site_answer(&f->site, &q, &f->reply, &e);
	else
		write_request(f, &q, a.body, a.leave);
	reply_end(&f->reply, "id");
	return f->reply.status;
}

#define GET ((struct ask){ .method = METHOD_GET })
#define HEAD ((struct ask){ .method = METHOD_HEAD })
#define DELETE ((struct ask){ .method = METHOD_DELETE })
#define POST(text) ((struct ask){ .method = METHOD_POST, .body = text })
#define PATCH(text) ((struct ask){ .method = METHOD_PATCH, .body = text })
#define PUT(text) ((struct ask){ .method = METHOD_PUT, .body = text })
#define NOTHING ((struct span){ "", 0 })

static const char *header(struct fixture *f, const char *name)
{
	const char *value;

	if (f->reply.body == BODY_CONTENT && f->reply.headers.len == 0)
		reply_content_headers(&f->reply, f->reply.content);
	value = reply_get(&f->reply, name);

	return value ? value : "";
}

static bool says(struct fixture *f, const char *words)
{
	const struct buf *body =
		f->reply.body == BODY_CONTENT ? &f->reply.content->bytes : &f->reply.bytes;

	return body->len > 0 && strstr(body->data, words) != NULL;
}

static unsigned count_of(const struct fixture *f, const char *words)
{
	unsigned count = 0;

	for (const char *p = f->reply.bytes.data; (p = strstr(p, words)); p++)
		count++;
	return count;
}

static const char *digest(struct span bytes, enum digest_alg alg, char text[DIGEST_TEXT_SIZE])
{
	struct digest d;

	digest_of(&d, alg, bytes);
	return digest_text(&d, text);
}

/* A new session: its path. */
static char *session(struct fixture *f, const char *repo)
{
	assert_int_equal(ask(f, POST(NOTHING), "/v2/%s/blobs/uploads/", repo), 202);
	assert_string_equal(header(f, "Range"), "0-0");
	assert_int_equal(strlen(header(f, "Docker-Upload-UUID")), 32);
	return mem_strdup(header(f, "Location"));
}

/* --- uploads -------------------------------------------------------------------------------- */

static void upload__in_one_request(void **state)
{
	struct fixture *f = *state;
	struct span text = span_of("hello");
	char d[DIGEST_TEXT_SIZE];

	digest(text, DIGEST_SHA256, d);
	assert_int_equal(ask(f, GET, "/v2/" APP "/blobs/%s", d), 404);
	assert_int_equal(ask(f, POST(text), "/v2/" APP "/blobs/uploads/?digest=%s", d), 201);
	assert_string_equal(header(f, "Docker-Content-Digest"), d);
	assert_true(strstr(header(f, "Location"), "/v2/" APP "/blobs/sha256:") != NULL);
	assert_int_equal(ask(f, HEAD, "/v2/" APP "/blobs/%s", d), 200);
	assert_int_equal(ask(f, HEAD, "/v2/team/other/blobs/%s", d), 404);
	/* chunked, and of no bytes at all */
	digest(NOTHING, DIGEST_SHA256, d);
	assert_int_equal(
		ask(f, (struct ask){ .method = METHOD_POST, .chunked = true, .body = NOTHING },
			"/v2/" APP "/blobs/uploads/?digest=%s", d),
		201);
	/* no bytes, though it should be some: a session then */
	digest(text, DIGEST_SHA256, d);
	assert_int_equal(ask(f, POST(NOTHING), "/v2/" APP "/blobs/uploads/?digest=%s", d), 202);
	assert_true(strstr(header(f, "Location"), "/uploads/") != NULL);
	assert_int_equal(
		ask(f, POST(span_of("help!")), "/v2/" APP "/blobs/uploads/?digest=%s", d), 400);
	assert_true(says(f, "DIGEST_INVALID"));
	assert_int_equal(ask(f, POST(text), "/v2/" APP "/blobs/uploads/?digest=sha256:x"), 400);
	assert_int_equal(
		ask(f, POST(text), "/v2/" APP "/blobs/uploads/?digest-algorithm=md5"), 400);
}

static void upload__session_of_pieces(void **state)
{
	struct fixture *f = *state;
	AUTO(mem_free) char *at = session(f, APP);
	char d[DIGEST_TEXT_SIZE];

	assert_int_equal(ask(f, PATCH(span_of("hello ")), "%s", at), 202);
	assert_string_equal(header(f, "Range"), "0-5");
	assert_string_equal(header(f, "Location"), at);
	assert_int_equal(ask(f, GET, "%s?digest=sha256:nonsense", at), 204);
	assert_string_equal(header(f, "Range"), "0-5");
	assert_int_equal(ask(f,
				 (struct ask){ .method = METHOD_PATCH,
					 .body = span_of("wor"),
					 .content_range = "6-8" },
				 "%s", at),
		202);
	digest(span_of("hello world"), DIGEST_SHA256, d);
	assert_int_equal(ask(f,
				 (struct ask){ .method = METHOD_PUT,
					 .body = span_of("ld"),
					 .content_range = "9-10" },
				 "%s?digest=%s", at, d),
		201);
	assert_int_equal(ask(f, GET, "/v2/" APP "/blobs/%s", d), 200);
	assert_int_equal(
		ask(f, PUT(NOTHING), "%s?digest=%s", at, d), 201); /* the answer was lost */
	assert_int_equal(ask(f, GET, "%s", at), 404);
	assert_true(says(f, "BLOB_UPLOAD_UNKNOWN"));
	assert_int_equal(uploads_open(f->writers.uploads), 0);
}

static const struct {
	const char *range;
	unsigned status;
	const char *code;
} ranges[] = {
	{ "5-6", 416, "BLOB_UPLOAD_INVALID" },
	{ "7-8", 416, "BLOB_UPLOAD_INVALID" },
	{ "0-1", 416, "BLOB_UPLOAD_INVALID" },
	{ "6-6", 400, "SIZE_INVALID" },
	{ "6-9", 400, "SIZE_INVALID" },
	{ "bytes 6-7", 400, "BLOB_UPLOAD_INVALID" },
	{ "6-", 400, "BLOB_UPLOAD_INVALID" },
	{ "-7", 400, "BLOB_UPLOAD_INVALID" },
	{ "7-6", 400, "BLOB_UPLOAD_INVALID" },
	{ "6-7-8", 400, "BLOB_UPLOAD_INVALID" },
	{ "", 400, "BLOB_UPLOAD_INVALID" },
	{ "99999999999999999999999-7", 400, "BLOB_UPLOAD_INVALID" },
};

static void upload__wrong_ranges_leave_the_session(void **state)
{
	struct fixture *f = *state;
	AUTO(mem_free) char *at = session(f, APP);
	char d[DIGEST_TEXT_SIZE];

	digest(span_of("hello !!"), DIGEST_SHA256, d);
	assert_int_equal(ask(f, PATCH(span_of("hello ")), "%s", at), 202);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		for (int put = 0; put < 2; put++) {
			struct ask a = { .method = put ? METHOD_PUT : METHOD_PATCH,
				.body = span_of("!!"),
				.content_range = ranges[i].range };

			if (ask(f, a, "%s?digest=%s", at, d) != ranges[i].status)
				fail_msg("%s: %u", ranges[i].range, f->reply.status);
			assert_true(says(f, ranges[i].code));
			if (ranges[i].status == 416) {
				assert_string_equal(header(f, "Range"), "0-5");
				assert_string_equal(header(f, "Location"), at);
			}
			assert_int_equal(ask(f, GET, "%s?digest=%s", at, d), 204);
			assert_string_equal(header(f, "Range"), "0-5");
		}
	assert_int_equal(ask(f,
				 (struct ask){ .method = METHOD_PATCH,
					 .body = span_of("!!!"),
					 .chunked = true,
					 .content_range = "6-7" },
				 "%s", at),
		400);
	assert_true(says(f, "SIZE_INVALID"));
	assert_int_equal(ask(f,
				 (struct ask){ .method = METHOD_PUT,
					 .body = span_of("!!"),
					 .content_range = "6-7" },
				 "%s?digest=%s", at, d),
		201);
}

static void upload__a_client_that_leaves_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_release) struct buf big = BUF_INIT, whole = BUF_INIT;
	AUTO(mem_free) char *at = session(f, APP);
	char d[DIGEST_TEXT_SIZE];

	image_bytes(&big, "big", 1500000);
	buf_str(&whole, "begin ");
	buf_add(&whole, big.data, big.len);
	digest(buf_span(&whole), DIGEST_SHA256, d);
	assert_int_equal(ask(f, PATCH(span_of("begin ")), "%s", at), 202);
	for (int i = 0; i < 3; i++) {
		ask(f,
			(struct ask){
				.method = METHOD_PATCH, .body = buf_span(&big), .leave = true },
			"%s", at);
		/* It is given back by another thread, soon. */
		while (ask(f, GET, "%s", at) == 400)
			;
		assert_int_equal(f->reply.status, 204);
		assert_string_equal(header(f, "Range"), "0-5");
	}
	assert_int_equal(ask(f, PUT(buf_span(&big)), "%s?digest=%s", at, d), 201);
	assert_int_equal(ask(f, GET, "/v2/" APP "/blobs/%s", d), 200);
	assert_int_equal(f->reply.content->size, whole.len);
}

static void upload__sha512_known_at_the_end(void **state)
{
	struct fixture *f = *state;
	AUTO(mem_free) char *at = session(f, APP);
	char d[DIGEST_TEXT_SIZE];

	digest(span_of("hello"), DIGEST_SHA512, d);
	assert_int_equal(ask(f, PATCH(span_of("hel")), "%s", at), 202);
	assert_int_equal(ask(f, PUT(span_of("lo")), "%s?digest=%s", at, d), 201);
	assert_string_equal(header(f, "Docker-Content-Digest"), d);
	assert_int_equal(ask(f, GET, "/v2/" APP "/blobs/%s", d), 200);
	digest(span_of("hello"), DIGEST_SHA256, d);
	assert_int_equal(ask(f, GET, "/v2/" APP "/blobs/%s", d), 404); /* another id */
}

static void upload__wrong_digest_ends_the_session(void **state)
{
	struct fixture *f = *state;
	AUTO(mem_free) char *at = session(f, APP);
	char d[DIGEST_TEXT_SIZE];

	digest(span_of("other"), DIGEST_SHA256, d);
	assert_int_equal(ask(f, PUT(span_of("hello")), "%s", at), 400); /* no digest at all */
	assert_int_equal(ask(f, PUT(span_of("hello")), "%s?digest", at), 400);
	assert_int_equal(ask(f, PUT(span_of("hello")), "%s?digest=%s", at, d), 400);
	assert_true(says(f, "DIGEST_INVALID"));
	assert_int_equal(ask(f, GET, "%s", at), 404);
	assert_int_equal(sandbox_count(sandbox_path(f->sb, "store/stage")), 0);
}

static void upload__cancelled(void **state)
{
	struct fixture *f = *state;
	AUTO(mem_free) char *at = session(f, APP);

	assert_int_equal(ask(f, PATCH(span_of("hello")), "%s", at), 202);
	assert_int_equal(ask(f, DELETE, "%s", at), 204);
	assert_int_equal(ask(f, DELETE, "%s", at), 404);
	assert_int_equal(ask(f, PATCH(span_of("hello")), "%s", at), 404);
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/blobs/uploads/../../x"), 404);
	assert_int_equal(ask(f, GET, "/v2/" APP "/blobs/uploads/%s", "zz"), 404);
}

static void upload__limits(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_release) struct buf big = BUF_INIT;
	AUTO(mem_free) char *at = NULL;
	char d[DIGEST_TEXT_SIZE];

	image_bytes(&big, "big", (8 << 20) + 1);
	digest(buf_span(&big), DIGEST_SHA256, d);
	at = session(f, APP);
	assert_int_equal(
		ask(f, POST(buf_span(&big)), "/v2/" APP "/blobs/uploads/?digest=%s", d), 413);
	/* Nobody knows of a session that such a request began. */
	for (int i = 0; i < 5; i++) {
		assert_int_equal(ask(f,
					 (struct ask){ .method = METHOD_POST,
						 .body = buf_span(&big),
						 .chunked = true },
					 "/v2/" APP "/blobs/uploads/?digest=%s", d),
			413);
		ask(f,
			(struct ask){ .method = METHOD_POST,
				.body = { big.data, 1000000 },
				.leave = true },
			"/v2/" APP "/blobs/uploads/?digest=%s", d);
	}
	while (uploads_open(f->writers.uploads) > 1) /* given up by another thread, soon */
		;
	assert_int_equal(ask(f, PATCH(buf_span(&big)), "%s", at), 413);
	assert_int_equal(
		ask(f,
			(struct ask){
				.method = METHOD_PATCH, .body = buf_span(&big), .chunked = true },
			"%s", at),
		413);
	assert_true(says(f, "SIZE_INVALID"));
	assert_int_equal(ask(f, GET, "%s", at), 204);
	assert_string_equal(header(f, "Range"), "0-0");
	for (int i = 0; i < 3; i++)
		mem_free(&(char *){ session(f, APP) });
	assert_int_equal(ask(f, POST(NOTHING), "/v2/" APP "/blobs/uploads/"), 429);
	assert_true(says(f, "TOOMANYREQUESTS"));
	assert_string_not_equal(header(f, "Retry-After"), "");
	f->writers.free_floor = UINT64_MAX / 2;
	assert_int_equal(ask(f, PATCH(span_of("x")), "%s", at), 507);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/" APP "/manifests/1"), 507);
	assert_true(says(f, "\"errors\":["));
}

/* --- mounts --------------------------------------------------------------------------------- */

static void mount__from_a_repository_or_any(void **state)
{
	struct fixture *f = *state;
	char d[DIGEST_TEXT_SIZE];

	digest(span_of("hello"), DIGEST_SHA256, d);
	assert_int_equal(
		ask(f, POST(NOTHING), "/v2/b/x/blobs/uploads/?mount=%s&from=" APP, d), 202);
	assert_int_equal(ask(f, POST(NOTHING), "/v2/b/x/blobs/uploads/?mount=%s", d), 202);
	assert_int_equal(
		ask(f, POST(span_of("hello")), "/v2/" APP "/blobs/uploads/?digest=%s", d), 201);
	assert_int_equal(
		ask(f, POST(NOTHING), "/v2/b/x/blobs/uploads/?mount=%s&from=no/such", d), 202);
	assert_int_equal(
		ask(f, POST(NOTHING), "/v2/b/x/blobs/uploads/?mount=%s&from=" APP, d), 201);
	assert_string_equal(header(f, "Docker-Content-Digest"), d);
	assert_int_equal(ask(f, HEAD, "/v2/b/x/blobs/%s", d), 200);
	assert_int_equal(ask(f, POST(NOTHING), "/v2/c/x/blobs/uploads/?mount=%s", d), 201);
	assert_int_equal(ask(f, POST(NOTHING), "/v2/c/x/blobs/uploads/?mount=nonsense"), 202);
	assert_int_equal(f->writers.held, 0);
}

/* --- manifests ------------------------------------------------------------------------------ */

static void manifest__by_tag_and_by_digest(void **state)
{
	struct fixture *f = *state;
	struct span text = span_of(INDEX);
	char d[DIGEST_TEXT_SIZE], d512[DIGEST_TEXT_SIZE];

	digest(text, DIGEST_SHA256, d);
	digest(text, DIGEST_SHA512, d512);
	assert_int_equal(ask(f,
				 (struct ask){ .method = METHOD_PUT,
					 .body = text,
					 .chunked = true,
					 .content_type = MEDIA_OCI_INDEX "; charset=utf-8" },
				 "/v2/" APP "/manifests/1"),
		201);
	assert_string_equal(header(f, "Docker-Content-Digest"), d);
	assert_true(strstr(header(f, "Location"), d) != NULL);
	assert_string_equal(header(f, "OCI-Subject"), "");
	assert_int_equal(ask(f, GET, "/v2/" APP "/manifests/1"), 200);
	assert_string_equal(f->reply.content->bytes.data, INDEX);
	assert_int_equal(ask(f, PUT(text), "/v2/" APP "/manifests/%s?tag=a&tag=b", d512), 201);
	assert_string_equal(header(f, "OCI-Tag"), "a");
	assert_int_equal(ask(f, GET, "/v2/" APP "/manifests/b"), 200);
	assert_int_equal(f->reply.content->digest.alg, DIGEST_SHA512);
	assert_int_equal(ask(f, GET, "/v2/" APP "/tags/list"), 200);
	assert_true(says(f, "\"tags\":[\"1\",\"a\",\"b\"]"));
}

static const struct {
	const char *path, *type, *body;
	unsigned status;
	const char *code;
} bad_manifests[] = {
	{ "/v2/" APP "/manifests/1", NULL, "not json", 400, "MANIFEST_INVALID" },
	{ "/v2/" APP "/manifests/1", NULL, "", 400, "MANIFEST_INVALID" },
	{ "/v2/" APP "/manifests/1", NULL, "{}", 400, "MANIFEST_INVALID" },
	{ "/v2/" APP "/manifests/1", MEDIA_OCI_MANIFEST, INDEX, 400, "MANIFEST_INVALID" },
	{ "/v2/" APP "/manifests/1", "text/html", INDEX, 400, "MANIFEST_INVALID" },
	{ "/v2/" APP "/manifests/1", NULL, INDEX "{}", 400, "MANIFEST_INVALID" },
	{ "/v2/" APP "/manifests/1?tag=2", NULL, INDEX, 400, "UNSUPPORTED" },
	{ "/v2/" APP "/manifests/sha256:baddigeststring", NULL, INDEX, 400, "DIGEST_INVALID" },
	{ "/v2/" APP "/manifests/sha256:"
	  "0000000000000000000000000000000000000000000000000000000000000000",
		NULL, INDEX, 400, "DIGEST_INVALID" },
	{ "/v2/" APP "/manifests/a%20b", NULL, INDEX, 400, "MANIFEST_INVALID" },
	{ "/v2/Team/manifests/1", NULL, INDEX, 400, "NAME_INVALID" },
};

static void manifest__refusals(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_release) struct buf big = BUF_INIT, uri = BUF_INIT;
	char d[DIGEST_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(bad_manifests); i++) {
		struct ask a = { .method = METHOD_PUT,
			.body = span_of(bad_manifests[i].body),
			.content_type = bad_manifests[i].type };

		if (ask(f, a, "%s", bad_manifests[i].path) != bad_manifests[i].status ||
			!says(f, bad_manifests[i].code))
			fail_msg("row %zu: %u %s", i, f->reply.status, f->reply.bytes.data);
	}
	image_bytes(&big, "big", MANIFEST_MAX + 1);
	assert_int_equal(ask(f, PUT(buf_span(&big)), "/v2/" APP "/manifests/1"), 413);
	assert_int_equal(
		ask(f,
			(struct ask){
				.method = METHOD_PUT, .body = buf_span(&big), .chunked = true },
			"/v2/" APP "/manifests/1"),
		413);
	f->writers.held = BODIES_MAX;
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/" APP "/manifests/1"), 429);
	assert_int_equal(f->writers.held, BODIES_MAX);
	f->writers.held = 0;
	digest(span_of(INDEX), DIGEST_SHA256, d);
	buf_printf(&uri, "/v2/" APP "/manifests/%s?tag=0", d);
	for (int i = 1; i <= ROUTE_TAGS_MAX; i++)
		buf_printf(&uri, "&tag=%d", i);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "%s", uri.data), 414);
	assert_int_equal(
		ask(f, PUT(span_of(INDEX)), "/v2/" APP "/manifests/%s?tag=a%%20b", d), 400);
	assert_int_equal(ask(f, GET, "/v2/" APP "/tags/list"), 404); /* nothing came of it */
	f->writers.strict = true;
	assert_int_equal(
		ask(f,
			PUT(span_of("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
				    "\",\"manifests\":[{\"mediaType\":\"" MEDIA_OCI_MANIFEST
				    "\",\"size\":2,\"digest\":\"sha256:"
				    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310"
				    "c060f61caaff8a\"}]}")),
			"/v2/" APP "/manifests/1"),
		400);
	assert_true(says(f, "MANIFEST_BLOB_UNKNOWN"));
}

static void deletes__tags_manifests_blobs(void **state)
{
	struct fixture *f = *state;
	struct span text = span_of(INDEX);
	char d[DIGEST_TEXT_SIZE], b[DIGEST_TEXT_SIZE];

	digest(text, DIGEST_SHA256, d);
	digest(span_of("hello"), DIGEST_SHA256, b);
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/manifests/1"), 404);
	assert_true(says(f, "MANIFEST_UNKNOWN"));
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/manifests/%s", d), 404);
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/blobs/%s", b), 404);
	assert_true(says(f, "BLOB_UNKNOWN"));
	assert_int_equal(ask(f, PUT(text), "/v2/" APP "/manifests/1"), 201);
	assert_int_equal(ask(f, PUT(text), "/v2/" APP "/manifests/2"), 201);
	assert_int_equal(ask(f, GET, "/v2/" APP "/manifests/1"), 200);
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/manifests/1"), 202);
	assert_int_equal(ask(f, HEAD, "/v2/" APP "/manifests/1"), 404);
	assert_int_equal(ask(f, HEAD, "/v2/" APP "/manifests/2"), 200);
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/manifests/%s", d), 202);
	assert_int_equal(ask(f, HEAD, "/v2/" APP "/manifests/2"), 404);
	assert_int_equal(ask(f, HEAD, "/v2/" APP "/manifests/%s", d), 404);
	assert_int_equal(
		ask(f, POST(span_of("hello")), "/v2/" APP "/blobs/uploads/?digest=%s", b), 201);
	assert_int_equal(ask(f, GET, "/v2/" APP "/blobs/%s", b), 200);
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/blobs/%s", b), 202);
	assert_int_equal(ask(f, GET, "/v2/" APP "/blobs/%s", b), 404); /* no cache brings it back */
	f->writers.deletes = false;
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/manifests/1"), 405);
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/manifests/%s", d), 405);
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/blobs/%s", b), 405);
}

/* --- beside what a set brought -------------------------------------------------------------- */

static void pin(struct fixture *f)
{
	AUTO(store_close) struct store *s = sandbox_store(f->sb, "store", STORE_WRITE);
	struct image_want want = { .seed = "pinned", .layers = 1 };
	struct image_pin pinned = {
		.repo = NGINX, .tag = "1.27", .digest = image_make(s, NULL, &want)
	};
	struct digest set = image_set(s, "platform", "2026.11", &pinned, 1);
	struct err e = ERR_INIT;

	assert_ok(set_accept(s, &set, NULL, 0, &e));
}

static void pinned__tags_are_not_moved_by_any_name(void **state)
{
	static const char *const names[] = { NGINX, "library/nginx", "nginx",
		"index.docker.io/library/nginx", "docker.io/nginx", "index.docker.io/nginx" };
	struct fixture *f = *state;
	char before[DIGEST_TEXT_SIZE], after[DIGEST_TEXT_SIZE];

	pin(f);
	assert_int_equal(ask(f, GET, "/v2/" NGINX "/manifests/1.27"), 200);
	digest_text(&f->reply.content->digest, before);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(
			ask(f, PUT(span_of(INDEX)), "/v2/%s/manifests/1.27", names[i]), 403);
		assert_true(says(f, "\"code\":\"DENIED\""));
		assert_true(says(f, "belongs to set platform:2026.11"));
		assert_int_equal(ask(f, DELETE, "/v2/%s/manifests/1.27", names[i]), 403);
		assert_int_equal(ask(f, DELETE, "/v2/%s/manifests/%s", names[i], before), 403);
	}
	assert_int_equal(ask(f, GET, "/v2/" NGINX "/manifests/1.27"), 200);
	assert_string_equal(digest_text(&f->reply.content->digest, after), before);
	/* Beside it, under the same names. */
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/library/nginx/manifests/mine"), 201);
	assert_int_equal(ask(f, GET, "/v2/nginx/tags/list"), 200);
	assert_true(says(f, "\"tags\":[\"1.27\",\"mine\"]"));
}

/* What was pushed bare before a set came does not hide what the set brings. */
static void pinned__comes_before_what_was_pushed_bare(void **state)
{
	static const char *const spelled[] = { "docker.io/nginx", "index.docker.io/library/nginx",
		"docker.io/docker.io/library/nginx" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(spelled); i++)
		assert_int_equal(
			ask(f, PUT(span_of(INDEX)), "/v2/%s/manifests/1.27", spelled[i]), 201);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/library/nginx/manifests/1.27"), 201);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/library/nginx/manifests/old"), 201);
	pin(f);
	assert_int_equal(ask(f, GET, "/v2/library/nginx/manifests/1.27"), 200);
	assert_null(strstr(f->reply.content->bytes.data, "manifests\":[]"));
	for (size_t i = 0; i < ARRAY_SIZE(spelled); i++) {
		assert_int_equal(ask(f, GET, "/v2/%s/manifests/1.27", spelled[i]), 200);
		if (i < 2) /* the last is another repository, unless ns says whose */
			assert_null(strstr(f->reply.content->bytes.data, "manifests\":[]"));
	}
	assert_int_equal(ask(f, GET, "/v2/" NGINX "/manifests/1.27?ns=docker.io"), 200);
	assert_null(strstr(f->reply.content->bytes.data, "manifests\":[]"));
	assert_int_equal(ask(f, GET, "/v2/library/nginx/manifests/old"), 200);
	assert_int_equal(ask(f, GET, "/v2/library/nginx/tags/list"), 200);
	assert_true(says(f, "\"tags\":[\"1.27\",\"old\"]"));
	assert_int_equal(ask(f, GET, "/v2/library/nginx/tags/list?n=1"), 200);
	assert_true(says(f, "\"tags\":[\"1.27\"]"));
	assert_string_not_equal(header(f, "Link"), "");
	/* From the cache, the same. */
	assert_int_equal(ask(f, GET, "/v2/library/nginx/tags/list?n=1"), 200);
	assert_int_equal(f->reply.body, BODY_CONTENT);
	assert_true(says(f, "\"tags\":[\"1.27\"]"));
	assert_string_equal(
		header(f, "Link"), "</v2/library/nginx/tags/list?n=1&last=1.27>; rel=\"next\"");
	assert_string_equal(header(f, "ETag"), "");
	assert_int_equal(ask(f, GET, "/v2/library/nginx/manifests/old?ns=docker.io"), 404);
}

/* Whoever comes first must not decide what others' bytes are called. */
static void manifest__type_of_bytes_is_one(void **state)
{
	static const char bare[] = "{\"schemaVersion\":2,\"manifests\":[]}";
	static const char docker[] = "application/vnd.docker.distribution.manifest.list.v2+json";
	struct fixture *f = *state;
	struct ask a = { .method = METHOD_PUT, .body = span_of(bare), .content_type = docker };

	assert_int_equal(ask(f, a, "/v2/a/b/manifests/1"), 201);
	assert_int_equal(ask(f, a, "/v2/c/d/manifests/1"), 201);
	a.content_type = MEDIA_OCI_INDEX;
	assert_int_equal(ask(f, a, "/v2/c/d/manifests/2"), 400);
	assert_true(says(f, "held as application/vnd.docker"));
}

/* A page is cut by what has to be read for it, too. */
static void referrers__large_ones_take_pages(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(mem_free) char *next = NULL;
	char d[DIGEST_TEXT_SIZE];

	digest(span_of(INDEX), DIGEST_SHA256, d);
	for (int i = 0; i < 5; i++) {
		buf_clear(&text);
		buf_printf(&text,
			"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
			"\",\"manifests\":[],\"annotations\":{\"n\":\"%d\"},\"subject\":{"
			"\"mediaType\":"
			"\"" MEDIA_OCI_INDEX "\",\"digest\":\"%s\",\"size\":%zu}",
			i, d, strlen(INDEX));
		while (text.len < MANIFEST_MAX - 1)
			buf_char(&text, ' ');
		buf_char(&text, '}');
		assert_int_equal(ask(f, PUT(buf_span(&text)), "/v2/" APP "/manifests/%d", i), 201);
	}
	assert_int_equal(ask(f, GET, "/v2/" APP "/referrers/%s", d), 200);
	assert_int_equal(count_of(f, "\"n\":"), 4);
	next = mem_strdup(header(f, "Link") + 1);
	assert_string_not_equal(next, "");
	next[strcspn(next, ">")] = '\0';
	assert_int_equal(ask(f, GET, "%s", next), 200);
	assert_int_equal(count_of(f, "\"n\":"), 1);
	assert_string_equal(header(f, "Link"), "");
}

/* --- the matrix: user x action x repository x method ----------------------------------------- */

#define RULES                                                                                      \
	"- {repositories: [\"docker.io/library/*\", \"open/**\"], users: [anyone], actions: "      \
	"[pull]}\n"                                                                                \
	"- {repositories: [\"team/**\", \"open/**\"], users: [alice], actions: [pull, push, "      \
	"delete, catalog]}\n"                                                                      \
	"- {repositories: [\"team/**\"], users: [bob], actions: [pull]}\n"

static void open_matrix(struct fixture *f, bool basic)
{
	const char *users = sandbox_path(f->sb, "users"), *rules = sandbox_path(f->sb, "rules");
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct crypt_data data = { .initialized = 0 };
	char salt[64];
	struct err e;

	assert_non_null(crypt_gensalt_rn("$2y$", 4, NULL, 0, salt, sizeof(salt)));
	for (const char *const *name = (const char *const[]){ "alice", "bob", "carol", NULL };
		*name; name++)
		buf_printf(&text, "%s:%s\n", *name, crypt_rn(*name, salt, &data, sizeof(data)));
	sandbox_write(users, text.data, text.len);
	sandbox_write(rules, RULES, strlen(RULES));
	assert_ok(auth_open(&f->auth,
		&(struct auth_config){ .users = users,
			.access = rules,
			.basic = basic,
			.push = true,
			.service = "svc",
			.token_seconds = 300 },
		&e));
	f->site.auth = f->auth;
}

static void identify(struct fixture *f, const char *header)
{
	const char *why;

	if (auth_identify(f->auth, header, NULL, &f->who, &why) == AUTH_LATER) {
		auth_verify(f->auth, header);
		assert_int_equal(auth_identify(f->auth, header, NULL, &f->who, &why), AUTH_OK);
	}
}

/* name "": nobody. By password, or by a token for this scope. */
static void become(struct fixture *f, const char *name, const char *scope)
{
	AUTO(buf_release) struct buf login = BUF_INIT, header = BUF_INIT, json = BUF_INIT;
	AUTO(mem_free) char *query = mem_printf("service=svc&scope=%s", scope ? scope : "");
	char *token;
	struct err e;

	buf_printf(&login, "%s:%s", name, name);
	buf_str(&header, "Basic ");
	base64_encode(&header, buf_span(&login));
	identify(f, *name ? header.data : NULL);
	if (!scope)
		return;
	assert_ok(auth_token(f->auth, &f->who, span_of(query), &json, &e));
	token = strstr(json.data, "\"token\":\"") + 9;
	buf_clear(&header);
	buf_printf(&header, "Bearer %.*s", (int)strcspn(token, "\""), token);
	identify(f, header.data);
	assert_true(f->who.by_token);
}

enum want { NO = 401, NEVER = 403, YES = 0 };

static const struct {
	const char *user, *repo;
	enum want pull, push, delete;
} matrix[] = {
	{ "", "open/x", YES, NO, NO },
	{ "", "team/x", NO, NO, NO },
	{ "", "docker.io/library/nginx", YES, NO, NO },
	{ "alice", "open/x", YES, YES, YES },
	{ "alice", "team/x", YES, YES, YES },
	{ "alice", "docker.io/library/nginx", YES, NEVER, NEVER },
	{ "alice", "other/x", NEVER, NEVER, NEVER },
	{ "bob", "open/x", YES, NEVER, NEVER },
	{ "bob", "team/x", YES, NEVER, NEVER },
	{ "carol", "team/x", NEVER, NEVER, NEVER },
	{ "carol", "open/x", YES, NEVER, NEVER },
};

/* Allowed means anything but 401 and 403, as there may be nothing there. */
static void check(struct fixture *f, enum want want, struct ask a, const char *path)
{
	unsigned status = ask(f, a, "%s", path);
	bool denied = status == 401 || status == 403;

	if (denied != (want != YES) || (denied && status != (unsigned)want))
		fail_msg("%s: %d %s: %u", f->who.name, (int)a.method, path, status);
	if (status == 401)
		assert_string_not_equal(header(f, "WWW-Authenticate"), "");
}

static void check_all(struct fixture *f, size_t row)
{
	static const struct {
		const char *path;
		enum method method;
		unsigned action;
	} each[] = {
		{ "/v2/%s/manifests/1", METHOD_GET, ACTION_PULL },
		{ "/v2/%s/manifests/1", METHOD_HEAD, ACTION_PULL },
		{ "/v2/%s/manifests/%s", METHOD_GET, ACTION_PULL },
		{ "/v2/%s/blobs/%s", METHOD_GET, ACTION_PULL },
		{ "/v2/%s/blobs/%s", METHOD_HEAD, ACTION_PULL },
		{ "/v2/%s/tags/list", METHOD_GET, ACTION_PULL },
		{ "/v2/%s/referrers/%s", METHOD_GET, ACTION_PULL },
		{ "/v2/%s/manifests/1", METHOD_PUT, ACTION_PUSH },
		{ "/v2/%s/manifests/%s?tag=a", METHOD_PUT, ACTION_PUSH },
		{ "/v2/%s/blobs/uploads/?digest=%s", METHOD_POST, ACTION_PUSH },
		{ "/v2/%s/blobs/uploads/?mount=%s&from=open/x", METHOD_POST, ACTION_PUSH },
		{ "/v2/%s/blobs/uploads/0123456789abcdef0123456789abcdef", METHOD_GET,
			ACTION_PUSH },
		{ "/v2/%s/blobs/uploads/0123456789abcdef0123456789abcdef", METHOD_PATCH,
			ACTION_PUSH },
		{ "/v2/%s/blobs/uploads/0123456789abcdef0123456789abcdef?digest=%s", METHOD_PUT,
			ACTION_PUSH },
		{ "/v2/%s/blobs/uploads/0123456789abcdef0123456789abcdef", METHOD_DELETE,
			ACTION_PUSH },
		{ "/v2/%s/manifests/1", METHOD_DELETE, ACTION_DELETE },
		{ "/v2/%s/manifests/%s", METHOD_DELETE, ACTION_DELETE },
		{ "/v2/%s/blobs/%s", METHOD_DELETE, ACTION_DELETE },
	};
	char d[DIGEST_TEXT_SIZE];

	digest(span_of(INDEX), DIGEST_SHA256, d);
	for (size_t i = 0; i < ARRAY_SIZE(each); i++) {
		enum want want = each[i].action == ACTION_PULL   ? matrix[row].pull
				 : each[i].action == ACTION_PUSH ? matrix[row].push
								 : matrix[row].delete;
		bool manifest = strstr(each[i].path, "/manifests/") != NULL;
		struct ask a = { .method = each[i].method,
			.body = each[i].method == METHOD_PUT && manifest ? span_of(INDEX)
									 : NOTHING };
		AUTO(mem_free) char *path = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		path = mem_printf(each[i].path, matrix[row].repo, d);
#pragma GCC diagnostic pop
		check(f, want, a, path);
	}
}

static void matrix__by_password(void **state)
{
	struct fixture *f = *state;

	pin(f);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/open/x/manifests/1"), 201);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/" NGINX "/manifests/1"), 201);
	open_matrix(f, true);
	for (size_t row = 0; row < ARRAY_SIZE(matrix); row++) {
		become(f, matrix[row].user, NULL);
		check_all(f, row);
	}
}

static void matrix__by_token(void **state)
{
	struct fixture *f = *state;

	pin(f);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/open/x/manifests/1"), 201);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/" NGINX "/manifests/1"), 201);
	open_matrix(f, false);
	for (size_t row = 0; row < ARRAY_SIZE(matrix); row++) {
		AUTO(mem_free)
		char *scope = mem_printf("repository:%s:pull,push,delete", matrix[row].repo);

		become(f, matrix[row].user, scope);
		check_all(f, row);
	}
}

/* A token is good for its scope, and for as long as its user may. */
static void token__only_its_scope(void **state)
{
	struct fixture *f = *state;
	struct err e;

	open_matrix(f, false);
	become(f, "alice", "repository:team/x:pull");
	check(f, YES, GET, "/v2/team/x/manifests/1");
	check(f, NO, PUT(span_of(INDEX)), "/v2/team/x/manifests/1");
	assert_non_null(strstr(header(f, "WWW-Authenticate"),
		"scope=\"repository:team/x:pull,push\",error=\"insufficient_scope\""));
	check(f, NO, GET, "/v2/team/y/manifests/1");
	become(f, "alice", "repository:team/x:pull,push repository:team/y:pull registry:catalog:*");
	check(f, YES, PUT(span_of(INDEX)), "/v2/team/x/manifests/1");
	check(f, YES, GET, "/v2/team/y/manifests/1");
	check(f, YES, GET, "/v2/_catalog");
	assert_true(says(f, "{\"repositories\":[\"team/x\"]}"));
	sandbox_write(sandbox_path(f->sb, "rules"), "[]\n", 3);
	assert_ok(auth_reload(f->auth, &e));
	check(f, NEVER, GET, "/v2/team/x/manifests/1");
}

/* A bare name may mean what anyone may pull and what only some may: nobody yet is told to log in, who
 * has done that that it is not there. */
static void hidden__is_401_until_somebody_is_known(void **state)
{
	struct fixture *f = *state;

	open_matrix(f, false);
	become(f, "", NULL);
	check(f, NO, GET, "/v2/library/nginx/manifests/none");
	become(f, "", "repository:library/nginx:pull");
	check(f, YES, GET, "/v2/library/nginx/manifests/none");
	assert_int_equal(f->reply.status, 404);
	become(f, "carol", NULL);
	check(f, YES, GET, "/v2/library/nginx/manifests/none");
	assert_int_equal(f->reply.status, 404);
	become(f, "", NULL);
	check(f, YES, GET, "/v2/library/nginx/manifests/none?ns=docker.io");
	assert_int_equal(f->reply.status, 404); /* no doubt about that name */
}

static void catalog__shows_what_may_be_pulled(void **state)
{
	struct fixture *f = *state;

	pin(f);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/team/x/manifests/1"), 201);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/open/x/manifests/1"), 201);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/zeta/x/manifests/1"), 201);
	open_matrix(f, true);
	become(f, "", NULL);
	check(f, NO, GET, "/v2/_catalog");
	become(f, "bob", NULL);
	check(f, NEVER, GET, "/v2/_catalog");
	become(f, "alice", NULL);
	check(f, YES, GET, "/v2/_catalog");
	assert_true(says(f, "[\"" NGINX "\",\"open/x\",\"team/x\"]"));
	check(f, YES, GET, "/v2/_catalog?n=2");
	assert_true(says(f, "[\"" NGINX "\",\"open/x\"]"));
	assert_string_not_equal(header(f, "Link"), "");
	check(f, YES, GET, "/v2/_catalog?n=1&last=open/x");
	assert_true(says(f, "[\"team/x\"]"));
	assert_string_equal(header(f, "Link"), ""); /* what is left is not for alice */
}

/* Who may not read a repository learns nothing of what is in it, by any way. */
static void mount__no_oracle(void **state)
{
	struct fixture *f = *state;
	char d[DIGEST_TEXT_SIZE];

	digest(span_of("hello"), DIGEST_SHA256, d);
	assert_int_equal(
		ask(f, POST(span_of("hello")), "/v2/zeta/x/blobs/uploads/?digest=%s", d), 201);
	open_matrix(f, true);
	become(f, "alice", NULL);
	assert_int_equal(
		ask(f, POST(NOTHING), "/v2/team/x/blobs/uploads/?mount=%s&from=zeta/x", d), 202);
	assert_int_equal(ask(f, POST(NOTHING), "/v2/team/x/blobs/uploads/?mount=%s", d), 202);
	check(f, NEVER, GET, "/v2/zeta/x/tags/list");
	check(f, NEVER, GET, "/v2/zeta/y/tags/list");
}

static void base__says_whether_to_log_in(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, GET, "/v2/"), 200);
	open_matrix(f, false);
	become(f, "", NULL);
	assert_int_equal(ask(f, GET, "/v2/"), 401);
	assert_string_equal(header(f, "WWW-Authenticate"),
		"Bearer realm=\"http://registry.local/token\",service=\"svc\"");
	become(f, "", "repository:open/x:pull");
	assert_int_equal(ask(f, GET, "/v2/"), 200);
	become(f, "carol", NULL);
	assert_int_equal(ask(f, GET, "/v2/"), 200);
}

static const struct {
	const char *header, *words;
} bad_logins[] = {
	{ "Basic YWxpY2U6d3Jvbmc=", "wrong user or password" }, /* alice:wrong */
	{ "Basic bm9ib2R5OmFsaWNl", "wrong user or password" }, /* nobody:alice */
	{ "Basic OmFsaWNl", "wrong user or password" }, /* :alice */
	{ "Basic !", "can not be read" },
	{ "Basic", "neither Basic nor Bearer" },
	{ "Basic YWxpY2U=", "can not be read" }, /* alice */
	{ "Basic AAA6AAA=", "can not be read" },
	{ "Digest x", "neither Basic nor Bearer" },
	{ "Bearer x", "not one of ours" },
	{ "Bearer ", "not one of ours" },
	{ "Bearer a.b.c", "not one of ours" },
	{ "", "neither Basic nor Bearer" },
};

static void logins__refused(void **state)
{
	struct fixture *f = *state;
	const char *why;

	open_matrix(f, true);
	for (size_t i = 0; i < ARRAY_SIZE(bad_logins); i++) {
		enum auth_answer answer =
			auth_identify(f->auth, bad_logins[i].header, NULL, &f->who, &why);

		if (answer == AUTH_LATER) {
			auth_verify(f->auth, bad_logins[i].header);
			answer = auth_identify(f->auth, bad_logins[i].header, NULL, &f->who, &why);
		}
		if (answer != AUTH_REFUSED || !strstr(why, bad_logins[i].words))
			fail_msg("%s: %d %s", bad_logins[i].header, (int)answer, why);
		assert_string_equal(f->who.name, "");
	}
	/* podman without a login */
	assert_int_equal(auth_identify(f->auth, "Basic Og==", NULL, &f->who, &why), AUTH_OK);
	assert_string_equal(f->who.name, "");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(upload__in_one_request),
		TEST(upload__session_of_pieces),
		TEST(upload__wrong_ranges_leave_the_session),
		TEST(upload__a_client_that_leaves_leaves_nothing),
		TEST(upload__sha512_known_at_the_end),
		TEST(upload__wrong_digest_ends_the_session),
		TEST(upload__cancelled),
		TEST(upload__limits),
		TEST(mount__from_a_repository_or_any),
		TEST(manifest__by_tag_and_by_digest),
		TEST(manifest__refusals),
		TEST(deletes__tags_manifests_blobs),
		TEST(manifest__type_of_bytes_is_one),
		TEST(referrers__large_ones_take_pages),
		TEST(pinned__tags_are_not_moved_by_any_name),
		TEST(pinned__comes_before_what_was_pushed_bare),
		TEST(matrix__by_password),
		TEST(matrix__by_token),
		TEST(token__only_its_scope),
		TEST(hidden__is_401_until_somebody_is_known),
		TEST(catalog__shows_what_may_be_pulled),
		TEST(mount__no_oracle),
		TEST(base__says_whether_to_log_in),
		TEST(logins__refused),
	};

	return cmocka_run_group_tests_name("registry/writing", tests, NULL, NULL);
}
