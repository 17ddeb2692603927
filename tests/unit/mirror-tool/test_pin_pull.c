/*
 * pin and pull as a user calls them, from a local layout: a store with an index.json of the test's
 * own is one. Registries are the business of the flow tests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mirror-tool/pull/pull.h"
#include "mirror-tool/sign/cosign.h"
#include "storage/engine.h"
#include "storage/oci/keys.h"
#include "tests/support/cm.h"
#include "tests/support/db_double.h"
#include "tests/unit/mirror-tool/layout_world.h"

static void pin_pull__sparse_index_keeps_its_bytes(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	struct digest children[2], index = make_index(w, children);
	struct manifest_info info;
	struct err e = ERR_INIT;
	struct store *s;
	struct lock l;

	entry(w, "one", MEDIA_OCI_INDEX, &index);
	write_index(w);
	write_list(w, ITEM);
	assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
	read_lock(w, &l);
	assert_int_equal(l.count, 1);
	assert_true(digest_eq(&l.pins[0].digest, &index));
	assert_string_equal(l.pins[0].platforms.items[0], "linux/amd64");
	assert_string_equal(l.pins[0].absent.items[0], "linux/arm64");
	lock_release(&l);
	assert_int_equal(moat(w, "pull", NULL), EXIT_OK);
	assert_true(held(w, &index));
	assert_true(held(w, &children[0]));
	assert_false(held(w, &children[1]));
	s = sandbox_store(w->sb, "store", STORE_WRITE);
	assert_int_equal(manifest_by_tag(s, REPO, "1", &info, &e), 1);
	assert_true(digest_eq(&info.digest, &index));
	store_close(&s);
	write_list(w, "");
	sandbox_remove(sandbox_path(w->sb, "layout"));
	assert_int_equal(moat(w, "pull", NULL), EXIT_OK); /* again: nothing is needed */
}

/* A manifest that is attached to `to`, with a layer of this type and this in its annotations. */
static struct digest attach(
	struct world *w, const struct digest *to, const char *layer, const char *annotations)
{
#define NOTHING                                                                                    \
	"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2}"
	char subject[DIGEST_TEXT_SIZE];
	AUTO(mem_free)
	char *text = mem_printf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
				"\",\"artifactType\":\"x/y\",\"config\":{\"mediaType\":\"x/empty\","
				"\"digest\":\"" NOTHING ",\"layers\":[{\"mediaType\":\"%s\","
				"\"digest\":\"" NOTHING
				"],\"subject\":{\"mediaType\":\"" MEDIA_OCI_MANIFEST
				"\",\"digest\":\"%s\",\"size\":1},\"annotations\":{%s}}",
		layer, digest_text(to, subject), annotations);

	return make_text(w, text);
}

/* The index.json that `cosign save` leaves: of all that it wrote it names the last. */
static void index_of_one(struct world *w, const struct digest *d, const char *kind)
{
	char digest[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;
	uint64_t size = 0;

	assert_int_equal(blob_stat(w->source, d, &size, &e), 1);
	reset_index(w);
	buf_printf(&w->index,
		"{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%llu,"
		"\"annotations\":{\"kind\":\"%s\",\"" KEY_REF_NAME "\":\"one\"}}",
		digest_text(d, digest), (unsigned long long)size, kind);
	write_index(w);
}

static bool is_attached(const struct lock *l, const struct digest *d)
{
	for (size_t i = 0; i < l->pins[0].attached_count; i++)
		if (digest_eq(&l->pins[0].attached[i].digest, d))
			return true;
	return false;
}

static void pin__bundles_that_cosign_saved_beside_its_index(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	struct digest image = make(w, "saved", "linux/amd64"),
		      other = make(w, "other", "linux/amd64");
	struct digest bundle = attach(w, &image, MEDIA_SIGSTORE_BUNDLE, "");
	struct digest annotated = attach(w, &image, "x/z", "\"" KEY_BUNDLE_PREDICATE "\":\"p\"");
	struct lock l;

	attach(w, &image, "x/sbom", "");
	attach(w, &other, MEDIA_SIGSTORE_BUNDLE, "");
	attach(w, &image, "x/z", "\"" KEY_BUNDLE_PREDICATE "\":\"\"");
	make_text(w, "{\"no\": \"manifest\"}");
	index_of_one(w, &image, "dev.cosignproject.cosign/image");
	write_list(w, ITEM);
	assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
	read_lock(w, &l);
	assert_int_equal(l.pins[0].attached_count, 2);
	assert_true(is_attached(&l, &bundle) && is_attached(&l, &annotated));
	lock_release(&l);

	index_of_one(w, &image, "another kind");
	assert_int_equal(moat(w, "pin", "--update"), EXIT_OK);
	read_lock(w, &l);
	assert_int_equal(l.pins[0].attached_count, 0);
	lock_release(&l);
}

static void pin_pull__what_is_attached_comes_along(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	struct digest children[2], index = make_index(w, children);
	struct image_want want = {
		.seed = "sbom", .layers = 1, .artifact_type = "application/spdx"
	};
	struct digest on_child, on_that, signature;
	char tag[REF_TAG_MAX + 1];
	struct lock l;

	want.subject = &children[0];
	on_child = image_make(w->source, NULL, &want);
	want.seed = "signature of the sbom";
	want.subject = &on_child;
	on_that = image_make(w->source, NULL, &want);
	want.seed = "cosign";
	want.subject = NULL;
	signature = image_make(w->source, NULL, &want);
	ref_fallback_tag(&index, ".sig", tag);
	entry(w, "one", MEDIA_OCI_INDEX, &index);
	entry(w, "", MEDIA_OCI_MANIFEST, &on_child);
	entry(w, "", MEDIA_OCI_MANIFEST, &on_that);
	entry(w, tag, MEDIA_OCI_MANIFEST, &signature);
	write_index(w);
	write_list(w, ITEM);
	assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
	read_lock(w, &l);
	assert_int_equal(l.pins[0].attached_count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct lock_attachment *a = &l.pins[0].attached[i];

		assert_string_equal(a->tag, digest_eq(&a->digest, &signature) ? tag : "");
		assert_string_equal(a->artifact_type, "application/spdx");
	}
	lock_release(&l);
	assert_int_equal(moat(w, "pull", NULL), EXIT_OK);
	assert_true(held(w, &on_child));
	assert_true(held(w, &on_that));
	assert_true(held(w, &signature));
}

static void pin__reports_drift_and_changes_nothing(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	AUTO(buf_release) struct buf unused = BUF_INIT;
	struct digest one = make(w, "one", NULL), two = make(w, "two", NULL);
	struct lock l;

	entry(w, "one", MEDIA_OCI_MANIFEST, &one);
	write_index(w);
	write_list(w, ITEM);
	assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
	assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
	assert_non_null(strstr(w->out, "nothing has changed"));
	reset_index(w);
	entry(w, "one", MEDIA_OCI_MANIFEST, &two);
	write_index(w);
	assert_int_equal(moat(w, "pin", NULL), EXIT_NO);
	assert_non_null(strstr(w->out, "moved      " REPO ":1\n"));
	read_lock(w, &l);
	assert_true(digest_eq(&l.pins[0].digest, &one));
	lock_release(&l);
	assert_int_equal(moat(w, "pull", NULL), EXIT_OK); /* the old one is still in the layout */
	assert_int_equal(moat(w, "pin", "--update"), EXIT_OK);
	read_lock(w, &l);
	assert_true(digest_eq(&l.pins[0].digest, &two));
	lock_release(&l);
	reset_index(w);
	entry(w, "another", MEDIA_OCI_MANIFEST, &two);
	write_index(w);
	assert_int_equal(moat(w, "pin", NULL), EXIT_NO);
	assert_non_null(strstr(w->out, "vanished   " REPO ":1\n"));
	assert_int_equal(moat(w, "pin", "--update"), EXIT_FAILED);
}

static void pin__refuses_an_image_for_another_platform(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	struct digest arm = make(w, "arm", "linux/arm64");

	entry(w, "one", MEDIA_OCI_MANIFEST, &arm);
	write_index(w);
	write_list(w, ITEM);
	assert_int_equal(moat(w, "pin", NULL), EXIT_INCOMPLETE);
	assert_false(sandbox_exists(sandbox_path(w->sb, "moat.lock")));
}

static void pull__failed_items_can_be_retried_alone(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	struct digest good = make(w, "good", NULL), bad = make(w, "bad", NULL);
	AUTO(buf_release) struct buf layer = BUF_INIT;
	char hex[DIGEST_HEX_SIZE], path[200];
	struct digest lost;

	entry(w, "one", MEDIA_OCI_MANIFEST, &good);
	entry(w, "two", MEDIA_OCI_MANIFEST, &bad);
	write_index(w);
	write_list(w, ITEM "- {name: " REPO ":2, from: \"oci:layout:two\"}\n");
	assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
	image_bytes(&layer, "bad/1", 1000);
	digest_of(&lost, DIGEST_SHA256, buf_span(&layer));
	snprintf(path, sizeof(path), "layout/blobs/sha256/%s", digest_hex(&lost, hex));
	assert_int_equal(unlink(sandbox_path(w->sb, path)), 0);
	assert_int_equal(moat(w, "pull", "--json"), EXIT_INCOMPLETE);
	assert_non_null(strstr(w->out, "\"pins\":1,"));
	assert_non_null(strstr(w->out, "\"failed\":[{\"ref\":\"" REPO ":2\""));
	assert_true(held(w, &good));
	assert_int_equal(moat(w, "pull", "--only=" REPO ":1"), EXIT_OK);
	assert_int_equal(moat(w, "pull", "--only=" REPO ":3"), EXIT_FAILED);
	sandbox_write(sandbox_path(w->sb, path), layer.data, layer.len);
	assert_int_equal(moat(w, "pull", "--only=" REPO ":2"), EXIT_OK);
}

static int open_blobs(struct blobs **b, const char *where, enum store_mode mode, struct err *e)
{
	return engine_local.open_blobs(b, where, mode, e);
}

static const struct engine engine_double = { "double", open_blobs, &db_double };

/* pull_pins() of all that the lock names, into `s`. */
static int pull_again(struct world *w, struct store *s, size_t *failed, struct err *e)
{
	AUTO(session_end) struct session session = { .upstream = NULL };
	AUTO(pull_report_release) struct pull_report report = { .pins = 0 };
	AUTO(failures_release) struct failures failures = { .count = 0 };
	AUTO(lock_release) struct lock l;
	const struct lock_pin *pins[3];
	const struct tool t = { .quiet = true, .out = stdout };
	const struct texts none = { .count = 0 };
	struct session_options how = { .certs_dirs = &none,
		.base = sandbox_path(w->sb, "moat.lock"),
		.verb = "pull",
		.things = "pins" };
	int rc;

	read_lock(w, &l);
	assert_int_equal(l.count, 3);
	for (size_t i = 0; i < l.count; i++)
		pins[i] = &l.pins[i];
	how.registries = &l.registries;
	assert_int_equal(session_begin(&session, &t, &how, e), 0);
	rc = pull_pins(&session, s, pins, l.count, &report, &failures, e);
	*failed = failures.count;
	return rc;
}

/* Each wait for another writer takes a minute, and a group has 256 pins. */
static void pull__waits_for_a_busy_store_once(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	struct digest one = make(w, "one", NULL);
	struct err e = ERR_INIT;
	size_t failed = 0;
	struct store *s;

	entry(w, "one", MEDIA_OCI_MANIFEST, &one);
	write_index(w);
	write_list(w, ITEM "- {name: " REPO ":2, from: \"oci:layout:one\"}\n"
			   "- {name: " REPO ":3, from: \"oci:layout:one\"}\n");
	assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
	assert_int_equal(moat(w, "pull", NULL), EXIT_OK);
	sandbox_engine = &engine_double;
	s = sandbox_store(w->sb, "store", STORE_WRITE);
	sandbox_engine = NULL;
	db_double_state = (struct db_double){ .busy = true };
	assert_int_equal(pull_again(w, s, &failed, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(db_double_state.by_name[Q_BEGIN], 1);
	assert_int_equal(failed, 0);
	db_double_state = (struct db_double){ .busy = false };
	assert_ok(pull_again(w, s, &failed, &e));
	assert_int_equal(failed, 0);
	store_close(&s);
}

/* Neither the source has the layer nor may its address be asked: what each said, and what to do. */
static void pull__foreign_layers_come_or_are_left_by_leave(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	struct digest config = image_text(w->source, "{}"), layer = image_text(w->source, "here");
	char one[DIGEST_TEXT_SIZE], other[DIGEST_TEXT_SIZE];
	AUTO(mem_free) char *text = NULL;
	struct digest d;

	text = mem_printf(
		"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a/b\",\"digest\":\"%s\","
		"\"size\":2},\"layers\":[{\"mediaType\":\"a/b\",\"digest\":\"%s\",\"size\":4},"
		"{\"mediaType\":\"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip\","
		"\"digest\":\"sha256:%064d\",\"size\":9,\"urls\":[\"https://127.0.0.1:1/x\"]}]}",
		digest_text(&config, one), digest_text(&layer, other), 7);
	d = image_text(w->source, text);
	entry(w, "one", MEDIA_OCI_MANIFEST, &d);
	write_index(w);
	write_list(w, ITEM);
	assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
	assert_int_not_equal(moat(w, "pull", "--json"), EXIT_OK);
	assert_non_null(strstr(w->out, "has no blob sha256:0000"));
	assert_non_null(strstr(w->out, "the private address 127.0.0.1"));
	assert_non_null(strstr(w->out, "foreign-layers: leave in the list"));
	assert_int_equal(unlink(sandbox_path(w->sb, "moat.lock")), 0);
	write_list(w, ITEM "foreign-layers: leave\n");
	assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
	assert_int_equal(moat(w, "pull", "--json"), EXIT_OK);
	assert_non_null(strstr(w->out, "\"foreign\":[\"" REPO ":1 sha256:0000"));
	assert_true(held(w, &layer));
}

/* --- verify: --------------------------------------------------------------------------------- */

static struct sign_key *key_new(struct world *w, const char *public_half)
{
	AUTO(buf_release) struct buf pem = BUF_INIT;
	struct sign_key *k = NULL;
	struct err e = ERR_INIT;

	assert_ok(sign_key_new(&k, &e));
	assert_ok(sign_key_write_public(k, &pem, &e));
	sandbox_write(sandbox_path(w->sb, public_half), pem.data, pem.len);
	return k;
}

static struct digest put(struct world *w, const struct buf *bytes)
{
	struct err e = ERR_INIT;
	struct digest d;

	assert_ok(blob_put(w->source, NULL, buf_span(bytes), &d, &e));
	return d;
}

/* Sign an image of the layout as `reference`, in one form or the other. */
static void sign_image(struct world *w, const struct sign_key *k, const struct digest *d,
	const char *reference, bool bundle)
{
	AUTO(cosign_signature_release) struct cosign_signature s = COSIGN_SIGNATURE_INIT;
	struct cosign_claim claim = { .digest = *d, .reference = reference };
	char tag[REF_TAG_MAX + 1];
	struct err e = ERR_INIT;
	struct digest manifest;
	uint64_t size = 0;

	assert_int_equal(blob_stat(w->source, d, &size, &e), 1);
	if (bundle)
		assert_ok(cosign_sign_bundle(k, &claim, size, "2026-11-23T23:00:00Z", &s, &e));
	else
		assert_ok(cosign_sign_legacy(k, &claim, &s, &e));
	put(w, &s.blob);
	put(w, &s.config);
	manifest = put(w, &s.manifest);
	ref_fallback_tag(d, ".sig", tag);
	entry(w, bundle ? "" : tag, MEDIA_OCI_MANIFEST, &manifest);
}

static const struct {
	const char *name, *key, *reference;
	bool sign, bundle;
	int status;
} verify_cases[] = {
	{ "tag form", "good.pub", REPO, true, false, EXIT_OK },
	{ "tag form, with a tag", "good.pub", REPO ":1", true, false, EXIT_OK },
	{ "bundle", "good.pub", REPO, true, true, EXIT_OK },
	{ "unsigned", "good.pub", "", false, false, EXIT_VERIFY },
	{ "another key", "other.pub", REPO, true, false, EXIT_VERIFY },
	{ "another key, bundle", "other.pub", REPO, true, true, EXIT_VERIFY },
	{ "another image", "good.pub", "example.test/else", true, false, EXIT_VERIFY },
	{ "no such key", "none.pub", REPO, true, false, EXIT_FAILED },
};

static void pin__upstream_signatures_must_hold_where_the_list_says_so(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	struct digest one = make(w, "one", NULL);
	AUTO(sign_key_free) struct sign_key *good = key_new(w, "good.pub");
	AUTO(sign_key_free) struct sign_key *other = key_new(w, "other.pub");

	for (size_t i = 0; i < ARRAY_SIZE(verify_cases); i++) {
		AUTO(mem_free)
		char *list =
			mem_printf(ITEM "verify:\n- {images: \"example.test/*\", keys: [%s]}\n",
				verify_cases[i].key);

		sandbox_remove(sandbox_path(w->sb, "moat.lock"));
		reset_index(w);
		entry(w, "one", MEDIA_OCI_MANIFEST, &one);
		if (verify_cases[i].sign)
			sign_image(
				w, good, &one, verify_cases[i].reference, verify_cases[i].bundle);
		write_index(w);
		write_list(w, list);
		if (moat(w, "pin", NULL) != verify_cases[i].status)
			fail_msg("%s", verify_cases[i].name);
	}
	write_list(w, ITEM "verify:\n- {images: \"elsewhere/*\", keys: [other.pub]}\n");
	assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pin_pull__sparse_index_keeps_its_bytes),
		TEST(pin_pull__what_is_attached_comes_along),
		TEST(pin__bundles_that_cosign_saved_beside_its_index),
		TEST(pin__reports_drift_and_changes_nothing),
		TEST(pin__refuses_an_image_for_another_platform),
		TEST(pull__failed_items_can_be_retried_alone),
		TEST(pull__waits_for_a_busy_store_once),
		TEST(pin__upstream_signatures_must_hold_where_the_list_says_so),
		TEST(pull__foreign_layers_come_or_are_left_by_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
