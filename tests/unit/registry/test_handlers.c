/* Handlers on a real store, without a socket: request in, reply out. */
#include <stdio.h>
#include <string.h>

#include "registry/dispatch.h"
#include "tests/support/cm.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

#define NGINX "docker.io/library/nginx"
#define LOCAL "localhost:5001/team/app"

struct fixture {
	struct sandbox *sb;
	struct store *writer;
	struct dispatch dispatch;
	struct repo_names names;
	_Atomic(bool) draining;
	struct digest nginx, layer;
	struct reply reply;
	char uri[2048];
	struct request request;
	int64_t now_ms, tick_ms; /* between two requests */
};

static int setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	struct image_want want = { .seed = "nginx", .layers = 2, .layer_size = 2048 };
	struct err e = ERR_INIT;
	void *sandbox = NULL;

	if (sandbox_setup(&sandbox) != 0)
		return -1;
	f->sb = sandbox;
	f->writer = sandbox_store(f->sb, "store", STORE_WRITE);
	f->nginx = image_make(f->writer, NULL, &want);
	assert_ok(image_put(f->writer, NGINX, "1.27", &f->nginx, MEDIA_OCI_MANIFEST, &e));
	AUTO(buf_release) struct buf layer = BUF_INIT;
	image_bytes(&layer, "nginx/0", 2048);
	digest_of(&f->layer, DIGEST_SHA256, buf_span(&layer));
	assert_ok(repo_names_init(&f->names, NULL, "docker.io", &e));
	f->dispatch.context = (struct context){ .store = sandbox_store(f->sb, "store", STORE_READ),
		.names = &f->names,
		.cache = cache_new(1 << 20, 64),
		.draining = &f->draining,
		.catalog = true };
	f->tick_ms = 1;
	f->request.route = (struct route)ROUTE_INIT;
	reply_init(&f->reply);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *sandbox = f->sb;

	reply_release(&f->reply);
	route_release(&f->request.route);
	cache_free(&f->dispatch.context.cache);
	store_close(&f->dispatch.context.store);
	store_close(&f->writer);
	repo_names_release(&f->names);
	mem_free(&f);
	return sandbox_teardown(&sandbox);
}

/* Ask, with the headers in f->request; the status. */
static unsigned ask(struct fixture *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
static unsigned ask(struct fixture *f, const char *fmt, ...)
{
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->uri, sizeof(f->uri), fmt, ap);
	va_end(ap);
	reply_release(&f->reply);
	reply_init(&f->reply);
	f->request.uri = f->uri;
	f->request.routed = false;
	f->request.id = "id";
	dispatch_refresh(&f->dispatch, f->now_ms += f->tick_ms);
	if (request_reads(&f->request)) {
		dispatch_read(&f->dispatch, &f->request, &f->reply, &e);
	} else {
		struct push *w = NULL;

		dispatch_write(&f->dispatch, &f->request, NULL, &w, &f->reply, &e);
		assert_null(w); /* this server only reads */
	}
	if (f->reply.status >= 500)
		fail_msg("%s: %s", f->uri, e.text);
	return f->reply.status;
}

static const char *header(struct fixture *f, const char *name)
{
	const char *value;

	if (f->reply.body == BODY_CONTENT && f->reply.headers.len == 0)
		reply_content_headers(&f->reply, f->reply.content);
	value = reply_get(&f->reply, name);
	return value ? value : "";
}

static bool body_has(struct fixture *f, const char *words)
{
	const struct buf *body =
		f->reply.body == BODY_CONTENT ? &f->reply.content->bytes : &f->reply.bytes;

	return strstr(body->data, words) != NULL;
}

static void get_manifest__by_every_name(void **state)
{
	static const char *const names[] = { NGINX, "library/nginx", "nginx",
		"index.docker.io/library/nginx", "docker.io/nginx" };
	struct fixture *f = *state;
	char text[DIGEST_TEXT_SIZE];

	digest_text(&f->nginx, text);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(ask(f, "/v2/%s/manifests/1.27", names[i]), 200);
		assert_string_equal(header(f, "Docker-Content-Digest"), text);
		assert_string_equal(header(f, "Content-Type"), MEDIA_OCI_MANIFEST);
		assert_string_equal(header(f, "OCI-Namespace"), "");
		assert_int_equal(ask(f, "/v2/%s/manifests/%s", names[i], text), 200);
	}
	assert_int_equal(ask(f, "/v2/library/nginx/manifests/1.27?ns=docker.io"), 200);
	assert_string_equal(header(f, "OCI-Namespace"), "docker.io");
	for (int i = 0; i < 2; i++) { /* from the store, and from the cache */
		assert_int_equal(ask(f, "/v2/library/nginx/tags/list?ns=docker.io"), 200);
		assert_string_equal(header(f, "OCI-Namespace"), "docker.io");
	}
	assert_int_equal(ask(f, "/v2/library/nginx/tags/list"), 200);
	assert_string_equal(header(f, "OCI-Namespace"), "");
	assert_int_equal(ask(f, "/v2/library/nginx/manifests/1.27?ns=quay.io"), 404);
	assert_int_equal(ask(f, "/v2/" NGINX "/manifests/1.27?ns=docker.io"), 200);
}

static void get_manifest__serves_the_stored_bytes(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_release) struct buf want = BUF_INIT;
	struct err e;

	assert_ok(blob_read(f->dispatch.context.store, &f->nginx, MANIFEST_MAX, &want, &e));
	for (int i = 0; i < 2; i++) { /* from the store, then from the cache */
		assert_int_equal(ask(f, "/v2/" NGINX "/manifests/1.27"), 200);
		assert_int_equal(f->reply.body, BODY_CONTENT);
		assert_int_equal(f->reply.content->kind, CONTENT_BYTES);
		assert_string_equal(f->reply.content->bytes.data, want.data);
	}
}

static void get_manifest__absent(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "/v2/" NGINX "/manifests/9"), 404);
	assert_true(body_has(f, "\"code\":\"MANIFEST_UNKNOWN\""));
	assert_int_equal(ask(f, "/v2/nobody/manifests/9"), 404);
	assert_true(body_has(f, "\"code\":\"MANIFEST_UNKNOWN\""));
	assert_int_equal(ask(f, "/v2/" NGINX "/manifests/sha256:bad"), 400);
	assert_true(body_has(f, "\"code\":\"DIGEST_INVALID\""));
	assert_int_equal(ask(f, "/v2/NGINX/manifests/1"), 400);
	assert_true(body_has(f, "\"code\":\"NAME_INVALID\""));
}

/* S4: the answer after a commit is the new one, cache or not. */
static void get_manifest__a_moved_tag_is_seen_at_once(void **state)
{
	struct fixture *f = *state;
	char text[DIGEST_TEXT_SIZE];
	struct digest next;

	assert_int_equal(ask(f, "/v2/" NGINX "/manifests/1.27"), 200);
	next = image_add(f->writer, NGINX, "1.27", "nginx-next", 1);
	assert_int_equal(ask(f, "/v2/" NGINX "/manifests/1.27"), 200);
	assert_string_equal(header(f, "Docker-Content-Digest"), digest_text(&next, text));
	digest_text(&f->nginx, text);
	assert_int_equal(ask(f, "/v2/" NGINX "/manifests/%s", text), 200);
}

/* S4: within a millisecond a hit may be from before a commit, but not after anything newer. */
static void get_manifest__never_the_new_and_then_the_old(void **state)
{
	struct fixture *f = *state;
	char text[DIGEST_TEXT_SIZE];
	struct digest next;

	image_add(f->writer, NGINX, "other", "nginx-other", 1);
	assert_int_equal(ask(f, "/v2/" NGINX "/manifests/1.27"), 200);
	f->tick_ms = 0;
	assert_int_equal(ask(f, "/v2/" NGINX "/manifests/absent"), 404); /* looked up */
	next = image_add(f->writer, NGINX, "1.27", "nginx-next", 1);
	assert_int_equal(ask(f, "/v2/" NGINX "/manifests/other"), 200); /* looked up */
	assert_int_equal(ask(f, "/v2/" NGINX "/manifests/1.27"), 200);
	assert_string_equal(header(f, "Docker-Content-Digest"), digest_text(&next, text));
}

static void get_manifest__a_platform_that_was_left_out(void **state)
{
	static const char *const platforms[] = { "linux/amd64", "linux/arm64" };
	struct fixture *f = *state;
	struct digest children[2] = { f->nginx }, index;
	char text[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;

	digest_of(&children[1], DIGEST_SHA256, span_of("absent"));
	index = image_index(f->writer, children, platforms, NULL, 2);
	assert_ok(image_put(f->writer, NGINX, "multi", &index, MEDIA_OCI_INDEX, &e));
	assert_int_equal(ask(f, "/v2/library/nginx/manifests/multi"), 200);
	digest_text(&children[1], text);
	assert_int_equal(ask(f, "/v2/library/nginx/manifests/%s?ns=docker.io", text), 404);
	assert_true(body_has(f, "\"code\":\"MANIFEST_UNKNOWN\""));
	assert_true(body_has(f, NGINX ": linux/arm64 was not mirrored"));
	assert_int_equal(ask(f, "/v2/other/manifests/%s", text), 404);
	assert_false(body_has(f, "arm64"));
}

static void get_manifest__if_none_match(void **state)
{
	static const struct {
		const char *fmt;
		unsigned status;
	} cases[] = { { "\"%s\"", 304 }, { "%s", 304 }, { "W/\"%s\"", 304 }, { "*", 304 },
		{ "\"x\", \"%s\"", 304 }, { "\"x\"", 200 }, { "\"%s", 200 }, { "", 200 } };
	struct fixture *f = *state;
	char text[DIGEST_TEXT_SIZE], value[200];

	digest_text(&f->nginx, text);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *at = strstr(cases[i].fmt, "%s");

		if (at)
			snprintf(value, sizeof(value), "%.*s%s%s", (int)(at - cases[i].fmt),
				cases[i].fmt, text, at + 2);
		else
			snprintf(value, sizeof(value), "%s", cases[i].fmt);
		f->request.if_none_match = value;
		if (ask(f, "/v2/" NGINX "/manifests/1.27") != cases[i].status)
			fail_msg("%s: %u", value, f->reply.status);
		assert_string_not_equal(header(f, "ETag"), "");
	}
	f->request.if_none_match = NULL;
}

static void get_manifest__ignores_a_range(void **state)
{
	struct fixture *f = *state;

	f->request.range = "bytes=0-1";
	assert_int_equal(ask(f, "/v2/" NGINX "/manifests/1.27"), 200);
	f->request.range = NULL;
}

/* Manifests that are too large to be kept in memory are files, and still no blobs; and of a HEAD a range
 * means nothing. */
static void get__ranges_are_of_blobs_that_are_got(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_release) struct buf text = BUF_INIT;
	char layer[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;
	struct digest d;

	buf_str(&text,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]");
	while (text.len < CACHE_CONTENT_MAX + 1)
		buf_char(&text, ' ');
	buf_char(&text, '}');
	digest_of(&d, DIGEST_SHA256, buf_span(&text));
	assert_ok(blob_put(f->writer, NULL, buf_span(&text), &d, &e));
	assert_ok(image_put(f->writer, NGINX, "large", &d, MEDIA_OCI_INDEX, &e));
	f->request.range = "bytes=0-1";
	assert_int_equal(ask(f, "/v2/" NGINX "/manifests/large"), 200);
	assert_int_equal(f->reply.content->kind, CONTENT_FILE);
	assert_string_equal(header(f, "Accept-Ranges"), "");
	f->request.method = METHOD_HEAD;
	assert_int_equal(ask(f, "/v2/" NGINX "/blobs/%s", digest_text(&f->layer, layer)), 200);
	f->request.range = "bytes=99999-";
	assert_int_equal(ask(f, "/v2/" NGINX "/blobs/%s", layer), 200);
	f->request.method = METHOD_GET;
	f->request.range = NULL;
}

static void get_blob__whole(void **state)
{
	struct fixture *f = *state;
	char text[DIGEST_TEXT_SIZE];

	digest_text(&f->layer, text);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask(f, "/v2/" NGINX "/blobs/%s", text), 200);
		assert_int_equal(f->reply.body, BODY_CONTENT);
		assert_int_equal(f->reply.content->size, 2048);
		assert_string_equal(header(f, "Content-Type"), "application/octet-stream");
		assert_string_equal(header(f, "Accept-Ranges"), "bytes");
		assert_string_equal(header(f, "Docker-Content-Digest"), text);
		assert_string_equal(
			header(f, "Cache-Control"), "public, max-age=31536000, immutable");
	}
}

/* Held, but of another repository: as if it were not there. */
static void get_blob__only_in_its_repository(void **state)
{
	struct fixture *f = *state;
	char text[DIGEST_TEXT_SIZE];

	image_add(f->writer, LOCAL, "1", "other", 1);
	digest_text(&f->layer, text);
	assert_int_equal(ask(f, "/v2/localhost-5001/team/app/blobs/%s", text), 404);
	assert_true(body_has(f, "\"code\":\"BLOB_UNKNOWN\""));
	assert_int_equal(ask(f, "/v2/nobody/blobs/%s", text), 404);
	assert_true(body_has(f, "\"code\":\"BLOB_UNKNOWN\""));
	assert_int_equal(ask(f, "/v2/" NGINX "/blobs/latest"), 400);
}

static const struct {
	const char *range;
	unsigned status;
	const char *content_range;
} ranges[] = {
	{ "bytes=500-1499", 206, "bytes 500-1499/2048" },
	{ "bytes=500-", 206, "bytes 500-2047/2048" },
	{ "bytes=-500", 206, "bytes 1548-2047/2048" },
	{ "bytes=2000-5000", 206, "bytes 2000-2047/2048" },
	{ "bytes=5000-10000", 416, "bytes */2048" },
	{ "bytes=500-0", 416, "bytes */2048" },
	{ "lines=1-2", 200, "" },
	{ "bytes=0-1,4-5", 206, "" },
};

static void get_blob__ranges(void **state)
{
	struct fixture *f = *state;
	char text[DIGEST_TEXT_SIZE];

	digest_text(&f->layer, text);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		f->request.range = ranges[i].range;
		if (ask(f, "/v2/" NGINX "/blobs/%s", text) != ranges[i].status)
			fail_msg("%s: %u", ranges[i].range, f->reply.status);
		assert_string_equal(header(f, "Content-Range"), ranges[i].content_range);
	}
	assert_true(strncmp(header(f, "Content-Type"), "multipart/byteranges; boundary=", 31) == 0);
	f->request.range = NULL;
}

static void get_blob__if_range(void **state)
{
	struct fixture *f = *state;
	char text[DIGEST_TEXT_SIZE], etag[DIGEST_TEXT_SIZE + 2];

	digest_text(&f->layer, text);
	snprintf(etag, sizeof(etag), "\"%s\"", text);
	f->request.range = "bytes=0-1";
	f->request.if_range = etag;
	assert_int_equal(ask(f, "/v2/" NGINX "/blobs/%s", text), 206);
	f->request.if_range = "\"other\"";
	assert_int_equal(ask(f, "/v2/" NGINX "/blobs/%s", text), 200);
	f->request.if_range = "Mon, 23 Nov 2026 00:00:00 GMT";
	assert_int_equal(ask(f, "/v2/" NGINX "/blobs/%s", text), 200);
	f->request.if_range = f->request.range = NULL;
}

static void list_tags__pages(void **state)
{
	struct fixture *f = *state;

	image_add(f->writer, NGINX, "1.28", "nginx-28", 1);
	image_add(f->writer, NGINX, "latest", "nginx-28", 1);
	assert_int_equal(ask(f, "/v2/library/nginx/tags/list"), 200);
	assert_string_equal(f->reply.bytes.data,
		"{\"name\":\"library/nginx\",\"tags\":[\"1.27\",\"1.28\",\"latest\"]}");
	assert_string_equal(header(f, "Link"), "");
	assert_int_equal(ask(f, "/v2/library/nginx/tags/list?n=2&ns=docker.io"), 200);
	assert_true(body_has(f, "[\"1.27\",\"1.28\"]"));
	assert_string_equal(header(f, "Link"),
		"</v2/library/nginx/tags/list?n=2&last=1.28&ns=docker.io>; rel=\"next\"");
	assert_int_equal(ask(f, "/v2/library/nginx/tags/list?n=2&last=1.28&ns=docker.io"), 200);
	assert_true(body_has(f, "[\"latest\"]"));
	assert_string_equal(header(f, "Link"), "");
	assert_int_equal(ask(f, "/v2/library/nginx/tags/list?last=1.3"), 200);
	assert_true(body_has(f, "[\"latest\"]"));
	assert_int_equal(ask(f, "/v2/library/nginx/tags/list?n=0"), 200);
	assert_true(body_has(f, "\"tags\":[]"));
	assert_string_equal(header(f, "Link"), "");
	assert_int_equal(ask(f, "/v2/library/nginx/tags/list?n=-1"), 400);
	assert_int_equal(ask(f, "/v2/nobody/tags/list"), 404);
	assert_true(body_has(f, "\"code\":\"NAME_UNKNOWN\""));
}

static void list_catalog__pages_in_names_that_can_be_asked_for(void **state)
{
	struct fixture *f = *state;

	image_add(f->writer, LOCAL, "1", "app", 1);
	image_add(f->writer, "quay.io/x/y", "1", "y", 1);
	assert_int_equal(ask(f, "/v2/_catalog"), 200);
	assert_string_equal(f->reply.bytes.data,
		"{\"repositories\":[\"docker.io/library/nginx\",\"localhost-5001/team/app\","
		"\"quay.io/x/y\"]}");
	assert_int_equal(ask(f, "/v2/_catalog?n=2"), 200);
	assert_string_equal(header(f, "Link"),
		"</v2/_catalog?n=2&last=localhost%3A5001/team/app>; rel=\"next\"");
	assert_int_equal(ask(f, "/v2/_catalog?n=2&last=localhost%%3A5001/team/app"), 200);
	assert_true(body_has(f, "[\"quay.io/x/y\"]"));
	assert_int_equal(ask(f, "/v2/_catalog?n=2&last=localhost-5001/team/app"), 200);
	assert_true(body_has(f, "[\"quay.io/x/y\"]"));
	f->dispatch.context.catalog = false;
	assert_int_equal(ask(f, "/v2/_catalog"), 404);
}

static void list_referrers__always_200(void **state)
{
	struct fixture *f = *state;
	char text[DIGEST_TEXT_SIZE];

	digest_text(&f->nginx, text);
	assert_int_equal(ask(f, "/v2/nobody/referrers/%s", text), 200);
	assert_string_equal(header(f, "Content-Type"), MEDIA_OCI_INDEX);
	assert_string_equal(f->reply.bytes.data,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}");
	assert_int_equal(ask(f, "/v2/nobody/referrers/sha256:x"), 400);
}

static void list_referrers__kept_until_something_changes(void **state)
{
	struct fixture *f = *state;
	struct image_want want = { .seed = "first", .layers = 1, .subject = &f->nginx };
	struct digest d;
	char text[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;

	digest_text(&f->nginx, text);
	for (int i = 0; i < 2; i++) {
		d = image_make(f->writer, NULL, &want);
		assert_ok(image_put(f->writer, NGINX, NULL, &d, MEDIA_OCI_MANIFEST, &e));
		for (int kept = 0; kept < 2; kept++) {
			assert_int_equal(ask(f, "/v2/" NGINX "/referrers/%s", text), 200);
			assert_int_equal(f->reply.body == BODY_CONTENT, kept);
			assert_string_equal(header(f, "Content-Type"), MEDIA_OCI_INDEX);
			assert_true(body_has(f, digest_text(&d, (char[DIGEST_TEXT_SIZE]){ "" })));
		}
		want.seed = "second";
	}
}

static void list_referrers__filtered(void **state)
{
	struct fixture *f = *state;
	struct image_want sbom = { .seed = "sbom",
		.layers = 1,
		.artifact_type = "application/vnd.x.sbom+json",
		.subject = &f->nginx };
	struct image_want sig = { .seed = "sig",
		.layers = 1,
		.artifact_type = "application/vnd.x.sig",
		.subject = &f->nginx };
	char subject[DIGEST_TEXT_SIZE], a[DIGEST_TEXT_SIZE], b[DIGEST_TEXT_SIZE];
	struct digest sbom_d = image_make(f->writer, NULL, &sbom);
	struct digest sig_d = image_make(f->writer, NULL, &sig);
	struct err e;

	assert_ok(image_put(f->writer, NGINX, NULL, &sbom_d, MEDIA_OCI_MANIFEST, &e));
	assert_ok(image_put(f->writer, NGINX, NULL, &sig_d, MEDIA_OCI_MANIFEST, &e));
	digest_text(&f->nginx, subject);
	digest_text(&sbom_d, a);
	digest_text(&sig_d, b);
	assert_int_equal(ask(f, "/v2/library/nginx/referrers/%s?ns=docker.io", subject), 200);
	assert_true(body_has(f, a) && body_has(f, b));
	assert_true(body_has(f, "\"artifactType\":\"application/vnd.x.sbom+json\""));
	assert_string_equal(header(f, "OCI-Filters-Applied"), "");
	assert_int_equal(ask(f,
				 "/v2/" NGINX "/referrers/%s?artifactType=application/"
				 "vnd.x.sbom%%2Bjson",
				 subject),
		200);
	assert_true(body_has(f, a) && !body_has(f, b));
	assert_string_equal(header(f, "OCI-Filters-Applied"), "artifactType");
	assert_int_equal(ask(f, "/v2/" NGINX "/referrers/%s?artifactType=x/y", subject), 200);
	assert_true(body_has(f, "\"manifests\":[]"));
	assert_string_equal(header(f, "OCI-Filters-Applied"), "artifactType");
}

static void small_answers(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "/v2/"), 200);
	assert_string_equal(f->reply.bytes.data, "{}");
	assert_int_equal(ask(f, "/v2"), 200);
	assert_int_equal(ask(f, "/v2/_oci/ext/discover"), 200);
	assert_true(body_has(f, "\"extensions\":[{\"name\":\"_oci\""));
	assert_int_equal(ask(f, "/healthz"), 200);
	assert_int_equal(ask(f, "/readyz"), 200);
	assert_int_equal(ask(f, "/nothing"), 404);
	assert_int_equal(ask(f, "/v2/a/blobs/uploads/8"), 405);
	assert_int_equal(ask(f, "/metrics"), 404);
}

static void readyz__says_so_when_draining(void **state)
{
	struct fixture *f = *state;
	struct err e;

	f->draining = true;
	f->request.uri = "/readyz";
	f->request.routed = false;
	dispatch_read(&f->dispatch, &f->request, &f->reply, &e);
	assert_int_equal(f->reply.status, 503);
}

/* index.json shows a state that its database never had. */
static void readyz__says_so_when_the_database_is_old(void **state)
{
	static const char newer[] = "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
				    "\",\"annotations\":{\"vnd.moat.store.serial\":\"999999\"},"
				    "\"manifests\":[]}";
	struct fixture *f = *state;
	struct err e;

	sandbox_write(sandbox_path(f->sb, "store/index.json"), newer, strlen(newer));
	f->request.uri = "/readyz";
	f->request.routed = false;
	dispatch_read(&f->dispatch, &f->request, &f->reply, &e);
	assert_int_equal(f->reply.status, 503);
	assert_true(body_has(f, "older than index.json"));
	assert_int_equal(ask(f, "/v2/" NGINX "/manifests/1.27"), 200);
}

static void writes__are_405_on_known_routes_and_404_elsewhere(void **state)
{
	static const enum method methods[] = { METHOD_POST, METHOD_PUT, METHOD_PATCH, METHOD_DELETE,
		METHOD_OTHER };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		f->request.method = methods[i];
		assert_int_equal(ask(f, "/v2/" NGINX "/manifests/1.27"), 405);
		assert_string_equal(header(f, "Allow"), "GET, HEAD");
		assert_true(body_has(f, "\"code\":\"UNSUPPORTED\""));
		assert_int_equal(ask(f, "/v2/x/blobs/uploads/"), 405);
		assert_int_equal(ask(f, "/v2/x/blobs/uploads/?mount=a&from=b"), 405);
		assert_int_equal(ask(f, "/v2/"), 405);
		assert_int_equal(ask(f, "/token"), 405); /* containerd goes on with GET */
		assert_int_equal(ask(f, "/nothing"), 404);
	}
	f->request.method = METHOD_GET;
}

static void errors__hold_no_raw_input(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "/v2/a%%22b/manifests/x"), 400);
	assert_false(body_has(f, "a\"b"));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(get_manifest__by_every_name),
		TEST(get_manifest__serves_the_stored_bytes),
		TEST(get_manifest__absent),
		TEST(get_manifest__a_moved_tag_is_seen_at_once),
		TEST(get_manifest__never_the_new_and_then_the_old),
		TEST(get_manifest__a_platform_that_was_left_out),
		TEST(get_manifest__if_none_match),
		TEST(get_manifest__ignores_a_range),
		TEST(get__ranges_are_of_blobs_that_are_got),
		TEST(get_blob__whole),
		TEST(get_blob__only_in_its_repository),
		TEST(get_blob__ranges),
		TEST(get_blob__if_range),
		TEST(list_tags__pages),
		TEST(list_catalog__pages_in_names_that_can_be_asked_for),
		TEST(list_referrers__always_200),
		TEST(list_referrers__kept_until_something_changes),
		TEST(list_referrers__filtered),
		TEST(small_answers),
		TEST(readyz__says_so_when_draining),
		TEST(readyz__says_so_when_the_database_is_old),
		TEST(writes__are_405_on_known_routes_and_404_elsewhere),
		TEST(errors__hold_no_raw_input),
	};

	return cmocka_run_group_tests_name("registry/handlers", tests, NULL, NULL);
}
