/* Patterns and rules. */
#include <stdio.h>
#include <string.h>

#include "registry/access.h"
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
		T(access_default__by_logins),
		T(access_read__no_rules_grant_nothing),
		T(access_read__refuses),
	};

	return cmocka_run_group_tests_name("registry/access", tests, NULL, NULL);
}
