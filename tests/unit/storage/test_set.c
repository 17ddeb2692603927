/* Sets: accepted whole or not at all, switched in one, found again. */
#include "tests/support/cm.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "tests/unit/storage/suite.h"

#define NGINX "docker.io/library/nginx"
#define APP "ghcr.io/acme/app"

static bool by_tag(struct store *s, const char *repo, const char *tag, const struct digest *want)
{
	struct manifest_info info;
	struct err e = ERR_INIT;
	int rc = manifest_by_tag(s, repo, tag, &info, &e);

	assert_ok(rc);
	return rc > 0 && digest_eq(&info.digest, want);
}

static int add_name(void *ctx, const char *name, struct err *e)
{
	(void)e;
	buf_str(ctx, name);
	buf_char(ctx, ' ');
	return 0;
}

static int add_set(void *ctx, const struct set_info *info, struct err *e)
{
	(void)e;
	buf_printf(ctx, "%s:%s%s ", info->name, info->version, info->active ? "*" : "");
	return 0;
}

static void print_problem(void *ctx, const char *invariant, const char *text)
{
	(void)ctx;
	print_message("%s: %s\n", invariant, text);
}

static void assert_sound(struct store *s)
{
	struct check_report report;
	struct err e = ERR_INIT;

	assert_ok(sandbox_check(s, true, print_problem, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
	assert_true(report.blobs > 0);
}

static struct digest make(struct store *s, const char *seed)
{
	struct image_want want = { .seed = seed, .layers = 2 };

	return image_make(s, NULL, &want);
}

/* A set of one image, nginx:1, made of the seed. */
static struct digest one(struct store *s, const char *name, const char *version, const char *seed)
{
	struct image_pin pin = { .repo = NGINX, .tag = "1", .digest = make(s, seed) };

	return image_set(s, name, version, &pin, 1);
}

/* --- accepting ------------------------------------------------------------------------------ */

static void set_accept__makes_everything_visible(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(store_close) struct store *r = sandbox_store(*state, "s", STORE_READ);
	struct digest nginx = make(s, "n"), app = make(s, "a"), sig, set;
	struct image_want signature = {
		.seed = "sig", .layers = 1, .artifact_type = "x/sig", .subject = &nginx
	};
	struct image_pin pins[] = {
		{ .repo = NGINX, .tag = "1", .digest = nginx },
		{ .repo = APP, .tag = "", .digest = app },
		{ .repo = NGINX, .tag = "", .subject = &nginx },
	};
	AUTO(buf_release) struct buf got = BUF_INIT;
	struct manifest_info info;
	struct set_info found;
	struct err e = ERR_INIT;

	pins[2].digest = sig = image_make(s, NULL, &signature);
	set = image_set(s, "platform", "1.0", pins, 3);
	assert_false(by_tag(r, NGINX, "1", &nginx));
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	assert_true(by_tag(r, NGINX, "1", &nginx));
	assert_int_equal(manifest_by_digest(r, APP, &app, &info, &e), 1);
	assert_int_equal(manifest_by_digest(r, NGINX, &sig, &info, &e), 1);
	assert_true(by_tag(r, "moat.local/set/platform", "1.0", &set));
	assert_ok(list_hosts(r, add_name, &got, &e));
	assert_string_equal(got.data, "docker.io ghcr.io ");
	assert_int_equal(set_find(r, "", &found, &e), 1);
	assert_string_equal(found.name, "platform");
	assert_string_equal(found.version, "1.0");
	assert_true(digest_eq(&found.digest, &set));
	assert_int_equal(found.pins, 2);
	assert_true(found.active);
	assert_int_equal(found.generation, 1);
	assert_true(found.bytes > 4000);
	assert_sound(r);
}

static void set_accept__refuses_what_is_incomplete(void **state)
{
	AUTO(store_close) struct store *a = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(store_close) struct store *b = sandbox_store(*state, "b", STORE_WRITE);
	struct digest set = one(a, "platform", "1", "n");
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct set_info found;
	struct err e = ERR_INIT;

	assert_err(set_accept(b, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e),
		ERR_INCOMPLETE, "set index sha256:");
	assert_ok(blob_read(a, &set, SET_BYTES_MAX, &bytes, &e));
	image_text(b, bytes.data);
	assert_err(set_accept(b, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e),
		ERR_INCOMPLETE, "inventory sha256:");
	assert_int_equal(set_find(b, "", &found, &e), 0);
}

static void set_accept__names_the_first_missing_blob(void **state)
{
	AUTO(store_close) struct store *a = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(store_close) struct store *b = sandbox_store(*state, "b", STORE_WRITE);
	struct digest set = one(a, "platform", "1", "n");
	AUTO(set_release) struct set parsed = SET_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT, manifest = BUF_INIT, lines = BUF_INIT;
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	const struct set_entry *entry;
	struct manifest_info info;
	struct err e = ERR_INIT;

	assert_ok(blob_read(a, &set, SET_BYTES_MAX, &bytes, &e));
	assert_ok(set_parse(&parsed, "set", buf_span(&bytes), &e));
	entry = set_role_entry(&parsed, SET_INVENTORY);
	assert_ok(blob_read(a, &entry->digest, MANIFEST_MAX, &manifest, &e));
	assert_ok(manifest_parse(&m, "inv", NULL, buf_span(&manifest), &e));
	assert_ok(blob_read(a, &m.items[0].digest, 1 << 20, &lines, &e));
	image_text(b, bytes.data);
	image_text(b, manifest.data);
	image_text(b, lines.data);
	/* config, 2 layers, manifest, lock, its manifest, {} */
	assert_err(set_accept(b, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e),
		ERR_INCOMPLETE, "set platform:1: 7 of 7 blobs are not held, the first is sha256:");
	assert_int_equal(manifest_by_tag(b, "moat.local/set/platform", "1", &info, &e), 0);
	make(b, "n");
	assert_err(set_accept(b, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e),
		ERR_INCOMPLETE, "3 of 7 blobs");
	assert_sound(b);
}

static void set_accept__again_changes_nothing(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(store_close) struct store *r = sandbox_store(*state, "s", STORE_READ);
	struct digest set = one(s, "platform", "1", "n");
	struct err e = ERR_INIT;
	uint64_t before = 0, after = 0;

	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	assert_ok(store_change(r, &before, &e));
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	assert_ok(store_change(r, &after, &e));
	assert_int_equal(before, after);
}

static void set_accept__one_version_has_one_digest(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest a = one(s, "platform", "1", "a"), b = one(s, "platform", "1", "b");
	struct err e = ERR_INIT;

	assert_ok(set_accept(s, &(struct set_offer){ .digest = &a, .activate = true }, NULL, &e));
	assert_err(set_accept(s, &(struct set_offer){ .digest = &b, .activate = true }, NULL, &e),
		ERR_UNTRUSTED, "set platform 1 is here already with other contents");
}

static void set_accept__switches_the_generation(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest n1 = make(s, "1"), n2 = make(s, "2"), app = make(s, "a");
	struct image_pin first[] = { { .repo = NGINX, .tag = "1", .digest = n1 },
		{ .repo = APP, .tag = "old", .digest = app } };
	struct image_pin second[] = { { .repo = NGINX, .tag = "1", .digest = n2 } };
	struct digest set1 = image_set(s, "platform", "1", first, 2);
	struct digest set2 = image_set(s, "platform", "2", second, 1);
	AUTO(buf_release) struct buf got = BUF_INIT;
	struct set_info info;
	struct err e = ERR_INIT;
	bool more;

	assert_ok(
		set_accept(s, &(struct set_offer){ .digest = &set1, .activate = true }, NULL, &e));
	assert_ok(
		set_accept(s, &(struct set_offer){ .digest = &set2, .activate = true }, NULL, &e));
	assert_true(by_tag(s, NGINX, "1", &n2));
	assert_false(by_tag(s, APP, "old", &app));
	assert_int_equal(page_tags(s, APP, NULL, 9, add_name, &got, &more, &e), 1);
	assert_string_equal(got.data, "");
	assert_ok(list_sets(s, add_set, &got, &e));
	assert_string_equal(got.data, "platform:2* platform:1 ");
	/* Not by accident, but back: a third generation. */
	assert_err(
		set_accept(s, &(struct set_offer){ .digest = &set1, .activate = true }, NULL, &e),
		ERR_UNTRUSTED,
		"set platform 1 is older than version 2, which is active: `moat "
		"rollback platform --to 1` goes back");
	assert_ok(set_accept(s,
		&(struct set_offer){ .digest = &set1, .activate = true, .older = true }, NULL, &e));
	assert_true(by_tag(s, NGINX, "1", &n1));
	assert_int_equal(set_find(s, "platform:1", &info, &e), 1);
	assert_int_equal(info.generation, 3);
	assert_sound(s);
}

static void set_accept__pins_come_before_tags(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest put = image_add(s, NGINX, "1", "put", 1), n = make(s, "n"), set;
	struct image_pin pin = { .repo = NGINX, .tag = "1", .digest = n };
	AUTO(buf_release) struct buf got = BUF_INIT;
	struct err e = ERR_INIT;
	bool more;

	image_add(s, NGINX, "mine", "put", 1);
	set = image_set(s, "platform", "1", &pin, 1);
	assert_true(by_tag(s, NGINX, "1", &put));
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	assert_true(by_tag(s, NGINX, "1", &n));
	assert_true(by_tag(s, NGINX, "mine", &put));
	assert_ok(page_tags(s, NGINX, NULL, 9, add_name, &got, &more, &e));
	assert_string_equal(got.data, "1 mine ");
}

static void set_accept__the_channel_activated_last_wins(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest b = one(s, "b", "1", "nb"), a = one(s, "a", "1", "na");
	struct digest nb = make(s, "nb"), na = make(s, "na");
	static const char *const take[] = { "a" };
	struct set_offer over_a = { .digest = &b, .activate = true, .take = take, .take_count = 1 };
	struct err e = ERR_INIT;

	assert_ok(set_accept(s, &(struct set_offer){ .digest = &a, .activate = true }, NULL, &e));
	assert_ok(set_accept(s, &over_a, NULL, &e));
	assert_true(by_tag(s, NGINX, "1", &nb));
	assert_false(by_tag(s, NGINX, "1", &na));
}

static void set_accept__a_sparse_index_stays_sparse(void **state)
{
	static const char *const platforms[] = { "linux/amd64", "linux/arm64" };
	static const struct image_want arm = { .seed = "arm", .layers = 1 };
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest children[2] = { make(s, "amd") }, index, set;
	struct image_pin pin = { .repo = NGINX, .tag = "1", .media_type = MEDIA_OCI_INDEX };
	struct manifest_info info;
	struct err e = ERR_INIT;

	digest_of(&children[1], DIGEST_SHA256, span_of("absent"));
	pin.digest = index = image_index(s, children, platforms, NULL, 2);
	set = image_set(s, "platform", "1", &pin, 1);
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	assert_true(by_tag(s, NGINX, "1", &index));
	assert_int_equal(manifest_by_digest(s, NGINX, &children[0], &info, &e), 1);
	assert_int_equal(manifest_by_digest(s, NGINX, &children[1], &info, &e), 0);
	/* But it is known whose child it would be, and only in its repository. */
	assert_int_equal(manifest_index_of(s, NGINX, &children[1], &info, &e), 1);
	assert_true(digest_eq(&info.digest, &index));
	assert_string_equal(info.media_type, MEDIA_OCI_INDEX);
	assert_int_equal(manifest_index_of(s, APP, &children[1], &info, &e), 0);
	assert_int_equal(manifest_index_of(s, NGINX, &index, &info, &e), 0);
	/* What the inventory leaves out stays out, even when it happens to be live. */
	children[1] = image_make(s, NULL, &arm);
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	assert_int_equal(manifest_by_digest(s, NGINX, &children[1], &info, &e), 0);
}

/* Children of other platforms were never fetched, so what the index says of them may be anything; their
 * digest may be that of something which each set has, as is the config of moat's own artifacts. */
static void set_accept__a_child_may_be_something_else_of_the_set(void **state)
{
	static const char *const platforms[] = { "linux/arm64", "linux/amd64", "linux/s390x" };
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest amd = make(s, "amd"), set;
	struct digest children[] = { digest_empty_json, amd, digest_empty_json };
	struct image_pin pin = { .repo = NGINX, .tag = "1", .media_type = MEDIA_OCI_INDEX };
	uint64_t sizes[] = { 2, 0, 77 };
	struct manifest_info info;
	struct err e = ERR_INIT;

	assert_int_equal(blob_stat(s, &amd, &sizes[1], &e), 1);
	assert_int_equal(blob_stat(s, &digest_empty_json, &sizes[1], &e), 0);
	pin.digest = image_index(s, children, platforms, sizes, 3);
	set = image_set(s, "platform", "1", &pin, 1);
	assert_int_equal(blob_stat(s, &digest_empty_json, &sizes[0], &e), 1);
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	assert_true(by_tag(s, NGINX, "1", &pin.digest));
	assert_int_equal(manifest_by_digest(s, NGINX, &amd, &info, &e), 1);
	assert_int_equal(manifest_by_digest(s, NGINX, &digest_empty_json, &info, &e), 0);
	assert_sound(s);
}

static void set_accept__keeps_the_signatures(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest set = one(s, "platform", "1", "n"), payload, bundle;
	struct image_want legacy = { .seed = "cosign", .layers = 1 };
	struct image_want referrer = { .seed = "bundle",
		.layers = 1,
		.artifact_type = "application/vnd.dev.sigstore.bundle.v0.3+json",
		.subject = &set };
	struct set_signature sigs[2] = { { .media_type = MEDIA_OCI_MANIFEST },
		{ .media_type = MEDIA_OCI_MANIFEST } };
	struct set_offer offer = {
		.digest = &set, .activate = true, .signatures = sigs, .signature_count = 1
	};
	AUTO(mem_free) struct set_signature *got = NULL;
	struct err e = ERR_INIT;
	size_t count = 0;

	sigs[0] = (struct set_signature){ .digest = set, .media_type = MEDIA_OCI_MANIFEST };
	assert_err(set_accept(s, &offer, NULL, &e), ERR_INPUT, "signature");
	sigs[0].digest = payload = image_make(s, NULL, &legacy);
	ref_fallback_tag(&set, ".sig", sigs[0].tag);
	assert_ok(set_accept(s, &offer, NULL, &e));
	sigs[1].digest = bundle = image_make(s, NULL, &referrer);
	offer.signature_count = 2;
	assert_ok(set_accept(s, &offer, NULL, &e));
	assert_true(by_tag(s, "moat.local/set/platform", sigs[0].tag, &payload));
	assert_ok(set_signatures(s, &set, &got, &count, &e));
	assert_int_equal(count, 2);
	assert_true(digest_eq(&got[0].digest, &bundle));
	assert_string_equal(got[0].tag, "");
	assert_string_equal(got[1].tag, sigs[0].tag);
	assert_sound(s);
}

/* --- finding -------------------------------------------------------------------------------- */

static void set_find__by_every_name(void **state)
{
	static const struct {
		const char *which, *want; /* NULL: none */
	} cases[] = {
		{ "", "other:9" },
		{ "platform", "platform:2" },
		{ "platform:1", "platform:1" },
		{ "platform:3", NULL },
		{ "platform:", NULL },
		{ "nosuch", NULL },
		{ "sha256:0000000000000000000000000000000000000000000000000000000000000000", NULL },
	};
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest sets[3];
	struct set_info info;
	struct err e = ERR_INIT;
	char text[DIGEST_TEXT_SIZE];

	assert_int_equal(set_find(s, "", &info, &e), 0);
	sets[0] = one(s, "platform", "1", "a");
	sets[1] = one(s, "platform", "2", "b");
	sets[2] = one(s, "other", "9", "c");
	for (size_t i = 0; i < 3; i++) {
		static const char *const take[] = { "platform" };
		struct set_offer offer = {
			.digest = &sets[i], .activate = true, .take = take, .take_count = 1
		};

		assert_ok(set_accept(s, &offer, NULL, &e));
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int rc = set_find(s, cases[i].which, &info, &e);
		char got[300];

		print_message("\"%s\"\n", cases[i].which);
		assert_int_equal(rc, cases[i].want != NULL);
		snprintf(got, sizeof(got), "%s:%s", info.name, info.version);
		if (rc)
			assert_string_equal(got, cases[i].want);
	}
	assert_int_equal(set_find(s, digest_text(&sets[1], text), &info, &e), 1);
	assert_string_equal(info.version, "2");
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int test_set(void)
{
	static const struct CMUnitTest tests[] = {
		T(set_accept__makes_everything_visible),
		T(set_accept__refuses_what_is_incomplete),
		T(set_accept__names_the_first_missing_blob),
		T(set_accept__again_changes_nothing),
		T(set_accept__one_version_has_one_digest),
		T(set_accept__switches_the_generation),
		T(set_accept__pins_come_before_tags),
		T(set_accept__the_channel_activated_last_wins),
		T(set_accept__a_sparse_index_stays_sparse),
		T(set_accept__a_child_may_be_something_else_of_the_set),
		T(set_accept__keeps_the_signatures),
		T(set_find__by_every_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
