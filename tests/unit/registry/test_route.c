#include <stdio.h>
#include <string.h>

#include "registry/api/route.h"
#include "tests/support/cm.h"

#define HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define D "sha256:" HEX
#define LONG_NAME                                                                                  \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

#define SESSION "0123456789abcdef0123456789abcdef"

static const struct {
	const char *uri;
	enum route_kind kind;
	const char *name, *tag;
} good[] = {
	{ "/v2/", ROUTE_BASE, "", "" },
	{ "/v2", ROUTE_BASE, "", "" },
	{ "/v2/?x=y", ROUTE_BASE, "", "" },
	{ "/healthz", ROUTE_HEALTH, "", "" },
	{ "/readyz", ROUTE_READY, "", "" },
	{ "/v2/_catalog", ROUTE_CATALOG, "", "" },
	{ "/v2/_catalog?n=5&last=a%2Fb", ROUTE_CATALOG, "", "" },
	{ "/v2/_oci/ext/discover", ROUTE_DISCOVER, "", "" },
	{ "/v2/a/b/_oci/ext/discover", ROUTE_DISCOVER, "a/b", "" },
	{ "/v2/nginx/tags/list", ROUTE_TAGS, "nginx", "" },
	{ "/v2/docker.io/library/nginx/manifests/1.27.3", ROUTE_MANIFEST, "docker.io/library/nginx",
		"1.27.3" },
	{ "/v2/a/manifests/" D, ROUTE_MANIFEST, "a", "" },
	{ "/v2/a/manifests/sha256%3A" HEX, ROUTE_MANIFEST, "a", "" },
	{ "/v2/a/manifests/sha256%3a" HEX, ROUTE_MANIFEST, "a", "" },
	{ "/v2/a/blobs/" D, ROUTE_BLOB, "a", "" },
	{ "/v2/a/referrers/" D, ROUTE_REFERRERS, "a", "" },
	{ "/v2/a/blobs/uploads/", ROUTE_UPLOADS, "a", "" },
	{ "/v2/a/blobs/uploads", ROUTE_UPLOADS, "a", "" },
	{ "/v2/a/blobs/uploads/8f3a", ROUTE_UPLOAD, "a", "" },
	{ "/v2/a/blobs/uploads/" SESSION, ROUTE_UPLOAD, "a", "" },
	{ "/v2/a/blobs/uploads/" SESSION "?digest=" D "&ns=docker.io", ROUTE_UPLOAD, "a", "" },
	{ "/v2/a/blobs/uploads/uploads", ROUTE_UPLOAD, "a", "" },
	{ "/token?service=x&scope=repository:a:pull", ROUTE_TOKEN, "", "" },
	{ "/metrics", ROUTE_METRICS, "", "" },
	/* names that look like routes */
	{ "/v2/blobs/manifests/uploads", ROUTE_MANIFEST, "blobs", "uploads" },
	{ "/v2/manifests/manifests/manifests", ROUTE_MANIFEST, "manifests", "manifests" },
	{ "/v2/tags/list/tags/list", ROUTE_TAGS, "tags/list", "" },
	{ "/v2/a/blobs/uploads/manifests/x", ROUTE_MANIFEST, "a/blobs/uploads", "x" },
	{ "/v2/a/tags/manifests/list", ROUTE_MANIFEST, "a/tags", "list" },
	/* none of ours */
	{ "/", ROUTE_NONE, "", "" },
	{ "/v1/", ROUTE_NONE, "", "" },
	{ "/v2/nginx", ROUTE_NONE, "", "" },
	{ "/v2/nginx/manifests/", ROUTE_NONE, "", "" },
	{ "/v2/nginx/nothing/x", ROUTE_NONE, "", "" },
	{ "/v2/tags/list", ROUTE_NONE, "", "" },
	{ "/metrics/", ROUTE_NONE, "", "" },
};

static void route_parse__knows_the_api(void **state)
{
	AUTO(route_release) struct route r = ROUTE_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (route_parse(&r, span_of(good[i].uri)) != ROUTE_OK || r.kind != good[i].kind)
			fail_msg("%s: kind %d", good[i].uri, (int)r.kind);
		assert_string_equal(r.name, good[i].name);
		assert_string_equal(r.tag, good[i].tag);
	}
}

static const struct {
	const char *uri;
	enum route_fault fault;
} bad[] = {
	{ "", ROUTE_BAD_TARGET },
	{ "v2/", ROUTE_BAD_TARGET },
	{ "http://host/v2/", ROUTE_BAD_TARGET },
	{ "*", ROUTE_BAD_TARGET },
	{ "/v2/a\\b/manifests/x", ROUTE_BAD_TARGET },
	{ "/v2/a#b", ROUTE_BAD_TARGET },
	{ "/v2/a b", ROUTE_BAD_TARGET },
	{ "/v2/\x7f", ROUTE_BAD_TARGET },
	{ "/v2/\xc3\xa9/manifests/x", ROUTE_BAD_TARGET },
	{ "/v2/a%2Fb/manifests/x", ROUTE_BAD_TARGET },
	{ "/v2/a%2fb/manifests/x", ROUTE_BAD_TARGET },
	{ "/v2/a%5Cb/manifests/x", ROUTE_BAD_TARGET },
	{ "/v2/a%00/manifests/x", ROUTE_BAD_TARGET },
	{ "/v2/a%252Fb/manifests/x", ROUTE_BAD_TARGET },
	{ "/v2/a%0d%0aX:y/manifests/x", ROUTE_BAD_TARGET },
	{ "/v2/a%4/manifests/x%", ROUTE_BAD_TARGET },
	{ "/v2/a%zz/manifests/x", ROUTE_BAD_TARGET },
	{ "/v2/../manifests/x", ROUTE_BAD_NAME },
	{ "/v2/a/../b/manifests/x", ROUTE_BAD_NAME },
	{ "/v2/%2e%2e/manifests/x", ROUTE_BAD_NAME },
	{ "/v2//manifests/x", ROUTE_BAD_NAME },
	{ "/v2/a//b/manifests/x", ROUTE_BAD_NAME },
	{ "/v2/UPPER/manifests/x", ROUTE_BAD_NAME },
	{ "/v2/_a/manifests/x", ROUTE_BAD_NAME },
	{ "/v2/a:5000/b/manifests/x", ROUTE_BAD_NAME },
	{ "/v2/A/tags/list", ROUTE_BAD_NAME },
	{ "/v2/" LONG_NAME "/manifests/x", ROUTE_BAD_NAME },
	{ "/v2/" LONG_NAME LONG_NAME "/manifests/x", ROUTE_TOO_LONG },
	{ "/v2/a/manifests/sha256:baddigeststring", ROUTE_BAD_DIGEST },
	{ "/v2/a/manifests/sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
		ROUTE_BAD_DIGEST },
	{ "/v2/a/manifests/md5:abc", ROUTE_BAD_DIGEST },
	{ "/v2/a/blobs/latest", ROUTE_BAD_DIGEST },
	{ "/v2/a/referrers/x", ROUTE_BAD_DIGEST },
	{ "/v2/a/manifests/-x", ROUTE_BAD_TAG },
	{ "/v2/a/manifests/.x", ROUTE_BAD_TAG },
	{ "/v2/a/manifests/..", ROUTE_BAD_TAG },
	{ "/v2/a/tags/list?n=-1", ROUTE_BAD_QUERY },
	{ "/v2/a/tags/list?n=", ROUTE_BAD_QUERY },
	{ "/v2/a/tags/list?n=x", ROUTE_BAD_QUERY },
	{ "/v2/a/tags/list?n", ROUTE_BAD_QUERY },
	{ "/v2/a/manifests/x?ns=", ROUTE_BAD_QUERY },
	{ "/v2/a/manifests/x?ns=a/b", ROUTE_BAD_QUERY },
	{ "/v2/a/manifests/x?ns=a%2Fb", ROUTE_BAD_QUERY },
	{ "/v2/a/manifests/x?ns=../x", ROUTE_BAD_QUERY },
	{ "/v2/a/tags/list?last=%00", ROUTE_BAD_QUERY },
};

static void route_parse__names_the_fault(void **state)
{
	AUTO(route_release) struct route r = ROUTE_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		enum route_fault fault = route_parse(&r, span_of(bad[i].uri));

		if (fault != bad[i].fault)
			fail_msg("%s: fault %d, not %d", bad[i].uri, (int)fault, (int)bad[i].fault);
	}
}

static void route_parse__reads_the_query(void **state)
{
	AUTO(route_release) struct route r = ROUTE_INIT;

	(void)state;
	assert_int_equal(route_parse(&r, span_of("/v2/a/tags/list?n=10&last=1.2&ns=localhost:5001"
						 "&x=%zz&digest")),
		ROUTE_OK);
	assert_int_equal(r.n, 10);
	assert_string_equal(r.last, "1.2");
	assert_string_equal(r.ns, "localhost:5001");
	assert_int_equal(route_parse(&r, span_of("/v2/a/tags/list")), ROUTE_OK);
	assert_int_equal(r.n, PAGE_UNSET);
	assert_int_equal(
		route_parse(&r, span_of("/v2/a/tags/list?n=99999999999999999999")), ROUTE_OK);
	assert_int_equal(r.n, INT32_MAX);
}

static void route_parse__several_artifact_types(void **state)
{
	AUTO(route_release) struct route r = ROUTE_INIT;
	char uri[2048] = "/v2/a/referrers/" D "?artifactType=application/a%2Bjson"
			 "&artifactType=application/b+json&artifactType=application/c%20json";

	(void)state;
	assert_int_equal(route_parse(&r, span_of(uri)), ROUTE_OK);
	assert_int_equal(r.types, 3);
	assert_string_equal(route_value(&r, 0), "application/a+json");
	assert_string_equal(route_value(&r, 1), "application/b+json");
	assert_string_equal(route_value(&r, 2), "application/c+json");
	for (int i = 0; i < ROUTE_TYPES_MAX; i++) {
		size_t at = strlen(uri);

		snprintf(uri + at, sizeof(uri) - at, "&artifactType=x/y");
	}
	assert_int_equal(route_parse(&r, span_of(uri)), ROUTE_BAD_QUERY);
}

static void route_parse__long_target(void **state)
{
	char uri[URI_MAX + 2];
	AUTO(route_release) struct route r = ROUTE_INIT;

	(void)state;
	memset(uri, 'a', sizeof(uri));
	memcpy(uri, "/v2/?", 5);
	assert_int_equal(route_parse(&r, (struct span){ uri, URI_MAX }), ROUTE_OK);
	assert_int_equal(route_parse(&r, (struct span){ uri, URI_MAX + 1 }), ROUTE_TOO_LONG);
}

static void route_parse__ns_has_one_spelling(void **state)
{
	static const struct {
		const char *query, *ns;
	} cases[] = { { "GHCR.io", "ghcr.io" }, { "registry-1.docker.io", "docker.io" },
		{ "LocalHost%3A5001", "localhost:5001" } };
	AUTO(route_release) struct route r = ROUTE_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(mem_free)
		char *path = mem_printf("/v2/a/manifests/x?ns=%s", cases[i].query);

		assert_int_equal(route_parse(&r, span_of(path)), ROUTE_OK);
		assert_string_equal(r.ns, cases[i].ns);
	}
}

/* Types belong to lists of referrers, tags to manifests: one must never pass for the other. */
static void route_parse__tells_types_from_tags(void **state)
{
	static const struct {
		const char *uri, *value;
		unsigned types, tags;
	} cases[] = {
		{ "/v2/a/manifests/" D "?artifactType=a/b&tag=c", "c", 0, 1 },
		{ "/v2/a/manifests/" D "?tag=c&artifactType=a/b", "c", 0, 1 },
		{ "/v2/a/referrers/" D "?tag=c&artifactType=a/b", "a/b", 1, 0 },
		{ "/v2/a/referrers/" D "?artifactType=a/b&tag=c", "a/b", 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(route_release) struct route r = ROUTE_INIT;

		assert_int_equal(route_parse(&r, span_of(cases[i].uri)), ROUTE_OK);
		assert_int_equal(r.types, cases[i].types);
		assert_int_equal(r.tags, cases[i].tags);
		assert_string_equal(route_value(&r, 0), cases[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(route_parse__knows_the_api),
		cmocka_unit_test(route_parse__ns_has_one_spelling),
		cmocka_unit_test(route_parse__names_the_fault),
		cmocka_unit_test(route_parse__reads_the_query),
		cmocka_unit_test(route_parse__several_artifact_types),
		cmocka_unit_test(route_parse__tells_types_from_tags),
		cmocka_unit_test(route_parse__long_target),
	};

	return cmocka_run_group_tests_name("registry/route", tests, NULL, NULL);
}
