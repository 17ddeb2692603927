/* Changes: what clients of a registry do, alone and in groups. */
#include "tests/support/cm.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/storage/pushed.h"
#include "tests/unit/storage/suite.h"

/* --- blobs ---------------------------------------------------------------------------------- */

static void change_blob__is_there_at_once(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(store_close) struct store *r = sandbox_store(*state, "s", STORE_READ);
	struct err e = ERR_INIT;
	struct digest d;

	assert_ok(push_blob(s, APP, span_of("hello"), &d, &e));
	assert_true(has_blob(r, APP, &d));
	assert_false(has_blob(r, OTHER, &d));
	assert_ok(push_blob(s, APP, span_of("hello"), &d, &e)); /* again */
	assert_ok(push_blob(s, OTHER, span_of("hello"), &d, &e)); /* by somebody else */
	assert_true(has_blob(r, OTHER, &d));
	assert_sound(s);
}

static void change_blob__of_no_bytes(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct err e = ERR_INIT;
	struct digest d;

	assert_ok(push_blob(s, APP, (struct span){ "", 0 }, &d, &e));
	assert_true(has_blob(s, APP, &d));
}

static void blob_seal__by_the_other_algorithm(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf bytes = BUF_INIT, got = BUF_INIT;
	struct change c = { .kind = CHANGE_BLOB, .repo = APP };
	struct err e = ERR_INIT;

	image_bytes(&bytes, "big", 1 << 20);
	c.writer = sealed(s, buf_span(&bytes), &c.digest, DIGEST_SHA512);
	assert_ok(apply(s, &c, &e));
	assert_int_equal(blob_read(s, &c.digest, 2 << 20, &got, &e), 1);
	assert_int_equal(got.len, bytes.len);
	assert_memory_equal(got.data, bytes.data, bytes.len);
}

static void blob_seal__refuses_other_bytes(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(blob_abort) struct blob_writer *w = NULL;
	struct err e = ERR_INIT;
	struct digest d;

	digest_of(&d, DIGEST_SHA256, span_of("hello"));
	assert_ok(blob_begin_unnamed(s, DIGEST_SHA256, &w, &e));
	blob_write(w, "help!", 5);
	assert_err(blob_seal(w, &d, &e), ERR_CORRUPT, "the bytes that arrived are sha256:");
	blob_abort(&w);
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/stage")), 0);
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/blobs/sha256")), 0);
}

/* A client says the wrong digest first, goes on, and says the right one then. */
static void blob_seal__may_be_tried_again(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	static const enum digest_alg algs[] = { DIGEST_SHA256, DIGEST_SHA512, DIGEST_SHA256 };
	struct change c = { .kind = CHANGE_BLOB, .repo = APP };
	struct err e = ERR_INIT;

	assert_ok(blob_begin_unnamed(s, DIGEST_SHA256, &c.writer, &e));
	blob_write(c.writer, "he", 2);
	for (size_t i = 0; i < ARRAY_SIZE(algs); i++) {
		digest_of(&c.digest, algs[i], span_of("other"));
		assert_err(blob_seal(c.writer, &c.digest, &e), ERR_CORRUPT, "the bytes that");
	}
	blob_write(c.writer, "llo", 3);
	digest_of(&c.digest, DIGEST_SHA256, span_of("hello"));
	assert_ok(blob_seal(c.writer, &c.digest, &e));
	assert_ok(apply(s, &c, &e));
	assert_true(has_blob(s, APP, &c.digest));
	assert_sound(s);
}

static void blob_rewind__goes_back_to_the_mark(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct change c = { .kind = CHANGE_BLOB, .repo = APP };
	struct err e = ERR_INIT;

	assert_ok(blob_begin_unnamed(s, DIGEST_SHA256, &c.writer, &e));
	blob_write(c.writer, "good ", 5);
	blob_mark(c.writer);
	for (int i = 0; i < 3; i++) {
		blob_write(c.writer, "half of something that broke", 20);
		assert_ok(blob_rewind(c.writer, &e));
		assert_int_equal(blob_offset(c.writer), 5);
	}
	blob_write(c.writer, "bytes", 5);
	digest_of(&c.digest, DIGEST_SHA256, span_of("good bytes"));
	assert_ok(blob_seal(c.writer, &c.digest, &e));
	assert_ok(apply(s, &c, &e));
	assert_true(has_blob(s, APP, &c.digest));
	assert_sound(s);
}

static int count_names(void *ctx, const char *name, struct err *e)
{
	(void)e;
	buf_printf(ctx, "%s ", name);
	return 0;
}

static void change_mount__from_who_has_it(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf names = BUF_INIT;
	struct change c = { .kind = CHANGE_MOUNT, .repo = OTHER, .from = APP };
	struct err e = ERR_INIT;

	digest_of(&c.digest, DIGEST_SHA256, span_of("hello"));
	assert_err(apply(s, &c, &e), ERR_ABSENT, "is not in team/app");
	assert_ok(push_blob(s, APP, span_of("hello"), &c.digest, &e));
	c.from = "team/third";
	assert_err(apply(s, &c, &e), ERR_ABSENT, "is not in team/third");
	assert_int_equal(repo_exists(s, OTHER, &e), 0); /* a refusal leaves nothing behind */
	c.from = APP;
	assert_ok(apply(s, &c, &e));
	assert_true(has_blob(s, OTHER, &c.digest));
	assert_ok(repos_with_blob(s, &c.digest, count_names, &names, &e));
	assert_string_equal(names.data, "team/app team/other ");
}

/* --- quotas --------------------------------------------------------------------------------- */

static uint64_t linked(struct store *s, const char *repo)
{
	struct err e = ERR_INIT;
	struct repo_use use;

	assert_ok(repo_used(s, repo, NULL, &use, &e));
	return use.bytes;
}

static struct change limited(struct store *s, const char *text, uint64_t quota)
{
	struct change c = { .kind = CHANGE_BLOB, .repo = APP, .quota = quota };

	c.writer = sealed(s, span_of(text), &c.digest, DIGEST_SHA256);
	return c;
}

/* To the byte; what is there already is no matter of it, and nothing of what is refused is linked. */
static void change_quota__to_the_byte(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct change c = limited(s, "hello", 10);
	struct change drop = { .kind = CHANGE_DELETE_BLOB, .repo = APP };
	struct err e = ERR_INIT;

	assert_ok(apply(s, &c, &e));
	c = limited(s, "world!", 10);
	assert_err(apply(s, &c, &e), ERR_DENIED, "quota is 10 bytes");
	assert_int_equal(c.used, 5);
	assert_int_equal(c.more, 6);
	assert_false(has_blob(s, APP, &c.digest));
	c = limited(s, "world", 10);
	assert_ok(apply(s, &c, &e));
	assert_int_equal(c.more, 0);
	assert_int_equal(linked(s, APP), 10);
	c = limited(s, "hello", 3); /* again, under a smaller one */
	assert_ok(apply(s, &c, &e));
	drop.digest = c.digest;
	assert_ok(apply(s, &drop, &e));
	assert_int_equal(linked(s, APP), 5);
	c = limited(s, "five!", 10);
	assert_ok(apply(s, &c, &e));
	assert_int_equal(linked(s, OTHER), 0);
	assert_sound(s);
}

static bool has_file(const struct sandbox *sb, const struct digest *d)
{
	char path[64 + DIGEST_HEX_SIZE], hex[DIGEST_HEX_SIZE];

	snprintf(path, sizeof(path), "s/blobs/sha256/%s", digest_hex(d, hex));
	return access(sandbox_path(sb, path), F_OK) == 0;
}

/* A group is one transaction, and each counts what the ones before it brought. What is refused leaves no file. */
static void change_quota__holds_within_a_group(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct change items[8], *group[8];
	struct err e = ERR_INIT;
	unsigned passed = 0;

	for (unsigned i = 0; i < 8; i++) {
		char text[8];

		snprintf(text, sizeof(text), "blob %u", i);
		items[i] = limited(s, text, 20);
		group[i] = &items[i];
	}
	assert_ok(store_apply(s, group, 8, &e));
	for (unsigned i = 0; i < 8; i++)
		passed += items[i].rc == 0;
	assert_int_equal(passed, 3);
	assert_int_equal(linked(s, APP), 18);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(has_file(*state, &items[i].digest), items[i].rc == 0);
	assert_sound(s);
}

/* The same blob twice in a group counts once, and one without bytes always fits. */
static void change_quota__counts_a_blob_once(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct change items[] = { limited(s, "hello", 5), limited(s, "hello", 5), limited(s, "", 5),
		limited(s, "", 3) };
	struct change *group[] = { &items[0], &items[1], &items[2], &items[3] };
	struct err e = ERR_INIT;

	assert_ok(store_apply(s, group, ARRAY_SIZE(group), &e));
	for (size_t i = 0; i < ARRAY_SIZE(group); i++)
		assert_int_equal(items[i].rc, 0);
	assert_int_equal(linked(s, APP), 5);
	assert_sound(s);
}

static void change_quota__of_mounts_and_manifests(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct change mount = { .kind = CHANGE_MOUNT, .repo = OTHER, .from = APP, .quota = 4 };
	static const char text[] =
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}";
	struct change put = { .kind = CHANGE_MANIFEST,
		.repo = OTHER,
		.text = span_of(text),
		.manifest = &m,
		.quota = sizeof(text) - 2 };
	struct err e = ERR_INIT;

	assert_ok(push_blob(s, APP, span_of("hello"), &mount.digest, &e));
	assert_err(apply(s, &mount, &e), ERR_DENIED, "quota is 4 bytes");
	assert_int_equal(repo_exists(s, OTHER, &e), 0);
	assert_ok(manifest_parse(&m, "m", NULL, put.text, &e));
	digest_of(&put.digest, DIGEST_SHA256, put.text);
	assert_err(apply(s, &put, &e), ERR_DENIED, "quota is");
	put.quota++;
	assert_ok(apply(s, &put, &e));
	assert_int_equal(linked(s, OTHER), put.quota);
	assert_sound(s);
}

/* --- manifests ------------------------------------------------------------------------------ */

static void change_manifest__with_its_tags(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	static const char *const tags[] = { "1", "1.2", "latest" };
	struct change c;
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	push_blobs(*state, s, APP, &p);
	c = manifest_change(&p, APP, tags, 3);
	c.strict = true;
	assert_ok(apply(s, &c, &e));
	for (size_t i = 0; i < 3; i++)
		assert_true(has_tag(s, APP, tags[i], &p.digest));
	assert_true(has_manifest(s, APP, &p.digest));
	assert_ok(apply(s, &c, &e)); /* again */
	assert_sound(s);
}

static void change_manifest__sparse_then_whole(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	const char *tag = "1";
	struct change c;
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	c = manifest_change(&p, APP, &tag, 1);
	c.strict = true;
	assert_err(apply(s, &c, &e), ERR_INCOMPLETE, "config sha256:");
	assert_false(has_manifest(s, APP, &p.digest));
	assert_ok(push_manifest(s, APP, "1", &p, &e));
	assert_true(has_tag(s, APP, "1", &p.digest));
	assert_sound(s);
	push_blobs(*state, s, APP, &p);
	assert_ok(apply(s, &c, &e));
	assert_sound(s);
	/* An import of the same image counts on rows that are whole. */
	assert_ok(image_put(s, NGINX, "1", &p.digest, MEDIA_OCI_MANIFEST, &e));
	assert_true(has_blob(s, NGINX, &p.layer));
}

/* Whole elsewhere, or pushed before without what it names, is not whole here. */
static void change_manifest__strict_looks_at_this_repository(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	struct change c;
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	push_blobs(*state, s, APP, &p);
	assert_ok(push_manifest(s, APP, "1", &p, &e));
	assert_ok(push_manifest(s, OTHER, "1", &p, &e));
	c = manifest_change(&p, OTHER, NULL, 0);
	c.strict = true;
	assert_err(apply(s, &c, &e), ERR_INCOMPLETE, "config sha256:");
	push_blobs(*state, s, OTHER, &p);
	assert_ok(apply(s, &c, &e));
}

/* What was pushed sparse does not stand in the way of an import that brings all of it. */
static void image_put__makes_a_sparse_one_whole(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	assert_ok(push_manifest(s, APP, "1", &p, &e));
	assert_err(image_put(s, NGINX, "1", &p.digest, MEDIA_OCI_MANIFEST, &e), ERR_INCOMPLETE,
		"config");
	(void)image_make(s, NULL, &image);
	assert_ok(image_put(s, NGINX, "1", &p.digest, MEDIA_OCI_MANIFEST, &e));
	assert_true(has_blob(s, NGINX, &p.layer));
	assert_false(has_blob(s, APP, &p.layer));
	assert_sound(s);
}

/* Knowing a digest is not having its bytes. */
static void change_manifest__gives_nobody_the_blobs_of_others(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	push_blobs(*state, s, APP, &p);
	assert_ok(push_manifest(s, APP, "1", &p, &e));
	assert_ok(push_manifest(s, OTHER, "1", &p, &e));
	assert_true(has_tag(s, OTHER, "1", &p.digest));
	assert_false(has_blob(s, OTHER, &p.layer));
	assert_false(has_blob(s, OTHER, &p.config));
	store_close(&s);
	sandbox_remove(sandbox_path(*state, "s/meta"));
	s = sandbox_store(*state, "s", STORE_WRITE); /* and a rebuild does not either (S6) */
	assert_true(has_tag(s, OTHER, "1", &p.digest));
	assert_true(has_blob(s, APP, &p.layer));
	assert_false(has_blob(s, OTHER, &p.layer));
}

static int remember_subject(void *ctx, const struct referrer *r, struct err *e)
{
	(void)e;
	*(struct digest *)ctx = r->info.digest;
	return 0;
}

static void change_manifest__with_a_subject_that_is_not_here(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	struct digest subject, found = { .alg = DIGEST_NONE };
	struct image_want signature = { .seed = "sig",
		.layers = 1,
		.artifact_type = "application/x.sig",
		.subject = &subject };
	struct err e = ERR_INIT;

	digest_of(&subject, DIGEST_SHA256, span_of("nobody has it"));
	build(*state, &p, &signature);
	push_blobs(*state, s, APP, &p);
	assert_ok(push_manifest(s, APP, NULL, &p, &e));
	assert_ok(list_referrers(s, APP, &subject, remember_subject, &found, &e));
	assert_true(digest_eq(&found, &p.digest));
	assert_ok(sandbox_flush_index(s, &e));
	store_close(&s);
	sandbox_remove(sandbox_path(*state, "s/meta"));
	s = sandbox_store(*state, "s", STORE_WRITE); /* S6, though no tag names it */
	found.alg = DIGEST_NONE;
	assert_ok(list_referrers(s, APP, &subject, remember_subject, &found, &e));
	assert_true(digest_eq(&found, &p.digest));
	assert_sound(s);
}

static void change_manifest__under_sha512(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	digest_of(&p.digest, DIGEST_SHA512, buf_span(&p.text));
	assert_ok(push_manifest(s, APP, "big", &p, &e));
	assert_true(has_tag(s, APP, "big", &p.digest));
}

static void change_manifest__refuses_a_wrong_size(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	push_blobs(*state, s, APP, &p);
	p.manifest.items[0].size += 1;
	assert_err(push_manifest(s, APP, "1", &p, &e), ERR_INPUT, "bytes, which is not so");
	assert_false(has_manifest(s, APP, &p.digest));
	/* Of what another repository holds nothing is said. */
	assert_ok(push_manifest(s, OTHER, "1", &p, &e));
}

/* Bytes that are held already are no excuse. */
static void change_manifest__refuses_other_bytes(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p, q;
	struct image_want other = { .seed = "other", .layers = 1 };
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	build(*state, &q, &other);
	for (int i = 0; i < 2; i++) {
		struct change c = manifest_change(&q, APP, NULL, 0);

		c.digest = p.digest;
		assert_err(apply(s, &c, &e), ERR_CORRUPT, "the manifest's bytes are sha256:");
		assert_false(has_manifest(s, APP, &p.digest));
		assert_ok(push_manifest(s, OTHER, "1", &p, &e));
	}
	assert_sound(s);
}

static void change_manifest__refuses_bad_names(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	assert_err(push_manifest(s, "Team/App", "1", &p, &e), ERR_INPUT, "repository");
	assert_err(push_manifest(s, "../etc", "1", &p, &e), ERR_INPUT, "repository");
	assert_err(push_manifest(s, APP, "a b", &p, &e), ERR_INPUT, "tag");
	assert_false(has_manifest(s, APP, &p.digest));
}

/* --- sets ----------------------------------------------------------------------------------- */

static void change_manifest__leaves_pinned_tags_alone(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest pinned = pin_nginx(s);
	AUTO(pushed_release) struct pushed p;
	static const char *const tags[] = { "free", "1.27" };
	static const char *const aliases[] = { NGINX };
	struct change c;
	struct tag_owner owner;
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	assert_err(push_manifest(s, NGINX, "1.27", &p, &e), ERR_DENIED,
		"tag 1.27 of docker.io/library/nginx belongs to set platform:2026.11");
	c = manifest_change(&p, NGINX, tags, 2);
	assert_err(apply(s, &c, &e), ERR_DENIED, "platform:2026.11");
	assert_false(has_tag(s, NGINX, "free", &p.digest)); /* all or none */
	/* Under another stored name that clients take for the same. */
	c = manifest_change(&p, "library/nginx", tags, 2);
	c.aliases = aliases;
	c.alias_count = 1;
	assert_err(apply(s, &c, &e), ERR_DENIED, "platform:2026.11");
	/* Beside it. */
	assert_ok(push_manifest(s, NGINX, "mine", &p, &e));
	assert_true(has_tag(s, NGINX, "mine", &p.digest));
	assert_true(has_tag(s, NGINX, "1.27", &pinned));
	assert_int_equal(tag_owner_get(s, NGINX, "1.27", &owner, &e), 1);
	assert_string_equal(owner.set, "platform");
	assert_string_equal(owner.version, "2026.11");
	assert_true(digest_eq(&owner.digest, &pinned));
	assert_int_equal(tag_owner_get(s, NGINX, "mine", &owner, &e), 1);
	assert_string_equal(owner.set, "");
	assert_true(digest_eq(&owner.digest, &p.digest));
	assert_int_equal(tag_owner_get(s, NGINX, "none", &owner, &e), 0);
	assert_sound(s);
}

/* The repositories of the sets themselves: what is there was verified by the import that brought it. */
static void changes__leave_the_repositories_of_sets_alone(void **state)
{
	static const enum change_kind kinds[] = { CHANGE_BLOB, CHANGE_MOUNT, CHANGE_MANIFEST,
		CHANGE_UNTAG, CHANGE_DELETE_MANIFEST, CHANGE_DELETE_BLOB };
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	static const char repo[] = "moat.local/set/platform", tag[] = "2026.11";
	const char *tags[] = { tag };
	AUTO(pushed_release) struct pushed p;
	struct manifest_info set;
	struct err e = ERR_INIT;

	(void)pin_nginx(s);
	assert_int_equal(manifest_by_tag(s, repo, tag, &set, &e), 1);
	build(*state, &p, &image);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct change c = manifest_change(&p, repo, tags, 1);

		c.kind = kinds[i];
		c.from = repo;
		if (c.kind != CHANGE_MANIFEST)
			c.digest = set.digest;
		if (c.kind == CHANGE_BLOB)
			c.writer = sealed(s, span_of("hello"), &c.digest, DIGEST_SHA256);
		assert_err(apply(s, &c, &e), ERR_DENIED,
			"moat.local/set/platform belongs to its sets");
	}
	assert_true(has_tag(s, repo, tag, &set.digest));
	assert_sound(s);
}

static void change_manifest__may_name_what_is_pinned_already(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	struct image_want want = { .seed = "pinned", .layers = 1 };
	struct digest pinned = pin_nginx(s);
	struct err e = ERR_INIT;

	build(*state, &p, &want);
	assert_true(digest_eq(&p.digest, &pinned));
	assert_ok(push_manifest(s, NGINX, "1.27", &p, &e));
}

static void deletes__leave_what_sets_hold(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest pinned = pin_nginx(s), layer;
	const char *tag = "1.27";
	struct change c = { .kind = CHANGE_UNTAG, .repo = NGINX, .tags = &tag, .tag_count = 1 };
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct err e = ERR_INIT;

	assert_err(apply(s, &c, &e), ERR_DENIED, "belongs to set platform:2026.11");
	c = (struct change){ .kind = CHANGE_DELETE_MANIFEST, .repo = NGINX, .digest = pinned };
	assert_err(apply(s, &c, &e), ERR_DENIED, "belongs to set platform:2026.11");
	image_bytes(&bytes, "pinned/0", 1000);
	digest_of(&layer, DIGEST_SHA256, buf_span(&bytes));
	assert_true(has_blob(s, NGINX, &layer));
	c = (struct change){ .kind = CHANGE_DELETE_BLOB, .repo = NGINX, .digest = layer };
	assert_err(apply(s, &c, &e), ERR_DENIED, "");
	/* The same bytes pushed elsewhere are whoever's pushed them. */
	c = (struct change){ .kind = CHANGE_MOUNT, .repo = OTHER, .from = NGINX, .digest = layer };
	assert_ok(apply(s, &c, &e));
	c.kind = CHANGE_DELETE_BLOB;
	assert_ok(apply(s, &c, &e));
	assert_false(has_blob(s, OTHER, &layer));
	assert_true(has_blob(s, NGINX, &layer));
	assert_sound(s);
}

/* --- deletes -------------------------------------------------------------------------------- */

static void change_untag__only_the_tag(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	const char *tag = "1";
	struct change c = { .kind = CHANGE_UNTAG, .repo = APP, .tags = &tag, .tag_count = 1 };
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	assert_ok(push_manifest(s, APP, "1", &p, &e));
	assert_ok(push_manifest(s, APP, "2", &p, &e));
	assert_ok(apply(s, &c, &e));
	assert_false(has_tag(s, APP, "1", &p.digest));
	assert_true(has_tag(s, APP, "2", &p.digest));
	assert_err(apply(s, &c, &e), ERR_ABSENT, "no tag 1 in team/app");
	assert_sound(s);
}

static void change_delete_manifest__and_its_tags(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	struct change c = { .kind = CHANGE_DELETE_MANIFEST, .repo = APP };
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	push_blobs(*state, s, APP, &p);
	c.digest = p.digest;
	assert_err(apply(s, &c, &e), ERR_ABSENT, "manifest sha256:");
	assert_ok(push_manifest(s, APP, "1", &p, &e));
	assert_ok(push_manifest(s, APP, "2", &p, &e));
	assert_ok(push_manifest(s, OTHER, "1", &p, &e));
	assert_ok(apply(s, &c, &e));
	assert_false(has_manifest(s, APP, &p.digest));
	assert_false(has_tag(s, APP, "2", &p.digest));
	assert_true(has_tag(s, OTHER, "1", &p.digest));
	assert_true(has_blob(s, APP, &p.layer));
	assert_sound(s);
}

static void change_delete_blob__unless_it_is_needed(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	struct change c = { .kind = CHANGE_DELETE_BLOB, .repo = APP };
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	push_blobs(*state, s, APP, &p);
	assert_ok(push_manifest(s, APP, "1", &p, &e));
	c.digest = p.layer;
	assert_err(apply(s, &c, &e), ERR_DENIED, "is needed by manifest sha256:");
	c.digest = p.digest; /* a manifest is no blob to be deleted */
	assert_err(apply(s, &c, &e), ERR_ABSENT, "blob");
	c.kind = CHANGE_DELETE_MANIFEST;
	assert_ok(apply(s, &c, &e));
	c.kind = CHANGE_DELETE_BLOB;
	c.digest = p.layer;
	assert_ok(apply(s, &c, &e));
	assert_false(has_blob(s, APP, &p.layer));
	assert_err(apply(s, &c, &e), ERR_ABSENT, "blob");
}

/* A child of an index that is no manifest, and a layer that may be foreign, are named too. */
static void change_delete_blob__that_anything_names(void **state)
{
	static const char *const texts[] = {
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
		"\",\"manifests\":[{\"mediaType\":\"text/plain\",\"digest\":\"%s\",\"size\":5}]}",
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
		"\",\"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":"
		"\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4f"
		"c21fe77e8310c060f61caaff8a\",\"size\":2},"
		"\"layers\":[{\"mediaType\":\"text/plain\",\"digest\":\"%s\",\"size\":5,"
		"\"urls\":[\"http://x/\"]}]}",
	};
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct change c = { .kind = CHANGE_DELETE_BLOB };
	char digest[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		AUTO(pushed_release) struct pushed p = { .text = BUF_INIT };
		const char *before, *after = strchr(texts[i], '%');

		before = texts[i];
		c.repo = i ? APP : OTHER;
		assert_ok(push_blob(s, c.repo, span_of("hello"), &c.digest, &e));
		buf_add(&p.text, before, (size_t)(after - before));
		buf_str(&p.text, digest_text(&c.digest, digest));
		buf_str(&p.text, after + 2);
		assert_ok(manifest_parse(&p.manifest, "m", NULL, buf_span(&p.text), &e));
		digest_of(&p.digest, DIGEST_SHA256, buf_span(&p.text));
		assert_ok(push_manifest(s, c.repo, NULL, &p, &e));
		assert_err(apply(s, &c, &e), ERR_DENIED, "is needed by manifest sha256:");
	}
	assert_sound(s);
}

/* --- groups --------------------------------------------------------------------------------- */

static void store_apply__one_that_fails_leaves_the_others(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	const char *good = "good", *none = "none", *bad = "b d";
	struct change a, b, c, d;
	struct change *changes[] = { &a, &b, &c, &d };
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	a = manifest_change(&p, APP, &good, 1);
	b = (struct change){ .kind = CHANGE_UNTAG, .repo = APP, .tags = &none, .tag_count = 1 };
	c = manifest_change(&p, OTHER, &bad, 1);
	d = (struct change){ .kind = CHANGE_BLOB, .repo = "team/new" };
	d.writer = sealed(s, span_of("hello"), &d.digest, DIGEST_SHA256);
	assert_ok(store_apply(s, changes, 4, &e));
	assert_int_equal(a.rc, 0);
	assert_int_equal(b.rc, -1);
	assert_int_equal(b.err.code, ERR_ABSENT);
	assert_int_equal(c.rc, -1);
	assert_int_equal(d.rc, 0);
	assert_null(d.writer);
	assert_true(has_tag(s, APP, "good", &p.digest));
	assert_int_equal(repo_exists(s, OTHER, &e), 0);
	assert_true(has_blob(s, "team/new", &d.digest));
	assert_sound(s);
}

/* Two clients bring the same bytes at the same moment. */
static void store_apply__the_same_blob_many_times(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct change items[APPLY_MAX], *changes[APPLY_MAX];
	char repos[APPLY_MAX][24];
	struct err e = ERR_INIT;

	for (size_t i = 0; i < APPLY_MAX; i++) {
		snprintf(repos[i], sizeof(repos[i]), "team/r%zu", i);
		items[i] = (struct change){ .kind = CHANGE_BLOB, .repo = repos[i] };
		items[i].writer = sealed(s, span_of("same"), &items[i].digest, DIGEST_SHA256);
		changes[i] = &items[i];
	}
	assert_ok(store_apply(s, changes, APPLY_MAX, &e));
	for (size_t i = 0; i < APPLY_MAX; i++) {
		assert_int_equal(items[i].rc, 0);
		assert_true(has_blob(s, repos[i], &items[i].digest));
	}
	assert_int_equal(sandbox_count(sandbox_path(*state, "s/stage")), 0);
	assert_sound(s);
}

struct uploader {
	struct store *store;
	struct blob_writer *writer;
	struct digest digest;
	unsigned number;
};

static void *upload(void *cls)
{
	struct uploader *u = cls;
	char piece[4096];
	struct err e = ERR_INIT;
	AUTO(buf_release) struct buf all = BUF_INIT;

	if (blob_begin_unnamed(u->store, DIGEST_SHA256, &u->writer, &e) < 0)
		return NULL;
	for (int i = 0; i < 200; i++) {
		memset(piece, (int)(u->number * 7 + (unsigned)i) & 0xff, sizeof(piece));
		blob_write(u->writer, piece, sizeof(piece));
		buf_add(&all, piece, sizeof(piece));
		if (i % 50 == 20) {
			blob_mark(u->writer);
			blob_write(u->writer, "junk", 4);
			if (blob_rewind(u->writer, &e) < 0)
				return NULL;
		}
	}
	digest_of(&u->digest, DIGEST_SHA256, buf_span(&all));
	return blob_seal(u->writer, &u->digest, &e) == 0 ? u : NULL;
}

/* Writers without a name belong to no thread: many upload while one commits. */
static void uploads__from_many_threads(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct uploader uploads[8] = { { .number = 0 } };
	pthread_t threads[ARRAY_SIZE(uploads)];
	struct err e = ERR_INIT;
	struct digest d;

	for (unsigned i = 0; i < ARRAY_SIZE(uploads); i++) {
		uploads[i].store = s;
		uploads[i].number = i;
		assert_int_equal(pthread_create(&threads[i], NULL, upload, &uploads[i]), 0);
	}
	for (int i = 0; i < 20; i++) {
		char text[16];

		snprintf(text, sizeof(text), "small %d", i);
		assert_ok(push_blob(s, APP, span_of(text), &d, &e));
	}
	for (unsigned i = 0; i < ARRAY_SIZE(uploads); i++) {
		struct change c = { .kind = CHANGE_BLOB, .repo = APP };
		void *done = NULL;

		pthread_join(threads[i], &done);
		assert_ptr_equal(done, &uploads[i]);
		c.writer = uploads[i].writer;
		c.digest = uploads[i].digest;
		assert_ok(apply(s, &c, &e));
	}
	assert_sound(s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int test_change(void)
{
	static const struct CMUnitTest tests[] = {
		T(change_blob__is_there_at_once),
		T(change_blob__of_no_bytes),
		T(blob_seal__by_the_other_algorithm),
		T(blob_seal__refuses_other_bytes),
		T(blob_seal__may_be_tried_again),
		T(blob_rewind__goes_back_to_the_mark),
		T(change_mount__from_who_has_it),
		T(change_quota__to_the_byte),
		T(change_quota__holds_within_a_group),
		T(change_quota__counts_a_blob_once),
		T(change_quota__of_mounts_and_manifests),
		T(change_manifest__with_its_tags),
		T(change_manifest__sparse_then_whole),
		T(change_manifest__strict_looks_at_this_repository),
		T(image_put__makes_a_sparse_one_whole),
		T(change_manifest__gives_nobody_the_blobs_of_others),
		T(change_manifest__with_a_subject_that_is_not_here),
		T(change_manifest__under_sha512),
		T(change_manifest__refuses_a_wrong_size),
		T(change_manifest__refuses_other_bytes),
		T(change_manifest__refuses_bad_names),
		T(change_manifest__leaves_pinned_tags_alone),
		T(changes__leave_the_repositories_of_sets_alone),
		T(change_manifest__may_name_what_is_pinned_already),
		T(deletes__leave_what_sets_hold),
		T(change_untag__only_the_tag),
		T(change_delete_manifest__and_its_tags),
		T(change_delete_blob__unless_it_is_needed),
		T(change_delete_blob__that_anything_names),
		T(store_apply__one_that_fails_leaves_the_others),
		T(store_apply__the_same_blob_many_times),
		T(uploads__from_many_threads),
	};

	return cmocka_run_group_tests_name("storage/change", tests, NULL, NULL);
}
