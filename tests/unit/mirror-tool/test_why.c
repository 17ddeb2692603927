/* Chains to a blob: each manifest that needs it, and nothing that a set does not hold. */
#include "tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mirror-tool/why/why.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

/* A store with a set: an index over two images that share their first layer, and over one that is elsewhere. */
struct world {
	struct store *s;
	struct view view;
	struct digest index, children[3], set;
	struct why_targets targets;
	struct why why;
};

static void world_release(struct world *w)
{
	why_release(&w->why);
	why_targets_release(&w->targets);
	view_release(&w->view);
	store_close(&w->s);
}

static void world_open(struct world *w, const struct sandbox *sb)
{
	static const char *const platforms[] = { "linux/amd64", "linux/arm64", "linux/s390x" };
	static const char *const seeds[] = { "a", "b" };
	uint64_t sizes[3] = { 0, 0, 999 };
	struct image_pin pin = { .repo = "quay.io/a/b", .tag = "1", .media_type = MEDIA_OCI_INDEX };
	struct err e = ERR_INIT;

	w->s = sandbox_store(sb, "s", STORE_WRITE);
	for (size_t i = 0; i < 2; i++) {
		w->children[i] = image_make(w->s, NULL,
			&(struct image_want){ .seed = seeds[i],
				.layers = 2,
				.shared = 1,
				.platform = platforms[i] });
		assert_int_equal(blob_stat(w->s, &w->children[i], &sizes[i], &e), 1);
	}
	digest_of(&w->children[2], DIGEST_SHA256, span_of("elsewhere"));
	w->index = image_index(w->s, w->children, platforms, sizes, 3);
	pin.digest = w->index;
	w->set = image_set(w->s, "base", "1.0", &pin, 1);
	assert_ok(set_accept(
		w->s, &(struct set_offer){ .digest = &w->set, .activate = true }, NULL, &e));
	assert_ok(view_store(&w->view, w->s, &e));
}

static void ask(struct world *w, const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;

	why_release(&w->why);
	why_targets_release(&w->targets);
	assert_ok(why_meant(&w->view, digest_text(d, text), &w->targets, &e));
	assert_int_equal(w->targets.count, 1);
	assert_ok(why_find(&w->view, &w->targets, &w->why, &e));
}

/* The n-th layer of a child. */
static struct digest layer_of(struct world *w, size_t child, size_t n)
{
	AUTO(view_image_release) struct view_image image = VIEW_IMAGE_INIT;
	struct err e = ERR_INIT;

	assert_ok(view_image(&w->view, NULL, &w->index, 1, MEDIA_OCI_INDEX, &image, &e));
	assert_true(image.children[child].layer_count > n);
	return image.children[child].layers[n].digest;
}

static void why_find__names_each_manifest_that_needs_a_layer(void **state)
{
	AUTO(world_release) struct world w = { .view = VIEW_INIT, .why = WHY_INIT };
	static const char *const platforms[] = { "linux/amd64", "linux/arm64" };
	struct digest shared;

	world_open(&w, *state);
	shared = layer_of(&w, 0, 0);
	ask(&w, &shared);
	assert_int_equal(w.why.count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct why_use *use = &w.why.uses[i];

		assert_string_equal(use->kind, "image");
		assert_string_equal(use->entry->name, "quay.io/a/b");
		assert_int_equal(use->count, 3);
		assert_true(digest_eq(&use->chain[0].digest, &w.index));
		assert_string_equal(use->chain[0].role, "pin");
		assert_true(digest_eq(&use->chain[1].digest, &w.children[i]));
		assert_string_equal(use->chain[1].platform, platforms[i]);
		assert_true(digest_eq(&use->chain[2].digest, &shared));
		assert_string_equal(use->chain[2].role, "layer");
		assert_int_equal(use->line, 0);
		assert_string_equal(use->wants, "");
	}
	shared = layer_of(&w, 1, 1);
	ask(&w, &shared);
	assert_int_equal(w.why.count, 1);
	assert_true(digest_eq(&w.why.uses[0].chain[1].digest, &w.children[1]));
}

static void why_find__what_an_index_names_and_no_inventory_has_is_not_held(void **state)
{
	AUTO(world_release) struct world w = { .view = VIEW_INIT, .why = WHY_INIT };

	world_open(&w, *state);
	ask(&w, &w.children[2]);
	assert_int_equal(w.why.count, 0);
	assert_false(w.why.holds[0]);
	ask(&w, &w.children[1]);
	assert_int_equal(w.why.count, 1);
	assert_true(w.why.holds[0]);
}

static void why_find__the_set_itself(void **state)
{
	AUTO(world_release) struct world w = { .view = VIEW_INIT, .why = WHY_INIT };

	world_open(&w, *state);
	ask(&w, &w.set);
	assert_int_equal(w.why.count, 1);
	assert_string_equal(w.why.uses[0].kind, "set");
	assert_null(w.why.uses[0].entry);
}

/* A file in the working directory comes before an image of that name; a path is never a reference. */
static void why_meant__digest_file_reference(void **state)
{
	AUTO(world_release) struct world w = { .view = VIEW_INIT, .why = WHY_INIT };
	const char *path = sandbox_path(*state, "file");
	char text[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;
	struct digest d;

	world_open(&w, *state);
	assert_ok(why_meant(&w.view, "quay.io/a/b:1", &w.targets, &e));
	assert_int_equal(w.targets.count, 1);
	assert_true(digest_eq(&w.targets.items[0], &w.index));
	why_targets_release(&w.targets);
	assert_ok(why_meant(&w.view, "quay.io/a/b", &w.targets, &e)); /* :latest */
	assert_int_equal(w.targets.count, 0);
	assert_ok(why_meant(&w.view, digest_text(&w.set, text), &w.targets, &e));
	assert_true(digest_eq(&w.targets.items[0], &w.set));
	why_targets_release(&w.targets);
	sandbox_write(path, "bytes", 5);
	assert_ok(why_meant(&w.view, path, &w.targets, &e));
	assert_int_equal(w.targets.count, 2);
	digest_of(&d, DIGEST_SHA256, span_of("bytes"));
	assert_true(digest_eq(&w.targets.items[0], &d));
	digest_of(&d, DIGEST_SHA512, span_of("bytes"));
	assert_true(digest_eq(&w.targets.items[1], &d));
	assert_err(why_meant(&w.view, "./quay.io/a/b:1", &w.targets, &e), ERR_ABSENT, "quay.io");
	assert_err(why_meant(&w.view, "/", &w.targets, &e), ERR_INPUT, "/");
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(why_find__names_each_manifest_that_needs_a_layer),
		T(why_find__what_an_index_names_and_no_inventory_has_is_not_held),
		T(why_find__the_set_itself),
		T(why_meant__digest_file_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
