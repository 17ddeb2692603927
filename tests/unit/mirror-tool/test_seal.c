/* Sealing: the same lock gives the same set, all of it must be there, and nothing else counts. */
#include "tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mirror-tool/sign/cosign.h"
#include "mirror-tool/seal/seal.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

#define CREATED "2026-11-23T23:00:00Z"

/* --- a lock by hand ---------------------------------------------------------------------------- */

static void lock_begin(struct lock *l)
{
	*l = (struct lock)LOCK_INIT;
	snprintf(l->name, sizeof(l->name), "platform");
	snprintf(l->created, sizeof(l->created), CREATED);
	l->list_text = mem_strdup("set: platform\n");
	digest_of(&l->list, DIGEST_SHA256, span_of(l->list_text));
}

static uint64_t size_of(struct store *s, const struct digest *d)
{
	uint64_t size = 0;
	struct err e = ERR_INIT;

	if (blob_stat(s, d, &size, &e) != 1)
		fail_msg("not in the store: %s", e.text);
	return size;
}

static struct lock_pin *pin(
	struct lock *l, struct store *s, const char *ref, const struct digest *d, const char *type)
{
	struct lock_pin *p = lock_add(l);
	struct err e = ERR_INIT;

	assert_ok(ref_parse(&p->ref, span_of(ref), &e));
	p->digest = *d;
	p->size = size_of(s, d);
	free(p->media_type);
	p->media_type = mem_strdup(type);
	return p;
}

static void attach(struct lock_pin *p, struct store *s, const struct digest *d,
	const struct digest *subject, const char *tag)
{
	struct lock_attachment *a = lock_attach(p);

	a->digest = *d;
	a->size = size_of(s, d);
	free(a->media_type);
	a->media_type = mem_strdup(MEDIA_OCI_MANIFEST);
	a->subject = *subject;
	snprintf(a->tag, sizeof(a->tag), "%s", tag);
}

/* An index of two platforms of which amd64 is held, an image under two tags with an attachment
 * without tag and one with, an image by digest. */
struct world {
	struct digest amd64, arm64, index, image, referrer, signature, bare;
};

static void build_world(struct world *w, struct store *s)
{
	const char *platforms[] = { "linux/amd64", "linux/arm64" };
	struct digest children[2];
	uint64_t sizes[2] = { 0, 321 };
	struct image_want want = { .seed = "amd", .layers = 2, .platform = "linux/amd64" };

	children[0] = w->amd64 = image_make(s, NULL, &want);
	digest_of(&w->arm64, DIGEST_SHA256, span_of("elsewhere"));
	children[1] = w->arm64;
	sizes[0] = size_of(s, &w->amd64);
	w->index = image_index(s, children, platforms, sizes, 2);
	w->image = image_make(s, NULL, &(struct image_want){ .seed = "one", .layers = 3 });
	w->referrer = image_make(s, NULL,
		&(struct image_want){ .seed = "sbom",
			.layers = 1,
			.artifact_type = "application/spdx+json",
			.subject = &w->image });
	w->signature = image_make(s, NULL, &(struct image_want){ .seed = "sig", .layers = 1 });
	w->bare = image_make(s, NULL, &(struct image_want){ .seed = "bare", .layers = 1 });
}

static void lock_world(struct lock *l, struct store *s, const struct world *w)
{
	char by_digest[REF_TEXT_SIZE], text[DIGEST_TEXT_SIZE], tag[REF_TAG_MAX + 1];
	struct lock_pin *p;

	lock_begin(l);
	p = pin(l, s, "quay.io/acme/multi:1", &w->index, MEDIA_OCI_INDEX);
	platform_texts_add(&p->platforms, "linux/amd64");
	platform_texts_add(&p->absent, "linux/arm64");
	ref_fallback_tag(&w->image, ".sig", tag);
	for (int i = 0; i < 2; i++) {
		p = pin(l, s, i ? "docker.io/library/one:1" : "docker.io/library/one:latest",
			&w->image, MEDIA_OCI_MANIFEST);
		attach(p, s, &w->referrer, &w->image, "");
		attach(p, s, &w->signature, &w->image, tag);
	}
	snprintf(by_digest, sizeof(by_digest), "ghcr.io/acme/bare@%s", digest_text(&w->bare, text));
	pin(l, s, by_digest, &w->bare, MEDIA_OCI_MANIFEST);
}

static void count_missing(
	void *ctx, const char *reference, const struct digest *d, const char *what)
{
	(void)reference;
	(void)d;
	(void)what;
	++*(unsigned *)ctx;
}

static int build(struct seal *out, struct store *s, struct lock *l, const char *version,
	const char *expires, struct err *e)
{
	struct seal_terms terms = { .version = version, .expires = expires };
	unsigned missing = 0;
	int rc = seal_build(out, s, l, &terms, count_missing, &missing, e);

	assert_int_equal(missing > 0, rc < 0 && e->code == ERR_INCOMPLETE);
	return rc;
}

/* --- what is in it --------------------------------------------------------------------------- */

static void seal_build__holds_what_the_lock_pins(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(seal_release) struct seal sealed = SEAL_INIT;
	AUTO(set_release) struct set back = SET_INIT;
	AUTO(inventory_release) struct inventory held = INVENTORY_INIT;
	AUTO(lock_release) struct lock l;
	size_t roles[5] = { 0 };
	struct err e = ERR_INIT;
	struct world w;

	build_world(&w, s);
	lock_world(&l, s, &w);
	assert_ok(build(&sealed, s, &l, NULL, NULL, &e));
	assert_ok(set_parse(&back, "set", buf_span(&sealed.index), &e));
	assert_string_equal(back.version, "20261123T230000Z");
	assert_string_equal(back.created, CREATED);
	for (size_t i = 0; i < back.count; i++)
		roles[back.entries[i].role]++;
	assert_int_equal(roles[SET_PIN], 5); /* four pins and the tagged signature, once */
	assert_int_equal(roles[SET_ATTACHED], 1);
	assert_int_equal(roles[SET_LOCK] + roles[SET_LIST] + roles[SET_INVENTORY], 3);
	assert_ok(inventory_parse(&held, "inv", buf_span(&sealed.contents.blob), &e));
	assert_non_null(inventory_find(&held, &w.index));
	assert_non_null(inventory_find(&held, &w.amd64));
	assert_null(inventory_find(&held, &w.arm64));
	assert_non_null(inventory_find(&held, &w.referrer));
	assert_non_null(inventory_find(&held, &w.signature));
	assert_non_null(inventory_find(&held, &digest_empty_json));
	assert_null(inventory_find(&held, &set_role_entry(&back, SET_INVENTORY)->digest));
	assert_non_null(inventory_find(&held, &set_role_entry(&back, SET_LOCK)->digest));
	assert_int_equal(inventory_bytes(&held), back.bytes);
	assert_false(sealed.again);
}

static void seal_build__same_lock_same_digest(void **state)
{
	AUTO(store_close) struct store *a = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(store_close) struct store *b = sandbox_store(*state, "b", STORE_WRITE);
	AUTO(seal_release) struct seal one = SEAL_INIT;
	AUTO(seal_release) struct seal two = SEAL_INIT;
	AUTO(lock_release) struct lock l;
	struct err e = ERR_INIT;
	struct world w;

	build_world(&w, a);
	image_blob(b, "something else", 10); /* what else a store holds does not matter */
	build_world(&w, b);
	lock_world(&l, a, &w);
	assert_ok(build(&one, a, &l, NULL, "90d", &e));
	assert_ok(build(&two, b, &l, NULL, "90d", &e));
	assert_true(digest_eq(&one.digest, &two.digest));
	assert_string_equal(one.set.expires, "2027-02-21T23:00:00Z");
}

static void seal_build__says_what_is_missing(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(seal_release) struct seal sealed = SEAL_INIT;
	AUTO(lock_release) struct lock l;
	struct image_want want = { .seed = "bare", .layers = 3 };
	struct err e = ERR_INIT;
	struct digest bare = image_make_bare(s, &want);

	lock_begin(&l);
	pin(&l, s, "docker.io/library/one:1", &bare, MEDIA_OCI_MANIFEST);
	assert_err(build(&sealed, s, &l, NULL, NULL, &e), ERR_INCOMPLETE, "4 blobs");
}

/* The child that the lock wants must be there, whatever else is. */
static void seal_build__wants_the_children_of_the_lock(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(seal_release) struct seal sealed = SEAL_INIT;
	AUTO(lock_release) struct lock l;
	struct err e = ERR_INIT;
	struct lock_pin *p;
	struct world w;

	build_world(&w, s);
	lock_begin(&l);
	p = pin(&l, s, "quay.io/acme/multi:1", &w.index, MEDIA_OCI_INDEX);
	platform_texts_add(&p->platforms, "linux/amd64");
	platform_texts_add(&p->platforms, "linux/arm64");
	assert_err(build(&sealed, s, &l, NULL, NULL, &e), ERR_INCOMPLETE, "1 blobs");
}

static void seal_build__checks_its_terms(void **state)
{
	static const struct {
		const char *version, *expires, *text; /* text NULL: accepted, with: */
		const char *version_is, *expires_is;
	} cases[] = {
		{ "1.0", NULL, NULL, "1.0", "" },
		{ NULL, "2026-12-31", NULL, "20261123T230000Z", "2026-12-31T23:59:59Z" },
		{ NULL, "1d", NULL, "20261123T230000Z", "2026-11-24T23:00:00Z" },
		{ "a b", NULL, "version \"a b\"", NULL, NULL },
		{ "", NULL, NULL, "20261123T230000Z", "" },
		{ NULL, "2026-02-31", "2026-02-31", NULL, NULL },
		{ NULL, "2026-1-1", "2026-1-1", NULL, NULL },
		{ NULL, "2027- 1- 1", "2027- 1- 1", NULL, NULL },
		{ NULL, "tomorrow", "tomorrow", NULL, NULL },
		{ NULL, "0d", "0d", NULL, NULL },
		{ NULL, "99999d", "99999d", NULL, NULL },
		{ NULL, "2026-11-22", "after that", NULL, NULL },
	};
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	struct world w;

	build_world(&w, s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(seal_release) struct seal sealed = SEAL_INIT;
		AUTO(lock_release) struct lock l;
		struct err e = ERR_INIT;

		lock_world(&l, s, &w);
		if (cases[i].text) {
			assert_err(build(&sealed, s, &l, cases[i].version, cases[i].expires, &e),
				ERR_INPUT, cases[i].text);
			continue;
		}
		assert_ok(build(&sealed, s, &l, cases[i].version, cases[i].expires, &e));
		assert_string_equal(sealed.set.version, cases[i].version_is);
		assert_string_equal(sealed.set.expires, cases[i].expires_is);
	}
}

static void seal_build__one_tag_one_manifest(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(seal_release) struct seal sealed = SEAL_INIT;
	AUTO(lock_release) struct lock l;
	struct err e = ERR_INIT;
	struct lock_pin *p;
	struct world w;

	build_world(&w, s);
	lock_begin(&l);
	p = pin(&l, s, "docker.io/library/one:1", &w.image, MEDIA_OCI_MANIFEST);
	attach(p, s, &w.signature, &w.image, "x");
	p = pin(&l, s, "docker.io/library/one:2", &w.image, MEDIA_OCI_MANIFEST);
	attach(p, s, &w.bare, &w.image, "x");
	assert_err(build(&sealed, s, &l, NULL, NULL, &e), ERR_INPUT, "two different manifests");
}

/* --- into the store -------------------------------------------------------------------------- */

static struct sign_key *new_key(void)
{
	struct sign_key *k = NULL;
	struct err e = ERR_INIT;

	assert_ok(sign_key_new(&k, &e));
	return k;
}

static int from_store(
	void *ctx, const struct digest *d, uint64_t size, struct buf *out, struct err *e)
{
	(void)size;
	return blob_read(ctx, d, COSIGN_BLOB_MAX, out, e);
}

/* How many of the set's signatures hold under this key. */
static size_t holding(struct store *s, const struct digest *set, const struct sign_key *k)
{
	AUTO(trust_release) struct trust trust = TRUST_INIT;
	AUTO(buf_release) struct buf pem = BUF_INIT;
	AUTO(mem_free) struct set_signature *sigs = NULL;
	struct cosign_claim claim = { .digest = *set };
	char reference[200];
	struct set_info info;
	size_t count, good = 0;
	struct err e = ERR_INIT;

	assert_int_equal(set_find(s, "platform", &info, &e), 1);
	snprintf(reference, sizeof(reference), "moat.local/set/platform:%.100s", info.version);
	claim.reference = reference;
	assert_ok(sign_key_write_public(k, &pem, &e));
	assert_ok(trust_add(&trust, "key", buf_span(&pem), &e));
	assert_ok(set_signatures(s, set, &sigs, &count, &e));
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_release) struct buf manifest = BUF_INIT;
		const struct verify_key *by;

		assert_int_equal(blob_read(s, &sigs[i].digest, 65536, &manifest, &e), 1);
		if (cosign_verify(
			    "m", buf_span(&manifest), &claim, &trust, from_store, s, &by, &e) == 0)
			good++;
	}
	return good;
}

static struct digest seal_now(struct store *s, struct lock *l, const struct sign_key *k,
	const char *version, bool again, bool signs)
{
	AUTO(seal_release) struct seal sealed = SEAL_INIT;
	bool signed_now;
	struct err e = ERR_INIT;

	assert_ok(build(&sealed, s, l, version, NULL, &e));
	assert_int_equal(sealed.again, again);
	assert_ok(seal_commit(&sealed, s, k, &signed_now, &e));
	assert_int_equal(signed_now, signs);
	return sealed.digest;
}

static void seal_commit__signs_in_both_forms(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(sign_key_free) struct sign_key *k = new_key();
	AUTO(lock_release) struct lock l;
	struct manifest_info info;
	struct check_report report;
	char tag[REF_TAG_MAX + 1];
	struct err e = ERR_INIT;
	struct digest set;
	struct world w;

	build_world(&w, s);
	lock_world(&l, s, &w);
	set = seal_now(s, &l, k, NULL, false, true);
	assert_int_equal(holding(s, &set, k), 2);
	ref_fallback_tag(&set, ".sig", tag);
	assert_int_equal(manifest_by_tag(s, "moat.local/set/platform", tag, &info, &e), 1);
	assert_int_equal(manifest_by_tag(s, "docker.io/library/one", "latest", &info, &e), 1);
	assert_true(digest_eq(&info.digest, &w.image));
	assert_ok(sandbox_check(s, true, NULL, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
}

/* Sealing again finds the set, by whatever version it went; another key adds its signatures. */
static void seal_commit__again_is_the_same_set(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(sign_key_free) struct sign_key *k = new_key();
	AUTO(sign_key_free) struct sign_key *other = new_key();
	AUTO(lock_release) struct lock l;
	struct digest first, again;
	struct world w;

	build_world(&w, s);
	lock_world(&l, s, &w);
	first = seal_now(s, &l, k, "1.0", false, true);
	again = seal_now(s, &l, k, "1.0", true, false);
	assert_true(digest_eq(&first, &again));
	again = seal_now(s, &l, k, NULL, true, false);
	assert_true(digest_eq(&first, &again));
	again = seal_now(s, &l, other, NULL, true, true);
	assert_true(digest_eq(&first, &again));
	assert_int_equal(holding(s, &first, other), 2);
	assert_true(holding(s, &first, k) > 0);
}

static void seal_build__versions_only_rise(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(seal_release) struct seal sealed = SEAL_INIT;
	AUTO(seal_release) struct seal newer = SEAL_INIT;
	AUTO(sign_key_free) struct sign_key *k = new_key();
	AUTO(lock_release) struct lock l;
	struct err e = ERR_INIT;
	struct digest first;
	struct world w;

	build_world(&w, s);
	lock_world(&l, s, &w);
	first = seal_now(s, &l, k, "2.0", false, true);
	pin(&l, s, "docker.io/library/two:2", &w.bare, MEDIA_OCI_MANIFEST);
	assert_err(build(&sealed, s, &l, "2.0", NULL, &e), ERR_INPUT, "not newer than 2.0");
	seal_release(&sealed);
	assert_err(build(&sealed, s, &l, "1.9", NULL, &e), ERR_INPUT, "not newer than 2.0");
	assert_ok(build(&newer, s, &l, "2.1", NULL, &e));
	assert_true(digest_eq(&newer.set.previous, &first));
}

/* Who begins without a version may choose one later, and forget it again. */
static void seal_build__versions_may_be_chosen_or_not(void **state)
{
	static const struct {
		const char *version, *want; /* NULL: none chosen */
	} steps[] = {
		{ NULL, "20261123T230000Z" },
		{ "2026.11", "2026.11" },
		{ NULL, "2026.11.0-20261123T230000Z" },
		{ "2026.11.1", "2026.11.1" },
		{ "2026.12", "2026.12" },
		{ NULL, "2026.12.0-20261123T230000Z" },
	};
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(sign_key_free) struct sign_key *k = new_key();
	AUTO(lock_release) struct lock l;
	struct set_info info;
	struct err e = ERR_INIT;
	struct world w;

	build_world(&w, s);
	lock_world(&l, s, &w);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		char ref[64];

		snprintf(ref, sizeof(ref), "docker.io/library/more:%zu", i);
		pin(&l, s, ref, &w.bare, MEDIA_OCI_MANIFEST);
		seal_now(s, &l, k, steps[i].version, false, true);
		assert_int_equal(set_find(s, "platform", &info, &e), 1);
		assert_string_equal(info.version, steps[i].want);
		assert_true(info.active);
	}
}

/* Between building and committing another handle seals the set that is the predecessor then. */
static void seal_commit__begins_again_behind_another(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(store_close) struct store *other = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(seal_release) struct seal sealed = SEAL_INIT;
	AUTO(seal_release) struct seal again = SEAL_INIT;
	AUTO(sign_key_free) struct sign_key *k = new_key();
	AUTO(lock_release) struct lock mine, theirs;
	struct set_info info;
	struct err e = ERR_INIT;
	struct digest between;
	bool signed_now;
	struct world w;

	build_world(&w, s);
	lock_world(&mine, s, &w);
	lock_world(&theirs, s, &w);
	pin(&mine, s, "docker.io/library/two:2", &w.bare, MEDIA_OCI_MANIFEST);
	assert_ok(build(&sealed, s, &mine, "2", NULL, &e));
	between = seal_now(other, &theirs, k, "1", false, true);
	assert_int_equal(seal_commit(&sealed, s, k, &signed_now, &e), 1);
	assert_int_equal(set_find(s, "platform", &info, &e), 1);
	assert_string_equal(info.version, "1");
	assert_ok(build(&again, s, &mine, "2", NULL, &e));
	assert_true(digest_eq(&again.set.previous, &between));
	assert_int_equal(seal_commit(&again, s, k, &signed_now, &e), 0);
	assert_true(again.changes.activates);
	assert_int_equal(set_find(s, "platform", &info, &e), 1);
	assert_string_equal(info.version, "2");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)
	const struct CMUnitTest tests[] = {
		TEST(seal_build__holds_what_the_lock_pins),
		TEST(seal_build__same_lock_same_digest),
		TEST(seal_build__says_what_is_missing),
		TEST(seal_build__wants_the_children_of_the_lock),
		TEST(seal_build__checks_its_terms),
		TEST(seal_build__one_tag_one_manifest),
		TEST(seal_commit__signs_in_both_forms),
		TEST(seal_commit__again_is_the_same_set),
		TEST(seal_build__versions_only_rise),
		TEST(seal_build__versions_may_be_chosen_or_not),
		TEST(seal_commit__begins_again_behind_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
