#include <stdio.h>
#include <string.h>

#include "storage/oci/ref.h"
#include "tests/support/cm.h"

#define D "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static const struct {
	const char *in, *text, *name;
} parsed[] = {
	{ "nginx", "docker.io/library/nginx", "docker.io/library/nginx" },
	{ "nginx:1.27", "docker.io/library/nginx:1.27", "docker.io/library/nginx" },
	{ "grafana/grafana:11", "docker.io/grafana/grafana:11", "docker.io/grafana/grafana" },
	{ "index.docker.io/library/x", "docker.io/library/x", "docker.io/library/x" },
	{ "registry-1.docker.io/x:y", "docker.io/library/x:y", "docker.io/library/x" },
	{ "Registry.Hub.Docker.com/x", "docker.io/library/x", "docker.io/library/x" },
	{ "Quay.IO:443/x", "quay.io:443/x", "quay.io:443/x" },
	{ "localhost/x", "localhost/x", "localhost/x" },
	{ "localhost:5001/a/b:t", "localhost:5001/a/b:t", "localhost:5001/a/b" },
	{ "quay.io/cilium/cilium:v1@" D, "quay.io/cilium/cilium:v1@" D, "quay.io/cilium/cilium" },
	{ "a.b/c@" D, "a.b/c@" D, "a.b/c" },
	{ "ghcr.io/a--b/c__d/e.f-g", "ghcr.io/a--b/c__d/e.f-g", "ghcr.io/a--b/c__d/e.f-g" },
	{ "ghcr.io/blobs/manifests:uploads", "ghcr.io/blobs/manifests:uploads",
		"ghcr.io/blobs/manifests" },
};

static void ref_parse__normalises(void **state)
{
	char text[REF_TEXT_SIZE];
	struct err e = ERR_INIT;
	struct ref r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(parsed); i++) {
		assert_ok(ref_parse(&r, span_of(parsed[i].in), &e));
		assert_string_equal(ref_text(&r, text), parsed[i].text);
		assert_string_equal(ref_name(&r, text), parsed[i].name);
	}
}

static void ref_same_host__one_spelling(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "ghcr.io", "GHCR.io", true },
		{ "Localhost:5000", "localhost:5000", true },
		{ "docker.io", "registry-1.docker.io", true },
		{ "Index.Docker.io", "registry.hub.docker.com", true },
		{ "[::1]:5000", "[::1]:5000", true },
		{ "ghcr.io", "ghcr.io:443", false },
		{ "a.b", "a_b", false },
		{ "docker.io", "docker.io.evil.example", false },
		{ "", "docker.io", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (ref_same_host(cases[i].a, cases[i].b) != cases[i].same)
			fail_msg("%s and %s", cases[i].a, cases[i].b);
}

static const struct {
	const char *in, *says;
} refused[] = {
	{ "", "empty" },
	{ ":tag", "empty" },
	{ "@" D, "empty" },
	{ "quay.io/", "empty" },
	{ "Nginx", "character 1" },
	{ "nginx:", "tag is empty" },
	{ "nginx:-x", "tag \"-x\"" },
	{ "quay.io/chart:1.2.4+up1.0",
		"no tag has a plus (helm pushes such a version as 1.2.4_up1.0)" },
	{ "quay.io/chart:1+2!", "reference \"quay.io/chart:1+2!\": tag \"1+2!\" is not valid" },
	{ "oci://quay.io/chart:1.2.4", "it begins with a scheme; leave that out" },
	{ "quay.io/a//b", "character 3" },
	{ "quay.io/a/../b", "character 3" },
	{ "quay.io/a_", "not valid" },
	{ "quay.io/a___b", "not valid" },
	{ "quay.io/a..b", "not valid" },
	{ "quay.io/-a", "not valid" },
	{ "quay.io/a b", "character 2" },
	{ "nginx@sha256:00", "hex digits" },
	{ "nginx@" D "@" D, "hex digits" },
	{ "host:port/x", "registry host" },
	{ "host:123456/x", "registry host" },
	{ ".x/y", "registry host" },
	{ "[::1]:5000/x", "IPv6" },
	{ "quay_.io/x", "registry host" },
};

static void ref_parse__refuses(void **state)
{
	struct err e = ERR_INIT;
	struct ref r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_err(ref_parse(&r, span_of(refused[i].in), &e), ERR_INPUT, refused[i].says);
}

static void ref_parse__refuses_long_pieces(void **state)
{
	char text[2000];
	struct err e = ERR_INIT;
	struct ref r;

	(void)state;
	snprintf(text, sizeof(text), "a.b/%0255d", 1);
	assert_ok(ref_parse(&r, span_of(text), &e));
	snprintf(text, sizeof(text), "a.b/%0256d", 1);
	assert_err(ref_parse(&r, span_of(text), &e), ERR_INPUT, "longer than 255");
	snprintf(text, sizeof(text), "%0250d", 1);
	assert_err(ref_parse(&r, span_of(text), &e), ERR_INPUT, "longer than 255");
	snprintf(text, sizeof(text), "a.b/c:%0129d", 1);
	assert_err(ref_parse(&r, span_of(text), &e), ERR_INPUT, "longer than 128");
	snprintf(text, sizeof(text), "a.b/%01500d", 1);
	assert_err(ref_parse(&r, span_of(text), &e), ERR_INPUT, "too long");
}

static void ref_fallback_tag__cuts_the_hex(void **state)
{
	char tag[REF_TAG_MAX + 1];
	struct digest d, back;

	(void)state;
	digest_of(&d, DIGEST_SHA256, span_of("abc"));
	ref_fallback_tag(&d, ".sig", tag);
	assert_string_equal(
		tag, "sha256-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.sig");
	assert_true(ref_fallback_subject(tag, &back) && digest_eq(&back, &d));
	digest_of(&d, DIGEST_SHA512, span_of("abc"));
	ref_fallback_tag(&d, "", tag);
	assert_int_equal(strlen(tag), 7 + 64);
	assert_false(ref_fallback_subject(tag, &back));
	assert_false(ref_fallback_subject("sha256-", &back));
	assert_false(ref_fallback_subject("1.0", &back));
}

static void ref_api_name__has_no_colon(void **state)
{
	char out[REF_TEXT_SIZE];

	(void)state;
	ref_api_name("localhost:5001/a/b", out);
	assert_string_equal(out, "localhost-5001/a/b");
}

static void ref_eq__compares_all_four(void **state)
{
#define AT "@sha256:9b2c000000000000000000000000000000000000000000000000000000000000"
	static const char *const others[] = { "b.io/x:1" AT, "a.io/y:1" AT, "a.io/x:2" AT,
		"a.io/x:1", "a.io/x" AT };
	struct ref one, other;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(ref_parse(&one, span_of("a.io/x:1" AT), &e), 0);
	assert_int_equal(ref_parse(&other, span_of("A.io/x:1" AT), &e), 0);
	assert_true(ref_eq(&one, &other));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		assert_int_equal(ref_parse(&other, span_of(others[i]), &e), 0);
		assert_false(ref_eq(&one, &other));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ref_parse__normalises),
		cmocka_unit_test(ref_same_host__one_spelling),
		cmocka_unit_test(ref_eq__compares_all_four),
		cmocka_unit_test(ref_parse__refuses),
		cmocka_unit_test(ref_parse__refuses_long_pieces),
		cmocka_unit_test(ref_fallback_tag__cuts_the_hex),
		cmocka_unit_test(ref_api_name__has_no_colon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
