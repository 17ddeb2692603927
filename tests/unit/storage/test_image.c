/* Images in repositories: what may be put, and what is seen through a repository. */
#include "tests/support/cm.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "tests/unit/storage/suite.h"

#define REPO "docker.io/library/nginx"

static int add_name(void *ctx, const char *name, struct err *e)
{
	(void)e;
	buf_str(ctx, name);
	buf_char(ctx, ' ');
	return 0;
}

static int add_referrer(void *ctx, const struct referrer *r, struct err *e)
{
	(void)e;
	buf_printf(ctx, "%s ", r->artifact_type);
	return 0;
}

static bool by_tag(struct store *s, const char *repo, const char *tag, const struct digest *want)
{
	struct manifest_info info;
	struct err e = ERR_INIT;
	int rc = manifest_by_tag(s, repo, tag, &info, &e);

	assert_ok(rc);
	return rc > 0 && digest_eq(&info.digest, want);
}

static bool by_digest(struct store *s, const char *repo, const struct digest *d)
{
	struct manifest_info info;
	struct err e = ERR_INIT;
	int rc = manifest_by_digest(s, repo, d, &info, &e);

	assert_ok(rc);
	return rc > 0;
}

/* --- putting -------------------------------------------------------------------------------- */

static void image_put__is_seen_in_its_repository_only(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest d = image_add(s, REPO, "1.27", "nginx", 3), layer;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct manifest_info info;
	struct err e = ERR_INIT;
	uint64_t size = 0;

	assert_int_equal(manifest_by_tag(s, REPO, "1.27", &info, &e), 1);
	assert_true(digest_eq(&info.digest, &d));
	assert_string_equal(info.media_type, MEDIA_OCI_MANIFEST);
	assert_int_equal(blob_read(s, &d, MANIFEST_MAX, &bytes, &e), 1);
	assert_int_equal(info.size, bytes.len);
	assert_true(by_digest(s, REPO, &d));
	layer = image_blob(s, "nginx/0", 1000);
	assert_int_equal(repo_has_blob(s, REPO, &layer, &size, &e), 1);
	assert_int_equal(size, 1000);
	assert_int_equal(repo_has_blob(s, "docker.io/library/other", &layer, &size, &e), 0);
	assert_false(by_digest(s, "docker.io/library/other", &d));
	assert_false(by_tag(s, "docker.io/library/other", "1.27", &d));
	assert_false(by_tag(s, REPO, "1.28", &d));
	assert_false(by_digest(s, REPO, &layer));
}

static void image_put__again_changes_nothing(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(store_close) struct store *r = sandbox_store(*state, "s", STORE_READ);
	struct digest d = image_add(s, REPO, "1.27", "nginx", 3);
	struct err e = ERR_INIT;
	uint64_t before = 0, after = 0;

	assert_ok(store_change(r, &before, &e));
	assert_ok(image_put(s, REPO, "1.27", &d, MEDIA_OCI_MANIFEST, &e));
	assert_ok(store_change(r, &after, &e));
	assert_int_equal(before, after);
	assert_ok(image_put(s, REPO, "latest", &d, MEDIA_OCI_MANIFEST, &e));
	assert_ok(store_change(r, &after, &e));
	assert_int_not_equal(before, after);
	assert_true(by_tag(r, REPO, "latest", &d));
}

static void image_put__refuses_what_is_not_whole(void **state)
{
	static const struct image_want bare = { .seed = "bare", .layers = 2 };
	static const struct {
		const char *name, *repo, *tag, *type, *words;
		enum err_code code;
	} cases[] = {
		{ "config missing", REPO, "x", MEDIA_OCI_MANIFEST,
			"config sha256:", ERR_INCOMPLETE },
		{ "other type", REPO, "x", MEDIA_OCI_INDEX, "", ERR_INPUT },
		{ "bad repository", "Nginx/x", "x", MEDIA_OCI_MANIFEST, "repository \"Nginx/x\"",
			ERR_INPUT },
		{ "bad tag", REPO, "a b", MEDIA_OCI_MANIFEST, "", ERR_INPUT },
	};
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest d = image_make_bare(s, &bare), absent;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		print_message("%s\n", cases[i].name);
		assert_err(image_put(s, cases[i].repo, cases[i].tag, &d, cases[i].type, &e),
			cases[i].code, cases[i].words);
		assert_false(by_digest(s, REPO, &d));
	}
	digest_of(&absent, DIGEST_SHA256, span_of("no such"));
	assert_err(image_put(s, REPO, "x", &absent, MEDIA_OCI_MANIFEST, &e), ERR_INCOMPLETE,
		"manifest sha256:");
	absent = image_text(s, "no manifest");
	assert_err(image_put(s, REPO, "x", &absent, MEDIA_OCI_MANIFEST, &e), ERR_INPUT, "");
	image_make(s, NULL, &bare);
	assert_ok(image_put(s, REPO, "x", &d, MEDIA_OCI_MANIFEST, &e));
	assert_true(by_tag(s, REPO, "x", &d));
}

static void image_put__a_wrong_size_is_refused(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct digest config = image_text(s, "{}"), d;
	char hex[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;

	buf_printf(&text,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
		"\",\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG
		"\",\"digest\":\"%s\",\"size\":3},\"layers\":[]}",
		digest_text(&config, hex));
	d = image_text(s, text.data);
	assert_err(image_put(s, REPO, NULL, &d, MEDIA_OCI_MANIFEST, &e), ERR_INPUT,
		"has 3 bytes, which is not so");
}

static void image_put__foreign_layers_may_be_absent(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct digest config = image_text(s, "{}"), layer, d;
	char c[DIGEST_TEXT_SIZE], l[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;
	uint64_t size;

	digest_of(&layer, DIGEST_SHA256, span_of("windows"));
	buf_printf(&text,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
		"\",\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG
		"\",\"digest\":\"%s\",\"size\":2},\"layers\":[{\"mediaType\":"
		"\"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip\","
		"\"digest\":\"%s\",\"size\":7,\"urls\":[\"https://example.com/x\"]}]}",
		digest_text(&config, c), digest_text(&layer, l));
	d = image_text(s, text.data);
	assert_ok(image_put(s, REPO, "win", &d, MEDIA_OCI_MANIFEST, &e));
	assert_int_equal(repo_has_blob(s, REPO, &layer, &size, &e), 0);
	image_text(s, "windows");
	assert_int_equal(repo_has_blob(s, REPO, &layer, &size, &e), 1);
}

/* --- indexes -------------------------------------------------------------------------------- */

static const char *const two_platforms[] = { "linux/amd64", "linux/arm64" };
static const struct image_want amd64 = { .seed = "a", .layers = 2 };
static const struct image_want arm64 = { .seed = "b", .layers = 2, .platform = "linux/arm64" };

static void image_put__an_index_may_be_sparse(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest children[2], index;
	struct err e = ERR_INIT;

	children[0] = image_make(s, NULL, &amd64);
	children[1] = image_make_bare(s, &arm64); /* its manifest is live, its layers are not */
	index = image_index(s, children, two_platforms, NULL, 2);
	assert_ok(image_put(s, REPO, "1", &index, MEDIA_OCI_INDEX, &e));
	assert_true(by_tag(s, REPO, "1", &index));
	assert_true(by_digest(s, REPO, &children[0]));
	assert_false(by_digest(s, REPO, &children[1]));
	/* The other platform arrives. */
	image_make(s, NULL, &arm64);
	assert_false(by_digest(s, REPO, &children[1]));
	assert_ok(image_put(s, REPO, "1", &index, MEDIA_OCI_INDEX, &e));
	assert_true(by_digest(s, REPO, &children[1]));
}

static void image_put__an_index_needs_one_whole_child(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest children[2], index, empty;
	struct err e = ERR_INIT;

	children[0] = image_make_bare(s, &amd64);
	children[1] = image_make_bare(s, &arm64);
	index = image_index(s, children, two_platforms, NULL, 2);
	assert_err(image_put(s, REPO, "1", &index, MEDIA_OCI_INDEX, &e), ERR_INCOMPLETE,
		"config sha256:");
	assert_false(by_digest(s, REPO, &index));
	empty = image_index(s, NULL, NULL, NULL, 0);
	assert_ok(image_put(s, REPO, "empty", &empty, MEDIA_OCI_INDEX, &e));
	/* An index of indexes. */
	image_make(s, NULL, &amd64);
	index = image_index(s, &empty, two_platforms, NULL, 1);
	assert_err(image_put(s, REPO, "2", &index, MEDIA_OCI_INDEX, &e), ERR_INPUT, "");
}

static void image_put__indexes_nest_only_so_deep(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest d = image_make(s, NULL, &amd64);
	const char *type = MEDIA_OCI_MANIFEST;
	struct err e = ERR_INIT;
	int rc = 0;

	for (unsigned depth = 0; depth < 12 && rc == 0; depth++) {
		AUTO(buf_release) struct buf text = BUF_INIT;
		struct descriptor child = { .digest = d, .media_type = type };

		rc = image_put(s, REPO, NULL, &d, type, &e);
		assert_int_equal(blob_stat(s, &d, &child.size, &e) < 0, 0);
		buf_str(&text, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
			       "\",\"manifests\":[");
		descriptor_write(&text, &child);
		buf_str(&text, "]}");
		d = image_text(s, text.data);
		type = MEDIA_OCI_INDEX;
	}
	assert_int_equal(rc, -1);
	assert_non_null(strstr(e.text, "indexes are nested more than 8 deep"));
}

/* --- tags, pages, referrers ----------------------------------------------------------------- */

static void image_put__moves_the_tag(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest a = image_add(s, REPO, "latest", "a", 1);
	struct digest b = image_add(s, REPO, NULL, "b", 1);
	struct err e = ERR_INIT;

	assert_true(by_tag(s, REPO, "latest", &a));
	assert_ok(image_put(s, REPO, "latest", &b, MEDIA_OCI_MANIFEST, &e));
	assert_true(by_tag(s, REPO, "latest", &b));
	assert_err(image_put(s, REPO, "-", &b, MEDIA_OCI_MANIFEST, &e), ERR_INPUT, "");
	assert_true(by_tag(s, REPO, "latest", &b));
}

static void images_put__are_all_put_or_none(void **state)
{
	static const struct image_want want[] = { { .seed = "a", .layers = 2 },
		{ .seed = "b", .layers = 1 }, { .seed = "c", .layers = 2 } };
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest a = image_make(s, NULL, &want[0]), b = image_make(s, NULL, &want[1]);
	struct digest bare = image_make_bare(s, &want[2]);
	const struct image_item items[] = {
		{ REPO, "1", &a, MEDIA_OCI_MANIFEST },
		{ "docker.io/o/o", NULL, &a, MEDIA_OCI_MANIFEST },
		{ REPO, "1", &b, MEDIA_OCI_MANIFEST },
		{ REPO, "2", &bare, MEDIA_OCI_MANIFEST },
	};
	struct err e = ERR_INIT;

	assert_err(images_put(s, items, 4, &e), ERR_INCOMPLETE, REPO ":2: ");
	assert_false(by_digest(s, REPO, &a));
	assert_false(by_digest(s, "docker.io/o/o", &a));
	assert_false(by_tag(s, REPO, "1", &b));
	assert_ok(images_put(s, items, 3, &e));
	assert_true(by_digest(s, REPO, &a));
	assert_true(by_digest(s, "docker.io/o/o", &a));
	assert_true(by_tag(s, REPO, "1", &b)); /* the last one wins, as one after the other */
	image_make(s, NULL, &want[2]);
	assert_ok(images_put(s, items, 4, &e));
	assert_true(by_tag(s, REPO, "2", &bare));
}

static void page_tags__in_order_with_more(void **state)
{
	static const struct {
		const char *after;
		unsigned max;
		const char *want;
		bool more;
	} cases[] = {
		{ NULL, 10, "1 10 2 B a ", false },
		{ NULL, 2, "1 10 ", true },
		{ "10", 2, "2 B ", true },
		{ "B", 2, "a ", false },
		{ "a", 2, "", false },
		{ "1x", 1, "2 ", true },
		{ NULL, 0, "", true },
	};
	static const char *const tags[] = { "a", "2", "10", "1", "B" };
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct err e = ERR_INIT;
	bool more;

	for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
		image_add(s, REPO, tags[i], tags[i], 1);
	image_add(s, "docker.io/library/mginx", "other", "a", 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf got = BUF_INIT;

		assert_int_equal(
			page_tags(s, REPO, cases[i].after, cases[i].max, add_name, &got, &more, &e),
			1);
		assert_string_equal(got.data, cases[i].want);
		assert_int_equal(more, cases[i].more);
	}
	assert_int_equal(page_tags(s, "docker.io/x", NULL, 1, add_name, NULL, &more, &e), 0);
}

static void page_repos__in_order_with_more(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf got = BUF_INIT;
	struct err e = ERR_INIT;
	bool more;

	image_add(s, "quay.io/b", "1", "a", 1);
	image_add(s, "docker.io/z", "1", "a", 1);
	image_add(s, "localhost:5000/c", NULL, "a", 1);
	assert_int_equal(page_repos(s, NULL, 2, add_name, &got, &more, &e), 1);
	assert_string_equal(got.data, "docker.io/z localhost:5000/c ");
	assert_true(more);
	buf_clear(&got);
	assert_int_equal(page_repos(s, "localhost:5000/c", 2, add_name, &got, &more, &e), 1);
	assert_string_equal(got.data, "quay.io/b ");
	assert_false(more);
}

static void list_referrers__by_subject_in_the_repository(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest image = image_add(s, REPO, "1", "a", 1), sbom, elsewhere;
	struct image_want want = {
		.seed = "s", .layers = 1, .artifact_type = "text/sbom", .subject = &image
	};
	AUTO(buf_release) struct buf got = BUF_INIT;
	struct err e = ERR_INIT;

	sbom = image_make(s, NULL, &want);
	assert_ok(image_put(s, REPO, NULL, &sbom, MEDIA_OCI_MANIFEST, &e));
	want.seed = "t";
	elsewhere = image_make(s, NULL, &want);
	assert_ok(image_put(s, "docker.io/o/o", NULL, &elsewhere, MEDIA_OCI_MANIFEST, &e));
	assert_ok(list_referrers(s, REPO, &image, add_referrer, &got, &e));
	assert_string_equal(got.data, "text/sbom ");
	buf_clear(&got);
	assert_ok(list_referrers(s, REPO, &sbom, add_referrer, &got, &e));
	assert_string_equal(got.data, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int test_image(void)
{
	static const struct CMUnitTest tests[] = {
		T(image_put__is_seen_in_its_repository_only),
		T(image_put__again_changes_nothing),
		T(image_put__refuses_what_is_not_whole),
		T(image_put__a_wrong_size_is_refused),
		T(image_put__foreign_layers_may_be_absent),
		T(image_put__an_index_may_be_sparse),
		T(image_put__an_index_needs_one_whole_child),
		T(image_put__indexes_nest_only_so_deep),
		T(image_put__moves_the_tag),
		T(images_put__are_all_put_or_none),
		T(page_tags__in_order_with_more),
		T(page_repos__in_order_with_more),
		T(list_referrers__by_subject_in_the_repository),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
