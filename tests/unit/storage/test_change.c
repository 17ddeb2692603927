/* Changes: what clients of a registry do, alone and in groups. */
#include "tests/support/cm.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "storage/base/fs.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "tests/unit/storage/suite.h"

#define APP "team/app"
#define OTHER "team/other"
#define NGINX "docker.io/library/nginx"

/* --- words ---------------------------------------------------------------------------------- */

static int apply(struct store *s, struct change *c, struct err *e)
{
	struct change *changes[] = { c };

	if (store_apply(s, changes, 1, e) < 0)
		return -1;
	if (c->rc < 0)
		*e = c->err;
	return c->rc;
}

static struct blob_writer *sealed(
	struct store *s, struct span bytes, struct digest *d, enum digest_alg alg)
{
	struct blob_writer *w = NULL;
	struct err e = ERR_INIT;

	digest_of(d, alg, bytes);
	assert_ok(blob_begin_unnamed(s, DIGEST_SHA256, &w, &e));
	blob_write(w, bytes.data, bytes.len);
	assert_ok(blob_seal(w, d, &e));
	return w;
}

static int push_blob(
	struct store *s, const char *repo, struct span bytes, struct digest *d, struct err *e)
{
	struct change c = { .kind = CHANGE_BLOB, .repo = repo };

	c.writer = sealed(s, bytes, d, DIGEST_SHA256);
	c.digest = *d;
	return apply(s, &c, e);
}

/* A manifest as a client holds it. */
struct pushed {
	struct buf text;
	struct manifest manifest;
	struct digest digest;
	struct digest layer, config;
};

static void pushed_release(struct pushed *p)
{
	buf_release(&p->text);
	manifest_release(&p->manifest);
}

static void load(struct store *client, struct pushed *p, const struct digest *d)
{
	struct err e = ERR_INIT;

	*p = (struct pushed){ .text = BUF_INIT, .manifest = MANIFEST_INIT, .digest = *d };
	assert_int_equal(blob_read(client, d, MANIFEST_MAX, &p->text, &e), 1);
	assert_ok(manifest_parse(&p->manifest, "m", NULL, buf_span(&p->text), &e));
	p->config = p->manifest.config.digest;
	if (p->manifest.count)
		p->layer = p->manifest.items[0].digest;
}

/* Made in a store of its own, where the client built it. */
static void build(const struct sandbox *sb, struct pushed *p, const struct image_want *want)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, "client", STORE_WRITE);
	struct digest d = image_make(s, NULL, want);

	load(s, p, &d);
}

static void build_index(const struct sandbox *sb, struct pushed *p, const struct digest *child)
{
	static const char *const platforms[] = { "linux/amd64" };
	AUTO(store_close) struct store *s = sandbox_store(sb, "client", STORE_WRITE);
	struct digest d = image_index(s, child, platforms, NULL, 1);

	load(s, p, &d);
}

/* Of any text. */
static void build_text(struct pushed *p, const char *text)
{
	struct err e = ERR_INIT;

	*p = (struct pushed){ .text = BUF_INIT, .manifest = MANIFEST_INIT };
	buf_str(&p->text, text);
	assert_ok(manifest_parse(&p->manifest, "m", NULL, buf_span(&p->text), &e));
	digest_of(&p->digest, DIGEST_SHA256, buf_span(&p->text));
}

/* An index of one child that is said to be of this type and size. */
static void build_index_saying(
	struct pushed *p, const struct digest *child, const char *type, unsigned long long size)
{
	char text[DIGEST_TEXT_SIZE];
	AUTO(mem_free)
	char *json = mem_printf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
				"\",\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"%s\","
				"\"size\":%llu}]}",
		type, digest_text(child, text), size);

	build_text(p, json);
}

/* Its blobs, as uploads. */
static void push_blobs(
	const struct sandbox *sb, struct store *s, const char *repo, const struct pushed *p)
{
	AUTO(store_close) struct store *client = sandbox_store(sb, "client", STORE_READ);
	struct err e = ERR_INIT;

	for (size_t i = 0; i <= p->manifest.count; i++) {
		const struct digest *d =
			i ? &p->manifest.items[i - 1].digest : &p->manifest.config.digest;
		AUTO(buf_release) struct buf bytes = BUF_INIT;
		struct digest got;

		assert_int_equal(blob_read(client, d, 1 << 20, &bytes, &e), 1);
		assert_ok(push_blob(s, repo, buf_span(&bytes), &got, &e));
		assert_true(digest_eq(&got, d));
	}
}

static struct change manifest_change(
	const struct pushed *p, const char *repo, const char *const *tags, size_t count)
{
	return (struct change){ .kind = CHANGE_MANIFEST,
		.repo = repo,
		.digest = p->digest,
		.text = buf_span(&p->text),
		.manifest = &p->manifest,
		.tags = tags,
		.tag_count = count };
}

static int push_manifest(
	struct store *s, const char *repo, const char *tag, const struct pushed *p, struct err *e)
{
	struct change c = manifest_change(p, repo, &tag, tag != NULL);

	return apply(s, &c, e);
}

static bool has_tag(struct store *s, const char *repo, const char *tag, const struct digest *d)
{
	struct manifest_info info;
	struct err e = ERR_INIT;

	return manifest_by_tag(s, repo, tag, &info, &e) == 1 && digest_eq(&info.digest, d);
}

static bool has_manifest(struct store *s, const char *repo, const struct digest *d)
{
	struct manifest_info info;
	struct err e = ERR_INIT;

	return manifest_by_digest(s, repo, d, &info, &e) == 1;
}

static bool has_blob(struct store *s, const char *repo, const struct digest *d)
{
	struct err e = ERR_INIT;
	uint64_t size;

	return repo_has_blob(s, repo, d, &size, &e) == 1;
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

	assert_ok(store_check(s, true, print_problem, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
}

static const struct image_want image = { .seed = "app", .layers = 2 };

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
	assert_ok(store_settle(s, &e));
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
	assert_err(push_manifest(s, APP, "1", &p, &e), ERR_INPUT, "bytes, it has");
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

static struct digest pin_nginx(struct store *s)
{
	struct image_want want = { .seed = "pinned", .layers = 1 };
	struct image_pin pin = {
		.repo = NGINX, .tag = "1.27", .digest = image_make(s, NULL, &want)
	};
	struct digest set = image_set(s, "platform", "2026.11", &pin, 1);
	struct err e = ERR_INIT;

	assert_ok(set_accept(s, &set, NULL, 0, &e));
	return pin.digest;
}

static void change_manifest__leaves_pinned_tags_alone(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest pinned = pin_nginx(s);
	AUTO(pushed_release) struct pushed p;
	static const char *const tags[] = { "free", "1.27" };
	static const char *const aliases[] = { NGINX };
	struct change c;
	struct set_info set;
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
	assert_int_equal(set_of_tag(s, NGINX, "1.27", &set, &e), 1);
	assert_string_equal(set.version, "2026.11");
	assert_int_equal(set_of_tag(s, NGINX, "mine", &set, &e), 0);
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

/* --- S6 ------------------------------------------------------------------------------------- */

static void store_settle__brings_index_json_up_to_date(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(pushed_release) struct pushed p;
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	push_blobs(*state, s, APP, &p);
	assert_ok(push_manifest(s, APP, "1", &p, &e));
	assert_ok(store_settle(s, &e));
	assert_int_equal(
		fs_read_file(AT_FDCWD, sandbox_path(*state, "s/index.json"), 1 << 20, &text, &e),
		1);
	assert_non_null(strstr(text.data, "\"vnd.moat.tag\":\"team/app:1\""));
	assert_null(strstr(text.data, "vnd.moat.sparse"));
}

/* index.json follows whatever changes what it shows. */
static void index_json__follows_every_change(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	struct digest d;
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	assert_ok(push_manifest(s, APP, "1", &p, &e));
	assert_ok(store_settle(s, &e));
	assert_sound(s);
	push_blobs(*state, s, APP, &p); /* it was sparse, and is no more */
	assert_ok(store_settle(s, &e));
	assert_sound(s);
	d = image_make(s, NULL, &(struct image_want){ .seed = "bare", .layers = 1 });
	assert_ok(image_put(s, NGINX, NULL, &d, MEDIA_OCI_MANIFEST, &e)); /* nothing names it */
	assert_ok(store_settle(s, &e));
	assert_sound(s);
}

/* Who sees what: a line for each repository, a letter for each digest. */
static void see(struct store *s, const char *const *repos, size_t repo_count,
	const struct digest *digests, size_t count, struct buf *out)
{
	for (size_t r = 0; r < repo_count; r++) {
		buf_printf(out, "%s ", repos[r]);
		for (size_t i = 0; i < count; i++)
			buf_char(out, has_manifest(s, repos[r], &digests[i]) ? 'm'
				      : has_blob(s, repos[r], &digests[i])   ? 'b'
									     : '-');
		buf_char(out, '\n');
	}
}

/* Lose the database: everybody sees again what they saw, and nothing else (S6). */
static void assert_rebuilt(const struct sandbox *sb, struct store **s, const char *const *repos,
	size_t repo_count, const struct digest *digests, size_t count)
{
	AUTO(buf_release) struct buf before = BUF_INIT, after = BUF_INIT;
	struct err e = ERR_INIT;

	assert_ok(store_settle(*s, &e));
	assert_sound(*s);
	see(*s, repos, repo_count, digests, count, &before);
	store_close(s);
	sandbox_remove(sandbox_path(sb, "s/meta"));
	*s = sandbox_store(sb, "s", STORE_WRITE);
	see(*s, repos, repo_count, digests, count, &after);
	assert_string_equal(after.data, before.data);
	assert_sound(*s);
}

/* Indexes: what they name may be here, elsewhere, or nowhere. */
static void rebuild__of_indexes(void **state)
{
	static const char *const repos[] = { "r/all", "r/index", "r/both", "r/digest", "r/half" };
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p, index;
	struct digest digests[4];
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	build_index(*state, &index, &p.digest);
	push_blobs(*state, s, "r/all", &p); /* all of it, the child by its index only */
	assert_ok(push_manifest(s, "r/all", NULL, &p, &e));
	assert_ok(push_manifest(s, "r/all", "1", &index, &e));
	assert_ok(push_manifest(s, "r/index", "1", &index, &e)); /* whose child is elsewhere */
	assert_ok(push_manifest(s, "r/both", "1", &index, &e)); /* whose child's layers are */
	assert_ok(push_manifest(s, "r/both", NULL, &p, &e));
	push_blobs(*state, s, "r/digest", &p); /* what other repositories' index names */
	assert_ok(push_manifest(s, "r/digest", NULL, &p, &e));
	push_blobs(*state, s, "r/half", &p); /* and a tag on the child, none on the index */
	assert_ok(push_manifest(s, "r/half", "1", &p, &e));
	assert_ok(push_manifest(s, "r/half", NULL, &index, &e));
	digests[0] = p.digest;
	digests[1] = p.layer;
	digests[2] = p.config;
	digests[3] = index.digest;
	assert_rebuilt(*state, &s, repos, ARRAY_SIZE(repos), digests, ARRAY_SIZE(digests));
	assert_true(has_tag(s, "r/index", "1", &index.digest));
	assert_false(has_manifest(s, "r/index", &p.digest));
	assert_false(has_blob(s, "r/both", &p.layer));
	assert_true(has_blob(s, "r/digest", &p.layer));
}

/* An image as windows has it: a layer that clients do not push. Who calls one foreign does not get it
 * from others. */
static void rebuild__of_foreign_layers(void **state)
{
	static const char *const repos[] = { APP };
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p = { .text = BUF_INIT };
	AUTO(mem_free) char *json = NULL;
	struct digest d[3];
	char text[2][DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;

	assert_ok(push_blob(s, APP, span_of("{}"), &d[0], &e));
	assert_ok(push_blob(s, OTHER, span_of("hello"), &d[1], &e));
	json = mem_printf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
			  "\",\"config\":{\"mediaType\":\"text/x\",\"digest\":\"%s\",\"size\":2},"
			  "\"layers\":[{\"mediaType\":\"text/x\",\"digest\":\"%s\",\"size\":5,"
			  "\"urls\":[\"http://x/\"]}]}",
		digest_text(&d[0], text[0]), digest_text(&d[1], text[1]));
	build_text(&p, json);
	d[2] = p.digest;
	assert_ok(push_manifest(s, APP, "1", &p, &e));
	assert_rebuilt(*state, &s, repos, 1, d, 3);
	assert_true(has_blob(s, APP, &d[0]));
	assert_false(has_blob(s, APP, &d[1]));
}

/* Whatever a client could say of what it names, the store opens again, and all others are in it. */
static void rebuild__of_indexes_that_lie(void **state)
{
	static const char *const repos[] = { APP, OTHER };
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p, child, plain, type, size;
	struct digest d[6];
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	push_blobs(*state, s, OTHER, &p);
	assert_ok(push_manifest(s, OTHER, "1", &p, &e));
	assert_ok(push_blob(s, APP, span_of("hello"), &d[0], &e));
	build_index_saying(&plain, &d[0], MEDIA_OCI_MANIFEST, 5);
	build_text(&child,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}");
	build_index_saying(&type, &child.digest, MEDIA_OCI_MANIFEST, child.text.len);
	build_index_saying(&size, &child.digest, MEDIA_OCI_INDEX, child.text.len + 1);
	assert_ok(push_manifest(s, APP, "plain", &plain, &e));
	assert_ok(push_manifest(s, APP, "type", &type, &e));
	assert_ok(push_manifest(s, APP, "size", &size, &e)); /* not yet known to be wrong */
	assert_ok(push_manifest(s, APP, "child", &child, &e));
	d[1] = plain.digest;
	d[2] = child.digest;
	d[3] = type.digest;
	d[4] = size.digest;
	d[5] = p.digest;
	assert_rebuilt(*state, &s, repos, 2, d, 6);
	assert_true(has_tag(s, APP, "plain", &plain.digest));
	assert_true(has_tag(s, APP, "size", &size.digest));
	assert_true(has_tag(s, OTHER, "1", &p.digest));
}

static void rebuild__of_indexes_of_indexes(void **state)
{
	static const char *const repos[] = { APP };
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest d[12];
	unsigned long long size = 0; /* of the last one */
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(d); i++) {
		AUTO(pushed_release) struct pushed p;

		if (i == 0)
			build(*state, &p, &image);
		else
			build_index_saying(
				&p, &d[i - 1], i > 1 ? MEDIA_OCI_INDEX : MEDIA_OCI_MANIFEST, size);
		if (i == 0)
			push_blobs(*state, s, APP, &p);
		assert_ok(push_manifest(s, APP, i == 11 ? "top" : NULL, &p, &e));
		d[i] = p.digest;
		size = p.text.len;
	}
	assert_rebuilt(*state, &s, repos, 1, d, ARRAY_SIZE(d));
	assert_true(has_manifest(s, APP, &d[0]));
}

/* A tag that a set took over later stays put behind it, sparse as it is. */
static void rebuild__of_a_tag_behind_a_pin(void **state)
{
	static const char *const repos[] = { NGINX };
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	struct digest pinned;
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	assert_ok(push_manifest(s, NGINX, "1.27", &p, &e));
	pinned = pin_nginx(s);
	assert_rebuilt(*state, &s, repos, 1, &p.digest, 1);
	assert_true(has_tag(s, NGINX, "1.27", &pinned));
	assert_true(has_manifest(s, NGINX, &p.digest));
}

/* The mirror's own: an index of which one platform is held, and what nothing names. */
static void rebuild__of_a_sparse_mirror(void **state)
{
	static const struct image_want a = { .seed = "a", .layers = 2 };
	static const struct image_want b = { .seed = "b", .layers = 2, .platform = "linux/arm64" };
	static const char *const platforms[] = { "linux/amd64", "linux/arm64" };
	static const char *const repos[] = { NGINX };
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest d[4];
	struct err e = ERR_INIT;

	d[0] = image_make(s, NULL, &a);
	d[1] = image_make_bare(s, &b);
	d[2] = image_index(s, d, platforms, NULL, 2);
	assert_ok(image_put(s, NGINX, "1", &d[2], MEDIA_OCI_INDEX, &e));
	d[3] = image_make(s, NULL, &image);
	assert_ok(image_put(s, NGINX, NULL, &d[3], MEDIA_OCI_MANIFEST, &e));
	assert_rebuilt(*state, &s, repos, 1, d, 4);
	assert_true(has_manifest(s, NGINX, &d[0]));
	assert_false(has_manifest(s, NGINX, &d[1]));
	assert_true(has_manifest(s, NGINX, &d[3]));
}

static void rebuild__of_pushed_content(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p, bare;
	struct image_want other = { .seed = "sparse", .layers = 1 };
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	build(*state, &bare, &other);
	push_blobs(*state, s, APP, &p);
	assert_ok(push_manifest(s, APP, "1", &p, &e));
	assert_ok(push_manifest(s, APP, "sparse", &bare, &e));
	assert_ok(push_manifest(s, "app", "x", &p, &e)); /* docker would say library/app */
	store_close(&s);
	sandbox_remove(sandbox_path(*state, "s/meta"));
	s = sandbox_store(*state, "s", STORE_WRITE);
	assert_true(has_tag(s, APP, "1", &p.digest));
	assert_true(has_tag(s, APP, "sparse", &bare.digest));
	assert_true(has_tag(s, "app", "x", &p.digest));
	assert_true(has_blob(s, APP, &p.layer));
	assert_int_equal(repo_exists(s, "docker.io/library/app", &e), 0);
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
		T(store_settle__brings_index_json_up_to_date),
		T(index_json__follows_every_change),
		T(rebuild__of_indexes),
		T(rebuild__of_foreign_layers),
		T(rebuild__of_indexes_that_lie),
		T(rebuild__of_indexes_of_indexes),
		T(rebuild__of_a_tag_behind_a_pin),
		T(rebuild__of_a_sparse_mirror),
		T(rebuild__of_pushed_content),
	};

	return cmocka_run_group_tests_name("storage/change", tests, NULL, NULL);
}
