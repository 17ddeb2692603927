/* Looking at stores: sets, what of an image is here, what kind of thing an entry is. */
#include "tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mirror-tool/media/medium.h"
#include "mirror-tool/media/tar_write.h"
#include "mirror-tool/media/volume.h"
#include "mirror-tool/view/view.h"
#include "mirror-tool/view/places.h"
#include "storage/base/fs.h"
#include "storage/oci/graph.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

/* A set with a two-platform index of which one is held, and an artifact with a file. */
static struct digest make_set(struct store *s, struct digest *index)
{
	const char *platforms[] = { "linux/amd64", "linux/arm64" };
	struct digest children[2], set;
	uint64_t sizes[2] = { 0, 999 };
	struct image_pin pins[1];
	struct err e = ERR_INIT;

	children[0] = image_make(s, NULL, &(struct image_want){ .seed = "a", .layers = 2 });
	digest_of(&children[1], DIGEST_SHA256, span_of("elsewhere"));
	assert_int_equal(blob_stat(s, &children[0], &sizes[0], &e), 1);
	*index = image_index(s, children, platforms, sizes, 2);
	pins[0] = (struct image_pin){
		.repo = "quay.io/a/b", .tag = "1", .digest = *index, .media_type = MEDIA_OCI_INDEX
	};
	set = image_set(s, "platform", "1.0", pins, 1);
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	return set;
}

static void view__tells_what_is_held(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(view_release) struct view view = VIEW_INIT;
	AUTO(view_image_release) struct view_image image = VIEW_IMAGE_INIT;
	struct view_set *set;
	struct digest index;
	struct err e = ERR_INIT;

	make_set(s, &index);
	assert_ok(view_store(&view, s, &e));
	assert_int_equal(view.count, 1);
	assert_ptr_equal(view_find(&view, "platform"), &view.sets[0]);
	assert_ptr_equal(view_find(&view, "platform:1.0"), &view.sets[0]);
	assert_null(view_find(&view, "platform:2.0"));
	set = &view.sets[0];
	assert_ok(view_load(&view, set, &e));
	assert_ok(view_image(&view, &set->held, &index, 1, MEDIA_OCI_INDEX, &image, &e));
	assert_true(image.known && image.is_index);
	assert_int_equal(image.count, 2);
	assert_true(image.children[0].held);
	assert_string_equal(image.children[0].platform, "linux/amd64");
	assert_int_equal(image.children[0].layer_count, 2);
	assert_true(image.children[0].bytes > 2000);
	assert_false(image.children[1].held);
	assert_string_equal(image.children[1].platform, "linux/arm64");
	assert_true(image.bytes > image.children[0].bytes);
}

/* Wrapping an index in more of them adds their bytes and hides nothing. */
static void view_image__counts_what_is_nested(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	struct view view = { .store = s };
	struct digest index;
	uint64_t bytes = 0;
	struct err e = ERR_INIT;

	make_set(s, &index);
	for (unsigned depth = 0; depth < 3; depth++) {
		AUTO(view_image_release) struct view_image image = VIEW_IMAGE_INIT;
		AUTO(buf_release) struct buf text = BUF_INIT;
		struct descriptor d = { .digest = index, .media_type = MEDIA_OCI_INDEX };

		assert_int_equal(blob_stat(s, &index, &d.size, &e), 1);
		assert_ok(view_image(&view, NULL, &index, d.size, d.media_type, &image, &e));
		assert_int_equal(image.count, 2 + depth);
		assert_int_equal(image.bytes, depth ? bytes + d.size : image.bytes);
		bytes = image.bytes;
		assert_int_equal(image.children[0].is_index, depth > 0);
		assert_string_equal(image.children[depth].platform, "linux/amd64");
		assert_int_equal(image.children[depth].layer_count, 2);
		assert_true(image.children[depth].held && !image.children[depth + 1].held);
		buf_str(&text, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
			       "\",\"manifests\":[");
		descriptor_write(&text, &d);
		buf_str(&text, "]}");
		index = image_text(s, text.data);
	}
}

/* Nothing to be told of the platform, and the bytes are counted all the same. */
static void view_image__needs_no_config(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(view_image_release) struct view_image image = VIEW_IMAGE_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct view view = { .store = s };
	struct descriptor blob = { .size = 10, .media_type = "a/b" };
	struct err e = ERR_INIT;
	struct digest d;

	blob.digest = image_text(s, "ten bytes.");
	buf_str(&text, "{\"mediaType\":\"" MEDIA_OCI_ARTIFACT "\",\"blobs\":[");
	descriptor_write(&text, &blob);
	buf_str(&text, "]}");
	d = image_text(s, text.data);
	assert_ok(view_image(&view, NULL, &d, text.len, MEDIA_OCI_ARTIFACT, &image, &e));
	assert_int_equal(image.count, 1);
	assert_int_equal(image.bytes, text.len + 10);
	assert_string_equal(image.children[0].platform, "");
	assert_int_equal(image.children[0].layer_count, 1);
}

static struct descriptor described(struct store *s, const struct digest *d, const char *type)
{
	struct descriptor out = { .digest = *d, .media_type = type };
	struct err e = ERR_INIT;

	assert_int_equal(blob_stat(s, d, &out.size, &e), 1);
	return out;
}

static struct descriptor index_of(struct store *s, const struct descriptor *children, size_t count)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct digest d;

	buf_str(&text,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[");
	for (size_t i = 0; i < count; i++) {
		buf_str(&text, i ? "," : "");
		descriptor_write(&text, &children[i]);
	}
	buf_str(&text, "]}");
	d = image_text(s, text.data);
	return described(s, &d, MEDIA_OCI_INDEX);
}

/* "+" held, "-" not, with the layers, in the order of the children. */
static void looks_like(struct store *s, const struct descriptor *root, const char *want)
{
	AUTO(view_image_release) struct view_image image = VIEW_IMAGE_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct view view = { .store = s };
	struct err e = ERR_INIT;

	assert_ok(view_image(&view, NULL, &root->digest, root->size, root->media_type, &image, &e));
	for (size_t i = 0; i < image.count; i++)
		buf_printf(&text, "%c%zu ", image.children[i].held ? '+' : '-',
			image.children[i].layer_count);
	assert_string_equal(text.data, want);
}

/* Whatever an index says of the same digest before or behind. */
static void view_image__tells_lies_about_a_child_from_the_child(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	struct digest made = image_make(s, NULL, &(struct image_want){ .seed = "a", .layers = 2 });
	struct descriptor image = described(s, &made, MEDIA_OCI_MANIFEST), type = image,
			  index = image;
	struct descriptor size = image, blob = image, root;

	type.media_type = MEDIA_DOCKER_MANIFEST;
	index.media_type = MEDIA_OCI_INDEX;
	blob.media_type = "application/octet-stream";
	size.size++;
	root = index_of(s, (struct descriptor[]){ type, index, size, blob, image }, 5);
	looks_like(s, &root, "-0 -0 -0 +0 +2 ");
	root = index_of(s, (struct descriptor[]){ image, blob, size, index, type }, 5);
	looks_like(s, &root, "+2 +0 -0 -0 -0 ");
}

/* On one path an index is too deep, on the other it is not: it is there. */
static void view_image__knows_an_index_by_its_short_path(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	struct digest made = image_make(s, NULL, &(struct image_want){ .seed = "a", .layers = 2 });
	struct descriptor image = described(s, &made, MEDIA_OCI_MANIFEST);
	struct descriptor inner = index_of(s, &image, 1), tower = inner, root;

	for (unsigned i = 0; i < INDEX_DEPTH_MAX - 1; i++)
		tower = index_of(s, &tower, 1);
	root = index_of(s, (struct descriptor[]){ tower, inner }, 2);
	looks_like(s, &root, "+0 +0 +0 +0 +0 +0 +0 +0 +0 +2 ");
	root = index_of(s, (struct descriptor[]){ inner, tower }, 2);
	looks_like(s, &root, "+0 +0 +2 +0 +0 +0 +0 +0 +0 +0 ");
}

static int note_tag(void *ctx, const struct view_tag *tag, struct err *e)
{
	(void)e;
	buf_printf(ctx, "%s:%s %s\n", tag->repo, tag->tag, *tag->owner.set ? tag->owner.set : "-");
	return 0;
}

static void view_tags__whose_each_is(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct view_tag_sink sink = { note_tag, &text };
	struct view view = { .store = s };
	struct digest index;
	struct err e = ERR_INIT;

	make_set(s, &index);
	image_add(s, "quay.io/a/b", "2", "pulled", 1);
	image_add(s, "quay.io/c", "latest", "pulled", 1);
	assert_int_equal(view_tags(&view, "quay.io/a/b", &sink, &e), 1);
	assert_string_equal(text.data, "quay.io/a/b:1 platform\nquay.io/a/b:2 -\n");
	buf_clear(&text);
	assert_int_equal(view_tags(&view, "quay.io/a", &sink, &e), 0);
	assert_int_equal(text.len, 0);
	assert_ok(view_all_tags(&view, &sink, &e));
	assert_non_null(strstr(text.data, "quay.io/a/b:2 -\nquay.io/c:latest -\n"));
}

/* More tags than a page of the store has. */
static void view_tags__of_every_page(void **state)
{
	enum { TAGS = 1001 };
	AUTO(store_close) struct store *s = sandbox_store(*state, "a", STORE_WRITE);
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(mem_free) struct image_pin *pins = mem_alloc(TAGS * sizeof(*pins));
	AUTO(mem_free) char(*tags)[16] = mem_alloc(TAGS * sizeof(*tags));
	struct view_tag_sink sink = { note_tag, &text };
	struct view view = { .store = s };
	struct digest set,
		d = image_make(s, NULL, &(struct image_want){ .seed = "a", .layers = 1 });
	size_t lines = 0;
	struct err e = ERR_INIT;

	for (unsigned i = 0; i < TAGS; i++) {
		snprintf(tags[i], sizeof(tags[i]), "t%04u", i);
		pins[i] = (struct image_pin){ .repo = "quay.io/many", .tag = tags[i], .digest = d };
	}
	set = image_set(s, "platform", "1.0", pins, TAGS);
	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
	assert_int_equal(view_tags(&view, "quay.io/many", &sink, &e), 1);
	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n';
	assert_int_equal(lines, TAGS);
}

static void view_kind_of__every_entry(void **state)
{
	static const char signature[] =
		"sha256-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.sig";
	static const struct {
		struct set_entry entry;
		enum view_kind kind;
	} cases[] = {
		{ { .role = SET_PIN, .tag = "1", .artifact_type = "" }, VIEW_IMAGE },
		{ { .role = SET_PIN, .tag = "", .artifact_type = "" }, VIEW_IMAGE },
		{ { .role = SET_PIN, .tag = "1", .artifact_type = "application/x" }, VIEW_FILE },
		{ { .role = SET_PIN, .tag = signature, .artifact_type = "" }, VIEW_ATTACHED },
		{ { .role = SET_PIN, .tag = "sha256-short", .artifact_type = "" }, VIEW_IMAGE },
		{ { .role = SET_ATTACHED, .tag = "", .artifact_type = "x" }, VIEW_ATTACHED },
		{ { .role = SET_LOCK, .tag = "", .artifact_type = "x" }, VIEW_OWN },
		{ { .role = SET_INVENTORY, .tag = "", .artifact_type = "x" }, VIEW_OWN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (view_kind_of(&cases[i].entry) != cases[i].kind)
			fail_msg("case %zu", i);
}

/* --- places ---------------------------------------------------------------------------------- */

static int append(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)e;
	buf_add(ctx, data, len);
	return 0;
}

struct part {
	const char *blob; /* whose digest is in the name */
	int at; /* of its first byte in it; -1: it is a whole one */
	const char *text;
};

/* Make a tar of these parts, and add what is in it. */
static void add_file(struct places *p, const char *path, const struct part *parts, size_t count)
{
	AUTO(buf_release) struct buf out = BUF_INIT;
	AUTO(fd_close) int fd = -1;
	AUTO(tar_close) struct tar_reader *r = NULL;
	struct tar_writer *w = NULL;
	char name[VOLUME_NAME_SIZE];
	struct tar_entry entry;
	struct digest d;
	struct err e = ERR_INIT;

	assert_ok(tar_write_open(&w, append, &out, &e));
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(parts[i].text);

		digest_of(&d, DIGEST_SHA256, span_of(parts[i].blob));
		if (parts[i].at < 0)
			volume_blob_name(&d, name);
		else
			volume_part_name(&d, (uint64_t)parts[i].at, name);
		assert_ok(tar_write_entry(w, name, len, &e));
		assert_ok(tar_write_data(w, parts[i].text, len, &e));
	}
	assert_ok(tar_write_entry(w, "other", 0, &e));
	assert_ok(tar_write_close(&w, &e));
	sandbox_write(path, out.data, out.len);
	places_in(p, path);
	assert_ok(medium_open(path, &fd, &e));
	assert_ok(tar_open(&r, fd, path, 0, &e));
	while (tar_next(r, &entry, &e) == 1)
		assert_ok(places_add(p, &entry, &e));
	assert_int_equal(e.code, ERR_OK);
}

static int read_text(struct places *p, const char *text, size_t limit, struct err *e)
{
	AUTO(buf_release) struct buf out = BUF_INIT;
	struct digest d;
	int rc;

	buf_str(&out, "before ");
	digest_of(&d, DIGEST_SHA256, span_of(text));
	rc = places_read(p, &d, limit, &out, e);
	assert_string_equal(out.data + 7, rc > 0 ? text : "");
	return rc;
}

static void places__give_what_is_whole(void **state)
{
	static const struct part first[] = {
		{ "late parts", 4, " par" },
		{ "a blob", -1, "a blob" },
		{ "no end", 0, "no " },
		{ "no begin", 3, "begin" },
		{ "", -1, "" },
	};
	static const struct part second[] = {
		{ "late parts", 8, "ts" },
		{ "late parts", 0, "late" },
		{ "late parts", 2, "te part" },
		{ "other", 0, "oth" },
		{ "other", 3, "ers" },
		{ "rotten", -1, "rotted" },
		{ "a blob", -1, "a blot" },
	};
	AUTO(places_free) struct places *p = places_new(NULL);
	const char *path = sandbox_path(*state, "second");
	struct err e = ERR_INIT;

	add_file(p, sandbox_path(*state, "first"), first, ARRAY_SIZE(first));
	add_file(p, path, second, ARRAY_SIZE(second));
	assert_int_equal(read_text(p, "a blob", 6, &e), 1);
	assert_int_equal(read_text(p, "late parts", 10, &e), 1);
	assert_int_equal(read_text(p, "", 0, &e), 1);
	assert_int_equal(read_text(p, "no end", 100, &e), 0);
	assert_int_equal(read_text(p, "no begin", 100, &e), 0);
	assert_int_equal(read_text(p, "other", 100, &e), 0);
	assert_int_equal(read_text(p, "nowhere", 100, &e), 0);
	assert_err(read_text(p, "rotten", 100, &e), ERR_CORRUPT, "not what its name says");
	assert_err(read_text(p, "a blob", 5, &e), ERR_INPUT, "6 bytes, more than the limit of 5");
	assert_err(read_text(p, "late parts", 9, &e), ERR_INPUT, "10 bytes, more than");
	sandbox_remove(path);
	assert_int_equal(read_text(p, "a blob", 6, &e), 1);
	assert_err(read_text(p, "rotten", 100, &e), ERR_ABSENT, path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			view__tells_what_is_held, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(
			view_image__counts_what_is_nested, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(
			view_image__needs_no_config, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(view_image__tells_lies_about_a_child_from_the_child,
			sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(view_image__knows_an_index_by_its_short_path,
			sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(
			view_tags__whose_each_is, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(
			view_tags__of_every_page, sandbox_setup, sandbox_teardown),
		cmocka_unit_test(view_kind_of__every_entry),
		cmocka_unit_test_setup_teardown(
			places__give_what_is_whole, sandbox_setup, sandbox_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
