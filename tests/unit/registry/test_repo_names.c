#include <string.h>

#include "registry/access/repo_names.h"
#include "tests/support/cm.h"

static const struct {
	const char *path, *ns;
	const char *want; /* the candidates, in order */
} cases[] = {
	{ "library/nginx", "docker.io", "docker.io/library/nginx" },
	{ "nginx", "docker.io", "docker.io/library/nginx docker.io/nginx" },
	{ "library/nginx", "index.docker.io", "docker.io/library/nginx" },
	{ "library/nginx", "registry-1.docker.io", "docker.io/library/nginx" },
	{ "cilium/cilium", "quay.io", "quay.io/cilium/cilium" },
	{ "x", "localhost:5001", "localhost:5001/x" },
	/* override_path: host in the path and ns as well */
	{ "docker.io/library/nginx", "docker.io",
		"docker.io/library/nginx docker.io/docker.io/library/nginx" },
	{ "localhost-5001/x", "localhost:5001",
		"localhost:5001/x localhost-5001/x localhost:5001/localhost-5001/x" },
	/* the host in the path */
	{ "docker.io/library/nginx", "",
		"docker.io/library/nginx docker.io/docker.io/library/nginx" },
	{ "docker.io/nginx", "",
		"docker.io/library/nginx docker.io/nginx docker.io/docker.io/nginx" },
	{ "index.docker.io/library/nginx", "",
		"docker.io/library/nginx index.docker.io/library/nginx "
		"docker.io/index.docker.io/library/nginx" },
	{ "quay.io/cilium/cilium", "", "quay.io/cilium/cilium docker.io/quay.io/cilium/cilium" },
	{ "localhost-5001/x", "", "localhost:5001/x docker.io/localhost-5001/x localhost-5001/x" },
	{ "localhost/x", "", "localhost/x docker.io/localhost/x" },
	{ "reg-5000/a/b", "", "reg:5000/a/b docker.io/reg-5000/a/b reg-5000/a/b" },
	/* neither: docker's registry-mirrors, before what was pushed under the bare name */
	{ "library/nginx", "", "docker.io/library/nginx library/nginx" },
	{ "nginx", "", "docker.io/library/nginx docker.io/nginx nginx" },
	/* our own name, as nodes know it */
	{ "team/app", "registry.local", "team/app" },
	/* configured */
	{ "team/app", "mirror.corp", "ghcr.io/team/app" },
	{ "mirror.corp/team/app", "",
		"ghcr.io/team/app mirror.corp/team/app "
		"docker.io/mirror.corp/team/app" },
	{ "app", "mirror.corp:5000", "quay.io/app" },
	{ "mirror.corp-5000/app", "",
		"quay.io/app mirror.corp-5000/app docker.io/mirror.corp-5000/app" },
};

static const char *maps[] = { "Mirror.corp=GHCR.io", "mirror.corp:5000=quay.io",
	"registry.local=" };

static void names_find__candidates_in_order(void **state)
{
	AUTO(repo_names_release) struct repo_names n = REPO_NAMES_INIT;
	struct texts given = { .items = maps, .count = ARRAY_SIZE(maps) };
	struct err e;

	(void)state;
	assert_ok(repo_names_init(&n, &given, "docker.io", &e));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(buf_release) struct buf got = BUF_INIT;
		struct candidates c;

		repo_names_find(&n, cases[i].path, cases[i].ns, &c);
		for (size_t j = 0; j < c.count; j++)
			buf_printf(&got, "%s%s", j ? " " : "", c.name[j]);
		assert_string_equal(got.data, cases[i].want);
	}
}

/* Pushes carry `ns` without meaning it, unless it was mapped. */
static void names_find_target__ns_counts_where_it_is_mapped(void **state)
{
	AUTO(repo_names_release) struct repo_names n = REPO_NAMES_INIT;
	struct texts given = { .items = maps, .count = ARRAY_SIZE(maps) };
	struct candidates c;
	struct err e;

	(void)state;
	assert_ok(repo_names_init(&n, &given, "docker.io", &e));
	repo_names_find_target(&n, "team/app", "quay.io", &c);
	assert_int_equal(c.count, 2);
	assert_string_equal(c.name[0], "docker.io/team/app");
	assert_string_equal(c.name[1], "team/app");
	repo_names_find_target(&n, "team/app", "mirror.corp", &c);
	assert_int_equal(c.count, 1);
	assert_string_equal(c.name[0], "ghcr.io/team/app");
}

/* Whoever may fill `library/nginx` here must not get to answer for docker.io. */
static void names_find__ns_never_means_the_bare_name(void **state)
{
	AUTO(repo_names_release) struct repo_names n = REPO_NAMES_INIT;
	struct candidates c;
	struct err e;

	(void)state;
	assert_ok(repo_names_init(&n, NULL, "", &e));
	repo_names_find(&n, "library/nginx", "docker.io", &c);
	for (size_t i = 0; i < c.count; i++)
		assert_string_not_equal(c.name[i], "library/nginx");
	repo_names_find(&n, "library/nginx", "", &c);
	assert_int_equal(c.count, 1);
}

static void names_find__a_name_too_long_is_left_out(void **state)
{
	AUTO(repo_names_release) struct repo_names n = REPO_NAMES_INIT;
	char path[REF_REPO_MAX + 1];
	struct candidates c;
	struct err e;

	(void)state;
	assert_ok(repo_names_init(&n, NULL, "docker.io", &e));
	memset(path, 'a', sizeof(path));
	path[REF_REPO_MAX] = '\0';
	repo_names_find(&n, path, "docker.io", &c);
	assert_true(c.count >= 1);
	for (size_t i = 0; i < c.count; i++)
		assert_true(strlen(c.name[i]) <= NAME_MAX_BYTES);
}

static void names_init__refuses(void **state)
{
	static char bad[][8] = { "x", "=y", "a/b=c", "a=b/c", "a b=c" };
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO(repo_names_release) struct repo_names n = REPO_NAMES_INIT;
		const char *item = bad[i];
		struct texts given = { .items = &item, .count = 1 };

		assert_err(repo_names_init(&n, &given, "", &e), ERR_INPUT, "map");
	}
}

static const struct {
	const char *path, *want; /* NULL: no port in it */
} ports[] = {
	{ "localhost-5001/x", "localhost:5001/x" },
	{ "a-b-80/x/y", "a-b:80/x/y" },
	{ "a-123456/x", NULL },
	{ "a-/x", NULL },
	{ "-80/x", NULL },
	{ "80/x", NULL },
	{ "a-80", NULL },
	{ "a/b-80/x", NULL },
};

static void names_with_port__table(void **state)
{
	char out[NAME_MAX_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		if (repo_names_with_port(ports[i].path, out) != (ports[i].want != NULL))
			fail_msg("%s", ports[i].path);
		if (ports[i].want)
			assert_string_equal(out, ports[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_find__candidates_in_order),
		cmocka_unit_test(names_find_target__ns_counts_where_it_is_mapped),
		cmocka_unit_test(names_find__ns_never_means_the_bare_name),
		cmocka_unit_test(names_find__a_name_too_long_is_left_out),
		cmocka_unit_test(names_init__refuses),
		cmocka_unit_test(names_with_port__table),
	};

	return cmocka_run_group_tests_name("registry/names", tests, NULL, NULL);
}
