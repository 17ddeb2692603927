/* Tokens: made, read, forged. */
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/access/token.h"
#include "storage/base/base64.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"

#define NOW 1800000000
#define KEY "0123456789abcdef0123456789abcdef"

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

/* The same token by Python's hmac, hashlib and base64. */
static const char by_python[] =
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJtb2F0ZCIsImF1ZCI6InN2YyIsInN1YiI"
	"6ImFsaWNlIiwiaWF0IjoxODAwMDAwMDAwLCJuYmYiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMDA2MCw"
	"iYWNjZXNzIjpbeyJ0eXBlIjoicmVwb3NpdG9yeSIsIm5hbWUiOiJ0ZWFtL2FwcCIsImFjdGlvbnMiOls"
	"icHVsbCIsInB1c2giXX0seyJ0eXBlIjoicmVnaXN0cnkiLCJuYW1lIjoiY2F0YWxvZyIsImFjdGlvbnM"
	"iOlsiKiJdfV19.QdDCMTaOtOA9Ml9rG5XuN1TLRpjWMtjHL7vWH3tb2bU";

static void token_make__as_others_do(void **state)
{
	AUTO(mem_free) struct grants *given = some_grants(), *got = NULL;
	AUTO(buf_release) struct buf token = BUF_INIT;
	char user[USER_NAME_MAX + 1];
	const char *path = sandbox_path(*state, "key");
	struct token_key key;
	const char *why;
	struct err e;

	sandbox_write(path, KEY, strlen(KEY));
	assert_ok(token_key_read(&key, path, &e));
	token_make(&key, "svc", "alice", given, NOW, 60, &token);
	assert_string_equal(token.data, by_python);
	assert_int_equal(token_read(&key, "svc", span_of(by_python), NOW, user, &got, &why), 0);
	assert_string_equal(user, "alice");
}

static void url64(struct buf *out, struct span bytes)
{
	AUTO(buf_release) struct buf b = BUF_INIT;

	base64_encode(&b, bytes);
	for (size_t i = 0; i < b.len && b.data[i] != '='; i++)
		buf_char(out, b.data[i] == '+' ? '-' : b.data[i] == '/' ? '_' : b.data[i]);
}

/* Signed with the right key, whatever it says. */
static void forge(
	const struct token_key *key, const char *header, const char *claims, struct buf *out)
{
	unsigned char mac[32];

	url64(out, span_of(header));
	buf_char(out, '.');
	url64(out, span_of(claims));
	assert_non_null(HMAC(EVP_sha256(), key->bytes, (int)key->len,
		(const unsigned char *)out->data, out->len, mac, NULL));
	buf_char(out, '.');
	url64(out, (struct span){ (const char *)mac, sizeof(mac) });
}

#define OURS "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define WHO "\"iss\":\"moatd\",\"aud\":\"svc\",\"sub\":\"alice\""
#define TIME "\"nbf\":1800000000,\"exp\":1800000060"
#define GOOD "{" WHO "," TIME ",\"access\":[]}"

static const struct {
	const char *header, *claims;
	const char *why; /* NULL: it is good */
} signed_ones[] = {
	{ OURS, GOOD, NULL },
	/* the header is ours byte for byte, or it is none */
	{ "{\"alg\":\"none\",\"typ\":\"JWT\"}", GOOD, "not one of ours" },
	{ "{\"alg\":\"HS512\",\"typ\":\"JWT\"}", GOOD, "not one of ours" },
	{ "{\"alg\":\"RS256\",\"typ\":\"JWT\"}", GOOD, "not one of ours" },
	{ "{\"alg\":\"hs256\",\"typ\":\"JWT\"}", GOOD, "not one of ours" },
	{ "{\"typ\":\"JWT\",\"alg\":\"HS256\"}", GOOD, "not one of ours" },
	{ "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"jwk\":{}}", GOOD, "not one of ours" },
	{ "{\"alg\":\"HS256\"}", GOOD, "not one of ours" },
	{ "", GOOD, "not one of ours" },
	/* claims */
	{ OURS, "", "not one of ours" },
	{ OURS, "[]", "lacks something" },
	{ OURS, "{}", "lacks something" },
	{ OURS, "{" WHO "," TIME ",\"sub\":\"root\",\"access\":[]}", "not one of ours" },
	{ OURS, "{" WHO "," TIME ",\"Sub\":\"root\",\"access\":[]}", "not one of ours" },
	{ OURS, GOOD "x", "not one of ours" },
	{ OURS, "{\"aud\":\"svc\",\"sub\":\"\"," TIME ",\"access\":[]}", "lacks something" },
	{ OURS, "{\"iss\":\"other\",\"aud\":\"svc\",\"sub\":\"\"," TIME ",\"access\":[]}",
		"another service" },
	{ OURS, "{\"iss\":\"moatd\",\"aud\":\"other\",\"sub\":\"\"," TIME ",\"access\":[]}",
		"another service" },
	{ OURS, "{\"iss\":\"moatd\",\"aud\":[\"svc\"],\"sub\":\"\"," TIME ",\"access\":[]}",
		"lacks something" },
	{ OURS, "{" WHO ",\"nbf\":1800000000,\"access\":[]}", "lacks something" },
	{ OURS, "{" WHO ",\"exp\":1800000060,\"access\":[]}", "lacks something" },
	{ OURS, "{" WHO ",\"nbf\":1,\"exp\":\"1800000060\",\"access\":[]}", "lacks something" },
	{ OURS, "{" WHO ",\"nbf\":1,\"exp\":1800000060.5,\"access\":[]}", "lacks something" },
	{ OURS, "{" WHO ",\"nbf\":1,\"exp\":-1,\"access\":[]}", "lacks something" },
	{ OURS, "{" WHO ",\"nbf\":1,\"exp\":99999999999999999999,\"access\":[]}",
		"not one of ours" },
	{ OURS, "{" WHO ",\"nbf\":1,\"exp\":1800000000,\"access\":[]}", "over" },
	{ OURS, "{" WHO ",\"nbf\":1800009999,\"exp\":1800019999,\"access\":[]}", "not valid yet" },
	{ OURS, "{\"iss\":\"moatd\",\"aud\":\"svc\",\"sub\":\"a b\"," TIME ",\"access\":[]}",
		"names no user" },
	{ OURS, "{" WHO "," TIME "}", "access can not be read" },
	{ OURS, "{" WHO "," TIME ",\"access\":{}}", "access can not be read" },
	{ OURS, "{" WHO "," TIME ",\"access\":[1]}", "access can not be read" },
	{ OURS, "{" WHO "," TIME ",\"access\":[{\"type\":\"repository\",\"name\":\"a\"}]}",
		"access can not be read" },
};

static void token_read__signed_ones(void **state)
{
	struct token_key key;
	struct err e;

	(void)state;
	assert_ok(token_key_read(&key, NULL, &e));
	for (size_t i = 0; i < ARRAY_SIZE(signed_ones); i++) {
		AUTO(buf_release) struct buf token = BUF_INIT;
		AUTO(mem_free) struct grants *got = NULL;
		char user[USER_NAME_MAX + 1];
		const char *why = NULL;
		int rc;

		forge(&key, signed_ones[i].header, signed_ones[i].claims, &token);
		rc = token_read(&key, "svc", buf_span(&token), NOW, user, &got, &why);
		if ((rc == 0) != !signed_ones[i].why ||
			(rc < 0 && (got || !strstr(why, signed_ones[i].why))))
			fail_msg("%s %s: %d %s", signed_ones[i].header, signed_ones[i].claims, rc,
				why);
	}
}

/* Longer than any of ours: not even its signature is looked at. */
static void token_read__a_huge_one(void **state)
{
	AUTO(buf_release) struct buf claims = BUF_INIT, token = BUF_INIT;
	AUTO(mem_free) struct grants *got = NULL;
	char user[USER_NAME_MAX + 1];
	struct token_key key;
	const char *why;
	struct err e;

	(void)state;
	assert_ok(token_key_read(&key, NULL, &e));
	buf_str(&claims, "{" WHO "," TIME ",\"access\":[],\"x\":\"");
	while (claims.len < TOKEN_MAX)
		buf_char(&claims, 'x');
	buf_str(&claims, "\"}");
	forge(&key, OURS, claims.data, &token);
	assert_int_equal(token_read(&key, "svc", buf_span(&token), NOW, user, &got, &why), -1);
}

static void token_read__refuses(void **state)
{
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
		if (bent.data[i] != token.data[i] &&
			token_read(&key, "svc", buf_span(&bent), NOW, user, &got, &why) == 0)
			fail_msg("byte %zu", i);
		mem_free(&got);
	}
	for (size_t i = 0; i < token.len; i++) /* cut anywhere */
		assert_int_equal(token_read(&key, "svc", (struct span){ token.data, i }, NOW, user,
					 &got, &why),
			-1);
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
		T(token_make__as_others_do),
		T(token_read__signed_ones),
		T(token_read__a_huge_one),
		T(token_read__refuses),
		T(token_key_read__sizes),
	};

	return cmocka_run_group_tests_name("registry/token", tests, NULL, NULL);
}
