/* Blob commit, batch flush, image put, tag put, set import: every fault point of each. */
#include "tests/support/cm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/gc.h"
#include "tests/fault/sweep.h"
#include "tests/support/faults.h"
#include "tests/support/image.h"

#define REPO "docker.io/library/nginx"

static const struct image_want first = { .seed = "first", .layers = 2 };
static const struct image_want second = { .seed = "second", .layers = 2 };

static void empty_store(const struct sandbox *sb, const char *dir)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, dir, STORE_WRITE);
}

static void assert_tag(struct store *s, const char *repo, const char *tag, const struct digest *d)
{
	struct manifest_info info;
	struct err e = ERR_INIT;

	assert_int_equal(manifest_by_tag(s, repo, tag, &info, &e), 1);
	assert_true(digest_eq(&info.digest, d));
}

static void assert_held(struct store *s, const struct digest *d)
{
	struct err e = ERR_INIT;
	uint64_t size;

	assert_int_equal(blob_stat(s, d, &size, &e), 1);
}

/* --- blobs ---------------------------------------------------------------------------------- */

#define TEXT "the bytes of a blob"

static int write_blob(struct store *s, unsigned flags, struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = NULL;
	struct digest d;
	uint64_t at;
	int rc;

	digest_of(&d, DIGEST_SHA256, span_of(TEXT));
	rc = blob_begin(s, &d, strlen(TEXT), flags, &w, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	at = blob_offset(w);
	blob_write(w, &TEXT[at], strlen(TEXT) - at);
	return blob_commit(&w, NULL, NULL, e);
}

static int run_blob(const struct sandbox *sb, struct store *s, struct err *e)
{
	(void)sb;
	return write_blob(s, 0, e);
}

static int run_stage(const struct sandbox *sb, struct store *s, struct err *e)
{
	(void)sb;
	return write_blob(s, BLOB_RESUME, e);
}

static void verify_blob(const struct sandbox *sb, struct store *s)
{
	struct digest d;

	(void)sb;
	digest_of(&d, DIGEST_SHA256, span_of(TEXT));
	assert_held(s, &d);
}

static void sweep__blob_commit(void **state)
{
	static const struct sweep sweep = { "blob", empty_store, run_blob, verify_blob, 8, false };

	sweep_run(*state, &sweep);
}

static void sweep__blob_commit_of_a_stage(void **state)
{
	static const struct sweep sweep = { "stage", empty_store, run_stage, verify_blob, 8,
		false };

	sweep_run(*state, &sweep);
}

/* --- batches -------------------------------------------------------------------------------- */

#define BATCH 12 /* more than are synced one by one */

static int run_batch(const struct sandbox *sb, struct store *s, struct err *e)
{
	AUTO(batch_free) struct blob_batch *b = batch_new(s);

	(void)sb;
	for (unsigned i = 0; i < BATCH; i++) {
		AUTO(blob_abort) struct blob_writer *w = NULL;
		struct digest d;
		char text[20];
		int rc;

		snprintf(text, sizeof(text), "blob %u", i);
		digest_of(&d, DIGEST_SHA256, span_of(text));
		rc = blob_begin(s, &d, strlen(text), i % 2 ? BLOB_RESUME : 0, &w, e);
		if (rc < 0)
			return -1;
		if (rc > 0)
			continue;
		blob_write(w, text + blob_offset(w), strlen(text) - blob_offset(w));
		if (blob_commit(&w, b, NULL, e) < 0)
			return -1;
	}
	return batch_flush(b, e);
}

static void verify_batch(const struct sandbox *sb, struct store *s)
{
	(void)sb;
	for (unsigned i = 0; i < BATCH; i++) {
		struct digest d;
		char text[20];

		snprintf(text, sizeof(text), "blob %u", i);
		digest_of(&d, DIGEST_SHA256, span_of(text));
		assert_held(s, &d);
	}
}

static void sweep__batch_flush(void **state)
{
	static const struct sweep sweep = { "batch", empty_store, run_batch, verify_batch, 40,
		false };

	sweep_run(*state, &sweep);
}

/* --- images, tags --------------------------------------------------------------------------- */

static struct digest nginx; /* of the image that the operation is about */

static void prepare_image(const struct sandbox *sb, const char *dir)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, dir, STORE_WRITE);
	static const char *const platforms[] = { "linux/amd64", "linux/arm64" };
	struct digest children[2];

	children[0] = image_make(s, NULL, &first);
	children[1] = image_make_bare(s, &second);
	nginx = image_index(s, children, platforms, NULL, 2);
}

static int run_image(const struct sandbox *sb, struct store *s, struct err *e)
{
	(void)sb;
	return image_put(s, REPO, "1", &nginx, MEDIA_OCI_INDEX, e);
}

static void verify_tag(const struct sandbox *sb, struct store *s)
{
	(void)sb;
	assert_tag(s, REPO, "1", &nginx);
}

static void sweep__image_put(void **state)
{
	static const struct sweep sweep = { "image", prepare_image, run_image, verify_tag, 6,
		.whole = true };

	sweep_run(*state, &sweep);
}

static void prepare_tag(const struct sandbox *sb, const char *dir)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, dir, STORE_WRITE);

	image_add(s, REPO, "1", "old", 1);
	nginx = image_add(s, REPO, NULL, "new", 1);
}

static int run_tag(const struct sandbox *sb, struct store *s, struct err *e)
{
	(void)sb;
	return image_put(s, REPO, "1", &nginx, MEDIA_OCI_MANIFEST, e);
}

static void sweep__image_put_moves_the_tag(void **state)
{
	static const struct sweep sweep = { "tag", prepare_tag, run_tag, verify_tag, 5,
		.whole = true };

	sweep_run(*state, &sweep);
}

/* --- sets ----------------------------------------------------------------------------------- */

static struct digest set, old_set;
static struct set_signature signature = { .media_type = MEDIA_OCI_MANIFEST };

static struct digest make_set(struct store *s, const char *version, const struct image_want *want)
{
	static const struct image_want plain = { .seed = "plain", .layers = 1 };
	struct image_pin pins[2] = { { .repo = REPO, .tag = "1" },
		{ .repo = "ghcr.io/acme/app", .tag = "x" } };

	pins[0].digest = nginx = image_make(s, NULL, want);
	pins[1].digest = image_make(s, NULL, &plain);
	return image_set(s, "platform", version, pins, 2);
}

/* The outside store has both sets, the inside one has accepted the first. */
static void prepare_import(const struct sandbox *sb, const char *dir)
{
	static const struct image_want cosign = { .seed = "cosign", .layers = 1 };
	AUTO(store_close) struct store *outside = sandbox_store(sb, "outside", STORE_WRITE);
	AUTO(store_close) struct store *inside = sandbox_store(sb, dir, STORE_WRITE);
	struct err e = ERR_INIT;

	old_set = make_set(inside, "1", &first);
	assert_ok(set_accept(
		inside, &(struct set_offer){ .digest = &old_set, .activate = true }, NULL, &e));
	set = make_set(outside, "2", &second);
	signature.digest = image_make(outside, NULL, &cosign);
	ref_fallback_tag(&set, ".sig", signature.tag);
}

/* Every blob of the other store, in a batch. */
static int copy_blob(struct store *from, struct store *to, struct blob_batch *batch,
	const char *hex, struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = NULL;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct digest d;
	int rc;

	if (digest_from_hex(&d, DIGEST_SHA256, span_of(hex), e) < 0 ||
		blob_read(from, &d, 1 << 20, &bytes, e) <= 0)
		return -1;
	rc = blob_begin(to, &d, bytes.len, BLOB_RESUME, &w, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	blob_write(w, bytes.data + blob_offset(w), bytes.len - blob_offset(w));
	return blob_commit(&w, batch, NULL, e);
}

static int run_import(const struct sandbox *sb, struct store *s, struct err *e)
{
	AUTO(store_close) struct store *outside = NULL;
	AUTO(fs_names_free) struct fs_names names = { NULL, 0 };
	AUTO(batch_free) struct blob_batch *b = batch_new(s);
	AUTO(fd_close) int dir = fs_open_dir(sandbox_path(sb, "outside/blobs/sha256"), e);

	if (dir < 0 || fs_list(dir, &names, e) < 0 ||
		store_open(&outside, sandbox_path(sb, "outside"), STORE_READ, e) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (copy_blob(outside, s, b, names.names[i], e) < 0)
			return -1;
	if (batch_flush(b, e) < 0)
		return -1;
	return set_accept(s,
		&(struct set_offer){ .activate = true,
			.digest = &set,
			.signatures = &signature,
			.signature_count = 1 },
		NULL, e);
}

static void verify_import(const struct sandbox *sb, struct store *s)
{
	AUTO(mem_free) struct set_signature *sigs = NULL;
	struct set_info info;
	struct err e = ERR_INIT;
	size_t count = 0;

	(void)sb;
	assert_tag(s, REPO, "1", &nginx);
	assert_tag(s, "moat.local/set/platform", signature.tag, &signature.digest);
	assert_int_equal(set_find(s, "", &info, &e), 1);
	assert_true(digest_eq(&info.digest, &set));
	assert_int_equal(info.generation, 2);
	assert_ok(set_signatures(s, &set, &sigs, &count, &e));
	assert_int_equal(count, 1);
}

static void sweep__set_import(void **state)
{
	static const struct sweep sweep = { "import", prepare_import, run_import, verify_import, 50,
		.whole = true };

	sweep_run(*state, &sweep);
}

/* Blobs are there already: acceptance alone, which must be all or nothing. */
static void prepare_accept(const struct sandbox *sb, const char *dir)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, dir, STORE_WRITE);
	struct err e = ERR_INIT;

	old_set = make_set(s, "1", &first);
	assert_ok(set_accept(
		s, &(struct set_offer){ .digest = &old_set, .activate = true }, NULL, &e));
	set = make_set(s, "2", &second);
}

static int run_accept(const struct sandbox *sb, struct store *s, struct err *e)
{
	(void)sb;
	return set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, e);
}

static void verify_accept(const struct sandbox *sb, struct store *s)
{
	(void)sb;
	assert_tag(s, REPO, "1", &nginx);
}

static void sweep__set_accept(void **state)
{
	static const struct sweep sweep = { "accept", prepare_accept, run_accept, verify_accept, 10,
		.whole = true };

	sweep_run(*state, &sweep);
}

/* --- switches -------------------------------------------------------------------------------- */

/* Two versions, the newer one active. */
static void prepare_switch(const struct sandbox *sb, const char *dir)
{
	AUTO(store_close) struct store *s = NULL;
	struct err e = ERR_INIT;

	prepare_accept(sb, dir);
	s = sandbox_store(sb, dir, STORE_WRITE);
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set }, NULL, &e));
}

static int run_activate(const struct sandbox *sb, struct store *s, struct err *e)
{
	(void)sb;
	return set_activate(s, &(struct set_offer){ .digest = &set }, NULL, e);
}

static void sweep__set_activate(void **state)
{
	static const struct sweep sweep = { "activate", prepare_switch, run_activate, verify_accept,
		4, .whole = true };

	sweep_run(*state, &sweep);
}

static void prepare_back(const struct sandbox *sb, const char *dir)
{
	AUTO(store_close) struct store *s = NULL;
	struct err e = ERR_INIT;

	prepare_switch(sb, dir);
	s = sandbox_store(sb, dir, STORE_WRITE);
	assert_ok(run_activate(sb, s, &e));
}

static int run_rollback(const struct sandbox *sb, struct store *s, struct err *e)
{
	struct set_info to;

	(void)sb;
	return set_rollback(s, "platform", "1", &(struct set_offer){ .dry = false }, &to, NULL, e);
}

static void verify_rollback(const struct sandbox *sb, struct store *s)
{
	struct set_info info;
	struct err e = ERR_INIT;

	(void)sb;
	assert_int_equal(set_find(s, "platform:1", &info, &e), 1);
	assert_true(info.active && info.generation == 3);
}

static void sweep__set_rollback(void **state)
{
	static const struct sweep sweep = { "rollback", prepare_back, run_rollback, verify_rollback,
		4, .whole = true };

	sweep_run(*state, &sweep);
}

/* Nothing when it was done before. */
static int run_deactivate(const struct sandbox *sb, struct store *s, struct err *e)
{
	struct set_info info;
	int rc = set_find(s, "platform:2", &info, e);

	(void)sb;
	if (rc <= 0 || !info.active)
		return rc < 0 ? -1 : 0;
	return set_deactivate(s, "platform", &(struct set_offer){ .dry = false }, &info, NULL, e);
}

static void verify_deactivate(const struct sandbox *sb, struct store *s)
{
	struct set_info info;
	struct err e = ERR_INIT;

	(void)sb;
	assert_int_equal(set_find(s, "platform:2", &info, &e), 1);
	assert_true(!info.active && info.back);
}

static void sweep__set_deactivate(void **state)
{
	static const struct sweep sweep = { "deactivate", prepare_back, run_deactivate,
		verify_deactivate, 4, .whole = true };

	sweep_run(*state, &sweep);
}

static void prepare_remove(const struct sandbox *sb, const char *dir)
{
	AUTO(store_close) struct store *s = NULL;
	struct err e = ERR_INIT;

	prepare_back(sb, dir);
	s = sandbox_store(sb, dir, STORE_WRITE);
	assert_ok(run_deactivate(sb, s, &e));
}

static int run_remove(const struct sandbox *sb, struct store *s, struct err *e)
{
	struct set_info info;
	int rc = set_find(s, "platform:2", &info, e);

	(void)sb;
	return rc > 0 ? set_remove(s, &info.digest, e) : rc;
}

static void verify_remove(const struct sandbox *sb, struct store *s)
{
	struct set_info info;
	struct err e = ERR_INIT;

	(void)sb;
	assert_int_equal(set_find(s, "platform:2", &info, &e), 0);
	assert_int_equal(set_find(s, "platform:1", &info, &e), 1);
	assert_true(info.back);
}

static void sweep__set_remove(void **state)
{
	static const struct sweep sweep = { "remove", prepare_remove, run_remove, verify_remove, 4,
		.whole = true };

	sweep_run(*state, &sweep);
}

/* --- pushes ---------------------------------------------------------------------------------- */

#define PUSHED "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}"

static int apply_one(struct store *s, struct change *c, struct err *e)
{
	struct change *changes[] = { c };

	if (store_apply(s, changes, 1, e) < 0)
		return -1;
	if (c->rc < 0)
		*e = c->err;
	return c->rc;
}

/* A blob, then a manifest under two tags: as a client does. */
static int run_push(const struct sandbox *sb, struct store *s, struct err *e)
{
	static const char *const tags[] = { "1", "2" };
	AUTO(blob_abort) struct blob_writer *w = NULL;
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	const uint64_t quota =
		strlen(TEXT) + strlen(PUSHED); /* to the byte, also when it is done again */
	struct change blob = { .kind = CHANGE_BLOB, .repo = "team/app", .quota = quota };
	struct change put = { .kind = CHANGE_MANIFEST,
		.repo = "team/app",
		.quota = quota,
		.text = span_of(PUSHED),
		.manifest = &m,
		.tags = tags,
		.tag_count = 2 };

	(void)sb;
	digest_of(&blob.digest, DIGEST_SHA256, span_of(TEXT));
	digest_of(&put.digest, DIGEST_SHA256, put.text);
	if (blob_begin_unnamed(s, DIGEST_SHA256, &w, e) < 0)
		return -1;
	blob_write(w, TEXT, strlen(TEXT));
	if (blob_seal(w, &blob.digest, e) < 0)
		return -1;
	blob.writer = STEAL(w);
	if (apply_one(s, &blob, e) < 0 || manifest_parse(&m, "pushed", NULL, put.text, e) < 0)
		return -1;
	return apply_one(s, &put, e);
}

static void verify_push(const struct sandbox *sb, struct store *s)
{
	struct err e = ERR_INIT;
	struct digest d;
	uint64_t size;

	(void)sb;
	digest_of(&d, DIGEST_SHA256, span_of(TEXT));
	assert_int_equal(repo_has_blob(s, "team/app", &d, &size, &e), 1);
	digest_of(&d, DIGEST_SHA256, span_of(PUSHED));
	assert_tag(s, "team/app", "1", &d);
	assert_tag(s, "team/app", "2", &d);
}

static void sweep__push(void **state)
{
	static const struct sweep sweep = { "push", empty_store, run_push, verify_push, 18, false };

	sweep_run(*state, &sweep);
}

static void prepare_delete(const struct sandbox *sb, const char *dir)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, dir, STORE_WRITE);
	struct err e = ERR_INIT;

	assert_ok(run_push(sb, s, &e));
}

/* Deleted before is as good as deleted now: the sweep does it again. */
static int run_delete(const struct sandbox *sb, struct store *s, struct err *e)
{
	struct change c = { .kind = CHANGE_DELETE_MANIFEST, .repo = "team/app" };

	(void)sb;
	digest_of(&c.digest, DIGEST_SHA256, span_of(PUSHED));
	if (apply_one(s, &c, e) < 0 && e->code != ERR_ABSENT)
		return -1;
	return 0;
}

static void verify_delete(const struct sandbox *sb, struct store *s)
{
	struct manifest_info info;
	struct err e = ERR_INIT;

	(void)sb;
	assert_int_equal(manifest_by_tag(s, "team/app", "1", &info, &e), 0);
	assert_int_equal(manifest_by_tag(s, "team/app", "2", &info, &e), 0);
}

static void sweep__delete(void **state)
{
	static const struct sweep sweep = { "delete", prepare_delete, run_delete, verify_delete, 4,
		.whole = true };

	sweep_run(*state, &sweep);
}

/* One of each kind by one commit; what fails alone is done by the next attempt. */
#define LAYER "the bytes of a layer"

static struct change group[7];
static struct digest group_blob, group_text, group_old, group_doomed;

static void prepare_group(const struct sandbox *sb, const char *dir)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, dir, STORE_WRITE);
	struct change mount = { .kind = CHANGE_MOUNT, .repo = "team/old", .from = "team/app" };
	struct err e = ERR_INIT;

	group_old = image_add(s, "team/old", "1", "old", 1);
	(void)image_add(s, "team/old", "2", "old", 1);
	assert_ok(run_push(sb, s, &e)); /* a blob to mount, and one to go */
	digest_of(&group_doomed, DIGEST_SHA256, span_of(TEXT));
	mount.digest = group_doomed;
	assert_ok(apply_one(s, &mount, &e));
	digest_of(&group_blob, DIGEST_SHA256, span_of(LAYER));
	digest_of(&group_text, DIGEST_SHA256, span_of(PUSHED));
}

static void fill_group(struct blob_writer *w, const struct manifest *m)
{
	static const char *const tags[] = { "1", "2" }, *const gone[] = { "2" };

	for (size_t i = 0; i < ARRAY_SIZE(group); i++)
		group[i] = (struct change){ .kind = (enum change_kind)i, .repo = "team/new" };
	group[0].digest = group_blob;
	group[0].writer = w;
	digest_of(&group[1].digest, DIGEST_SHA256, span_of(TEXT));
	group[1].from = "team/app";
	group[2].digest = group_text;
	group[2].text = span_of(PUSHED);
	group[2].manifest = m;
	group[2].tags = tags;
	group[2].tag_count = 2;
	group[3].repo = group[4].repo = "team/old";
	group[3].tags = gone;
	group[3].tag_count = 1;
	group[4].digest = group_old;
	group[5].repo = "team/old";
	group[5].digest = group_doomed;
	group[6].repo = "team/app";
	group[6].digest = group_doomed;
}

static int run_group(const struct sandbox *sb, struct store *s, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(blob_abort) struct blob_writer *w = NULL;
	struct change *changes[ARRAY_SIZE(group)];

	(void)sb;
	if (manifest_parse(&m, "pushed", NULL, span_of(PUSHED), e) < 0 ||
		blob_begin_unnamed(s, DIGEST_SHA256, &w, e) < 0)
		return -1;
	blob_write(w, LAYER, strlen(LAYER));
	if (blob_seal(w, &group_blob, e) < 0)
		return -1;
	fill_group(STEAL(w), &m);
	for (size_t i = 0; i < ARRAY_SIZE(group); i++)
		changes[i] = &group[i];
	if (store_apply(s, changes, ARRAY_SIZE(group), e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(group); i++)
		if (group[i].rc < 0 && (i < 3 || i == 6 || group[i].err.code != ERR_ABSENT)) {
			*e = group[i].err;
			return -1;
		}
	return 0;
}

static void verify_group(const struct sandbox *sb, struct store *s)
{
	struct manifest_info info;
	struct err e = ERR_INIT;
	uint64_t size;

	(void)sb;
	assert_int_equal(repo_has_blob(s, "team/new", &group_blob, &size, &e), 1);
	assert_int_equal(repo_has_blob(s, "team/new", &group[1].digest, &size, &e), 1);
	assert_tag(s, "team/new", "1", &group_text);
	assert_tag(s, "team/new", "2", &group_text);
	assert_int_equal(manifest_by_tag(s, "team/old", "1", &info, &e), 0);
	assert_int_equal(manifest_by_tag(s, "team/old", "2", &info, &e), 0);
	assert_int_equal(manifest_by_digest(s, "team/old", &group_old, &info, &e), 0);
	assert_int_equal(repo_has_blob(s, "team/old", &group_doomed, &size, &e), 0);
}

static void sweep__group(void **state)
{
	static const struct sweep sweep = { "group", prepare_group, run_group, verify_group, 18,
		false };

	sweep_run(*state, &sweep);
}

/* --- mending --------------------------------------------------------------------------------- */

#define BAD 3

static struct digest bad[BAD]; /* cut, flipped, missing */

static bool is_of_bad(const char *problem)
{
	char hex[DIGEST_HEX_SIZE];

	for (size_t i = 0; i < BAD; i++)
		if (strstr(problem, digest_hex(&bad[i], hex)))
			return true;
	return false;
}

static void harm(const struct sandbox *sb, const char *dir, size_t i)
{
	char name[300], hex[DIGEST_HEX_SIZE];

	snprintf(name, sizeof(name), "%s/blobs/sha256/%s", dir, digest_hex(&bad[i], hex));
	sandbox_remove(sandbox_path(sb, name));
	if (i < 2)
		sandbox_write(sandbox_path(sb, name), "bad", i == 0 ? 2 : 3);
}

/* The inside store has accepted the set that comes again; three of its blobs went bad since. */
static void prepare_mend(const struct sandbox *sb, const char *dir)
{
	AUTO(store_close) struct store *s = NULL;
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct err e = ERR_INIT;

	prepare_import(sb, dir);
	s = sandbox_store(sb, dir, STORE_WRITE);
	assert_ok(run_import(sb, s, &e));
	assert_int_equal(blob_read(s, &nginx, 1 << 20, &bytes, &e), 1);
	assert_ok(manifest_parse(&m, "m", NULL, buf_span(&bytes), &e));
	bad[0] = m.items[0].digest;
	bad[1] = nginx;
	bad[2] = m.config.digest;
	for (size_t i = 0; i < BAD; i++)
		harm(sb, dir, i);
}

static void verify_mend(const struct sandbox *sb, struct store *s)
{
	struct err e = ERR_INIT;
	uint64_t size;

	verify_import(sb, s);
	for (size_t i = 0; i < BAD; i++)
		assert_int_equal(blob_held(s, &bad[i], &size, &e), 1);
}

static void sweep__mend_by_import(void **state)
{
	static const struct sweep sweep = { "mend", prepare_mend, run_import, verify_mend, 25,
		false };

	sweep_run_damaged(*state, &sweep, is_of_bad);
}

/* A pushed blob of the right length and other bytes, which only the push itself finds out. */
static void prepare_mend_push(const struct sandbox *sb, const char *dir)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, dir, STORE_WRITE);
	char name[300], hex[DIGEST_HEX_SIZE];
	struct err e = ERR_INIT;

	assert_ok(run_push(sb, s, &e));
	digest_of(&bad[0], DIGEST_SHA256, span_of(TEXT));
	digest_of(&bad[1], DIGEST_SHA256, span_of(PUSHED));
	bad[2] = bad[1];
	for (size_t i = 0; i < 2; i++) {
		const char *text = i ? PUSHED : TEXT;
		AUTO(mem_free) char *other = mem_strdup(text);

		other[3] ^= 1;
		snprintf(name, sizeof(name), "%s/blobs/sha256/%s", dir, digest_hex(&bad[i], hex));
		sandbox_remove(sandbox_path(sb, name));
		sandbox_write(sandbox_path(sb, name), other, strlen(text));
	}
}

static void sweep__mend_by_push(void **state)
{
	static const struct sweep sweep = { "mend-push", prepare_mend_push, run_push, verify_push,
		28, false };

	sweep_run_damaged(*state, &sweep, is_of_bad);
}

/* --- the lost database ---------------------------------------------------------------------- */

static void prepare_tagged(const struct sandbox *sb, const char *dir)
{
	AUTO(store_close) struct store *s = NULL;
	struct err e = ERR_INIT;

	prepare_accept(sb, dir);
	s = sandbox_store(sb, dir, STORE_WRITE);
	image_add(s, REPO, "put", "put", 1);
	assert_ok(sandbox_flush_index(s, &e));
}

static void prepare_rebuild(const struct sandbox *sb, const char *dir)
{
	char meta[100];

	prepare_tagged(sb, dir);
	snprintf(meta, sizeof(meta), "%s/meta", dir);
	sandbox_remove(sandbox_path(sb, meta));
}

/* Opening was all of it. */
static int run_open(const struct sandbox *sb, struct store *s, struct err *e)
{
	struct manifest_info info;

	(void)sb;
	return manifest_by_tag(s, REPO, "1", &info, e) > 0 ? 0 : -1;
}

static void verify_rebuild(const struct sandbox *sb, struct store *s)
{
	struct set_info info;
	struct err e = ERR_INIT;

	(void)sb;
	struct manifest_info put;

	assert_int_equal(set_find(s, "platform", &info, &e), 1);
	assert_true(digest_eq(&info.digest, &old_set));
	assert_true(info.active);
	assert_int_equal(manifest_by_tag(s, REPO, "put", &put, &e), 1);
}

static void sweep__rebuild(void **state)
{
	static const struct sweep sweep = { "rebuild", prepare_rebuild, run_open, verify_rebuild,
		12, true };

	sweep_run(*state, &sweep);
}

/* A copy of the database from before a set came and a tag went. */
static void prepare_forward(const struct sandbox *sb, const char *dir)
{
	static const char *const tags[] = { "put" };
	struct change untag = { .kind = CHANGE_UNTAG, .repo = REPO, .tags = tags, .tag_count = 1 };
	AUTO(store_close) struct store *s = NULL;
	AUTO(buf_release) struct buf copy = BUF_INIT;
	struct err e = ERR_INIT;
	char db[100];

	snprintf(db, sizeof(db), "%s/meta/moat.db", dir);
	prepare_tagged(sb, dir);
	assert_int_equal(fs_read_file(AT_FDCWD, sandbox_path(sb, db), 64 << 20, &copy, &e), 1);
	s = sandbox_store(sb, dir, STORE_WRITE);
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	assert_ok(apply_one(s, &untag, &e));
	assert_ok(sandbox_flush_index(s, &e));
	store_close(&s);
	sandbox_write(sandbox_path(sb, db), copy.data, copy.len);
}

static void verify_forward(const struct sandbox *sb, struct store *s)
{
	struct manifest_info info;
	struct set_info now;
	struct err e = ERR_INIT;

	(void)sb;
	assert_int_equal(set_find(s, "platform:2", &now, &e), 1);
	assert_true(digest_eq(&now.digest, &set));
	assert_true(now.active && now.generation == 2);
	assert_int_equal(manifest_by_tag(s, REPO, "put", &info, &e), 0);
}

static void sweep__old_copy(void **state)
{
	static const struct sweep sweep = { "forward", prepare_forward, run_open, verify_forward,
		12, true };

	sweep_run(*state, &sweep);
}

/* --- a copy of the database -------------------------------------------------------------------- */

static void prepare_backup(const struct sandbox *sb, const char *dir)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, dir, STORE_WRITE);

	(void)image_add(s, "team/app", "1", "first", 1);
}

/* A run that died behind the name left a whole copy. */
static int run_backup(const struct sandbox *sb, struct store *s, struct err *e)
{
	const char *path = sandbox_path(sb, "copy.db");
	uint64_t bytes;

	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(e, "%s", path);
	return store_backup(s, path, &bytes, e);
}

static void verify_backup(const struct sandbox *sb, struct store *s)
{
	char magic[16] = "";
	struct err e = ERR_INIT;
	int fd = open(sandbox_path(sb, "copy.db"), O_RDONLY | O_CLOEXEC);

	(void)s;
	assert_true(fd >= 0);
	assert_ok(fs_pread_all(fd, magic, sizeof(magic), 0, "copy.db", &e));
	assert_memory_equal(magic, "SQLite format 3", sizeof(magic));
	close(fd);
	assert_int_equal(access(sandbox_path(sb, ".copy.db.part"), F_OK), -1);
}

static void sweep__backup(void **state)
{
	static const struct sweep sweep = { "backup", prepare_backup, run_backup, verify_backup, 4,
		false };

	sweep_run(*state, &sweep);
}

/* --- the database made again by command ---------------------------------------------------------- */

static void prepare_remake(void *ctx, const char *dir)
{
	prepare_tagged(ctx, dir);
}

static int run_remake(void *ctx, const char *dir, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	char aside[STORE_ASIDE_SIZE];

	return store_remake(&s, sandbox_path(ctx, dir), aside, e);
}

/* What opens it next has all of it, and the command again, too. */
static void recover_remake(void *ctx, const char *dir)
{
	AUTO(store_close) struct store *s = sandbox_store(ctx, dir, STORE_WRITE);
	struct err e = ERR_INIT;

	verify_rebuild(ctx, s);
	store_close(&s);
	assert_ok(run_remake(ctx, dir, &e));
	s = sandbox_store(ctx, dir, STORE_READ);
	verify_rebuild(ctx, s);
}

static void sweep__remake(void **state)
{
	static const struct faults faults = { "remake", prepare_remake, run_remake, recover_remake,
		12 };

	faults_sweep(*state, &faults, *state);
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

/* --- collection ------------------------------------------------------------------------------ */

static struct digest gc_kept, gc_gone;

/* Accept a version of one image and make it active. */
static void add_version(struct store *s, const char *version)
{
	struct image_want want = { .seed = version, .layers = 1 };
	struct image_pin pin = { .repo = "docker.io/library/versions", .tag = "1" };
	struct digest d;
	struct err e = ERR_INIT;

	pin.digest = image_make(s, NULL, &want);
	d = image_set(s, "versions", version, &pin, 1);
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &d, .activate = true }, NULL, &e));
}

static const char *const versions[] = { "1", "2", "3" };

/* Three versions of a set, one image under a tag, one that lost its own, and a repository that is empty without it. */
static void prepare_gc(const struct sandbox *sb, const char *dir)
{
	AUTO(store_close) struct store *s = sandbox_store(sb, dir, STORE_WRITE);
	struct change untag = { .kind = CHANGE_DELETE_MANIFEST, .repo = "team/old" };
	struct err e = ERR_INIT;

	for (unsigned i = 0; i < 3; i++)
		add_version(s, versions[i]);
	gc_kept = image_add(s, REPO, "1", "kept", 2);
	gc_gone = untag.digest = image_add(s, "team/old", "1", "gone", 2);
	assert_ok(apply_one(s, &untag, &e));
}

/* All of it, and a touch beside. */
static int run_gc(const struct sandbox *sb, struct store *s, struct err *e)
{
	AUTO(gc_plan_free) struct gc_plan *plan = NULL;
	struct gc_options o = { .now = (int64_t)time(NULL) };
	struct gc_done done = { .repos = 0 };
	struct gc_count trash = { .blobs = 0 };
	const struct gc_rules rules = { .keep_versions = 1, .grace = 0 };
	AUTO(gc_versions_release) struct gc_versions old = { .count = 0 };
	uint64_t size;

	(void)sb;
	if (gc_rules_save(s, &rules, e) < 0 || blob_held(s, &gc_kept, &size, e) < 0 ||
		gc_versions_find(s, &rules, o.now, &old, e) < 0)
		return -1;
	o.without = old.count ? &old.items[0].info.digest : NULL; /* at most one goes */
	o.without_count = old.count;
	if (gc_mark(s, &o, &plan, e) < 0 || gc_versions_remove(s, &rules, o.now, &old, e) < 0 ||
		gc_condemn(s, plan, &done, e) < 0 || gc_remove(s, &done, e) < 0)
		return -1;
	return gc_purge(s, LITTER_TRASH, o.now + 10, false, &trash, e);
}

static void verify_gc(const struct sandbox *sb, struct store *s)
{
	struct err e = ERR_INIT;
	uint64_t size;

	(void)sb;
	assert_tag(s, REPO, "1", &gc_kept);
	assert_int_equal(blob_stat(s, &gc_gone, &size, &e), 0);
	for (unsigned i = 0; i < 3; i++) {
		AUTO(mem_free) char *which = mem_printf("versions:%s", versions[i]);
		struct set_info info;

		assert_int_equal(set_find(s, which, &info, &e),
			i > 0); /* 1 goes, 2 is where a rollback goes */
	}
	assert_int_equal(repo_exists(s, "team/old", &e), 0);
}

static void sweep__gc(void **state)
{
	static const struct sweep sweep = { "gc", prepare_gc, run_gc, verify_gc, 20, false };

	sweep_run(*state, &sweep);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(sweep__blob_commit),
		T(sweep__blob_commit_of_a_stage),
		T(sweep__batch_flush),
		T(sweep__image_put),
		T(sweep__image_put_moves_the_tag),
		T(sweep__set_accept),
		T(sweep__set_import),
		T(sweep__set_activate),
		T(sweep__set_rollback),
		T(sweep__set_deactivate),
		T(sweep__set_remove),
		T(sweep__push),
		T(sweep__delete),
		T(sweep__group),
		T(sweep__mend_by_import),
		T(sweep__mend_by_push),
		T(sweep__rebuild),
		T(sweep__gc),
		T(sweep__old_copy),
		T(sweep__remake),
		T(sweep__backup),
	};

	/* Dying is not losing power: memory will do, and every sync is free. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
