/* The closure of a root over manifests that are in memory only. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/oci/digest_map.h"
#include "storage/walk.h"
#include "tests/support/cm.h"

#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar+gzip"
#define FOREIGN_TYPE "application/vnd.oci.image.layer.nondistributable.v1.tar"

struct blob {
	struct digest digest;
	struct buf bytes;
	char name[32];
	bool absent, unreadable;
};

/* What there is, and what a walk over it did. */
struct world {
	struct digest_map blobs;
	struct buf did;
	unsigned reads;
	const char *unwanted; /* a name */
};

static void blob_done(void *item)
{
	buf_release(&((struct blob *)item)->bytes);
}

static void world_release(struct world *w)
{
	digest_map_release(&w->blobs);
	buf_release(&w->did);
}

#define WORLD                                                                                      \
	AUTO(world_release) struct world w = { .blobs = { .done = blob_done }, .did = BUF_INIT }

static struct descriptor add(struct world *w, const char *name, const char *type, const char *text)
{
	struct descriptor d = { .size = strlen(text), .media_type = type };
	struct blob *b;

	digest_of(&d.digest, DIGEST_SHA256, span_of(text));
	b = digest_map_add(&w->blobs, &d.digest, sizeof(*b));
	if (!b->bytes.data) {
		b->bytes = (struct buf)BUF_INIT;
		buf_str(&b->bytes, text);
		snprintf(b->name, sizeof(b->name), "%s", name);
	}
	return d;
}

static struct descriptor add_blob(struct world *w, const char *name)
{
	return add(w, name, LAYER_TYPE, name);
}

static void write_list(struct buf *out, const struct descriptor *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_str(out, i ? "," : "");
		descriptor_write(out, &items[i]);
	}
}

static struct descriptor add_image(struct world *w, const char *name,
	const struct descriptor *config, const struct descriptor *layers, size_t count)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	buf_printf(&text,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"x\":\"%s\"", name);
	if (config) {
		buf_str(&text, ",\"config\":");
		descriptor_write(&text, config);
	}
	buf_str(&text, ",\"layers\":[");
	write_list(&text, layers, count);
	buf_str(&text, "]}");
	return add(w, name, MEDIA_OCI_MANIFEST, text.data);
}

static struct descriptor add_index(
	struct world *w, const char *name, const struct descriptor *children, size_t count)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	buf_printf(&text, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"x\":\"%s\"",
		name);
	buf_str(&text, ",\"manifests\":[");
	write_list(&text, children, count);
	buf_str(&text, "]}");
	return add(w, name, MEDIA_OCI_INDEX, text.data);
}

static struct blob *blob_of(struct world *w, const struct descriptor *d)
{
	struct blob *b = digest_map_find(&w->blobs, &d->digest);

	assert_non_null(b);
	return b;
}

static int on_read(void *ctx, const struct digest *d, struct buf *out, struct err *e)
{
	struct world *w = ctx;
	struct blob *b = digest_map_find(&w->blobs, d);

	(void)e;
	w->reads++;
	if (!b || b->unreadable)
		return 0;
	buf_add(out, b->bytes.data, b->bytes.len);
	return 1;
}

static bool on_wanted(void *ctx, const struct walk_node *n)
{
	struct world *w = ctx;

	return !w->unwanted || strcmp(blob_of(w, n->edge.to)->name, w->unwanted) != 0;
}

static int on_held(void *ctx, const struct walk_node *n, struct err *e)
{
	struct world *w = ctx;
	const struct blob *b = blob_of(w, n->edge.to);

	(void)e;
	buf_printf(&w->did, "%s%s%s", w->did.len ? " " : "", b->absent ? "-" : "", b->name);
	return !b->absent;
}

static int on_leave(void *ctx, const struct walk_node *n, const struct manifest *m, struct err *e)
{
	struct world *w = ctx;

	(void)m;
	(void)e;
	buf_printf(&w->did, " /%s", blob_of(w, n->edge.to)->name);
	return 0;
}

static int go(struct world *w, const struct descriptor *root, struct err *e)
{
	static const struct walk_ops ops = {
		.read = on_read, .wanted = on_wanted, .held = on_held, .leave = on_leave
	};

	buf_clear(&w->did);
	return walk(&ops, w, root, e);
}

/* --- what is reached ------------------------------------------------------------------------ */

static void walk__reaches_each_once_in_order(void **state)
{
	WORLD;
	struct descriptor config = add_blob(&w, "c"), base = add_blob(&w, "base");
	struct descriptor one[] = { base, add_blob(&w, "l1") };
	struct descriptor other[] = { base, add_blob(&w, "l2"), base };
	struct descriptor images[2], inner[2], root;
	struct err e = ERR_INIT;

	(void)state;
	images[0] = add_image(&w, "A", &config, one, 2);
	images[1] = add_image(&w, "B", NULL, other, 3);
	inner[0] = images[1];
	inner[1] = add_index(&w, "I", images, 2);
	root = add_index(&w, "R", inner, 2);
	assert_ok(go(&w, &root, &e));
	assert_string_equal(w.did.data, "R B base l2 /B I A c l1 /A /I /R");
	assert_int_equal(w.reads, 4);
}

static void walk__leaves_out_what_is_absent_or_not_wanted(void **state)
{
	WORLD;
	struct descriptor config = add_blob(&w, "c"), layer = add_blob(&w, "l");
	struct descriptor images[2], root;
	struct err e = ERR_INIT;

	(void)state;
	images[0] = add_image(&w, "A", &config, &layer, 1);
	images[1] = add_image(&w, "B", &config, &layer, 1);
	root = add_index(&w, "R", images, 2);
	w.unwanted = "A";
	assert_ok(go(&w, &root, &e));
	assert_string_equal(w.did.data, "R B c l /B /R");
	w.unwanted = NULL;
	blob_of(&w, &images[1])->absent = true;
	assert_ok(go(&w, &root, &e));
	assert_string_equal(w.did.data, "R A c l /A -B /R");
	blob_of(&w, &images[0])->unreadable = true;
	assert_err(go(&w, &root, &e), ERR_INCOMPLETE, "is not held");
}

static void walk__follows_no_subject_and_no_blob(void **state)
{
	WORLD;
	struct descriptor image = add_image(&w, "A", NULL, NULL, 0), root;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	/* An artifact whose blob is, by chance, a manifest: it is a blob all the same. */
	buf_str(&text, "{\"mediaType\":\"" MEDIA_OCI_ARTIFACT "\",\"blobs\":[");
	descriptor_write(&text, &image);
	buf_str(&text, "],\"subject\":");
	descriptor_write(&text, &image);
	buf_str(&text, "}");
	root = add(&w, "R", MEDIA_OCI_ARTIFACT, text.data);
	assert_ok(go(&w, &root, &e));
	assert_string_equal(w.did.data, "R A /R");
}

/* Reached as a blob first, its layers are needed all the same. */
static void walk__enters_a_manifest_that_was_a_blob_before(void **state)
{
	WORLD;
	struct descriptor layer = add_blob(&w, "l");
	struct descriptor image = add_image(&w, "A", NULL, &layer, 1), children[2], root;
	struct err e = ERR_INIT;

	(void)state;
	children[0] = children[1] = image;
	children[0].media_type = "application/octet-stream";
	root = add_index(&w, "R", children, 2);
	assert_ok(go(&w, &root, &e));
	assert_string_equal(w.did.data, "R A l /A /R");
}

static void walk__asks_again_for_what_was_foreign(void **state)
{
	WORLD;
	struct descriptor layers[3], root;
	struct err e = ERR_INIT;

	(void)state;
	layers[0] = layers[1] = layers[2] = add_blob(&w, "l");
	layers[0].media_type = layers[1].media_type = FOREIGN_TYPE;
	blob_of(&w, &layers[0])->absent = true;
	root = add_image(&w, "A", NULL, layers, 3);
	assert_ok(go(&w, &root, &e));
	assert_string_equal(w.did.data, "A -l -l /A");
}

/* --- what is refused ------------------------------------------------------------------------ */

/* `count` indexes, each around the one before, around an image. */
static struct descriptor nest(struct world *w, unsigned count)
{
	struct descriptor d = add_image(w, "A", NULL, NULL, 0);

	for (unsigned i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "I%u", i);
		d = add_index(w, name, &d, 1);
	}
	return d;
}

static void walk__refuses_what_is_nested_too_deep(void **state)
{
	WORLD;
	struct descriptor root = nest(&w, INDEX_DEPTH_MAX), children[2];
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(go(&w, &root, &e));
	root = nest(&w, INDEX_DEPTH_MAX + 1);
	assert_err(go(&w, &root, &e), ERR_INPUT, "indexes are nested more than 8 deep");
	/* Whichever path comes first: I3 is 2 deep and 6 deep, which is 10 for what it names. */
	for (unsigned order = 0; order < 2; order++) {
		children[order] = nest(&w, 6);
		children[!order] = nest(&w, INDEX_DEPTH_MAX);
		root = add_index(&w, order ? "R1" : "R2", children, 2);
		assert_err(go(&w, &root, &e), ERR_INPUT, "indexes are nested more than 8 deep");
	}
}

static void walk__is_not_slowed_by_repetitions(void **state)
{
	WORLD;
	struct descriptor many[300], root = add_image(&w, "A", NULL, NULL, 0);
	struct err e = ERR_INIT;

	(void)state;
	for (unsigned depth = 0; depth < INDEX_DEPTH_MAX; depth++) {
		char name[16];

		for (size_t i = 0; i < ARRAY_SIZE(many); i++)
			many[i] = root;
		snprintf(name, sizeof(name), "I%u", depth);
		root = add_index(&w, name, many, ARRAY_SIZE(many));
	}
	assert_ok(go(&w, &root, &e));
	assert_int_equal(w.reads, INDEX_DEPTH_MAX + 1);
}

static void walk__refuses_two_sizes_and_two_types(void **state)
{
	WORLD;
	struct descriptor image = add_image(&w, "A", NULL, NULL, 0), children[2], root;
	struct err e = ERR_INIT;

	(void)state;
	children[0] = children[1] = image;
	children[1].size++;
	root = add_index(&w, "R", children, 2);
	assert_err(go(&w, &root, &e), ERR_INPUT, "bytes and with");
	children[1] = image;
	children[1].media_type = MEDIA_DOCKER_MANIFEST;
	root = add_index(&w, "S", children, 2);
	assert_err(go(&w, &root, &e), ERR_INPUT, "is listed as");
}

/* --- children that are something else ------------------------------------------------------- */

static int on_untrue(void *ctx, const struct walk_node *n, struct err *e)
{
	struct world *w = ctx;

	assert_int_equal(e->code, ERR_INPUT);
	buf_printf(&w->did, " !%s", blob_of(w, n->edge.to)->name);
	return 0;
}

/* As readers of sets do: the size is looked at. */
static int on_held_size(void *ctx, const struct walk_node *n, struct err *e)
{
	const struct blob *b = blob_of(ctx, n->edge.to);

	if (b->bytes.len != n->edge.to->size)
		return err_set(e, ERR_INPUT, "another size");
	return on_held(ctx, n, e);
}

static void walks_past(
	struct world *w, const struct descriptor *children, size_t count, const char *did)
{
	static const struct walk_ops ops = {
		.read = on_read, .held = on_held_size, .untrue = on_untrue, .leave = on_leave
	};
	struct descriptor root = add_index(w, "R", children, count);
	struct err e = ERR_INIT;

	buf_clear(&w->did);
	assert_ok(walk(&ops, w, &root, &e));
	assert_string_equal(w->did.data, did);
}

/* Whatever lies about A comes first, between and last: A itself is found, once. */
static void walk__leaves_children_that_are_something_else(void **state)
{
	WORLD;
	struct descriptor layer = add_blob(&w, "l");
	struct descriptor image = add_image(&w, "A", NULL, &layer, 1);
	struct descriptor size = image, type = image, index = image;
	struct descriptor empty = add(&w, "E", MEDIA_OCI_MANIFEST, "{}"), list = empty;

	(void)state;
	size.size++;
	type.media_type = MEDIA_DOCKER_MANIFEST;
	index.media_type = MEDIA_OCI_INDEX;
	list.media_type = MEDIA_DOCKER_LIST;
	walks_past(&w, (struct descriptor[]){ size, image }, 2, "R !A A l /A /R");
	walks_past(&w, (struct descriptor[]){ image, size }, 2, "R A l /A !A /R");
	walks_past(&w, (struct descriptor[]){ type, index, image, type, image }, 5,
		"R A !A !A l /A !A /R");
	walks_past(&w, (struct descriptor[]){ empty, image, empty, list }, 4,
		"R E !E A l /A !E !E /R");
	w.reads = 0;
	walks_past(&w, (struct descriptor[]){ type, type, index, empty, list, empty, list }, 7,
		"R A !A !A !A E !E !E !E !E /R");
	assert_int_equal(w.reads, 3);
}

/* Too deep on one path, found on the other. */
static void walk__leaves_paths_that_are_too_deep(void **state)
{
	WORLD;
	struct descriptor tower = nest(&w, INDEX_DEPTH_MAX), children[2] = { tower };

	(void)state;
	children[1] = add_image(&w, "A", NULL, NULL, 0);
	walks_past(&w, children, 2,
		"R I7 I6 I5 I4 I3 I2 I1 I0 !I0 /I1 /I2 /I3 /I4 /I5 /I6 /I7 A /A /R");
}

/* `count` indexes, each around the one before, around d. */
static struct descriptor wrap(
	struct world *w, const char *prefix, struct descriptor d, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%s%u", prefix, i);
		d = add_index(w, name, &d, 1);
	}
	return d;
}

/* Whichever path comes first, and also below what a second long one only met. */
static void walk__finds_on_a_short_path_what_a_long_one_cut_off(void **state)
{
	WORLD;
	struct descriptor image = add_image(&w, "A", NULL, NULL, 0);
	struct descriptor x = wrap(&w, "X", image, 2), j = wrap(&w, "J", x, 1);
	struct descriptor tower = wrap(&w, "T", x, INDEX_DEPTH_MAX - 2);
	struct descriptor other = wrap(&w, "K", j, INDEX_DEPTH_MAX - 3);

	(void)state;
	walks_past(&w, (struct descriptor[]){ x, tower }, 2,
		"R X1 X0 A /A /X0 /X1 T5 T4 T3 T2 T1 T0 !X0 /T0 /T1 /T2 /T3 /T4 /T5 /R");
	walks_past(&w, (struct descriptor[]){ tower, x }, 2,
		"R T5 T4 T3 T2 T1 T0 X1 X0 !X0 /X1 /T0 /T1 /T2 /T3 /T4 /T5 A /A /X0 /X1 /R");
	walks_past(&w, (struct descriptor[]){ tower, other, j }, 3,
		"R T5 T4 T3 T2 T1 T0 X1 X0 !X0 /X1 /T0 /T1 /T2 /T3 /T4 /T5 "
		"K4 K3 K2 K1 K0 J0 /J0 /K0 /K1 /K2 /K3 /K4 A /A /X0 /X1 /J0 /R");
}

#define TALL 14u /* indexes of a random graph */

static unsigned next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*seed >> 33);
}

/* Indexes that name one to three of those before them, and an image at the bottom; the depth at which the shortest
 * path from the last one, which is the root, meets each. */
static struct descriptor make_random(struct world *w, uint64_t seed, unsigned depth[TALL])
{
	struct descriptor all[TALL];
	bool names[TALL][TALL] = { { false } };

	all[0] = add_image(w, "<0>", NULL, NULL, 0);
	for (unsigned i = 1; i < TALL; i++) {
		struct descriptor children[3];
		unsigned count = 1 + next_random(&seed) % ARRAY_SIZE(children);
		char name[16];

		for (unsigned c = 0; c < count; c++) {
			unsigned down = next_random(&seed) % 4 ? 1 : 1 + next_random(&seed) % i;

			children[c] = all[i - down];
			names[i][i - down] = true;
		}
		snprintf(name, sizeof(name), "<%u>", i);
		all[i] = add_index(w, name, children, count);
	}
	for (unsigned i = TALL; i-- > 0;) {
		depth[i] = i == TALL - 1 ? 0 : UINT_MAX;
		for (unsigned up = i + 1; up < TALL; up++)
			if (names[up][i] && depth[up] < INDEX_DEPTH_MAX && depth[up] + 1 < depth[i])
				depth[i] = depth[up] + 1;
		if (i && depth[i] != UINT_MAX && depth[i] >= INDEX_DEPTH_MAX)
			depth[i] = UINT_MAX;
	}
	return all[TALL - 1];
}

/* Whatever the order: an index is found when some path to it is short enough, and no other one is. */
static void walk__finds_what_some_path_reaches(void **state)
{
	static const struct walk_ops ops = {
		.read = on_read, .held = on_held, .untrue = on_untrue, .leave = on_leave
	};

	(void)state;
	for (uint64_t seed = 0; seed < 2000; seed++) {
		WORLD;
		unsigned depth[TALL];
		struct descriptor root = make_random(&w, seed, depth);
		struct err e = ERR_INIT;

		assert_ok(walk(&ops, &w, &root, &e));
		for (unsigned i = 0; i < TALL; i++) {
			char left[16];

			snprintf(left, sizeof(left), "/<%u>", i);
			if ((strstr(w.did.data, left) != NULL) != (depth[i] != UINT_MAX))
				fail_msg("seed %llu: %s: %s", (unsigned long long)seed, left,
					w.did.data);
		}
		assert_true(w.reads <= TALL * 2 * INDEX_DEPTH_MAX);
	}
}

static void walk__fails_on_a_root_and_on_parts_that_are_something_else(void **state)
{
	static const struct walk_ops ops = {
		.read = on_read, .held = on_held_size, .untrue = on_untrue
	};
	WORLD;
	struct descriptor layer = add_blob(&w, "l"), root;
	struct err e = ERR_INIT;

	(void)state;
	root = add(&w, "E", MEDIA_OCI_MANIFEST, "{}");
	assert_err(walk(&ops, &w, &root, &e), ERR_INPUT, "neither an image manifest nor an index");
	layer.size++;
	root = add_image(&w, "A", NULL, &layer, 1);
	assert_err(walk(&ops, &w, &root, &e), ERR_INPUT, "another size");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk__reaches_each_once_in_order),
		cmocka_unit_test(walk__leaves_out_what_is_absent_or_not_wanted),
		cmocka_unit_test(walk__follows_no_subject_and_no_blob),
		cmocka_unit_test(walk__enters_a_manifest_that_was_a_blob_before),
		cmocka_unit_test(walk__asks_again_for_what_was_foreign),
		cmocka_unit_test(walk__refuses_what_is_nested_too_deep),
		cmocka_unit_test(walk__is_not_slowed_by_repetitions),
		cmocka_unit_test(walk__refuses_two_sizes_and_two_types),
		cmocka_unit_test(walk__leaves_children_that_are_something_else),
		cmocka_unit_test(walk__leaves_paths_that_are_too_deep),
		cmocka_unit_test(walk__finds_on_a_short_path_what_a_long_one_cut_off),
		cmocka_unit_test(walk__finds_what_some_path_reaches),
		cmocka_unit_test(walk__fails_on_a_root_and_on_parts_that_are_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
