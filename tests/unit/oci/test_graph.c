/* Edges of a manifest, what a walk has reached, and the map under it. */
#include <stdio.h>
#include <string.h>

#include "storage/oci/config.h"
#include "storage/oci/reach.h"
#include "tests/support/cm.h"

#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar+gzip"
#define WINDOWS_TYPE "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

static struct descriptor named(const char *name, const char *type)
{
	struct descriptor d = { .size = 1, .media_type = type };

	digest_of(&d.digest, DIGEST_SHA256, span_of(name));
	return d;
}

/* --- edges ---------------------------------------------------------------------------------- */

static void graph_edges__follow_the_manifest(void **state)
{
	struct descriptor items[4] = { named("a", LAYER_TYPE), named("b", WINDOWS_TYPE),
		named("c", LAYER_TYPE), named("d", MEDIA_OCI_MANIFEST) };
	struct manifest m = { .kind = MEDIA_IMAGE, .items = items, .count = 4 };
	static const struct {
		enum media_kind kind;
		bool has_config, has_subject;
		const char
			*roles; /* config, layer, foreign, blob or manifest in an index, subject */
	} cases[] = {
		{ MEDIA_IMAGE, true, true, "clffls" },
		{ MEDIA_IMAGE, true, false, "clffl" },
		{ MEDIA_IMAGE, false, true, "lffls" },
		{ MEDIA_IMAGE, false, false, "lffl" },
		{ MEDIA_INDEX, false, false, "bbbm" },
		{ MEDIA_INDEX, false, true, "bbbms" },
	};

	(void)state;
	items[2].has_urls = true;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char roles[10] = "";

		m.kind = cases[i].kind;
		m.has_config = cases[i].has_config;
		m.has_subject = cases[i].has_subject;
		assert_int_equal(graph_edges(&m), strlen(cases[i].roles));
		for (size_t k = 0; k < graph_edges(&m); k++) {
			struct edge edge = graph_edge(&m, k);

			roles[k] = edge_is_manifest(&edge) ? 'm' : "?clbfs"[edge.role];
			assert_non_null(edge_name(edge.role));
		}
		assert_string_equal(roles, cases[i].roles);
	}
}

static void graph_check_depth__has_one_limit(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(graph_check_depth(1, &e));
	assert_ok(graph_check_depth(INDEX_DEPTH_MAX, &e));
	assert_err(graph_check_depth(INDEX_DEPTH_MAX + 1, &e), ERR_INPUT,
		"indexes are nested more than 8 deep");
}

/* --- what was reached ----------------------------------------------------------------------- */

static void reach__tells_what_is_new(void **state)
{
	static const struct {
		const char *type;
		unsigned depth;
		int rc;
		enum reach reach;
	} steps[] = {
		{ MEDIA_OCI_INDEX, 2, 0, REACH_FIRST },
		{ MEDIA_OCI_INDEX, 2, 0, REACH_NOTHING },
		{ MEDIA_OCI_INDEX, 1, 0, REACH_NOTHING },
		{ MEDIA_OCI_INDEX, 3, 0, REACH_DEEPER },
		{ MEDIA_OCI_INDEX, 3, 0, REACH_NOTHING },
		{ MEDIA_DOCKER_LIST, 3, -1, REACH_NOTHING },
	};
	AUTO(digest_map_release) struct digest_map map = DIGEST_MAP_INIT;
	struct descriptor d = named("index", NULL);
	struct err e = ERR_INIT;

	(void)state;
	reach_init(&map);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct reached *at = reach_blob(&map, &d, &e);
		enum reach reach;

		assert_non_null(at);
		d.media_type = steps[i].type;
		assert_int_equal(reach_manifest(at, &d, steps[i].depth, &reach, &e), steps[i].rc);
		if (steps[i].rc == 0)
			assert_int_equal(reach, steps[i].reach);
	}
	assert_non_null(
		strstr(e.text, "is listed as " MEDIA_OCI_INDEX " and as " MEDIA_DOCKER_LIST));
	assert_int_equal(map.count, 1);
}

static void reach__two_sizes_of_what_is_held_are_refused(void **state)
{
	AUTO(digest_map_release) struct digest_map map = DIGEST_MAP_INIT;
	struct descriptor d = named("layer", LAYER_TYPE);
	struct err e = ERR_INIT;
	struct reached *at;

	(void)state;
	reach_init(&map);
	at = reach_blob(&map, &d, &e);
	at->state = REACHED_ABSENT;
	d.size = 5;
	assert_ptr_equal(reach_blob(&map, &d, &e), at);
	at->state = REACHED_HELD;
	d.size = 6;
	assert_null(reach_blob(&map, &d, &e));
	assert_int_equal(e.code, ERR_INPUT);
	assert_non_null(strstr(e.text, "with 5 bytes and with 6"));
}

/* --- the map -------------------------------------------------------------------------------- */

struct counted {
	struct digest digest;
	unsigned *done;
};

static void count_done(void *item)
{
	++*((struct counted *)item)->done;
}

static void digest_map__holds_each_once(void **state)
{
	struct digest_map map = { .done = count_done };
	unsigned done = 0;
	struct descriptor d;

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 1000; i++) {
			char name[16];
			struct counted *item;

			snprintf(name, sizeof(name), "%u", i);
			d = named(name, LAYER_TYPE);
			assert_int_equal(digest_map_find(&map, &d.digest) != NULL, round);
			item = digest_map_add(&map, &d.digest, sizeof(*item));
			item->done = &done;
			assert_ptr_equal(digest_map_find(&map, &d.digest), item);
		}
	}
	assert_int_equal(map.count, 1000);
	digest_map_release(&map);
	assert_int_equal(done, 1000);
	assert_null(digest_map_find(&map, &d.digest));
}

/* --- configs -------------------------------------------------------------------------------- */

static void config_platform__table(void **state)
{
	static const struct {
		const char *text, *platform; /* NULL: it does not say */
	} cases[] = {
		{ "{\"os\":\"linux\",\"architecture\":\"amd64\"}", "linux/amd64" },
		{ "{\"os\":\"linux\",\"architecture\":\"x86_64\"}", "linux/amd64" },
		{ "{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v6\"}",
			"linux/arm/v6" },
		{ "{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":null}", "linux/arm64" },
		{ "{\"os\":\"linux\"}", NULL },
		{ "{\"architecture\":\"amd64\"}", NULL },
		{ "{\"os\":\"\",\"architecture\":\"\"}", NULL },
		{ "{\"os\":\"Linux\\u0007\",\"architecture\":\"amd64\"}", NULL },
		{ "{\"os\":5,\"architecture\":\"amd64\"}", NULL },
		{ "{\"a\":1,\"A\":2,\"os\":\"linux\",\"architecture\":\"amd64\"}", NULL },
		{ "[]", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[PLATFORM_TEXT_SIZE];
		struct platform p;
		bool says = config_platform(span_of(cases[i].text), &p);

		assert_int_equal(says, cases[i].platform != NULL);
		if (says)
			assert_string_equal(platform_text(&p, text), cases[i].platform);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(graph_edges__follow_the_manifest),
		cmocka_unit_test(graph_check_depth__has_one_limit),
		cmocka_unit_test(reach__tells_what_is_new),
		cmocka_unit_test(reach__two_sizes_of_what_is_held_are_refused),
		cmocka_unit_test(digest_map__holds_each_once),
		cmocka_unit_test(config_platform__table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
