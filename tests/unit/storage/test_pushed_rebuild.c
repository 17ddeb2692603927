/* S6 of what was pushed: index.json tells of all of it, and the database can be made again. */
#include "tests/support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "storage/base/fs.h"
#include "tests/unit/storage/pushed.h"
#include "tests/unit/storage/suite.h"

static void index_flush__brings_index_json_up_to_date(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(pushed_release) struct pushed p;
	struct err e = ERR_INIT;

	build(*state, &p, &image);
	push_blobs(*state, s, APP, &p);
	assert_ok(push_manifest(s, APP, "1", &p, &e));
	assert_ok(sandbox_flush_index(s, &e));
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
	assert_ok(sandbox_flush_index(s, &e));
	assert_sound(s);
	push_blobs(*state, s, APP, &p); /* it was sparse, and is no more */
	assert_ok(sandbox_flush_index(s, &e));
	assert_sound(s);
	d = image_make(s, NULL, &(struct image_want){ .seed = "bare", .layers = 1 });
	assert_ok(image_put(s, NGINX, NULL, &d, MEDIA_OCI_MANIFEST, &e)); /* nothing names it */
	assert_ok(sandbox_flush_index(s, &e));
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

	assert_ok(sandbox_flush_index(*s, &e));
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

/* A set brings an index to one repository and pins in another: what is pushed there of that index is
 * not the set's, and nothing else would tell of it. */
static void rebuild__of_a_child_beside_a_set(void **state)
{
	static const struct image_want child = { .seed = "child", .layers = 1 };
	static const struct image_want pinned = { .seed = "pinned", .layers = 1 };
	static const char *const platforms[] = { "linux/amd64" };
	static const char *const repos[] = { NGINX, "docker.io/library/httpd" };
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(pushed_release) struct pushed p;
	struct image_pin pins[] = { { .repo = repos[0], .tag = "1", .media_type = MEDIA_OCI_INDEX },
		{ .repo = repos[1], .tag = "1" } };
	struct digest d[3], set;
	struct err e = ERR_INIT;

	d[0] = image_make(s, NULL, &child);
	d[1] = pins[0].digest = image_index(s, d, platforms, NULL, 1);
	d[2] = pins[1].digest = image_make(s, NULL, &pinned);
	set = image_set(s, "platform", "1", pins, 2);
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	build(*state, &p, &child);
	assert_true(digest_eq(&p.digest, &d[0]));
	assert_ok(push_manifest(s, repos[1], NULL, &p, &e));
	assert_ok(sandbox_flush_index(s, &e));
	assert_rebuilt(*state, &s, repos, 2, d, 3);
	assert_true(has_manifest(s, repos[1], &d[0]));
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

/* --- bytes are lost with the database ------------------------------------------------------- */

/* An index of an image: index, manifest, config, layer. m: read as a manifest, b: as a blob. */
static const struct {
	const char *name;
	int lost; /* index into the digests */
	bool cut;
	const char *seen; /* afterwards */
} losses[] = {
	{ "layer", 3, false, "mmb-" },
	{ "config", 2, false, "mm-b" },
	{ "manifest", 1, false, "m---" },
	{ "cut manifest", 1, true, "m---" },
	{ "index", 0, false, "----" },
};

static void file_of(const struct digest *d, char name[200])
{
	char hex[DIGEST_HEX_SIZE];

	snprintf(name, 200, "s/blobs/sha256/%s", digest_hex(d, hex));
}

static void rebuild__without_a_pushed_blob(void **state)
{
	static const char *const repos[] = { APP };

	for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
		AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
		AUTO(pushed_release) struct pushed p, index;
		AUTO(buf_release) struct buf bytes = BUF_INIT, seen = BUF_INIT;
		struct digest d[4], got;
		char name[200];
		struct err e = ERR_INIT;

		print_message("%s\n", losses[i].name);
		build(*state, &p, &image);
		build_index(*state, &index, &p.digest);
		push_blobs(*state, s, APP, &p);
		assert_ok(push_manifest(s, APP, NULL, &p, &e));
		assert_ok(push_manifest(s, APP, "1", &index, &e));
		push_blobs(*state, s, OTHER, &p); /* what else is there comes back whole */
		assert_ok(push_blob(s, OTHER, span_of("other"), &got, &e));
		store_close(&s);
		d[0] = index.digest;
		d[1] = p.digest;
		d[2] = p.config;
		d[3] = p.layer;
		file_of(&d[losses[i].lost], name);
		assert_int_equal(
			fs_read_file(AT_FDCWD, sandbox_path(*state, name), 1 << 20, &bytes, &e), 1);
		sandbox_remove(sandbox_path(*state, name));
		if (losses[i].cut)
			sandbox_write(sandbox_path(*state, name), bytes.data, bytes.len / 2);
		for (int again = 0; again < 2; again++) {
			sandbox_remove(sandbox_path(*state, "s/meta"));
			s = sandbox_store(*state, "s", STORE_WRITE);
			buf_clear(&seen);
			see(s, repos, 1, d, 4, &seen);
			assert_memory_equal(seen.data + strlen(APP) + 1, losses[i].seen, 4);
			store_close(&s);
		}
		s = sandbox_store(*state, "s", STORE_WRITE);
		assert_ok(push_blob(s, OTHER, buf_span(&bytes), &got, &e));
		/* Whoever pushes it again has all of it. */
		push_blobs(*state, s, APP, &p);
		assert_ok(push_manifest(s, APP, NULL, &p, &e));
		assert_ok(push_manifest(s, APP, "1", &index, &e));
		assert_true(has_tag(s, APP, "1", &index.digest));
		assert_true(has_manifest(s, APP, &p.digest));
		assert_true(has_blob(s, APP, &p.layer));
		assert_ok(sandbox_flush_index(s, &e));
		assert_sound(s);
		store_close(&s);
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int test_pushed_rebuild(void)
{
	static const struct CMUnitTest tests[] = {
		T(index_flush__brings_index_json_up_to_date),
		T(index_json__follows_every_change),
		T(rebuild__of_indexes),
		T(rebuild__of_foreign_layers),
		T(rebuild__of_indexes_that_lie),
		T(rebuild__of_indexes_of_indexes),
		T(rebuild__of_a_tag_behind_a_pin),
		T(rebuild__of_a_child_beside_a_set),
		T(rebuild__of_a_sparse_mirror),
		T(rebuild__of_pushed_content),
		T(rebuild__without_a_pushed_blob),
	};

	return cmocka_run_group_tests_name("storage/pushed_rebuild", tests, NULL, NULL);
}
