/* Rules of access, users, tokens: each by itself. */
#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/access.h"
#include "registry/htpasswd.h"
#include "registry/token.h"
#include "storage/base/base64.h"
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

/* --- users ---------------------------------------------------------------------------------- */

/* By the system's own library, as htpasswd -B does. */
static void hash(const char *password, const char *prefix, char out[128])
{
	struct crypt_data data = { .initialized = 0 };
	char salt[64];

	assert_non_null(crypt_gensalt_rn(prefix, 4, NULL, 0, salt, sizeof(salt)));
	snprintf(out, 128, "%s", crypt_rn(password, salt, &data, sizeof(data)));
}

static void users_check__right_and_wrong(void **state)
{
	static const char *const prefixes[] = { "$2y$", "$2b$", "$2a$" };
	const char *path = sandbox_path(*state, "users");
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(users_free) struct users *u = NULL;
	char h[128];
	struct err e;

	buf_str(&text, "# people\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		hash("secret", prefixes[i], h);
		buf_printf(&text, "user%zu:%s\r\n", i, h);
	}
	sandbox_write(path, text.data, text.len);
	assert_ok(users_read(&u, path, &e));
	for (int i = 0; i < 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "user%d", i);
		assert_true(users_has(u, name));
		assert_true(users_check(u, name, "secret"));
		assert_false(users_check(u, name, "Secret"));
		assert_false(users_check(u, name, ""));
	}
	assert_false(users_has(u, "user3"));
	assert_false(users_check(u, "user3", "secret"));
	assert_false(users_check(u, "", ""));
}

#define GOOD "$2y$05$sGHjDB0J40XZh6mTS3.V7OJQ4XDWEdn71EyUwCrNrOQgCn2Igi0p6"

static const struct {
	const char *text, *words;
} bad_users[] = {
	{ "alice\n", "users:1: not NAME:HASH" },
	{ ":" GOOD "\n", "users:1: a user's name" },
	{ "al ice:" GOOD "\n", "users:1: a user's name" },
	{ "alice:secret\n", "users:1: not a bcrypt hash" },
	{ "# x\nalice:$apr1$x$y\n", "users:2: not a bcrypt hash" },
	{ "alice:{SHA}xyz=\n", "not a bcrypt hash" },
	{ "alice:$2y$31$sGHjDB0J40XZh6mTS3.V7OJQ4XDWEdn71EyUwCrNrOQgCn2Igi0p6\n", "cost 4 to 14" },
	{ "alice:" GOOD "\nbob:" GOOD "\nalice:" GOOD "\n", "alice is there twice" },
};

static void users_read__refuses(void **state)
{
	const char *path = sandbox_path(*state, "users");
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(bad_users); i++) {
		AUTO(users_free) struct users *u = NULL;

		sandbox_write(path, bad_users[i].text, strlen(bad_users[i].text));
		assert_err(users_read(&u, path, &e), ERR_INPUT, bad_users[i].words);
	}
	AUTO(users_free) struct users *none = NULL;
	assert_err(users_read(&none, sandbox_path(*state, "none"), &e), ERR_ABSENT, "no such file");
}

/* --- tokens --------------------------------------------------------------------------------- */

#define NOW 1800000000

static struct grants *some_grants(void)
{
	struct grants *g = mem_alloc(sizeof(*g) + 2 * sizeof(g->items[0]));

	g->count = 2;
	snprintf(g->items[0].name, sizeof(g->items[0].name), "team/app");
	g->items[0].actions = ACTION_PULL | ACTION_PUSH;
	g->items[1].actions = ACTION_CATALOG;
	return g;
}

static void token__there_and_back(void **state)
{
	AUTO(mem_free) struct grants *given = some_grants(), *got = NULL;
	AUTO(buf_release) struct buf token = BUF_INIT;
	char user[USER_NAME_MAX + 1];
	struct token_key key;
	const char *why;
	struct err e;

	(void)state;
	assert_ok(token_key_read(&key, NULL, &e));
	token_make(&key, "svc", "alice", given, NOW, 60, &token);
	assert_int_equal(token_read(&key, "svc", buf_span(&token), NOW + 59, user, &got, &why), 0);
	assert_string_equal(user, "alice");
	assert_int_equal(got->count, 2);
	assert_string_equal(got->items[0].name, "team/app");
	assert_int_equal(got->items[0].actions, ACTION_PULL | ACTION_PUSH);
	assert_int_equal(got->items[1].actions, ACTION_CATALOG);
}

/* A token of the key's with this header and these claims. */
static void forge(
	const struct token_key *key, const char *header, const char *claims, struct buf *out)
{
	AUTO(buf_release) struct buf whole = BUF_INIT, body = BUF_INIT;
	const char *at[2];

	/* token_make() signs what it made; so make one, and put other text in its place. */
	token_make(key, "svc", "alice", NULL, NOW, 60, &whole);
	at[0] = strchr(whole.data, '.');
	at[1] = strchr(at[0] + 1, '.');
	base64_encode(&body, span_of(header));
	buf_char(&body, '.');
	base64_encode(&body, span_of(claims));
	for (size_t i = 0; i < body.len; i++)
		if (body.data[i] != '=')
			buf_char(out, body.data[i]);
	buf_str(out, at[1]);
}

static void token_read__refuses(void **state)
{
	static const struct {
		const char *header, *claims;
	} forged[] = {
		{ "{\"alg\":\"none\",\"typ\":\"JWT\"}", "{\"sub\":\"alice\"}" },
		{ "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", "{\"sub\":\"root\"}" },
		{ "{\"typ\":\"JWT\",\"alg\":\"HS256\"}", "{}" },
	};
	static const struct {
		const char *service;
		int64_t now;
		const char *words;
	} late[] = {
		{ "svc", NOW + 60, "over" },
		{ "svc", NOW - 3600, "not valid yet" },
		{ "other", NOW, "another service" },
	};
	AUTO(buf_release) struct buf token = BUF_INIT;
	struct grants *got = NULL;
	char user[USER_NAME_MAX + 1];
	struct token_key key, other;
	const char *why;
	struct err e;

	(void)state;
	assert_ok(token_key_read(&key, NULL, &e));
	assert_ok(token_key_read(&other, NULL, &e));
	token_make(&key, "svc", "alice", NULL, NOW, 60, &token);
	assert_int_equal(token_read(&other, "svc", buf_span(&token), NOW, user, &got, &why), -1);
	assert_string_equal(why, "the token is not one of ours");
	for (size_t i = 0; i < ARRAY_SIZE(late); i++) {
		assert_int_equal(token_read(&key, late[i].service, buf_span(&token), late[i].now,
					 user, &got, &why),
			-1);
		assert_non_null(strstr(why, late[i].words));
		assert_null(got);
	}
	for (size_t i = 0; i < token.len; i++) { /* any byte changed */
		AUTO(buf_release) struct buf bent = BUF_INIT;

		buf_add(&bent, token.data, token.len);
		bent.data[i] = bent.data[i] == 'A' ? 'B' : 'A';
		if (token_read(&key, "svc", buf_span(&bent), NOW, user, &got, &why) == 0 &&
			i + 1 < token.len) /* the last digit has bits that say nothing */
			fail_msg("byte %zu", i);
		mem_free(&got);
	}
	for (size_t i = 0; i < token.len; i++) /* cut anywhere */
		assert_int_equal(token_read(&key, "svc", (struct span){ token.data, i }, NOW, user,
					 &got, &why),
			-1);
	for (size_t i = 0; i < ARRAY_SIZE(forged); i++) {
		AUTO(buf_release) struct buf text = BUF_INIT;

		forge(&key, forged[i].header, forged[i].claims, &text);
		assert_int_equal(
			token_read(&key, "svc", buf_span(&text), NOW, user, &got, &why), -1);
	}
}

static void token_key_read__sizes(void **state)
{
	const char *path = sandbox_path(*state, "key");
	char bytes[70] = "0123456789012345678901234567890123456789012345678901234567890123456789";
	struct token_key k;
	struct err e;

	sandbox_write(path, bytes, 31);
	assert_err(token_key_read(&k, path, &e), ERR_INPUT, "32 to 64 bytes");
	sandbox_write(path, bytes, 65);
	assert_int_equal(token_key_read(&k, path, &e), -1);
	sandbox_write(path, bytes, 32);
	assert_ok(token_key_read(&k, path, &e));
	assert_err(token_key_read(&k, sandbox_path(*state, "none"), &e), ERR_ABSENT, "token-key");
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
		T(users_check__right_and_wrong),
		T(users_read__refuses),
		T(token__there_and_back),
		T(token_read__refuses),
		T(token_key_read__sizes),
	};

	return cmocka_run_group_tests_name("registry/access", tests, NULL, NULL);
}
