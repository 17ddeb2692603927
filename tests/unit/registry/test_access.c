/* Patterns and rules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/access/access.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"

/* --- patterns ------------------------------------------------------------------------------- */

static const struct {
	const char *pattern, *name;
	bool match;
} patterns[] = {
	{ "team/app", "team/app", true },
	{ "team/app", "team/apps", false },
	{ "team/app", "team/ap", false },
	{ "team/*", "team/app", true },
	{ "team/*", "team/a/b", false },
	{ "team/*", "team/", true },
	{ "team/**", "team/a/b", true },
	{ "team/**", "team", false },
	{ "**", "anything/at/all", true },
	{ "*", "one", true },
	{ "*", "one/two", false },
	{ "**/nginx", "docker.io/library/nginx", true },
	{ "**/nginx", "nginx", false },
	{ "docker.io/*/nginx", "docker.io/library/nginx", true },
	{ "docker.io/*/nginx", "docker.io/a/b/nginx", false },
	{ "*-dev", "app-dev", true },
	{ "a*b*c", "aXbYc", true },
	{ "a*b*c", "aXbY", false },
	{ "localhost:5001/**", "localhost:5001/x", true },
	{ "**", "", true },
	{ "*", "", true },
	{ "a**", "abc/d", true },
	{ "a**/d", "abc/d", true },
	{ "a**/d", "abc/x/d", true },
	{ "a**/d", "d", false },
	{ "*/*", "a/b", true },
	{ "*/*", "a/b/c", false },
	{ "*/**", "a/b/c", true },
	{ "a*/b", "ac/b", true },
	{ "a*/b", "a/c/b", false },
	{ "**a", "x/ya", true },
	{ "**a*", "x/yab", true },
	{ "**a*", "x/ya/b", false },
	{ "team", "team/app", false },
	{ "team/app", "team", false },
	{ "", "", true },
	{ "", "a", false },
	/* what would take a backtracking matcher for ever */
	{ "a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		false },
};

static void access_match__table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
		if (access_match(patterns[i].pattern, patterns[i].name) != patterns[i].match)
			fail_msg("\"%s\" and \"%s\"", patterns[i].pattern, patterns[i].name);
}

/* --- rules ---------------------------------------------------------------------------------- */

#define RULES                                                                                      \
	"- {repositories: [\"docker.io/**\"], users: [anyone], actions: [pull]}\n"                 \
	"- {repositories: [\"team-a/**\"], users: [alice, bob], actions: [pull, push]}\n"          \
	"- {repositories: [\"team-a/secret\"], users: [alice], actions: [delete]}\n"               \
	"- {repositories: [\"shared/*\"], users: [\"*\"], actions: [pull, push, catalog]}\n"

static struct access *rules(void **state, const char *text)
{
	const char *path = sandbox_path(*state, "access.yaml");
	struct access *a = NULL;
	struct err e;

	sandbox_write(path, text, strlen(text));
	assert_ok(access_read(&a, path, &e));
	return a;
}

static const struct {
	const char *user, *repo;
	unsigned may; /* actions */
} matrix[] = {
	{ "", "docker.io/library/nginx", ACTION_PULL },
	{ "", "team-a/x", 0 },
	{ "", "team-a/secret", 0 },
	{ "", "shared/x", 0 },
	{ "", "shared/x/y", 0 },
	{ "alice", "docker.io/library/nginx", ACTION_PULL },
	{ "alice", "team-a/x", ACTION_PULL | ACTION_PUSH },
	{ "alice", "team-a/secret", ACTION_PULL | ACTION_PUSH | ACTION_DELETE },
	{ "alice", "shared/x", ACTION_PULL | ACTION_PUSH | ACTION_CATALOG },
	{ "alice", "shared/x/y", 0 },
	{ "bob", "team-a/x", ACTION_PULL | ACTION_PUSH },
	{ "bob", "team-a/secret", ACTION_PULL | ACTION_PUSH },
	{ "bob", "team-b/x", 0 },
	{ "carol", "team-a/x", 0 },
	{ "carol", "shared/x", ACTION_PULL | ACTION_PUSH | ACTION_CATALOG },
	{ "anyone", "team-a/x", 0 },
	{ "*", "team-a/x", 0 },
};

static void access_may__matrix(void **state)
{
	static const enum action each[] = { ACTION_PULL, ACTION_PUSH, ACTION_DELETE,
		ACTION_CATALOG };
	AUTO(access_free) struct access *a = rules(state, RULES);

	for (size_t i = 0; i < ARRAY_SIZE(matrix); i++)
		for (size_t k = 0; k < ARRAY_SIZE(each); k++)
			if (access_may(a, matrix[i].user, matrix[i].repo, each[k]) !=
				((matrix[i].may & each[k]) != 0))
				fail_msg("%s on %s: action %d", matrix[i].user, matrix[i].repo,
					(int)each[k]);
	assert_false(access_is_open(a));
	assert_true(access_may(a, "carol", NULL, ACTION_CATALOG));
	assert_false(access_may(a, "", NULL, ACTION_CATALOG));
	assert_true(access_may_somewhere(a, "", "library/nginx", ACTION_PULL));
	assert_true(
		access_may_somewhere(a, "", "team-a/x", ACTION_PULL)); /* of docker.io, perhaps */
	assert_false(access_may_somewhere(a, "", "team-a/x", ACTION_PUSH));
}

/* A port may be written as the store has it, and as the catalog, URLs and the audit log do. */
static const struct {
	const char *pattern, *repo;
	bool may;
} ports[] = {
	{ "localhost:5001/**", "localhost:5001/demo/app", true },
	{ "localhost-5001/**", "localhost:5001/demo/app", true },
	{ "localhost-5001/demo/app", "localhost:5001/demo/app", true },
	{ "localhost-*/demo/*", "localhost:5001/demo/app", true },
	{ "localhost-5002/**", "localhost:5001/demo/app", false },
	{ "localhost-5001/**", "localhost-5001/pushed", true },
	/* what was pushed under a bare name has no port */
	{ "localhost:5001/**", "localhost-5001/pushed", false },
	{ "team/a-1", "team/a:1", false },
};

static void access_may__either_spelling_of_a_port(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		AUTO(mem_free)
		char *text = mem_printf("- {repositories: [\"%s\"], users: [a], actions: [push]}\n",
			ports[i].pattern);
		AUTO(access_free) struct access *a = rules(state, text);

		if (access_may(a, "a", ports[i].repo, ACTION_PUSH) != ports[i].may)
			fail_msg("\"%s\" and \"%s\"", ports[i].pattern, ports[i].repo);
		assert_false(access_may(a, "a", ports[i].repo, ACTION_PULL));
		assert_false(access_may(a, "b", ports[i].repo, ACTION_PUSH));
	}
}

/* What a rule for the stored name promises to the path that a request may have. */
static const struct {
	const char *pattern, *path;
	bool may;
} somewhere[] = {
	{ "team/app", "team/app", true },
	{ "docker.io/library/nginx", "library/nginx", true },
	{ "docker.io/library/nginx", "nginx", true },
	{ "docker.io/library/nginx", "docker.io/library/nginx", true },
	{ "docker.io/library/nginx", "docker.io/nginx", true },
	{ "docker.io/library/nginx", "index.docker.io/library/nginx", true },
	{ "docker.io/library/*", "nginx", true },
	{ "docker.io/**", "a/b/c", true },
	{ "docker**", "a/b/c", true },
	{ "localhost:5001/**", "localhost-5001/x", true },
	{ "localhost-5001/**", "localhost-5001/x", true },
	{ "localhost-5001/**", "demo/app", true }, /* with ns=localhost:5001 */
	{ "ghcr.io/team/*", "mirror.corp/team/app", true },
	{ "*/team/app", "team/app", true },
	{ "**/app", "team/app", true },
	{ "**", "x", true },
	{ "docker.io/library/nginx", "library/redis", false },
	{ "docker.io/library/nginx", "other/nginx", true }, /* other.io/nginx, perhaps */
	{ "docker.io/library/nginx", "a/b/nginx", false },
	{ "docker.io/library/*", "team/x/app", false },
	{ "team/app", "team/apps", false },
	{ "docker.io/x", "x/y", false },
	{ "x", "y", false },
};

static void access_may_somewhere__table(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(somewhere); i++) {
		AUTO(mem_free)
		char *text = mem_printf("- {repositories: [\"%s\"], users: [a], actions: [pull]}\n",
			somewhere[i].pattern);
		AUTO(access_free) struct access *a = rules(state, text);

		if (access_may_somewhere(a, "a", somewhere[i].path, ACTION_PULL) !=
			somewhere[i].may)
			fail_msg("\"%s\" and \"%s\"", somewhere[i].pattern, somewhere[i].path);
		assert_false(access_may_somewhere(a, "b", somewhere[i].path, ACTION_PULL));
		assert_false(access_may_somewhere(a, "a", somewhere[i].path, ACTION_PUSH));
	}
}

/* Slow and obvious, beside the one that is used: every pattern and name of a few letters. */
static bool plainly(const char *p, const char *n)
{
	if (!*p)
		return !*n;
	if (p[0] == '*' && p[1] == '*')
		return plainly(p + 2, n) || (*n && plainly(p, n + 1));
	if (p[0] == '*')
		return plainly(p + 1, n) || (*n && *n != '/' && plainly(p, n + 1));
	return *p == *n && plainly(p + 1, n + 1);
}

static void spell(unsigned number, const char *letters, char out[8])
{
	unsigned base = (unsigned)strlen(letters);
	size_t len = 0;

	for (; number && len < 7; number /= base + 1)
		if (number % (base + 1))
			out[len++] = letters[number % (base + 1) - 1];
	out[len] = '\0';
}

static void access_match__as_the_obvious_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4 * 4 * 4 * 4 * 4 * 4; i++) {
		char pattern[8], name[8];

		spell(i, "a/*", pattern);
		for (unsigned k = 0; k < 3 * 3 * 3 * 3 * 3; k++) {
			spell(k, "a/", name);
			if (!strstr(pattern, "***") &&
				access_match(pattern, name) != plainly(pattern, name))
				fail_msg("\"%s\" and \"%s\"", pattern, name);
		}
	}
}

/* The example that is installed. */
static void access_read__example(void **state)
{
	const char *source = getenv("MOAT_SOURCE_DIR");
	AUTO(mem_free) char *path = mem_printf("%s/conf/access.yaml", source ? source : ".");
	AUTO(access_free) struct access *a = NULL;
	struct err e;

	(void)state;
	assert_ok(access_read(&a, path, &e));
	assert_true(access_may(a, "", "docker.io/library/nginx", ACTION_PULL));
	assert_true(access_may(a, "", "ghcr.io/acme/app", ACTION_PULL));
	assert_true(access_may(a, "", "moat.local/cni/plugins", ACTION_PULL));
	assert_false(access_may(a, "", "moat.local/cni/plugins", ACTION_PUSH));
	assert_true(access_may(a, "ci-a", "team-a/app", ACTION_PUSH));
	assert_false(access_may(a, "bob", "team-a/app", ACTION_PUSH));
	assert_true(access_may(a, "bob", NULL, ACTION_CATALOG));
	assert_false(access_may(a, "", NULL, ACTION_CATALOG));
	assert_false(access_is_open(a));
}

static void access_read__too_many_words(void **state)
{
	const char *path = sandbox_path(*state, "access.yaml");
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(access_free) struct access *a = NULL;
	struct err e;

	for (int i = 0; i < 11; i++) {
		buf_str(&text, "- {users: [a], actions: [pull], repositories: [x");
		for (int k = 1; k < 909; k++)
			buf_str(&text, ",x");
		buf_str(&text, "]}\n");
	}
	sandbox_write(path, text.data, text.len);
	assert_err(
		access_read(&a, path, &e), ERR_INPUT, "access.yaml:11: at [10].repositories: more");
}

static void access_default__by_logins(void **state)
{
	AUTO(access_free) struct access *with = access_default(true);
	AUTO(access_free) struct access *without = access_default(false);

	(void)state;
	assert_true(access_is_open(with));
	assert_false(access_may(with, "", "a", ACTION_PUSH));
	assert_true(access_may(with, "alice", "a", ACTION_DELETE));
	assert_true(access_may(without, "", "a", ACTION_PUSH));
}

static void access_read__no_rules_grant_nothing(void **state)
{
	AUTO(access_free) struct access *a = rules(state, "# nobody\n");

	assert_false(access_may(a, "alice", "a", ACTION_PULL));
}

static const struct {
	const char *text, *words;
} bad_rules[] = {
	{ "a: b\n", "access.yaml:1" },
	{ "- x\n", "a rule has repositories" },
	{ "- {repositories: [a], users: [b], action: [pull]}\n", "action" },
	{ "- {repositories: [a], users: [b]}\n", "actions" },
	{ "- {repositories: [], users: [b], actions: [pull]}\n", "1 to 1000" },
	{ "- {repositories: [a], users: [b], actions: [read]}\n", "not pull, push" },
	{ "- {repositories: [A], users: [b], actions: [pull]}\n", "not a pattern" },
	{ "- {repositories: [\"a/***\"], users: [b], actions: [pull]}\n", "not a pattern" },
	{ "- {repositories: [a], users: [\"b c\"], actions: [pull]}\n", "not a user" },
	{ "- {repositories: [a], users: [{x: y}], actions: [pull]}\n", "not a user" },
	{ "- {repositories: a, users: [b], actions: [pull]}\n", "repositories" },
	{ "- {repositories: [a], users: [b], actions: [pull]\n", "access.yaml:" },
};

static void access_read__refuses(void **state)
{
	const char *path = sandbox_path(*state, "access.yaml");
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(bad_rules); i++) {
		AUTO(access_free) struct access *a = NULL;

		sandbox_write(path, bad_rules[i].text, strlen(bad_rules[i].text));
		assert_err(access_read(&a, path, &e), ERR_INPUT, bad_rules[i].words);
	}
	AUTO(access_free) struct access *none = NULL;
	assert_err(
		access_read(&none, sandbox_path(*state, "none"), &e), ERR_ABSENT, "no such file");
}

#define T(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(access_match__table),
		T(access_may__matrix),
		T(access_may__either_spelling_of_a_port),
		T(access_may_somewhere__table),
		T(access_match__as_the_obvious_one),
		T(access_read__example),
		T(access_read__too_many_words),
		T(access_default__by_logins),
		T(access_read__no_rules_grant_nothing),
		T(access_read__refuses),
	};

	return cmocka_run_group_tests_name("registry/access", tests, NULL, NULL);
}
