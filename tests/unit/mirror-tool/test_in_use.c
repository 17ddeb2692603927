/* Listings of running clusters: what they name, and what is refused. */
#include "tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mirror-tool/gc/in_use.h"

/* The digests as one digit each, in order. */
static void digits(const struct in_use *u, char out[64])
{
	size_t n = 0;

	for (size_t i = 0; i < u->count && n < 63; i++) {
		char hex[DIGEST_HEX_SIZE];

		digest_hex(&u->images[i].digest, hex);
		for (const char *p = hex; *p; p++)
			assert_int_equal(*p, *hex);
		out[n++] = *hex;
	}
	out[n] = '\0';
}

static void in_use__of_each_kind(void **state)
{
	static const struct {
		const char *file, *digits;
		size_t tags;
	} cases[] = {
		{ "pods.json", "abcdef", 1 },
		{ "crictl-images.json", "123a", 0 },
		{ "crictl-ps.json", "456", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO(in_use_release) struct in_use u = IN_USE_INIT;
		AUTO(mem_free)
		char *path = mem_printf("%s/in-use/%s", getenv("MOAT_TEST_DATA"), cases[i].file);
		struct err e = ERR_INIT;
		char got[64];

		assert_ok(in_use_read(&u, path, &e));
		digits(&u, got);
		assert_string_equal(got, cases[i].digits);
		assert_int_equal(u.tag_count, cases[i].tags);
	}
}

static void in_use__names_images_for_people(void **state)
{
	AUTO(in_use_release) struct in_use u = IN_USE_INIT;
	AUTO(mem_free) char *path = mem_printf("%s/in-use/pods.json", getenv("MOAT_TEST_DATA"));
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(in_use_read(&u, path, &e));
	assert_string_equal(u.images[0].name, "docker.io/library/nginx:1.27");
	assert_string_equal(u.tags[0], "quay.io/acme/later:2");
}

static void in_use__of_several_listings_each_once(void **state)
{
	static const char *const files[] = { "pods.json", "crictl-images.json", "pods.json" };
	AUTO(in_use_release) struct in_use u = IN_USE_INIT;
	struct err e = ERR_INIT;
	char got[64];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		AUTO(mem_free)
		char *path = mem_printf("%s/in-use/%s", getenv("MOAT_TEST_DATA"), files[i]);

		assert_ok(in_use_read(&u, path, &e));
	}
	digits(&u, got);
	assert_string_equal(got, "123abcdef");
}

static int read_text(struct in_use *u, const char *text, struct err *e)
{
	char path[] = "/tmp/moat-in-use-XXXXXX";
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	rc = in_use_read(u, path, e);
	unlink(path);
	return rc;
}

/* Nothing that is not understood counts as "nothing in use". */
static void in_use__refuses(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "", "moat-in-use" },
		{ "{}", ": no list of pods, images or containers" },
		{ "[]", "moat-in-use" },
		{ "{\"items\":[]}", " names no image: an empty listing does not say" },
		{ "{\"images\":[]}", " names no image" },
		{ "{\"containers\":[]}", " names no image" },
		{ "{\"items\":[{\"spec\":{\"containers\":[]}}]}", " names no image" },
		{ "{\"items\":[{\"kind\":\"Node\"}]}", ":1: at items[0]: a Node, and no Pod" },
		{ "{\"items\":[{\"kind\":\"Pod\"}]}", ":1: at items[0]" },
		{ "{\"items\":[{\"spec\":{\"containers\":[{\"name\":\"a\"}]}}]}",
			":1: at items[0].spec.containers[0]" },
		{ "{\"items\":[{\"spec\":{\"containers\":[{\"image\":\"a\"}]},\"status\":"
		  "{\"containerStatuses\":[{\"imageID\":\"a@sha256:12\"}]}}]}",
			"\"a@sha256:12\" has no digest" },
		{ "{\"images\":[{\"repoDigests\":[\"a\"]}]}", "\"a\" is no NAME@DIGEST" },
		{ "{\"containers\":[{\"image\":{\"image\":\"busybox\"}}]}",
			"a container without the digest of its image" },
		{ "{\"items\":{}}", ":1: at items" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO(in_use_release) struct in_use u = IN_USE_INIT;
		struct err e = ERR_INIT;

		assert_err(read_text(&u, cases[i].text, &e), ERR_INPUT, cases[i].words);
	}
}

static void in_use__refuses_what_is_not_there(void **state)
{
	AUTO(in_use_release) struct in_use u = IN_USE_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_err(in_use_read(&u, "/nowhere/pods.json", &e), ERR_ABSENT, "/nowhere/pods.json");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_use__of_each_kind),
		cmocka_unit_test(in_use__names_images_for_people),
		cmocka_unit_test(in_use__of_several_listings_each_once),
		cmocka_unit_test(in_use__refuses),
		cmocka_unit_test(in_use__refuses_what_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
