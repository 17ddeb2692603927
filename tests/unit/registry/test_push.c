/* What writes: uploads, mounts, manifests, deletes; and what of it is read again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "asker.h"
#include "tests/support/cm.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

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

static void upload__session_of_chunks(void **state)
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
	assert_int_equal(uploads_open(f->push.uploads), 0);
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
	while (uploads_open(f->push.uploads) > 1) /* given up by another thread, soon */
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
	f->push.free_floor = UINT64_MAX / 2;
	assert_int_equal(ask(f, PATCH(span_of("x")), "%s", at), 507);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/" APP "/manifests/1"), 507);
	assert_true(says(f, "\"errors\":["));
}

static void do_nothing(void *ctx)
{
	(void)ctx;
}

/* The answer was lost, and the client asks again: the same, while the blob is there. */
static void upload__its_end_repeated(void **state)
{
	struct fixture *f = *state;
	AUTO(mem_free) char *at = session(f, APP);
	char d[DIGEST_TEXT_SIZE];

	digest(span_of("hello"), DIGEST_SHA256, d);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask(f, PUT(span_of("hello")), "%s?digest=%s", at, d), 201);
		assert_string_equal(header(f, "Docker-Content-Digest"), d);
	}
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/blobs/%s", d), 202);
	assert_int_equal(ask(f, PUT(span_of("hello")), "%s?digest=%s", at, d), 404);
	assert_true(says(f, "BLOB_UPLOAD_UNKNOWN"));
}

/* Bodies that have begun do not share the room that each of them saw. */
static void upload__room_is_kept_for_what_is_coming(void **state)
{
	static const struct waker asleep = { do_nothing, do_nothing, NULL };
	struct fixture *f = *state;
	AUTO(mem_free) char *at = session(f, APP);
	AUTO(mem_free) char *other = session(f, APP);
	AUTO(push_free) struct push *p = NULL;
	struct request q = {
		.method = METHOD_PATCH, .uri = at, .id = "id", .length = 1000000, .who = &f->who
	};
	struct err e;

	dispatch_write(&f->dispatch, &q, &asleep, &p, &f->reply, &e);
	assert_false(push_answered(p));
	assert_int_equal(f->push.disk, 1000000);
	assert_int_equal(ask(f, PATCH(span_of("hello")), "%s", other), 202);
	assert_int_equal(f->push.disk, 1000000);
	f->push.disk += (uint64_t)1 << 62;
	assert_int_equal(ask(f, PATCH(span_of("hello")), "%s", other), 507);
	assert_int_equal(
		ask(f,
			(struct ask){
				.method = METHOD_PATCH, .body = span_of("hello"), .chunked = true },
			"%s", other),
		507);
	f->push.disk -= (uint64_t)1 << 62;
	push_free(&p);
	while (f->push.disk > 0)
		usleep(1000); /* until a worker has undone it */
	assert_int_equal(
		ask(f,
			(struct ask){
				.method = METHOD_PATCH, .body = span_of("hello"), .chunked = true },
			"%s", other),
		202);
	assert_int_equal(f->push.disk, 0);
}

/* --- between the threads -------------------------------------------------------------------- */

/* Keeps a worker from its next job until it is let go. */
struct blocker {
	struct job job;
	sem_t let_go, gone;
};

static void block(struct job *j)
{
	struct blocker *b = CONTAINER_OF(j, struct blocker, job);

	sem_wait(&b->let_go);
	sem_post(&b->gone);
}

static void block_workers(struct fixture *f, struct blocker blockers[ASKER_WORKERS])
{
	for (int i = 0; i < ASKER_WORKERS; i++) {
		sem_init(&blockers[i].let_go, 0, 0);
		sem_init(&blockers[i].gone, 0, 0);
		blockers[i].job.run = block;
		jobs_add(f->push.jobs, &blockers[i].job);
	}
}

static void let_go(struct blocker blockers[ASKER_WORKERS])
{
	for (int i = 0; i < ASKER_WORKERS; i++)
		sem_post(&blockers[i].let_go);
	for (int i = 0; i < ASKER_WORKERS; i++)
		sem_wait(&blockers[i].gone);
}

/* The connection of a push: how often it was paused and woken. */
struct connection {
	unsigned paused;
	sem_t woken;
};

static void count_pause(void *ctx)
{
	((struct connection *)ctx)->paused++;
}

static void count_wake(void *ctx)
{
	sem_post(&((struct connection *)ctx)->woken);
}

static struct push *begin_patch(struct fixture *f, struct connection *c, const char *at)
{
	struct waker waker = { count_pause, count_wake, c };
	struct request q = { .method = METHOD_PATCH,
		.route = ROUTE_INIT,
		.uri = at,
		.id = "id",
		.length = LENGTH_UNKNOWN,
		.who = &f->who };
	struct push *p;
	struct err e;

	*c = (struct connection){ .paused = 0 };
	sem_init(&c->woken, 0, 0);
	dispatch_write(&f->dispatch, &q, &waker, &p, &f->reply, &e);
	route_release(&q.route);
	assert_non_null(p);
	assert_false(push_answered(p));
	assert_true(push_wants_body(p));
	return p;
}

/* Two chunks are taken while no worker has time; then the connection waits, and is woken once for each pause. */
static void push__paused_while_both_chunks_are_full(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_release) struct buf big = BUF_INIT;
	AUTO(mem_free) char *at = session(f, APP);
	struct blocker blockers[ASKER_WORKERS];
	struct connection c;
	struct push *p = begin_patch(f, &c, at);
	size_t taken, length = 1000000;
	struct err e;

	image_bytes(&big, "big", length);
	block_workers(f, blockers);
	taken = push_take(p, big.data, length);
	assert_in_range(taken, 1, length - 1);
	assert_int_equal(c.paused, 1);
	assert_int_equal(ask(f, GET, "%s", at), 400); /* it is taken */
	assert_true(says(f, "BLOB_UPLOAD_INVALID"));
	let_go(blockers);
	while (taken < length) {
		sem_wait(&c.woken);
		taken += push_take(p, big.data + taken, length - taken);
	}
	push_end(p);
	sem_wait(&c.woken);
	assert_int_equal(sem_trywait(&c.woken), -1);
	assert_true(push_answered(p));
	reply_release(&f->reply);
	push_reply(p, &f->reply, &e);
	push_free(&p);
	assert_int_equal(f->reply.status, 202);
	assert_string_equal(header(f, "Range"), "0-999999");
}

/* The client leaves while a chunk waits for its worker: the worker undoes what it wrote, and frees the push. */
static void push__left_while_a_chunk_is_written(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_release) struct buf big = BUF_INIT;
	AUTO(mem_free) char *at = session(f, APP);
	struct blocker blockers[ASKER_WORKERS];
	struct connection c;
	char d[DIGEST_TEXT_SIZE];
	struct push *p;

	image_bytes(&big, "big", 200000);
	assert_int_equal(ask(f, PATCH(span_of("begin")), "%s", at), 202);
	p = begin_patch(f, &c, at);
	block_workers(f, blockers);
	assert_int_equal(push_take(p, big.data, big.len), big.len);
	push_free(&p);
	assert_int_equal(ask(f, GET, "%s", at), 400); /* it is still taken */
	let_go(blockers);
	while (ask(f, GET, "%s", at) == 400)
		usleep(1000);
	assert_int_equal(f->reply.status, 204);
	assert_string_equal(header(f, "Range"), "0-4");
	assert_int_equal(c.paused, 0);
	while (f->push.disk > 0)
		usleep(1000); /* until it is freed */
	digest(span_of("begin"), DIGEST_SHA256, d);
	assert_int_equal(ask(f, PUT(NOTHING), "%s?digest=%s", at, d), 201);
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
	assert_int_equal(f->push.memory, 0);
}

/* Between the look and the commit the source is deleted: a session, as if it had never been there. */
static void mount__of_what_has_just_gone(void **state)
{
	static const struct waker asleep = { do_nothing, do_nothing, NULL };
	struct fixture *f = *state;
	AUTO(push_free) struct push *p = NULL;
	AUTO(mem_free) char *uri = NULL;
	char d[DIGEST_TEXT_SIZE];
	struct request q;
	struct err e;

	digest(span_of("hello"), DIGEST_SHA256, d);
	assert_int_equal(
		ask(f, POST(span_of("hello")), "/v2/" APP "/blobs/uploads/?digest=%s", d), 201);
	uri = mem_printf("/v2/b/x/blobs/uploads/?mount=%s&from=" APP, d);
	q = (struct request){ .method = METHOD_POST, .uri = uri, .id = "id", .who = &f->who };
	dispatch_write(&f->dispatch, &q, &asleep, &p, &f->reply, &e);
	assert_non_null(p);
	assert_false(push_answered(p));
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/blobs/%s", d), 202);
	push_end(p);
	while (!push_answered(p))
		usleep(1000);
	reply_release(&f->reply);
	push_reply(p, &f->reply, &e);
	assert_int_equal(f->reply.status, 202);
	assert_string_not_equal(reply_get(&f->reply, "Location"), "");
}

/* --- manifests ------------------------------------------------------------------------------ */

static unsigned header_count(const struct fixture *f, const char *wanted)
{
	const char *name, *value;
	unsigned count = 0;
	size_t at = 0;

	while (reply_next(&f->reply, &at, &name, &value))
		count += strcmp(name, wanted) == 0;
	return count;
}

/* Clients take its absence for a registry without the API, and fall back to tags. */
static void manifest__its_subject_is_told(void **state)
{
	static const char *const fields[] = { "\"manifests\":[]",
		"\"config\":{\"mediaType\":\"application/"
		"vnd.oci.empty.v1+json\",\"digest\":\"sha256:"
		"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2},"
		"\"layers\":[]" };
	static const char *const types[] = { MEDIA_OCI_INDEX, MEDIA_OCI_MANIFEST };
	struct fixture *f = *state;
	char subject[DIGEST_TEXT_SIZE];

	digest(span_of("is not here"), DIGEST_SHA256, subject);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		AUTO(mem_free)
		char *text = mem_printf("{\"schemaVersion\":2,\"mediaType\":\"%s\",%s,\"subject\":{"
					"\"mediaType\":\"" MEDIA_OCI_MANIFEST
					"\",\"digest\":\"%s\",\"size\":11}}",
			types[i], fields[i], subject);

		assert_int_equal(ask(f, PUT(span_of(text)), "/v2/" APP "/manifests/%zu", i), 201);
		assert_string_equal(header(f, "OCI-Subject"), subject);
	}
	assert_int_equal(ask(f, GET, "/v2/" APP "/referrers/%s", subject), 200);
	assert_int_equal(count_of(f, "\"digest\":"), 2);
}

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
	assert_int_equal(header_count(f, "OCI-Tag"), 2);
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
	f->push.memory = PUSH_MEMORY_MAX;
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/" APP "/manifests/1"), 429);
	assert_int_equal(f->push.memory, PUSH_MEMORY_MAX);
	f->push.memory = 0;
	digest(span_of(INDEX), DIGEST_SHA256, d);
	buf_printf(&uri, "/v2/" APP "/manifests/%s?tag=0", d);
	for (int i = 1; i <= ROUTE_TAGS_MAX; i++)
		buf_printf(&uri, "&tag=%d", i);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "%s", uri.data), 414);
	assert_int_equal(
		ask(f, PUT(span_of(INDEX)), "/v2/" APP "/manifests/%s?tag=a%%20b", d), 400);
	assert_int_equal(ask(f, GET, "/v2/" APP "/tags/list"), 404); /* nothing came of it */
	f->push.strict = true;
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
	f->push.deletes = false;
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/manifests/1"), 405);
	assert_string_equal(header(f, "Allow"), "GET, HEAD, PUT");
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/manifests/%s", d), 405);
	assert_int_equal(ask(f, DELETE, "/v2/" APP "/blobs/%s", b), 405);
}

/* Whoever comes first must not decide what others' bytes are called, nor learn that they are held. */
static void manifest__type_follows_from_the_bytes(void **state)
{
	static const char bare[] = "{\"schemaVersion\":2,\"manifests\":[]}";
	struct fixture *f = *state;
	struct ask good = {
		.method = METHOD_PUT, .body = span_of(bare), .content_type = MEDIA_OCI_INDEX
	};
	struct ask bad = good;

	bad.content_type = MEDIA_DOCKER_LIST;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask(f, bad, "/v2/a/b/manifests/1"), 400);
		assert_true(says(f, "MANIFEST_INVALID"));
		assert_true(says(f, "without a mediaType it is " MEDIA_OCI_INDEX));
		assert_int_equal(ask(f, good, "/v2/c/d/manifests/1"), 201);
	}
	assert_int_equal(ask(f, HEAD, "/v2/c/d/manifests/1"), 200);
	assert_string_equal(header(f, "Content-Type"), MEDIA_OCI_INDEX);
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
	next = mem_printf("/v2/" APP "/referrers/%s", d);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(ask(f, GET, "%s", next), 200);
		assert_int_equal(count_of(f, "\"n\":"), 1);
		free(next);
		next = mem_strdup(i < 4 ? header(f, "Link") + 1 : "");
		next[strcspn(next, ">")] = '\0';
	}
	assert_string_equal(header(f, "Link"), "");
}

/* A hundred thousand values in half a megabyte: what is kept of it until it is stored counts too. */
static void manifest__memory_is_counted_when_read(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_release) struct buf text = BUF_INIT;

	buf_str(&text, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
		       "\",\"manifests\":[],\"x\":[0");
	for (int i = 0; i < 100000; i++)
		buf_str(&text, ",0");
	buf_str(&text, "]}");
	f->push.memory = PUSH_MEMORY_MAX - 2 * text.len;
	assert_int_equal(ask(f, PUT(buf_span(&text)), "/v2/" APP "/manifests/1"), 429);
	assert_int_equal(f->push.memory, PUSH_MEMORY_MAX - 2 * text.len);
	f->push.memory = 0;
	assert_int_equal(ask(f, PUT(buf_span(&text)), "/v2/" APP "/manifests/1"), 201);
	assert_int_equal(f->push.memory, 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, asker_setup, asker_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(upload__in_one_request),
		TEST(upload__session_of_chunks),
		TEST(upload__wrong_ranges_leave_the_session),
		TEST(upload__a_client_that_leaves_leaves_nothing),
		TEST(upload__sha512_known_at_the_end),
		TEST(upload__wrong_digest_ends_the_session),
		TEST(upload__cancelled),
		TEST(upload__limits),
		TEST(push__paused_while_both_chunks_are_full),
		TEST(push__left_while_a_chunk_is_written),
		TEST(mount__from_a_repository_or_any),
		TEST(mount__of_what_has_just_gone),
		TEST(upload__room_is_kept_for_what_is_coming),
		TEST(manifest__memory_is_counted_when_read),
		TEST(upload__its_end_repeated),
		TEST(manifest__by_tag_and_by_digest),
		TEST(manifest__its_subject_is_told),
		TEST(manifest__refusals),
		TEST(deletes__tags_manifests_blobs),
		TEST(manifest__type_follows_from_the_bytes),
		TEST(referrers__large_ones_take_pages),
	};

	return cmocka_run_group_tests_name("registry/push", tests, NULL, NULL);
}
