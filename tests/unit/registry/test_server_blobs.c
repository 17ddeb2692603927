/* Blobs of an engine without descriptors, as a server sends them: byte for byte, plain and over TLS. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "registry/http/tls.h"
#include "tests/support/cm.h"
#include "tests/support/image.h"
#include "tests/support/memory_blobs.h"
#include "tests/support/sandbox.h"
#include "running.h"
#include "wire.h"

#define LAYER (3u << 20) /* many pieces */

/* The linker puts this in the place of store_open(). */
int __wrap_store_open(struct store **s, const char *dir, enum store_mode mode, struct err *e);
int __wrap_store_open(struct store **s, const char *dir, enum store_mode mode, struct err *e)
{
	return store_open_engine(s, &memory_blobs, dir, mode, e);
}

static const struct {
	const char *name;
	int version; /* 0: plain */
} kinds[] = { { "plain", 0 }, { "TLS 1.3", TLS1_3_VERSION }, { "TLS 1.2", TLS1_2_VERSION } };

static const struct {
	const char *method, *lines;
	unsigned status;
	size_t first, len;
} asked[] = {
	{ "GET", "", 200, 0, LAYER },
	{ "HEAD", "", 200, 0, 0 },
	{ "GET", "Range: bytes=0-0\r\n", 206, 0, 1 },
	{ "GET", "Range: bytes=100-70000\r\n", 206, 100, 69901 },
	{ "GET", "Range: bytes=1-\r\n", 206, 1, LAYER - 1 },
	{ "GET", "Range: bytes=-70000\r\n", 206, LAYER - 70000, 70000 },
	{ "GET", "Range: bytes=3145728-\r\n", 416, 0, 0 },
};

static void ask(
	struct wire *w, const char *method, const char *path, const char *lines, struct answer *a)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	buf_printf(&text, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, path, lines);
	wire_send(w, text.data, text.len);
	wire_read(w, strcmp(method, "HEAD") == 0, a);
}

/* Several parts, of which one begins where a read of the server ends. */
static void check_parts(struct wire *w, const char *path, const char *layer)
{
	AUTO(answer_release) struct answer a = ANSWER_INIT;
	const char *second;

	ask(w, "GET", path, "Range: bytes=0-16383,16384-50000\r\n", &a);
	assert_int_equal(a.status, 206);
	second = memmem(a.body.data, a.body.len, "bytes 16384-50000/3145728\r\n\r\n", 29);
	assert_non_null(memmem(a.body.data, a.body.len, layer, 16384));
	assert_non_null(second);
	assert_memory_equal(second + 29, layer + 16384, 50001 - 16384);
}

static void check_all(struct wire *w, const char *path, const char *layer)
{
	AUTO(answer_release) struct answer a = ANSWER_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		ask(w, asked[i].method, path, asked[i].lines, &a);
		assert_int_equal(a.status, asked[i].status);
		if (a.status == 416)
			continue;
		if (strcmp(asked[i].method, "HEAD") == 0)
			assert_string_equal(answer_get(&a, "Content-Length"), "3145728");
		assert_int_equal(a.body.len, asked[i].len);
		if (asked[i].len)
			assert_memory_equal(a.body.data, layer + asked[i].first, asked[i].len);
	}
	check_parts(w, path, layer);
}

/* What a node pulls: a manifest of each size, and blobs. */
static void server__sends_blobs_without_a_descriptor(void **state)
{
	struct image_want want = { .seed = "nginx", .layers = 1, .layer_size = LAYER };
	struct sandbox *sb = *state;
	AUTO(store_close) struct store *s = sandbox_store(sb, "store", STORE_WRITE);
	AUTO(buf_release) struct buf layer = BUF_INIT;
	char path[200], text[DIGEST_TEXT_SIZE];
	struct digest manifest = image_make(s, NULL, &want), d;
	struct err e = ERR_INIT;

	signal(SIGPIPE, SIG_IGN);
	assert_ok(image_put(s, "docker.io/library/nginx", "1", &manifest, MEDIA_OCI_MANIFEST, &e));
	image_bytes(&layer, "nginx/0", LAYER);
	digest_of(&d, DIGEST_SHA256, buf_span(&layer));
	snprintf(path, sizeof(path), "/v2/library/nginx/blobs/%s", digest_text(&d, text));
	tls_client_certificate(sandbox_path(sb, "crt"), sandbox_path(sb, "key"));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct running run = { .listener = -1 };
		struct tls_client client = { NULL, NULL };
		struct server_config config = running_usual;

		print_message("%s\n", kinds[i].name);
		config.tls = kinds[i].version != 0;
		if (config.tls)
			assert_ok(tls_load(sandbox_path(sb, "crt"), sandbox_path(sb, "key"), &e));
		running_prepare(&run);
		running_start(&run, sandbox_path(sb, "store"), config);
		if (config.tls)
			tls_client_open(&client, kinds[i].version);

		struct wire w = wire_open_as(&client, run.port);

		check_all(&w, path, layer.data);
		wire_close(&w);
		tls_client_close(&client);
		running_end(&run);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			server__sends_blobs_without_a_descriptor, sandbox_setup, sandbox_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
