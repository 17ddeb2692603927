/* What pin holds below a root, and what it refuses there so that pull need not find it out. */
#include "tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/oci/graph.h"
#include "tests/support/fake_upstream.h"
#include "tests/unit/mirror-tool/layout_world.h"

#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"
#define NOWHERE "sha256:0123456789012345678901234567890123456789012345678901234567890123"

static uint64_t size_of(struct world *w, const struct digest *d)
{
	struct err e = ERR_INIT;
	uint64_t size = 0;

	assert_int_equal(blob_stat(w->source, d, &size, &e), 1);
	return size;
}

/* One descriptor of an index, as JSON; platform NULL: none. */
static char *item(struct world *w, const char *type, const struct digest *d, const char *platform)
{
	struct descriptor item = { .digest = *d, .size = size_of(w, d), .media_type = type };
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	if (platform) {
		item.has_platform = true;
		assert_ok(platform_parse(&item.platform, span_of(platform), &e));
	}
	descriptor_write(&out, &item);
	return buf_detach(&out);
}

static struct digest index_of(struct world *w, const char *items)
{
	AUTO(mem_free)
	char *text = mem_printf("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
				"\",\"manifests\":[%s]}",
		items);

	return make_text(w, text);
}

static struct digest index_over(struct world *w, const char *type, const struct digest *d)
{
	AUTO(mem_free) char *child = item(w, type, d, NULL);

	return index_of(w, child);
}

static void use(struct world *w, const struct digest *root, const char *type)
{
	entry(w, "one", type, root);
	write_index(w);
	write_list(w, ITEM);
}

static void carry(struct world *w)
{
	assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
	assert_int_equal(moat(w, "pull", NULL), EXIT_OK);
	assert_int_equal(seal(w), EXIT_OK);
}

/* --- what is held --------------------------------------------------------------------------- */

static void pin__holds_wanted_platforms_at_every_level(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	struct digest children[2], inner = make_index(w, children), outer, root;
	struct digest other = make(w, "s390x", "linux/s390x"), signature, sbom;
	AUTO(mem_free) char *wrapped = NULL;
	AUTO(mem_free) char *beside = NULL;
	AUTO(mem_free) char *items = NULL;
	struct image_want want = {
		.seed = "sbom", .layers = 1, .artifact_type = "application/spdx"
	};
	char tag[REF_TAG_MAX + 1];
	struct lock l;

	outer = index_over(w, MEDIA_OCI_INDEX, &inner);
	wrapped = item(w, MEDIA_OCI_INDEX, &outer, NULL);
	beside = item(w, MEDIA_OCI_MANIFEST, &other, "linux/s390x");
	items = mem_printf("%s,%s", beside, wrapped);
	root = index_of(w, items);
	want.subject = &inner;
	sbom = image_make(w->source, NULL, &want);
	want = (struct image_want){ .seed = "cosign", .layers = 1 };
	signature = image_make(w->source, NULL, &want);
	ref_fallback_tag(&children[0], ".sig", tag);
	entry(w, tag, MEDIA_OCI_MANIFEST, &signature);
	entry(w, "", MEDIA_OCI_MANIFEST, &sbom);
	use(w, &root, MEDIA_OCI_INDEX);
	carry(w);
	read_lock(w, &l);
	assert_int_equal(l.pins[0].platforms.count, 1);
	assert_string_equal(l.pins[0].platforms.items[0], "linux/amd64");
	assert_int_equal(l.pins[0].absent.count, 2);
	assert_int_equal(l.pins[0].attached_count, 2);
	lock_release(&l);
	assert_true(held(w, &children[0]) && held(w, &signature) && held(w, &sbom));
	assert_false(held(w, &children[1]) || held(w, &other));
}

static void pin__asks_for_platforms_of_the_whole_tree(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	struct digest arm = make(w, "arm", "linux/arm64"), inner, root;
	AUTO(mem_free) char *only_arm = item(w, MEDIA_OCI_MANIFEST, &arm, "linux/arm64");

	inner = index_of(w, only_arm);
	root = index_over(w, MEDIA_OCI_INDEX, &inner);
	use(w, &root, MEDIA_OCI_INDEX);
	assert_int_equal(moat(w, "pin", "--json"), EXIT_INCOMPLETE);
	assert_non_null(strstr(w->out, "there is no linux/amd64; there is linux/arm64"));
}

/* An index within an index keeps its bytes even when nothing in it is wanted. */
static void pin__holds_an_inner_index_of_which_nothing_is_wanted(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	struct digest amd = make(w, "amd", "linux/amd64"), arm = make(w, "arm", "linux/arm64");
	AUTO(mem_free) char *wanted = item(w, MEDIA_OCI_MANIFEST, &amd, "linux/amd64");
	AUTO(mem_free) char *other = item(w, MEDIA_OCI_MANIFEST, &arm, "linux/arm64");
	struct digest inner = index_of(w, other), root;
	AUTO(mem_free) char *wrapped = item(w, MEDIA_OCI_INDEX, &inner, NULL);
	AUTO(mem_free) char *items = mem_printf("%s,%s", wanted, wrapped);

	root = index_of(w, items);
	use(w, &root, MEDIA_OCI_INDEX);
	carry(w);
	assert_true(held(w, &amd) && held(w, &inner));
	assert_false(held(w, &arm));
}

/* Manifests without a config, indexes of plain blobs, lists that are null. */
static void carries__what_has_no_config(void **state)
{
	static const struct {
		const char *type, *text; /* %s: a descriptor of a blob that is there */
	} cases[] = {
		{ MEDIA_OCI_ARTIFACT, "{\"mediaType\":\"" MEDIA_OCI_ARTIFACT "\",\"blobs\":[%s]}" },
		{ MEDIA_OCI_ARTIFACT, "{\"mediaType\":\"" MEDIA_OCI_ARTIFACT "\",\"x\":[%s]}" },
		{ MEDIA_ORAS_ARTIFACT,
			"{\"mediaType\":\"" MEDIA_ORAS_ARTIFACT "\",\"blobs\":[%s]}" },
		{ MEDIA_OCI_MANIFEST, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
				      "\",\"layers\":[%s]}" },
		{ MEDIA_OCI_MANIFEST, "{\"schemaVersion\":2,\"config\":null,\"layers\":[%s]}" },
		{ MEDIA_DOCKER_MANIFEST,
			"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_DOCKER_MANIFEST
			"\",\"config\":%s,\"layers\":null}" },
		{ MEDIA_OCI_INDEX, "{\"schemaVersion\":2,\"manifests\":[%s]}" },
		{ MEDIA_OCI_INDEX, "{\"schemaVersion\":2,\"manifests\":null,\"x\":[%s]}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(mem_free) char *store = NULL;
		struct world *w = world_new(state);
		struct digest blob = make_text(w, "some bytes"), root;
		AUTO(mem_free) char *one = item(w, LAYER_TYPE, &blob, NULL);
		AUTO(buf_release) struct buf text = BUF_INIT;
		const char *gap = strstr(cases[i].text, "%s");

		buf_add(&text, cases[i].text, (size_t)(gap - cases[i].text));
		buf_printf(&text, "%s%s", one, gap + 2);
		root = make_text(w, text.data);
		use(w, &root, cases[i].type);
		carry(w);
		assert_true(held(w, &root));
		assert_int_equal(held(w, &blob), !strstr(cases[i].text, "\"x\""));
		world_free(&w);
		assert_int_equal(sandbox_teardown(state), 0);
		assert_int_equal(sandbox_setup(state), 0);
	}
}

/* --- what it costs -------------------------------------------------------------------------- */

struct registry {
	struct digest image, index;
	const char *says; /* Content-Type of the image */
	struct buf image_bytes, index_bytes;
};

static void answer(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	const struct registry *g = ctx;
	char text[DIGEST_TEXT_SIZE];

	if (strstr(r->target, "/manifests/1")) {
		fake_header(out, "Content-Type: %s", MEDIA_OCI_INDEX);
		buf_add(&out->body, g->index_bytes.data, g->index_bytes.len);
	} else if (strstr(r->target, digest_text(&g->image, text))) {
		fake_header(out, "Content-Type: %s", g->says);
		buf_add(&out->body, g->image_bytes.data, g->image_bytes.len);
	} else {
		out->status = strcmp(r->target, "/v2/") == 0 ? 200 : 404;
	}
}

/* HEAD is free of rate limits; GET is asked only where HEAD leaves a doubt. */
static void pin__gets_a_child_only_when_in_doubt(void **state)
{
	static const struct {
		const char *says;
		unsigned gets;
	} cases[] = { { MEDIA_OCI_MANIFEST, 0 }, { MEDIA_DOCKER_MANIFEST, 1 }, { "text/html", 1 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world *w = world_new(state);
		struct registry g = { .image = make(w, "image", NULL), .says = cases[i].says };
		AUTO(mem_free) char *child = item(w, MEDIA_OCI_MANIFEST, &g.image, "linux/amd64");
		AUTO(mem_free) char *get = NULL;
		AUTO(mem_free) char *list = NULL;
		struct fake *fake = fake_start(answer, &g, NULL);
		char text[DIGEST_TEXT_SIZE];
		struct err e = ERR_INIT;

		g.index = index_of(w, child);
		g.image_bytes = g.index_bytes = (struct buf)BUF_INIT;
		assert_int_equal(blob_read(w->source, &g.image, 9999, &g.image_bytes, &e), 1);
		assert_int_equal(blob_read(w->source, &g.index, 9999, &g.index_bytes, &e), 1);
		list = mem_printf("set: s\nimages: [\"%s/app:1\"]\nregistries:\n"
				  "  \"%s\": {plain-http: true}\n",
			fake_host(fake), fake_host(fake));
		sandbox_write(sandbox_path(w->sb, "moat.yaml"), list, strlen(list));
		assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
		get = mem_printf("GET /v2/app/manifests/%s", digest_text(&g.image, text));
		assert_int_equal(fake_count(fake, get), cases[i].gets);
		assert_int_equal(fake_count(fake, "GET /v2/app/manifests/1"), 1);
		fake_stop(&fake);
		buf_release(&g.image_bytes);
		buf_release(&g.index_bytes);
		world_free(&w);
		assert_int_equal(sandbox_teardown(state), 0);
		assert_int_equal(sandbox_setup(state), 0);
	}
}

static void answer_elsewhere(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	if (strstr(r->target, "/v2/copy/app/blobs/"))
		fake_text(out, 200, "some bytes");
	else
		answer(ctx, r, out);
}

static void never(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	(void)ctx, (void)r;
	fake_text(out, 500, "");
}

/* What comes from another place is asked for there alone, blobs that stand in an index by themselves
 * included. */
static void pin__asks_nothing_of_the_name_when_there_is_a_source(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	struct registry g = { .image = make(w, "image", NULL), .says = MEDIA_OCI_MANIFEST };
	struct digest blob = make_text(w, "some bytes");
	AUTO(mem_free) char *child = item(w, MEDIA_OCI_MANIFEST, &g.image, "linux/amd64");
	AUTO(mem_free) char *alone = item(w, LAYER_TYPE, &blob, NULL);
	AUTO(mem_free) char *items = mem_printf("%s,%s", child, alone);
	AUTO(fake_stop) struct fake *named = fake_start(never, NULL, NULL);
	AUTO(fake_stop) struct fake *source = fake_start(answer_elsewhere, &g, NULL);
	AUTO(mem_free)
	char *list = mem_printf("set: s\nimages:\n- {name: \"%s/app:1\", source: \"%s/copy/app\"}\n"
				"registries:\n  \"%s\": {plain-http: true}\n"
				"  \"%s\": {plain-http: true}\n",
		fake_host(named), fake_host(source), fake_host(named), fake_host(source));
	struct err e = ERR_INIT;

	g.index = index_of(w, items);
	g.index_bytes = (struct buf)BUF_INIT;
	g.image_bytes = (struct buf)BUF_INIT;
	assert_int_equal(blob_read(w->source, &g.index, 9999, &g.index_bytes, &e), 1);
	assert_int_equal(blob_read(w->source, &g.image, 9999, &g.image_bytes, &e), 1);
	sandbox_write(sandbox_path(w->sb, "moat.yaml"), list, strlen(list));
	assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
	assert_int_equal(fake_connections(named), 0);
	assert_int_equal(fake_count(source, "HEAD /v2/copy/app/blobs/"), 1);
	buf_release(&g.image_bytes);
	buf_release(&g.index_bytes);
}

#define SHARED                                                                                     \
	"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST                                 \
	"\",\"config\":null,\"layers\":[]}"

static void answer_shared(void *ctx, const struct fake_request *r, struct fake_reply *out)
{
	const bool *refuses = ctx;

	if (strcmp(r->target, "/v2/") == 0)
		return;
	if (*refuses || !strstr(r->target, "/manifests/") || strstr(r->target, "sha256-")) {
		out->status = 404;
		return;
	}
	fake_header(out, "Content-Type: %s", MEDIA_OCI_MANIFEST);
	fake_text(out, 200, SHARED);
}

/* Two registries have one image. Whichever is asked first and gives nothing, the other is asked, too. */
static void pull__asks_each_place_for_a_manifest_that_they_share(void **state)
{
	for (int bad = 0; bad < 2; bad++) {
		struct world *w = world_new(state);
		struct digest image = make_text(w, SHARED);
		bool refuses[2] = { false, false };
		struct fake *a = fake_start(answer_shared, &refuses[0], NULL);
		struct fake *b = fake_start(answer_shared, &refuses[1], NULL);
		AUTO(mem_free)
		char *list =
			mem_printf("set: s\nimages: [\"%s/app:1\", \"%s/app:1\"]\nregistries:\n"
				   "  \"%s\": {plain-http: true}\n"
				   "  \"%s\": {plain-http: true}\n",
				fake_host(a), fake_host(b), fake_host(a), fake_host(b));

		sandbox_write(sandbox_path(w->sb, "moat.yaml"), list, strlen(list));
		assert_int_equal(moat(w, "pin", NULL), EXIT_OK);
		refuses[bad] = true;
		(void)moat(w, "pull", NULL); /* it fails for the other, if that is asked first */
		assert_true(held(w, &image));
		assert_int_equal(moat(w, "pull", NULL), EXIT_OK); /* now it is held for both */
		fake_stop(&a);
		fake_stop(&b);
		world_free(&w);
		assert_int_equal(sandbox_teardown(state), 0);
		assert_int_equal(sandbox_setup(state), 0);
	}
}

/* --- what is refused ------------------------------------------------------------------------ */

/* A child that an index lists as `type`; what the registry has under its digest differs. */
static void pin__refuses_children_that_are_not_what_is_listed(void **state)
{
	enum what { IMAGE, INDEX, LAYER, NOTHING };
	static const struct {
		const char *type;
		enum what is;
		int more; /* bytes announced beyond those that there are */
		int status;
		const char *says;
	} cases[] = {
		{ MEDIA_OCI_MANIFEST, IMAGE, 0, EXIT_OK, NULL },
		{ MEDIA_OCI_INDEX, INDEX, 0, EXIT_OK, NULL },
		{ LAYER_TYPE, LAYER, 0, EXIT_OK, NULL },
		{ LAYER_TYPE, IMAGE, 0, EXIT_OK, NULL },
		{ MEDIA_OCI_MANIFEST, NOTHING, 0, EXIT_INCOMPLETE, "does not have" },
		{ MEDIA_OCI_INDEX, NOTHING, 0, EXIT_INCOMPLETE, "does not have" },
		{ LAYER_TYPE, NOTHING, 0, EXIT_INCOMPLETE, "does not have" },
		{ MEDIA_OCI_MANIFEST, IMAGE, 1, EXIT_FAILED, "announced" },
		{ MEDIA_OCI_INDEX, INDEX, 1, EXIT_FAILED, "announced" },
		{ LAYER_TYPE, LAYER, 1, EXIT_FAILED, "announced" },
		{ MEDIA_OCI_MANIFEST, INDEX, 0, EXIT_FAILED, "announced as" },
		{ MEDIA_OCI_INDEX, IMAGE, 0, EXIT_FAILED, "announced as" },
		{ MEDIA_DOCKER_MANIFEST, IMAGE, 0, EXIT_FAILED, "announced as" },
		{ MEDIA_OCI_MANIFEST, LAYER, 0, EXIT_FAILED, "sha256:" },
		{ MEDIA_OCI_INDEX, LAYER, 0, EXIT_FAILED, "sha256:" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world *w = world_new(state);
		struct digest image = make(w, "image", NULL), children[2];
		struct digest things[] = { image, make_index(w, children), make_text(w, "layer") };
		struct descriptor d = { .size = 7, .media_type = cases[i].type };
		AUTO(buf_release) struct buf items = BUF_INIT;
		AUTO(mem_free) char *good = item(w, MEDIA_OCI_MANIFEST, &image, "linux/amd64");
		struct digest root;
		struct err e = ERR_INIT;
		int status;

		assert_ok(digest_parse(&d.digest, span_of(NOWHERE), &e));
		if (cases[i].is != NOTHING) {
			d.digest = things[cases[i].is];
			d.size = size_of(w, &d.digest) + (uint64_t)cases[i].more;
		}
		if (cases[i].is != IMAGE)
			buf_printf(&items, "%s,", good);
		descriptor_write(&items, &d);
		root = index_of(w, items.data);
		/* Within an index within an index, and as something attached. */
		for (int nested = 0; nested < 2; nested++) {
			use(w, &root, MEDIA_OCI_INDEX);
			status = moat(w, "pin", "--json");
			if (status != cases[i].status)
				fail_msg("row %zu: status %d: %s", i, status, w->out);
			if (cases[i].says && !strstr(w->out, cases[i].says))
				fail_msg("row %zu: %s", i, w->out);
			if (!cases[i].says)
				assert_int_equal(moat(w, "pull", NULL), EXIT_OK);
			assert_int_equal(
				sandbox_exists(sandbox_path(w->sb, "moat.lock")), !cases[i].says);
			unlink(sandbox_path(w->sb, "moat.lock"));
			reset_index(w);
			root = index_over(w, MEDIA_OCI_INDEX, &root);
		}
		world_free(&w);
		assert_int_equal(sandbox_teardown(state), 0);
		assert_int_equal(sandbox_setup(state), 0);
	}
}

static void pin__refuses_what_is_attached_and_not_there(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	struct digest image = make(w, "image", NULL), list;
	char tag[REF_TAG_MAX + 1];

	ref_fallback_tag(&image, "", tag);
	list = index_of(w,
		"{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"" NOWHERE "\",\"size\":5}");
	entry(w, tag, MEDIA_OCI_INDEX, &list);
	use(w, &image, MEDIA_OCI_MANIFEST);
	assert_int_equal(moat(w, "pin", "--json"), EXIT_INCOMPLETE);
	assert_non_null(strstr(w->out, "lists " NOWHERE " as attached, and does not have it"));
}

/* An attached index is held whole, whatever platforms are wanted. */
static void pin__holds_whole_what_is_attached(void **state)
{
	AUTO(world_free) struct world *w = world_new(state);
	struct digest image = make(w, "image", NULL), children[2],
		      attached = make_index(w, children);
	struct digest list;
	char tag[REF_TAG_MAX + 1];

	ref_fallback_tag(&image, "", tag);
	list = index_over(w, MEDIA_OCI_INDEX, &attached);
	entry(w, tag, MEDIA_OCI_INDEX, &list);
	use(w, &image, MEDIA_OCI_MANIFEST);
	carry(w);
	assert_true(held(w, &children[0]) && held(w, &children[1]));
}

static void nesting__has_one_limit_that_pin_states(void **state)
{
	for (unsigned depth = 1; depth <= INDEX_DEPTH_MAX + 3; depth++) {
		struct world *w = world_new(state);
		struct digest d = make(w, "image", NULL);
		const char *type = MEDIA_OCI_MANIFEST;

		for (unsigned i = 0; i < depth; i++) {
			d = index_over(w, type, &d);
			type = MEDIA_OCI_INDEX;
		}
		use(w, &d, MEDIA_OCI_INDEX);
		if (depth <= INDEX_DEPTH_MAX) {
			carry(w);
		} else {
			assert_int_equal(moat(w, "pin", "--json"), EXIT_FAILED);
			assert_non_null(strstr(w->out, "indexes are nested more than 8 deep"));
		}
		world_free(&w);
		assert_int_equal(sandbox_teardown(state), 0);
		assert_int_equal(sandbox_setup(state), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pin__holds_wanted_platforms_at_every_level),
		TEST(pin__asks_for_platforms_of_the_whole_tree),
		TEST(pin__holds_an_inner_index_of_which_nothing_is_wanted),
		TEST(carries__what_has_no_config),
		TEST(pin__gets_a_child_only_when_in_doubt),
		TEST(pin__asks_nothing_of_the_name_when_there_is_a_source),
		TEST(pull__asks_each_place_for_a_manifest_that_they_share),
		TEST(pin__refuses_children_that_are_not_what_is_listed),
		TEST(pin__refuses_what_is_attached_and_not_there),
		TEST(pin__holds_whole_what_is_attached),
		TEST(nesting__has_one_limit_that_pin_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
