/* Tokens: made, read, forged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/token.h"
#include "storage/base/base64.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"

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
		T(token__there_and_back),
		T(token_read__refuses),
		T(token_key_read__sizes),
	};

	return cmocka_run_group_tests_name("registry/token", tests, NULL, NULL);
}
