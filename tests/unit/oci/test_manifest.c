#include <stdio.h>
#include <string.h>

#include "storage/oci/index_written.h"
#include "tests/support/cm.h"

#define D1 "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define D2 "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define DESC(type, digest) "{\"mediaType\":\"" type "\",\"digest\":\"" digest "\",\"size\":2}"
#define CONFIG "\"config\":" DESC(MEDIA_OCI_CONFIG, D2)
#define LAYER DESC("application/vnd.oci.image.layer.v1.tar+gzip", D1)
#define IMAGE "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\"," CONFIG
#define BARE_IMAGE "{\"schemaVersion\":2," CONFIG ",\"layers\":[]}"
#define BARE_INDEX "{\"schemaVersion\":2,\"manifests\":[]}"
#define INDEX "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\""

static int parse(struct manifest *m, const char *type, const char *text, struct err *e)
{
	return manifest_parse(m, "x", type, span_of(text), e);
}

static void image__config_layers_subject_annotations(void **state)
{
	static const char text[] = IMAGE
		",\"layers\":[" LAYER ",{\"mediaType\":\"application/"
		"vnd.oci.image.layer.nondistributable.v1.tar\",\"digest\":\"" D2
		"\",\"size\":5,\"urls\":[\"https://x/y\"]}],\"subject\":" DESC(MEDIA_OCI_INDEX,
			D1) ",\"annotations\":{\"b\":\"2\",\"a\":\"1\"},\"unknown\":[{}]}";
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(parse(&m, MEDIA_OCI_MANIFEST, text, &e));
	assert_int_equal(m.kind, MEDIA_IMAGE);
	assert_int_equal(m.count, 2);
	assert_true(m.has_config && m.has_subject);
	assert_false(m.items[0].has_urls);
	assert_true(m.items[1].has_urls && media_is_foreign(m.items[1].media_type));
	assert_string_equal(annotation_get(&m.annotations, "a"), "1");
	assert_null(annotation_get(&m.annotations, "c"));
	assert_string_equal(manifest_artifact_type(&m), MEDIA_OCI_CONFIG);
}

static void index__children_platforms_attestations(void **state)
{
	static const char text[] = INDEX
		",\"manifests\":[{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"" D1
		"\",\"size\":9,\"platform\":{\"os\":\"linux\",\"architecture\":\"x86_64\"}},"
		"{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"" D2
		"\",\"size\":9,\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"},"
		"\"annotations\":{\"vnd.docker.reference.type\":\"attestation-manifest\","
		"\"vnd.docker.reference.digest\":\"" D1 "\"}}]}";
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct digest of;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(parse(&m, NULL, text, &e));
	assert_int_equal(m.kind, MEDIA_INDEX);
	assert_true(m.items[0].has_platform);
	assert_string_equal(m.items[0].platform.arch, "amd64");
	assert_false(descriptor_is_attestation(&m.items[0], &of));
	assert_true(descriptor_is_attestation(&m.items[1], &of));
	assert_true(digest_eq(&of, &m.items[0].digest));
	assert_null(manifest_artifact_type(&m));
}

/* What other registries carry: no config, lists that are null or not there. */
static void manifest__config_and_lists_may_be_absent(void **state)
{
	static const struct {
		const char *text;
		bool has_config;
		size_t count;
	} cases[] = {
		{ IMAGE "}", true, 0 },
		{ IMAGE ",\"layers\":null}", true, 0 },
		{ BARE_IMAGE, true, 0 },
		{ "{\"schemaVersion\":2," CONFIG "}", true, 0 },
		{ "{\"schemaVersion\":2,\"layers\":[" LAYER "]}", false, 1 },
		{ "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
		  "\",\"config\":null,\"layers\":[" LAYER "]}",
			false, 1 },
		{ "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_DOCKER_MANIFEST "\"}", false, 0 },
		{ INDEX "}", false, 0 },
		{ INDEX ",\"manifests\":null}", false, 0 },
		{ "{\"mediaType\":\"" MEDIA_OCI_ARTIFACT "\"}", false, 0 },
		{ "{\"mediaType\":\"" MEDIA_OCI_ARTIFACT "\",\"blobs\":[" LAYER "]}", false, 1 },
		{ "{\"mediaType\":\"" MEDIA_ORAS_ARTIFACT "\",\"blobs\":[" LAYER "," LAYER "]}",
			false, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
		struct err e = ERR_INIT;

		assert_ok(parse(&m, NULL, cases[i].text, &e));
		assert_int_equal(m.has_config, cases[i].has_config);
		assert_int_equal(m.count, cases[i].count);
	}
}

static void manifest__type_is_inferred_only_when_unambiguous(void **state)
{
	static const struct {
		const char *announced, *text, *type;
	} cases[] = { { "application/json", BARE_IMAGE, MEDIA_OCI_MANIFEST },
		{ MEDIA_OCI_MANIFEST, BARE_IMAGE, MEDIA_OCI_MANIFEST },
		{ "", BARE_INDEX, MEDIA_OCI_INDEX },
		{ MEDIA_OCI_INDEX, BARE_INDEX, MEDIA_OCI_INDEX } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
		struct err e = ERR_INIT;

		assert_ok(parse(&m, cases[i].announced, cases[i].text, &e));
		assert_string_equal(m.media_type, cases[i].type);
	}
}

/* What registries hold and clients take: it only has to be carried. */
static void manifest__odd_but_harmless_is_carried(void **state)
{
	static const struct {
		const char *text, *artifact_type, *first_type;
	} cases[] = {
		{ INDEX ",\"manifests\":null}", NULL, NULL },
		{ INDEX "}", NULL, NULL },
		{ IMAGE ",\"layers\":null}", MEDIA_OCI_CONFIG, NULL },
		{ IMAGE "}", MEDIA_OCI_CONFIG, NULL },
		{ "{\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}", NULL, NULL },
		{ "{\"manifests\":null}", NULL, NULL },
		{ "{" CONFIG ",\"layers\":null,\"mediaType\":null}", MEDIA_OCI_CONFIG, NULL },
		{ IMAGE ",\"layers\":[],\"artifactType\":\"vuln-scan\"}", "vuln-scan", NULL },
		{ IMAGE ",\"layers\":[],\"artifactType\":\"Scan report \\u00e9\"}",
			"Scan report \xc3\xa9", NULL },
		{ IMAGE ",\"layers\":[],\"artifactType\":\"\"}", MEDIA_OCI_CONFIG, NULL },
		{ IMAGE ",\"layers\":[" DESC("text/plain; charset=utf-8", D1) "]}",
			MEDIA_OCI_CONFIG, "text/plain; charset=utf-8" },
		{ IMAGE ",\"layers\":[" DESC("layer", D1) "]}", MEDIA_OCI_CONFIG, "layer" },
		{ IMAGE ",\"layers\":[],\"annotations\":{\"a\":null},\"subject\":null}",
			MEDIA_OCI_CONFIG, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
		struct err e = ERR_INIT;

		print_message("%s\n", cases[i].text);
		assert_ok(parse(&m, NULL, cases[i].text, &e));
		assert_int_equal(m.count, cases[i].first_type ? 1 : 0);
		if (m.count)
			assert_string_equal(m.items[0].media_type, cases[i].first_type);
		if (cases[i].artifact_type)
			assert_string_equal(manifest_artifact_type(&m), cases[i].artifact_type);
		else
			assert_null(manifest_artifact_type(&m));
		if (m.annotations.count)
			assert_string_equal(m.annotations.items[0].value, "");
	}
}

#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *type, *text, *says;
} refused[] = {
	{ NULL, "[]", "not a manifest" },
	{ NULL, "{}", "neither an image manifest nor an index" },
	{ NULL, "{\"schemaVersion\":2}", "neither an image manifest nor an index" },
	{ NULL, "{\"schemaVersion\":1,\"fsLayers\":[]}", "schema 1" },
	{ MEDIA_DOCKER_SCHEMA1_SIGNED, "{\"schemaVersion\":2}", "schema 1" },
	{ NULL, "{\"schemaVersion\":3,\"manifests\":[]}", "version 3" },
	{ MEDIA_DOCKER_MANIFEST, IMAGE ",\"layers\":[]}", "announced as" },
	{ NULL, IMAGE ",\"layers\":[],\"manifests\":[]}", "not allowed" },
	{ NULL, INDEX ",\"manifests\":[],\"layers\":[]}", "not allowed" },
	{ NULL, INDEX ",\"manifests\":[],\"config\":{}}", "not allowed" },
	{ NULL, "{\"schemaVersion\":\"2\",\"manifests\":[]}", "an integer" },
	{ NULL, INDEX ",\"manifests\":{}}", "a list" },
	{ NULL, IMAGE ",\"layers\":\"none\"}", "a list" },
	{ "application/vnd.x+json", "{\"schemaVersion\":2}", "is not known" },
	{ MEDIA_OCI_MANIFEST, "{\"schemaVersion\":2}", "neither an image manifest nor an index" },
	{ MEDIA_DOCKER_MANIFEST, BARE_IMAGE, "without a mediaType it is " MEDIA_OCI_MANIFEST },
	{ MEDIA_OCI_ARTIFACT, BARE_IMAGE, "without a mediaType it is " MEDIA_OCI_MANIFEST },
	{ MEDIA_OCI_INDEX, BARE_IMAGE, "without a mediaType it is " MEDIA_OCI_MANIFEST },
	{ MEDIA_DOCKER_LIST, BARE_INDEX, "without a mediaType it is " MEDIA_OCI_INDEX },
	{ MEDIA_OCI_ARTIFACT, "{\"schemaVersion\":2,\"blobs\":[]}", "neither an image" },
	{ NULL, "{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"manifests\":[]}",
		"neither an image" },
	{ NULL, IMAGE ",\"layers\":[5]}", "at layers[0]: a descriptor" },
	{ NULL, IMAGE ",\"layers\":[{}]}", "\"mediaType\" is missing" },
	{ NULL, IMAGE ",\"layers\":[" DESC("", D1) "]}", "a type has 1 to 255 bytes" },
	{ NULL, IMAGE ",\"layers\":[" DESC("a\\u0007b", D1) "]}", "no control characters" },
	{ NULL, IMAGE ",\"layers\":[],\"artifactType\":\"a\\u007f\"}", "no control characters" },
	{ NULL, IMAGE ",\"layers\":[" DESC(LONG LONG LONG "x", D1) "]}", "1 to 255 bytes" },
	{ NULL, IMAGE ",\"layers\":[" DESC("a/b", "sha256:00") "]}", "at layers[0].digest" },
	{ NULL, IMAGE ",\"layers\":[{\"mediaType\":\"a/b\",\"digest\":\"" D1 "\",\"size\":-1}]}",
		"not between" },
	{ NULL,
		IMAGE ",\"layers\":[{\"mediaType\":\"a/b\",\"digest\":\"" D1
		      "\",\"size\":17592186044417}]}",
		"not between 0 and 17592186044416" },
	{ NULL, IMAGE ",\"layers\":[{\"mediaType\":\"a/b\",\"digest\":\"" D1 "\",\"size\":1e3}]}",
		"an integer" },
	{ NULL, IMAGE ",\"layers\":[],\"annotations\":{\"a\":1}}", "must be a string" },
	{ NULL, IMAGE ",\"layers\":[],\"Layers\":[]}", "twice" },
	{ NULL, IMAGE ",\"layers\":[],\"subject\":[]}", "a map" },
};

static void manifest_parse__refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
		struct err e = ERR_INIT;

		assert_err(parse(&m, refused[i].type, refused[i].text, &e), ERR_INPUT,
			refused[i].says);
	}
}

static void manifest_parse__refuses_too_much(void **state)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	buf_str(&text, IMAGE ",\"layers\":[");
	for (int i = 0; i <= DESCRIPTORS_MAX; i++)
		buf_printf(&text, "%s" LAYER, i ? "," : "");
	buf_str(&text, "]}");
	assert_err(parse(&m, NULL, text.data, &e), ERR_INPUT, "limit of 10000");
	buf_clear(&text);
	buf_str(&text, IMAGE ",\"x\":[0");
	for (int i = 0; i < MANIFEST_VALUES_MAX; i++)
		buf_str(&text, ",0");
	buf_str(&text, "]}");
	assert_err(parse(&m, NULL, text.data, &e), ERR_INPUT, "more than 200000 values");
	buf_clear(&text);
	buf_reserve(&text, MANIFEST_MAX + 1);
	memset(text.data, ' ', MANIFEST_MAX + 1);
	text.len = MANIFEST_MAX + 1;
	text.data[text.len] = '\0';
	assert_err(parse(&m, NULL, text.data, &e), ERR_INPUT, "limit of 4194304");
}

static void descriptor_write__reads_back_the_same(void **state)
{
	static const char text[] =
		"{\"mediaType\":\"a/b\",\"digest\":\"" D1 "\",\"size\":7,"
		"\"platform\":{\"architecture\":\"arm\",\"os\":\"linux\",\"variant\":\"v7\"},"
		"\"artifactType\":\"c/d\",\"annotations\":{\"a\":\"1\",\"b\":\"\\\"\"}}";
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf whole = BUF_INIT;
	AUTO(buf_release) struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	buf_printf(&whole, "%s,\"manifests\":[%s]}", INDEX, text);
	assert_ok(parse(&m, NULL, whole.data, &e));
	descriptor_write(&out, &m.items[0]);
	assert_string_equal(out.data, text);
}

/* What was read, written again; NULL: it was refused. */
static char *read_again(const char *text)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	if (parse(&m, MEDIA_OCI_INDEX, text, &e) < 0)
		return NULL;
	buf_printf(&out, "%d %s %s ", (int)m.kind, m.media_type,
		m.artifact_type ? m.artifact_type : "-");
	annotations_write(&out, &m.annotations);
	for (size_t i = 0; i < m.count; i++)
		descriptor_write(&out, &m.items[i]);
	return buf_detach(&out);
}

static void index_written__is_read_as_any_other(void **state)
{
#define ITEM(more) "{\"mediaType\":\"a/b\",\"digest\":\"" D1 "\",\"size\":7" more "}"
#define LIST(items) INDEX ",\"manifests\":[" items "]"
#define NOTES(notes) ITEM(",\"annotations\":{" notes "}")
	static const struct {
		const char *text;
		bool written; /* in our own form */
	} cases[] = {
		{ LIST("") "}", true },
		{ LIST("\n" ITEM("") ",\n" ITEM("") "\n") ",\"annotations\":{\"k\":\"v\"}}\n",
			true },
		{ INDEX ",\"artifactType\":\"c/d\",\"manifests\":[" ITEM("") "]}", true },
		{ LIST(ITEM(",\"platform\":{\"architecture\":\"x86_64\",\"os\":\"linux\","
			    "\"os.version\":\"1\",\"variant\":\"v2\"}")) "}",
			true },
		{ LIST(ITEM(",\"platform\":{\"architecture\":\"\"}")) "}", true },
		{ LIST(ITEM(",\"artifactType\":\"c/"
			    "d\",\"annotations\":{\"a\":\"\",\"b\":\"2\"}") NOTES("")) "}",
			false },
		{ LIST(ITEM(
			  ",\"artifactType\":\"c/"
			  "d\",\"annotations\":{\"a\":\"\",\"b\":\"2\"}") "," NOTES("") "," NOTES("\"c\":\"3\"")) "}",
			true },
		/* another form, which is read as well */
		{ LIST(" ") "}", false },
		{ LIST(ITEM(",\"artifactType\":\"\"")) "}", false },
		{ LIST(ITEM(",\"unknown\":1")) "}", false },
		{ LIST(ITEM(",\"urls\":[\"https://x/y\"]")) "}", false },
		{ LIST(NOTES("\"b\":\"1\",\"a\":\"2\"")) "}", false },
		{ LIST(NOTES("\"A\":\"1\",\"b\":\"2\"")) "}", false },
		{ LIST(NOTES("\"a\":\"\\\"\"")) "}", false },
		{ LIST(NOTES("\"a\":\"\xc3\xa4\"")) "}", false },
		{ LIST(NOTES("\"a\":null")) "}", false },
		{ LIST(ITEM(",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\"}")) "}",
			false },
		{ LIST(ITEM(",\"platform\":{\"os\":\"linux\"}")) "}", false },
		{ LIST(ITEM(",\"platform\":{}")) "}", false },
		/* refused */
		{ LIST(NOTES("\"a\":\"1\",\"a\":\"2\"")) "}", false },
		{ LIST(NOTES("\"A\":\"1\",\"a\":\"2\"")) "}", false },
		{ LIST(NOTES("\"a\":\"\xc3\"")) "}", false },
		{ LIST(NOTES("\"a\":\"\n\"")) "}", false },
		{ LIST(ITEM("0000000000000")) "}", false },
		{ LIST("{\"mediaType\":\"a/b\",\"digest\":\"" D1 "\",\"size\":07}") "}", false },
		{ LIST("{\"mediaType\":\"\",\"digest\":\"" D1 "\",\"size\":7}") "}", false },
		{ LIST("{\"digest\":\"" D1 "\",\"size\":7}") "}", false },
		{ LIST("{\"mediaType\":\"a/b\",\"digest\":\"sha256:AB\",\"size\":7}") "}", false },
		{ LIST(ITEM(",\"platform\":{\"architecture\":\"" D1 "\",\"os\":\"linux\"}")) "}",
			false },
		{ LIST(ITEM(",\"platform\":{,\"os\":\"linux\"}")) "}", false },
		{ LIST(ITEM(",\"platform\":{,\"variant\":\"v7\"}")) "}", false },
		{ LIST(ITEM(",\"platform\":{\"architecture\":\"\",}")) "}", false },
		{ LIST(NOTES("\"a\":\"1\",")) "}", false },
		{ LIST("," ITEM("")) "}", false },
		{ LIST(ITEM("") ",") "}", false },
		{ LIST(ITEM("")) "}}", false },
		{ LIST(ITEM("")) ",\"layers\":[]}", false },
		{ LIST(ITEM("")), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(index_written_release) struct index_written w = INDEX_WRITTEN_INIT;
		AUTO(mem_free) char *other = mem_printf(" %s", cases[i].text);
		AUTO(mem_free) char *a = read_again(cases[i].text);
		AUTO(mem_free) char *b = read_again(other);
		bool written = index_written_parse(&w, span_of(cases[i].text), DESCRIPTORS_MAX);

		if (written != cases[i].written || !a != !b || (a && strcmp(a, b) != 0))
			fail_msg("case %zu: %s: %s, %s", i, cases[i].text, a ? a : "refused",
				b ? b : "refused");
		assert_true(a || !written);
	}
}

/* More items than are allowed, and bytes behind a NUL, are left to the parser, which refuses them. */
static void index_written__keeps_to_limits(void **state)
{
	static const char text[] = LIST(ITEM("") "," ITEM("")) "}";
	AUTO(index_written_release) struct index_written w = INDEX_WRITTEN_INIT;
	AUTO(index_written_release) struct index_written more = INDEX_WRITTEN_INIT;
	AUTO(index_written_release) struct index_written nul = INDEX_WRITTEN_INIT;
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct manifest_limits limits = { sizeof(text), 1, 100 };
	struct err e = ERR_INIT;

	(void)state;
	assert_true(index_written_parse(&w, span_of(text), 2));
	assert_int_equal(w.count, 2);
	assert_true(index_written_memory(&w) > sizeof(text));
	assert_false(index_written_parse(&more, span_of(text), 1));
	assert_false(index_written_parse(&nul, (struct span){ text, sizeof(text) }, 2));
	assert_err(manifest_parse_limited(&m, "x", NULL, span_of(text), &limits, &e), ERR_INPUT,
		"limit of 1");
	limits = (struct manifest_limits){ strlen(text) - 1, 2, 100 };
	assert_err(manifest_parse_limited(&m, "x", NULL, span_of(text), &limits, &e), ERR_INPUT,
		"more than the limit");
	assert_err(manifest_parse(&m, "x", MEDIA_DOCKER_LIST, span_of(text), &e), ERR_INPUT,
		"announced as");
	limits = (struct manifest_limits){ sizeof(text), 2, 12 };
	assert_ok(manifest_parse_limited(&m, "x", NULL, span_of(text), &limits, &e));
	manifest_release(&m);
	limits.values = 11;
	assert_err(manifest_parse_limited(&m, "x", NULL, span_of(text), &limits, &e), ERR_INPUT,
		"x: more than 11 values");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manifest__config_and_lists_may_be_absent),
		cmocka_unit_test(image__config_layers_subject_annotations),
		cmocka_unit_test(index__children_platforms_attestations),
		cmocka_unit_test(manifest__type_is_inferred_only_when_unambiguous),
		cmocka_unit_test(manifest__odd_but_harmless_is_carried),
		cmocka_unit_test(manifest_parse__refuses),
		cmocka_unit_test(manifest_parse__refuses_too_much),
		cmocka_unit_test(descriptor_write__reads_back_the_same),
		cmocka_unit_test(index_written__is_read_as_any_other),
		cmocka_unit_test(index_written__keeps_to_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
