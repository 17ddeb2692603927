/* S6: the database is lost, and the next writer makes it again from the files. */
#include "tests/support/cm.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/base/fs.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"
#include "tests/unit/storage/suite.h"
#include "tests/unit/storage/view.h"

static void fill(struct store *s)
{
	static const struct image_want cosign = { .seed = "cosign", .layers = 1 };
	struct set_signature sig = { .media_type = MEDIA_OCI_MANIFEST };
	struct digest a1 = one(s, "a", "1", "n1"), a2 = one(s, "a", "2", "n2");
	struct digest b1 = one(s, "b", "1", "n3");
	static const char *const take[] = { "b" };
	struct set_offer from_b = { .digest = &a1,
		.activate = true,
		.signatures = &sig,
		.signature_count = 1,
		.take = take,
		.take_count = 1 };
	struct err e = ERR_INIT;

	sig.digest = image_make(s, NULL, &cosign);
	ref_fallback_tag(&a1, ".sig", sig.tag);
	assert_ok(image_set_force(s, &b1, &e));
	assert_ok(set_accept(s, &from_b, NULL, &e));
	assert_ok(image_set_force(s, &a2, &e));
	assert_ok(image_set_force(s, &a1, &e)); /* back to it: generation 3 */
	image_add(s, REPO, "put", "tagged", 2);
	image_add(s, REPO, "1", "tagged", 2); /* under the pin */
}

static void rebuild__everything_is_seen_again(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	AUTO(buf_release) struct buf before = BUF_INIT, after = BUF_INIT, again = BUF_INIT;
	AUTO(mem_free) struct set_signature *sigs = NULL;
	struct check_report report;
	struct set_info info;
	struct err e = ERR_INIT;
	size_t count = 0;

	fill(s);
	describe(s, &before);
	store_close(&s);
	sandbox_remove(sandbox_path(*state, "s/meta"));
	s = sandbox_store(*state, "s", STORE_WRITE);
	describe(s, &after);
	assert_string_equal(after.data, before.data);
	assert_int_equal(set_find(s, "a:1", &info, &e), 1);
	assert_ok(set_signatures(s, &info.digest, &sigs, &count, &e));
	assert_int_equal(count, 1);
	assert_ok(sandbox_check(s, true, print_problem, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
	store_close(&s);
	assert_ok(sandbox_rebuild(*state, "s", &e));
	s = sandbox_store(*state, "s", STORE_READ);
	describe(s, &again);
	assert_string_equal(again.data, before.data);
}

static void store_open__leaves_another_tools_layout_alone(void **state)
{
	static const char index[] =
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MEDIA_OCI_MANIFEST
		"\",\"digest\":\"sha256:"
		"0000000000000000000000000000000000000000000000000000000000000000\","
		"\"size\":2,\"annotations\":{\"org.opencontainers.image.ref.name\":\"latest\"}}]}";
	AUTO(buf_release) struct buf after = BUF_INIT;
	AUTO(fd_close) int dir = -1;
	struct store *s = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(mkdir(sandbox_path(*state, "s"), 0755), 0);
	sandbox_write(sandbox_path(*state, "s/oci-layout"), "{}", 2);
	sandbox_write(sandbox_path(*state, "s/index.json"), index, strlen(index));
	assert_err(store_open(&s, sandbox_path(*state, "s"), STORE_WRITE, &e), ERR_INPUT,
		"an OCI layout of another tool");
	dir = fs_open_dir(sandbox_path(*state, "s"), &e);
	assert_int_equal(fs_read_file(dir, "index.json", 1 << 20, &after, &e), 1);
	assert_string_equal(after.data, index);
}

/* Longer than what is read and parsed at once, several times. */
static void rebuild__of_a_long_list(void **state)
{
	AUTO(store_close) struct store *s = sandbox_store(*state, "s", STORE_WRITE);
	struct digest d = image_add(s, REPO, "0", "n", 1);
	struct check_report report;
	struct manifest_info info;
	struct err e = ERR_INIT;
	char tag[REF_TAG_MAX + 1];
	struct stat st;

	for (unsigned i = 0; i < 400; i++) {
		snprintf(tag, sizeof(tag), "%0*u", REF_TAG_MAX, i);
		assert_ok(image_put(s, REPO, tag, &d, MEDIA_OCI_MANIFEST, &e));
	}
	store_close(&s);
	assert_int_equal(stat(sandbox_path(*state, "s/index.json"), &st), 0);
	assert_true(st.st_size > 3 * 65536);
	sandbox_remove(sandbox_path(*state, "s/meta"));
	s = sandbox_store(*state, "s", STORE_WRITE);
	for (unsigned i = 0; i < 400; i++) {
		snprintf(tag, sizeof(tag), "%0*u", REF_TAG_MAX, i);
		assert_int_equal(manifest_by_tag(s, REPO, tag, &info, &e), 1);
	}
	assert_ok(sandbox_check(s, true, print_problem, NULL, &report, &e));
	assert_int_equal(report.problems, 0);
}

#define X "sha256:0000000000000000000000000000000000000000000000000000000000000000"
#define MOATS "\"vnd.moat.repository\":\"a/b\""
#define ENTRY(notes)                                                                               \
	"{\"mediaType\":\"a/b\",\"digest\":\"" X "\",\"size\":2,\"annotations\":{" notes "}}"
#define GOOD ENTRY(MOATS)
#define LIST(entries) "{\"schemaVersion\":2,\"manifests\":[" entries "]}"

/* An index.json without a database, as people and other tools may leave it. */
static const struct {
	const char *name, *text, *says; /* NULL: it is read, to its end */
} lists[] = {
	{ "empty", LIST(""), NULL },
	{ "one", LIST(GOOD), NULL },
	{ "two", LIST(GOOD "," GOOD), NULL },
	{ "spread out",
		" {\n \"manifests\" :\t[ \n" GOOD " , " GOOD "\n ] ,\"schemaVersion\":2 }\n",
		NULL },
	{ "brackets in texts", LIST(ENTRY(MOATS ",\"x\":\"]}[{\\\"],\\\\\"") "," GOOD), NULL },
	{ "key in texts",
		"{\"schemaVersion\":2,\"annotations\":{\"manifests\":\"\\\"manifests\\\":[\"},"
		"\"manifests\":[" GOOD "]}",
		NULL },
	{ "what others added", LIST(GOOD "," ENTRY("\"x\":\"y\"")), NULL },
	{ "escaped key", "{\"schemaVersion\":2,\"\\u006danifests\":[" ENTRY("") "]}",
		"another tool" },
	{ "nothing", "", "index.json" },
	{ "no list", "{\"schemaVersion\":2}", "index.json" },
	{ "a list", "[" GOOD "]", "not a manifest" },
	{ "a map", "{\"schemaVersion\":2,\"manifests\":{}}", "manifests" },
	{ "cut in an entry", "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":", "index.json" },
	{ "cut between", "{\"schemaVersion\":2,\"manifests\":[" GOOD, "index.json" },
	{ "cut at the end", "{\"schemaVersion\":2,\"manifests\":[" GOOD "]", "index.json" },
	{ "more behind", LIST(GOOD) "}", "index.json" },
	{ "comma behind", LIST(GOOD ","), "index.json" },
	{ "comma before", LIST("," GOOD), "index.json" },
	{ "two commas", LIST(GOOD ",," GOOD), "index.json" },
	{ "no comma", LIST(GOOD GOOD), "index.json" },
	{ "wrong bracket", LIST("{\"x\":[}" GOOD), "index.json" },
	{ "closed twice", LIST(GOOD "]"), "index.json" },
	{ "number", LIST("5"), "descriptor" },
	{ "two lists", "{\"schemaVersion\":2,\"manifests\":[],\"manifests\":[]}", "index.json" },
	{ "subject", LIST(ENTRY("\"io.containerd.manifest.subject\":\"x\"")), "x" },
};

static void rebuild__reads_and_refuses_lists(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		AUTO(store_close) struct store *s = NULL;
		struct err e = ERR_INIT;

		print_message("%s\n", lists[i].name);
		assert_int_equal(mkdir(sandbox_path(*state, "s"), 0755), 0);
		sandbox_write(
			sandbox_path(*state, "s/index.json"), lists[i].text, strlen(lists[i].text));
		if (lists[i].says)
			assert_err(store_open(&s, sandbox_path(*state, "s"), STORE_WRITE, &e),
				ERR_INPUT, lists[i].says);
		else
			assert_ok(store_open(&s, sandbox_path(*state, "s"), STORE_WRITE, &e));
		store_close(&s);
		sandbox_remove(sandbox_path(*state, "s"));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int test_rebuild(void)
{
	static const struct CMUnitTest tests[] = {
		T(rebuild__everything_is_seen_again),
		T(rebuild__of_a_long_list),
		T(rebuild__reads_and_refuses_lists),
		T(store_open__leaves_another_tools_layout_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
