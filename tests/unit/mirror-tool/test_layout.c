/* Layouts in folders and archives: what is read, and what is refused. */
#include "mirror-tool/source/origin.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror-tool/media/tar_write.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"

#define MARKER "{\"imageLayoutVersion\":\"1.0.0\"}"
#define BLOB "blob of a layout"

static struct digest blob_digest(void)
{
	struct digest d;

	digest_of(&d, DIGEST_SHA256, span_of(BLOB));
	return d;
}

static char *entry(const char *name)
{
	char text[DIGEST_TEXT_SIZE];
	struct digest d = blob_digest();

	return mem_printf("{\"mediaType\":\"" MEDIA_OCI_MANIFEST
			  "\",\"digest\":\"%s\",\"size\":%zu,"
			  "\"annotations\":{\"org.opencontainers.image.ref.name\":\"%s\"}}",
		digest_text(&d, text), strlen(BLOB), name);
}

static char *index_of(const char *first, const char *second)
{
	AUTO(mem_free) char *one = entry(first);
	AUTO(mem_free) char *two = entry(second);

	return mem_printf("{\"schemaVersion\":2,\"manifests\":[%s%s%s]}", one, *second ? "," : "",
		*second ? two : "");
}

static void write_text(const struct sandbox *sb, const char *name, const char *text)
{
	sandbox_write(sandbox_path(sb, name), text, strlen(text));
}

/* A folder; NULL leaves a file out. Returns its path. */
static const char *folder(const struct sandbox *sb, const char *marker, const char *index)
{
	struct digest d = blob_digest();
	char hex[DIGEST_HEX_SIZE];
	AUTO(mem_free) char *name = mem_printf("l/blobs/sha256/%s", digest_hex(&d, hex));

	sandbox_remove(sandbox_path(sb, "l"));
	assert_int_equal(mkdir(sandbox_path(sb, "l"), 0755), 0);
	assert_int_equal(mkdir(sandbox_path(sb, "l/blobs"), 0755), 0);
	assert_int_equal(mkdir(sandbox_path(sb, "l/blobs/sha256"), 0755), 0);
	if (marker)
		write_text(sb, "l/oci-layout", marker);
	if (index)
		write_text(sb, "l/index.json", index);
	write_text(sb, name, BLOB);
	return sandbox_path(sb, "l");
}

static int append(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)e;
	buf_add(ctx, data, len);
	return 0;
}

static void add_file(struct tar_writer *w, const char *name, const char *text)
{
	struct err e = ERR_INIT;

	assert_ok(tar_write_entry(w, name, strlen(text), &e));
	assert_ok(tar_write_data(w, text, strlen(text), &e));
}

/* The same as one file, the blob `times` times. */
static const char *archive(const struct sandbox *sb, const char *index, unsigned times)
{
	AUTO(buf_release) struct buf tar = BUF_INIT;
	struct digest d = blob_digest();
	char hex[DIGEST_HEX_SIZE];
	AUTO(mem_free) char *name = mem_printf("blobs/sha256/%s", digest_hex(&d, hex));
	struct tar_writer *w = NULL;
	struct err e = ERR_INIT;

	assert_ok(tar_write_open(&w, append, &tar, &e));
	add_file(w, "manifest.json", "something else");
	while (times--)
		add_file(w, name, BLOB);
	add_file(w, "oci-layout", MARKER);
	add_file(w, "index.json", index);
	assert_ok(tar_write_close(&w, &e));
	sandbox_write(sandbox_path(sb, "a.tar"), tar.data, tar.len);
	return sandbox_path(sb, "a.tar");
}

static void expect_whole(enum source_kind kind, const char *path)
{
	AUTO(layout_close) struct layout *l = NULL;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	const struct descriptor *d;
	struct digest absent;
	struct err e = ERR_INIT;

	assert_ok(layout_open(&l, kind, path, &e));
	assert_int_equal(layout_find(l, "one", &d, &e), 1);
	assert_int_equal(layout_find(l, "other", &d, &e), 0);
	assert_int_equal(layout_find(l, "", &d, &e), 1);
	assert_int_equal(layout_read(l, &d->digest, 100, &bytes, &e), 1);
	assert_string_equal(bytes.data, BLOB);
	digest_of(&absent, DIGEST_SHA512, span_of("x"));
	assert_int_equal(layout_read(l, &absent, 100, &bytes, &e), 0);
	assert_err(layout_read(l, &d->digest, 3, &bytes, &e), ERR_INPUT, "larger than 3 bytes");
}

static void layout_open__reads_folders_and_archives(void **state)
{
	AUTO(mem_free) char *index = index_of("one", "");

	expect_whole(SOURCE_OCI, folder(*state, MARKER, index));
	expect_whole(SOURCE_OCI_ARCHIVE, archive(*state, index, 1));
}

static void layout_find__refuses_to_guess(void **state)
{
	AUTO(mem_free) char *index = index_of("one", "two");
	AUTO(layout_close) struct layout *l = NULL;
	const struct descriptor *d;
	struct err e = ERR_INIT;

	assert_ok(layout_open(&l, SOURCE_OCI, folder(*state, MARKER, index), &e));
	assert_err(layout_find(l, "", &d, &e), ERR_INPUT, "holds 2 images: name one");
}

/* containerd and docker write two images of one tag under one short name, and the full names beside it. */
static void layout_find__full_names_too(void **state)
{
	static const char plain[] = "org.opencontainers.image.ref.name\":\"docker.io";
	static const char full[] = "io.containerd.image.name\":         \"docker.io";
	AUTO(mem_free) char *index = index_of("docker.io/library/one:1", "1");
	AUTO(layout_close) struct layout *l = NULL;
	char *key = strstr(index, plain);
	const struct descriptor *d;
	struct err e = ERR_INIT;

	assert_non_null(key);
	memcpy(key, full, sizeof(full) - 1);
	assert_ok(layout_open(&l, SOURCE_OCI, folder(*state, MARKER, index), &e));
	assert_int_equal(layout_find(l, "docker.io/library/one:1", &d, &e), 1);
	assert_int_equal(layout_find(l, "1", &d, &e), 1);
	assert_int_equal(layout_find(l, "one:1", &d, &e), 0);
}

static const struct {
	const char *marker, *index, *error;
	enum err_code code;
} refusals[] = {
	{ NULL, "{}", "it has no oci-layout", ERR_INPUT },
	{ MARKER, NULL, "it has no index.json", ERR_INPUT },
	{ "{\"imageLayoutVersion\":\"2.0.0\"}", "{}", "version 2.0.0, not 1.0.0", ERR_UNSUPPORTED },
	{ "{}", "{}", "\"imageLayoutVersion\" is missing", ERR_INPUT },
	{ MARKER, "{", "index.json", ERR_INPUT },
};

static void layout_open__refuses_what_is_none(void **state)
{
	struct err e = ERR_INIT;
	struct layout *l = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		assert_err(layout_open(&l, SOURCE_OCI,
				   folder(*state, refusals[i].marker, refusals[i].index), &e),
			refusals[i].code, refusals[i].error);
	assert_err(layout_open(&l, SOURCE_OCI, "/proc/nonexistent", &e), ERR_ABSENT,
		"/proc/nonexistent");
	assert_err(layout_open(&l, SOURCE_OCI_ARCHIVE, "/", &e), ERR_INPUT, "/ is not a file");
}

static void layout_open__refuses_archives_that_are_not_plain(void **state)
{
	AUTO(mem_free) char *index = index_of("one", "");
	struct err e = ERR_INIT;
	struct layout *l = NULL;

	assert_err(layout_open(&l, SOURCE_OCI_ARCHIVE, archive(*state, index, 2), &e), ERR_CORRUPT,
		"is there twice");
	write_text(*state, "a.gz", "\x1f\x8b\x08 and so on");
	assert_err(layout_open(&l, SOURCE_OCI_ARCHIVE, sandbox_path(*state, "a.gz"), &e),
		ERR_UNSUPPORTED, "is compressed");
	write_text(*state, "a.txt", "no tar");
	assert_err(layout_open(&l, SOURCE_OCI_ARCHIVE, sandbox_path(*state, "a.txt"), &e),
		ERR_CORRUPT, "a.txt");
}

/* What `docker save` wrote before 25: it is said what it is, and what to do. */
static void layout_open__knows_dockers_archives(void **state)
{
	AUTO(buf_release) struct buf tar = BUF_INIT;
	struct tar_writer *w = NULL;
	struct err e = ERR_INIT;
	struct layout *l = NULL;

	assert_ok(tar_write_open(&w, append, &tar, &e));
	add_file(w, "0a/layer.tar", "a layer");
	add_file(w, "manifest.json", "[]");
	add_file(w, "repositories", "{}");
	assert_ok(tar_write_close(&w, &e));
	sandbox_write(sandbox_path(*state, "d.tar"), tar.data, tar.len);
	assert_err(layout_open(&l, SOURCE_OCI_ARCHIVE, sandbox_path(*state, "d.tar"), &e),
		ERR_INPUT, "is a docker archive");
	assert_non_null(strstr(e.text, "skopeo copy docker-archive:"));
	(void)folder(*state, NULL, NULL);
	write_text(*state, "l/manifest.json", "[]");
	assert_err(layout_open(&l, SOURCE_OCI, sandbox_path(*state, "l"), &e), ERR_INPUT,
		"is a docker archive");
}

static void layout_read__checks_digests_and_follows_no_link(void **state)
{
	AUTO(mem_free) char *index = index_of("one", "");
	AUTO(layout_close) struct layout *l = NULL;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct digest d = blob_digest();
	char hex[DIGEST_HEX_SIZE];
	AUTO(mem_free) char *name = mem_printf("l/blobs/sha256/%s", digest_hex(&d, hex));
	struct err e = ERR_INIT;

	assert_ok(layout_open(&l, SOURCE_OCI, folder(*state, MARKER, index), &e));
	write_text(*state, name, "Blob of a layout");
	assert_err(layout_read(l, &d, 100, &bytes, &e), ERR_CORRUPT, "does not have the bytes");
	assert_int_equal(unlink(sandbox_path(*state, name)), 0);
	write_text(*state, "elsewhere", BLOB);
	assert_int_equal(symlink(sandbox_path(*state, "elsewhere"), sandbox_path(*state, name)), 0);
	assert_err(layout_read(l, &d, 100, &bytes, &e), ERR_INPUT, hex);
}

#define SAVED "sha256-3ddb2c5c3525d90014acb47a8b87fc109f5e40bc3acfd39b7ad53123b519db93"

/* `cosign save` names nothing: the kind of an entry stands for the tag that it had. */
static void layout__reads_what_cosign_saved(void **state)
{
	static const struct {
		const char *tag, *hex; /* hex: of the entry, or NULL */
	} cases[] = {
		{ SAVED ".sig",
			"68a73a72a8beab0ff14cdfea04c271eddd4ce0ff0374041601bd723eb8d058ca" },
		{ SAVED ".att",
			"e033bee272bb240cd9e3d73a798204d527d9dbd8c75609754edb0c0a114ddeb3" },
		{ SAVED, NULL },
		{ SAVED ".sbom", NULL },
		{ "sha256-00.sig", NULL },
		{ "", NULL },
	};
	AUTO(mem_free) char *path =
			mem_printf("%s/signatures/cosign-save", getenv("MOAT_TEST_DATA"));
	AUTO(layout_close) struct layout *l = NULL;
	const struct descriptor *d;
	char hex[DIGEST_HEX_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(layout_open(&l, SOURCE_OCI, path, &e));
	assert_int_equal(layout_find(l, "", &d, &e), 1);
	assert_string_equal(digest_hex(&d->digest, hex), &SAVED[strlen("sha256-")]);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		d = layout_by_tag(l, cases[i].tag);
		if (!d != !cases[i].hex ||
			(d && strcmp(digest_hex(&d->digest, hex), cases[i].hex) != 0))
			fail_msg("%s", cases[i].tag);
	}
}

/* Kinds do not make up for names where several images are. */
static void layout__kinds_that_say_too_little(void **state)
{
#define KIND(digit, kind)                                                                          \
	"{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"sha256:" HEX63 digit               \
	"\",\"size\":1,\"annotations\":{\"kind\":\"" kind "\"}}"
#define HEX63 "000000000000000000000000000000000000000000000000000000000000000"
#define COSIGN "dev.cosignproject.cosign/"
	static const struct {
		const char *entries;
		int found;
		bool has_sig; /* of image 1 */
	} cases[] = {
		{ KIND("1", COSIGN "image") "," KIND("2", COSIGN "sigs"), 1, true },
		{ KIND("1", COSIGN "imageIndex") "," KIND("2", COSIGN "sigs"), 1, true },
		{ KIND("2", COSIGN "sigs"), 0, false },
		{ KIND("1", COSIGN "image") "," KIND("3", COSIGN "image") "," KIND(
			  "2", COSIGN "sigs"),
			-1, false },
		{ KIND("1", "image") "," KIND("2", COSIGN "sigs"), 1, false },
		{ KIND("1", COSIGN "image") "," KIND("2", "sigs"), -1, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(mem_free)
		char *index =
			mem_printf("{\"schemaVersion\":2,\"manifests\":[%s]}", cases[i].entries);
		AUTO(layout_close) struct layout *l = NULL;
		const struct descriptor *d;
		struct err e = ERR_INIT;

		assert_ok(layout_open(&l, SOURCE_OCI, folder(*state, MARKER, index), &e));
		if (layout_find(l, "", &d, &e) != cases[i].found ||
			!layout_by_tag(l, "sha256-" HEX63 "1.sig") == cases[i].has_sig)
			fail_msg("%zu", i);
	}
}

static void note_copied(void *ctx, uint64_t bytes)
{
	*(uint64_t *)ctx += bytes;
}

static void on_done(void *ctx, int rc, struct err *e)
{
	(void)e;
	*(int *)ctx = rc;
}

/* Each piece of a copy is told; what the batch has is not copied again. */
static void origin_blob__tells_what_it_copies(void **state)
{
	struct sandbox *sb = *state;
	AUTO(store_close) struct store *s = sandbox_store(sb, "store", STORE_WRITE);
	AUTO(batch_free) struct blob_batch *batch = batch_new(s);
	AUTO(origins_release) struct origins all;
	AUTO(source_ref_release) struct source_ref from = { .kind = SOURCE_REGISTRY };
	AUTO(mem_free) char *index = index_of("one", "");
	struct digest d = blob_digest();
	struct ref ref = { .tag = "" };
	struct err e = ERR_INIT;
	uint64_t copied = 0;
	struct origin o;

	(void)folder(sb, MARKER, index);
	origins_init(&all, NULL, NULL, sb->path);
	all.copied = note_copied;
	all.ctx = &copied;
	assert_ok(source_ref_parse(&from, "oci:l:one", &e));
	assert_ok(origin_of(&all, &from, &o, &e));
	for (int i = 0; i < 2; i++) {
		int rc = 0;

		origin_blob(&o, &ref, &d, strlen(BLOB), s, batch, on_done, &rc);
		assert_int_equal(rc, 1);
		assert_int_equal(copied, strlen(BLOB));
	}
}

/* A damaged stage of an earlier attempt is no proof against the layout. */
static void origin_blob__copies_again_when_a_stage_was_bad(void **state)
{
	struct sandbox *sb = *state;
	AUTO(store_close) struct store *s = sandbox_store(sb, "store", STORE_WRITE);
	AUTO(batch_free) struct blob_batch *batch = batch_new(s);
	AUTO(blob_abort) struct blob_writer *w = NULL;
	AUTO(origins_release) struct origins all;
	AUTO(source_ref_release) struct source_ref from = { .kind = SOURCE_REGISTRY };
	AUTO(mem_free) char *index = index_of("one", "");
	AUTO(mem_free) char *big = mem_alloc(UPSTREAM_RESUME_MIN), *name = NULL;
	struct ref ref = { .tag = "" };
	char hex[DIGEST_HEX_SIZE];
	struct err e = ERR_INIT;
	struct origin o;
	struct digest d;
	int rc = 0;

	(void)folder(sb, MARKER, index);
	digest_of(&d, DIGEST_SHA256, (struct span){ big, UPSTREAM_RESUME_MIN });
	name = mem_printf("l/blobs/sha256/%s", digest_hex(&d, hex));
	sandbox_write(sandbox_path(sb, name), big, UPSTREAM_RESUME_MIN);
	assert_ok(blob_begin(s, &d, UPSTREAM_RESUME_MIN, BLOB_RESUME, &w, &e));
	blob_write(w, "damaged", 7);
	blob_abort(&w);

	origins_init(&all, NULL, NULL, sb->path);
	assert_ok(source_ref_parse(&from, "oci:l:one", &e));
	assert_ok(origin_of(&all, &from, &o, &e));
	origin_blob(&o, &ref, &d, UPSTREAM_RESUME_MIN, s, batch, on_done, &rc);
	assert_int_equal(rc, 1);
}

/* --- referrers ------------------------------------------------------------------------------ */

static void put_text(const struct sandbox *sb, const struct digest *d, const char *text)
{
	char hex[DIGEST_HEX_SIZE];
	AUTO(mem_free) char *name = mem_printf("l/blobs/sha256/%s", digest_hex(d, hex));

	write_text(sb, name, text);
}

struct asked {
	int rc;
	size_t count;
	struct digest first;
};

static void on_referrers(void *ctx, int rc, const struct upstream_referrers *r, struct err *e)
{
	struct asked *a = ctx;

	(void)e;
	*a = (struct asked){ .rc = rc, .count = r ? r->count : 0 };
	if (a->count)
		a->first = r->items[0].digest;
}

/* index.json lists an image and its signature; what else it lists is read at the first question only. */
static void origin_referrers__reads_each_manifest_once(void **state)
{
	const struct sandbox *sb = *state;
	static const char image[] =
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}";
	char name[] = "1";
	AUTO(origins_release) struct origins all;
	AUTO(mem_free) char *signature = NULL;
	AUTO(mem_free) char *index = NULL;
	struct digest subject, d, none;
	char text[2][DIGEST_TEXT_SIZE];
	const struct source_ref from = {
		.kind = SOURCE_OCI, .path = (char *)folder(sb, MARKER, NULL), .name = name
	};
	struct asked asked;
	struct origin o;
	struct ref ref;
	struct err e;

	digest_of(&subject, DIGEST_SHA256, span_of(image));
	signature = mem_printf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
			       "\",\"manifests\":[],\"subject\":{\"mediaType\":\"" MEDIA_OCI_INDEX
			       "\",\"digest\":\"%s\",\"size\":%zu}}",
		digest_text(&subject, text[0]), strlen(image));
	digest_of(&d, DIGEST_SHA256, span_of(signature));
	index = mem_printf("{\"schemaVersion\":2,\"manifests\":["
			   "{\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"digest\":\"%s\",\"size\":%zu},"
			   "{\"mediaType\":\"" MEDIA_OCI_INDEX
			   "\",\"digest\":\"%s\",\"size\":%zu}]}",
		text[0], strlen(image), digest_text(&d, text[1]), strlen(signature));
	write_text(sb, "l/index.json", index);
	put_text(sb, &subject, image);
	put_text(sb, &d, signature);
	origins_init(&all, NULL, NULL, sb->path);
	assert_ok(origin_of(&all, &from, &o, &e));
	assert_ok(ref_parse(&ref, span_of("example.test/a:1"), &e));
	ref.digest = subject;
	origin_referrers(&o, &ref, on_referrers, &asked);
	assert_int_equal(asked.rc, 1);
	assert_int_equal(asked.count, 1);
	assert_true(digest_eq(&asked.first, &d));

	put_text(sb, &subject, "this would be noticed if it were read");
	origin_referrers(&o, &ref, on_referrers, &asked);
	assert_int_equal(asked.count, 1);
	digest_of(&none, DIGEST_SHA256, span_of("nobody's"));
	ref.digest = none;
	origin_referrers(&o, &ref, on_referrers, &asked);
	assert_int_equal(asked.rc, 1);
	assert_int_equal(asked.count, 0);

	put_text(sb, &d, "{}"); /* what is handed out is read again, and checked */
	ref.digest = subject;
	origin_referrers(&o, &ref, on_referrers, &asked);
	assert_int_equal(asked.rc, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			layout_open__reads_folders_and_archives, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(
			layout_find__refuses_to_guess, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(
			layout_find__full_names_too, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(
			origin_blob__tells_what_it_copies, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(origin_referrers__reads_each_manifest_once,
			sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(origin_blob__copies_again_when_a_stage_was_bad,
			sandbox_setup, sandbox_teardown),
		cmocka_unit_test(layout__reads_what_cosign_saved),
		cmocka_unit_test_setup_teardown(
			layout__kinds_that_say_too_little, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(
			layout_open__refuses_what_is_none, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(layout_open__refuses_archives_that_are_not_plain,
			sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(
			layout_open__knows_dockers_archives, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(layout_read__checks_digests_and_follows_no_link,
			sandbox_setup, sandbox_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
