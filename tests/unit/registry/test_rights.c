/* Who may write and read what: beside sets, and by users and rules. */
#include <crypt.h>
#include <stdio.h>
#include <string.h>

#include "asker.h"
#include "storage/base/base64.h"
#include "tests/support/cm.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

/* --- beside what a set brought -------------------------------------------------------------- */

static void pin_in(struct fixture *f, const char *repo)
{
	AUTO(store_close) struct store *s = sandbox_store(f->sb, "store", STORE_WRITE);
	struct image_want want = { .seed = "pinned", .layers = 1 };
	struct image_pin pinned = {
		.repo = repo, .tag = "1.27", .digest = image_make(s, NULL, &want)
	};
	struct digest set = image_set(s, "platform", "2026.11", &pinned, 1);
	struct err e = ERR_INIT;

	assert_ok(set_accept(s, &(struct set_offer){ .digest = &set, .activate = true }, NULL, &e));
}

static void pin(struct fixture *f)
{
	pin_in(f, NGINX);
}

static void pinned__tags_are_not_moved_by_any_name(void **state)
{
	static const char *const names[] = { NGINX, "library/nginx", "nginx",
		"index.docker.io/library/nginx", "docker.io/nginx", "index.docker.io/nginx" };
	struct fixture *f = *state;
	char before[DIGEST_TEXT_SIZE], after[DIGEST_TEXT_SIZE];

	pin(f);
	assert_int_equal(ask(f, GET, "/v2/" NGINX "/manifests/1.27"), 200);
	digest_text(&f->reply.content->digest, before);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(
			ask(f, PUT(span_of(INDEX)), "/v2/%s/manifests/1.27", names[i]), 403);
		assert_true(says(f, "\"code\":\"DENIED\""));
		assert_true(says(f, "belongs to set platform:2026.11"));
		assert_int_equal(ask(f, DELETE, "/v2/%s/manifests/1.27", names[i]), 403);
		assert_int_equal(ask(f, DELETE, "/v2/%s/manifests/%s", names[i], before), 403);
	}
	assert_int_equal(ask(f, GET, "/v2/" NGINX "/manifests/1.27"), 200);
	assert_string_equal(digest_text(&f->reply.content->digest, after), before);
	/* Beside it, under the same names. */
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/library/nginx/manifests/mine"), 201);
	assert_int_equal(ask(f, GET, "/v2/nginx/tags/list"), 200);
	assert_true(says(f, "\"tags\":[\"1.27\",\"mine\"]"));
}

/* What was pushed bare before a set came does not hide what the set brings. */
static void pinned__comes_before_what_was_pushed_bare(void **state)
{
	static const char *const spelled[] = { "docker.io/nginx", "index.docker.io/library/nginx",
		"docker.io/docker.io/library/nginx" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(spelled); i++)
		assert_int_equal(
			ask(f, PUT(span_of(INDEX)), "/v2/%s/manifests/1.27", spelled[i]), 201);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/library/nginx/manifests/1.27"), 201);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/library/nginx/manifests/old"), 201);
	pin(f);
	assert_int_equal(ask(f, GET, "/v2/library/nginx/manifests/1.27"), 200);
	assert_null(strstr(f->reply.content->bytes.data, "manifests\":[]"));
	for (size_t i = 0; i < ARRAY_SIZE(spelled); i++) {
		assert_int_equal(ask(f, GET, "/v2/%s/manifests/1.27", spelled[i]), 200);
		if (i < 2) /* the last is another repository, unless ns says whose */
			assert_null(strstr(f->reply.content->bytes.data, "manifests\":[]"));
	}
	assert_int_equal(ask(f, GET, "/v2/" NGINX "/manifests/1.27?ns=docker.io"), 200);
	assert_null(strstr(f->reply.content->bytes.data, "manifests\":[]"));
	assert_int_equal(ask(f, GET, "/v2/library/nginx/manifests/old"), 200);
	assert_int_equal(ask(f, GET, "/v2/library/nginx/tags/list"), 200);
	assert_true(says(f, "\"tags\":[\"1.27\",\"old\"]"));
	assert_int_equal(ask(f, GET, "/v2/library/nginx/tags/list?n=1"), 200);
	assert_true(says(f, "\"tags\":[\"1.27\"]"));
	assert_string_not_equal(header(f, "Link"), "");
	/* From the cache, the same. */
	assert_int_equal(ask(f, GET, "/v2/library/nginx/tags/list?n=1"), 200);
	assert_int_equal(f->reply.body, BODY_CONTENT);
	assert_true(says(f, "\"tags\":[\"1.27\"]"));
	assert_string_equal(
		header(f, "Link"), "</v2/library/nginx/tags/list?n=1&last=1.27>; rel=\"next\"");
	assert_string_equal(header(f, "ETag"), "");
	assert_int_equal(ask(f, GET, "/v2/library/nginx/manifests/old?ns=docker.io"), 404);
}

/* --- the matrix: user x action x repository x method ----------------------------------------- */

#define RULES                                                                                      \
	"- {repositories: [\"docker.io/library/*\", \"open/**\"], users: [anyone], actions: "      \
	"[pull]}\n"                                                                                \
	"- {repositories: [\"team/**\", \"open/**\"], users: [alice], actions: [pull, push, "      \
	"delete, catalog]}\n"                                                                      \
	"- {repositories: [\"team/**\"], users: [bob], actions: [pull]}\n"                         \
	"- {repositories: [\"drop/**\", \"quay.io/x/y\"], users: [carol], actions: [push]}\n"

static void open_matrix(struct fixture *f, bool basic)
{
	const char *users = sandbox_path(f->sb, "users"), *rules = sandbox_path(f->sb, "rules");
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct crypt_data data = { .initialized = 0 };
	char salt[64];
	struct err e;

	assert_non_null(crypt_gensalt_rn("$2y$", 4, NULL, 0, salt, sizeof(salt)));
	for (const char *const *name = (const char *const[]){ "alice", "bob", "carol", NULL };
		*name; name++)
		buf_printf(&text, "%s:%s\n", *name, crypt_rn(*name, salt, &data, sizeof(data)));
	sandbox_write(users, text.data, text.len);
	sandbox_write(rules, RULES, strlen(RULES));
	assert_ok(auth_open(&f->auth,
		&(struct auth_config){ .users = users,
			.access = rules,
			.basic = basic,
			.push = true,
			.service = "svc",
			.token_seconds = 300 },
		&e));
	f->dispatch.context.auth = f->auth;
}

static void identify(struct fixture *f, const char *header)
{
	const char *why;

	if (auth_identify(f->auth, header, NULL, &f->who, &why) == AUTH_LATER) {
		auth_verify(f->auth, header);
		assert_int_equal(auth_identify(f->auth, header, NULL, &f->who, &why), AUTH_OK);
	}
}

/* name "": nobody. By password, or by a token for this scope. */
static void become(struct fixture *f, const char *name, const char *scope)
{
	AUTO(buf_release) struct buf login = BUF_INIT, header = BUF_INIT, json = BUF_INIT;
	AUTO(mem_free) char *query = mem_printf("service=svc&scope=%s", scope ? scope : "");
	char *token;
	struct err e;

	buf_printf(&login, "%s:%s", name, name);
	buf_str(&header, "Basic ");
	base64_encode(&header, buf_span(&login));
	identify(f, *name ? header.data : NULL);
	if (!scope)
		return;
	assert_ok(auth_token(f->auth, &f->who, span_of(query), &json, &e));
	token = strstr(json.data, "\"token\":\"") + 9;
	buf_clear(&header);
	buf_printf(&header, "Bearer %.*s", (int)strcspn(token, "\""), token);
	identify(f, header.data);
	assert_true(f->who.by_token);
}

enum want { NO = 401, NEVER = 403, YES = 0 };

static const struct {
	const char *user, *repo;
	enum want pull, push, delete;
} matrix[] = {
	{ "", "open/x", YES, NO, NO },
	{ "", "team/x", NO, NO, NO },
	{ "", "docker.io/library/nginx", YES, NO, NO },
	{ "alice", "open/x", YES, YES, YES },
	{ "alice", "team/x", YES, YES, YES },
	{ "alice", "docker.io/library/nginx", YES, NEVER, NEVER },
	{ "alice", "other/x", NEVER, NEVER, NEVER },
	{ "bob", "open/x", YES, NEVER, NEVER },
	{ "bob", "team/x", YES, NEVER, NEVER },
	{ "carol", "team/x", NEVER, NEVER, NEVER },
	{ "carol", "open/x", YES, NEVER, NEVER },
};

/* Allowed means anything but 401 and 403, as there may be nothing there. */
static void check(struct fixture *f, enum want want, struct ask a, const char *path)
{
	unsigned status = ask(f, a, "%s", path);
	bool denied = status == 401 || status == 403;

	if (denied != (want != YES) || (denied && status != (unsigned)want))
		fail_msg("%s: %d %s: %u", f->who.name, (int)a.method, path, status);
	if (status == 401)
		assert_string_not_equal(header(f, "WWW-Authenticate"), "");
}

static void check_all(struct fixture *f, size_t row)
{
	static const struct {
		const char *path;
		enum method method;
		unsigned action;
	} each[] = {
		{ "/v2/%s/manifests/1", METHOD_GET, ACTION_PULL },
		{ "/v2/%s/manifests/1", METHOD_HEAD, ACTION_PULL },
		{ "/v2/%s/manifests/%s", METHOD_GET, ACTION_PULL },
		{ "/v2/%s/blobs/%s", METHOD_GET, ACTION_PULL },
		{ "/v2/%s/blobs/%s", METHOD_HEAD, ACTION_PULL },
		{ "/v2/%s/tags/list", METHOD_GET, ACTION_PULL },
		{ "/v2/%s/referrers/%s", METHOD_GET, ACTION_PULL },
		{ "/v2/%s/manifests/1", METHOD_PUT, ACTION_PUSH },
		{ "/v2/%s/manifests/%s?tag=a", METHOD_PUT, ACTION_PUSH },
		{ "/v2/%s/blobs/uploads/?digest=%s", METHOD_POST, ACTION_PUSH },
		{ "/v2/%s/blobs/uploads/?mount=%s&from=open/x", METHOD_POST, ACTION_PUSH },
		{ "/v2/%s/blobs/uploads/0123456789abcdef0123456789abcdef", METHOD_GET,
			ACTION_PUSH },
		{ "/v2/%s/blobs/uploads/0123456789abcdef0123456789abcdef", METHOD_PATCH,
			ACTION_PUSH },
		{ "/v2/%s/blobs/uploads/0123456789abcdef0123456789abcdef?digest=%s", METHOD_PUT,
			ACTION_PUSH },
		{ "/v2/%s/blobs/uploads/0123456789abcdef0123456789abcdef", METHOD_DELETE,
			ACTION_PUSH },
		{ "/v2/%s/manifests/1", METHOD_DELETE, ACTION_DELETE },
		{ "/v2/%s/manifests/%s", METHOD_DELETE, ACTION_DELETE },
		{ "/v2/%s/blobs/%s", METHOD_DELETE, ACTION_DELETE },
	};
	char d[DIGEST_TEXT_SIZE];

	digest(span_of(INDEX), DIGEST_SHA256, d);
	for (size_t i = 0; i < ARRAY_SIZE(each); i++) {
		enum want want = each[i].action == ACTION_PULL   ? matrix[row].pull
				 : each[i].action == ACTION_PUSH ? matrix[row].push
								 : matrix[row].delete;
		bool manifest = strstr(each[i].path, "/manifests/") != NULL;
		struct ask a = { .method = each[i].method,
			.body = each[i].method == METHOD_PUT && manifest ? span_of(INDEX)
									 : NOTHING };
		AUTO(mem_free) char *path = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		path = mem_printf(each[i].path, matrix[row].repo, d);
#pragma GCC diagnostic pop
		check(f, want, a, path);
	}
}

static void matrix__by_password(void **state)
{
	struct fixture *f = *state;

	pin(f);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/open/x/manifests/1"), 201);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/" NGINX "/manifests/1"), 201);
	open_matrix(f, true);
	for (size_t row = 0; row < ARRAY_SIZE(matrix); row++) {
		become(f, matrix[row].user, NULL);
		check_all(f, row);
	}
}

static void matrix__by_token(void **state)
{
	struct fixture *f = *state;

	pin(f);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/open/x/manifests/1"), 201);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/" NGINX "/manifests/1"), 201);
	open_matrix(f, false);
	for (size_t row = 0; row < ARRAY_SIZE(matrix); row++) {
		AUTO(mem_free)
		char *scope = mem_printf("repository:%s:pull,push,delete", matrix[row].repo);

		become(f, matrix[row].user, scope);
		check_all(f, row);
	}
}

/* A token is good for its scope, and for as long as its user may. */
static void token__only_its_scope(void **state)
{
	struct fixture *f = *state;
	struct err e;

	open_matrix(f, false);
	become(f, "alice", "repository:team/x:pull");
	check(f, YES, GET, "/v2/team/x/manifests/1");
	check(f, NO, PUT(span_of(INDEX)), "/v2/team/x/manifests/1");
	assert_non_null(strstr(header(f, "WWW-Authenticate"),
		"scope=\"repository:team/x:pull,push\",error=\"insufficient_scope\""));
	check(f, NO, GET, "/v2/team/y/manifests/1");
	become(f, "alice", "repository:team/x:pull,push repository:team/y:pull registry:catalog:*");
	check(f, YES, PUT(span_of(INDEX)), "/v2/team/x/manifests/1");
	check(f, YES, GET, "/v2/team/y/manifests/1");
	check(f, YES, GET, "/v2/_catalog");
	assert_true(says(f, "{\"repositories\":[\"team/x\"]}"));
	sandbox_write(sandbox_path(f->sb, "rules"), "[]\n", 3);
	assert_ok(auth_reload(f->auth, &e));
	check(f, NEVER, GET, "/v2/team/x/manifests/1");
}

/* Who may only push learns nothing of what is there. */
static void push_only__tells_nothing(void **state)
{
	struct fixture *f = *state;
	char d[DIGEST_TEXT_SIZE];

	digest(span_of("hello"), DIGEST_SHA256, d);
	pin_in(f, "quay.io/x/y");
	assert_int_equal(
		ask(f, POST(span_of("hello")), "/v2/drop/x/blobs/uploads/?digest=%s", d), 201);
	open_matrix(f, false);
	become(f, "carol", NULL);
	assert_int_equal(ask(f, POST(NOTHING), "/v2/drop/x/blobs/uploads/?mount=%s", d), 202);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/quay.io/x/y/manifests/1.27"), 403);
	assert_true(says(f, "it belongs to a set"));
	assert_false(says(f, "platform"));
	check(f, NEVER, GET, "/v2/team/x/manifests/1");
	assert_true(says(f, "carol may not pull from team/x"));
	become(f, "bob", NULL);
	check(f, NEVER, PUT(span_of(INDEX)), "/v2/team/x/manifests/1");
	assert_true(says(f, "bob may not push to team/x"));
	check(f, NEVER, GET, "/v2/_catalog");
	assert_true(says(f, "bob may not list the repositories of this registry"));
}

/* What not everybody may read is for no cache that serves everybody. */
static void keep__is_private_where_a_login_is_needed(void **state)
{
	struct fixture *f = *state;
	char d[DIGEST_TEXT_SIZE];

	digest(span_of(INDEX), DIGEST_SHA256, d);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/team/x/manifests/1"), 201);
	assert_int_equal(ask(f, GET, "/v2/team/x/manifests/%s", d), 200);
	assert_string_equal(header(f, "Cache-Control"), "public, max-age=31536000, immutable");
	open_matrix(f, false);
	become(f, "bob", NULL);
	cache_changed(f->cache); /* as a reload does */
	assert_int_equal(ask(f, GET, "/v2/team/x/manifests/%s", d), 200);
	assert_string_equal(header(f, "Cache-Control"), "private, max-age=31536000, immutable");
}

/* A bare name may mean what anyone may pull and what only some may: nobody yet is told to log in, who
 * has done that that it is not there. */
static void hidden__is_401_until_somebody_is_known(void **state)
{
	struct fixture *f = *state;

	open_matrix(f, false);
	become(f, "", NULL);
	check(f, NO, GET, "/v2/library/nginx/manifests/none");
	become(f, "", "repository:library/nginx:pull");
	check(f, YES, GET, "/v2/library/nginx/manifests/none");
	assert_int_equal(f->reply.status, 404);
	become(f, "carol", NULL);
	check(f, YES, GET, "/v2/library/nginx/manifests/none");
	assert_int_equal(f->reply.status, 404);
	become(f, "", NULL);
	check(f, YES, GET, "/v2/library/nginx/manifests/none?ns=docker.io");
	assert_int_equal(f->reply.status, 404); /* no doubt about that name */
}

static void catalog__shows_what_may_be_pulled(void **state)
{
	struct fixture *f = *state;

	pin(f);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/team/x/manifests/1"), 201);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/open/x/manifests/1"), 201);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/zeta/x/manifests/1"), 201);
	open_matrix(f, true);
	become(f, "", NULL);
	check(f, NO, GET, "/v2/_catalog");
	become(f, "bob", NULL);
	check(f, NEVER, GET, "/v2/_catalog");
	become(f, "alice", NULL);
	check(f, YES, GET, "/v2/_catalog");
	assert_true(says(f, "[\"" NGINX "\",\"open/x\",\"team/x\"]"));
	check(f, YES, GET, "/v2/_catalog?n=2");
	assert_true(says(f, "[\"" NGINX "\",\"open/x\"]"));
	assert_string_not_equal(header(f, "Link"), "");
	check(f, YES, GET, "/v2/_catalog?n=1&last=open/x");
	assert_true(says(f, "[\"team/x\"]"));
	assert_string_equal(header(f, "Link"), ""); /* what is left is not for alice */
}

/* Clients ask for the scope of the catalog alone, and show a token of that for it. */
static void catalog__a_token_stands_for_its_user(void **state)
{
	struct fixture *f = *state;

	pin(f);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/team/x/manifests/1"), 201);
	assert_int_equal(ask(f, PUT(span_of(INDEX)), "/v2/zeta/x/manifests/1"), 201);
	open_matrix(f, false);
	become(f, "alice", "registry:catalog:*");
	check(f, YES, GET, "/v2/_catalog");
	assert_true(says(f, "[\"" NGINX "\",\"team/x\"]"));
	check(f, NO, GET, "/v2/team/x/manifests/1"); /* the token itself is for the list */
	become(f, "alice", "repository:team/x:pull");
	check(f, NO, GET, "/v2/_catalog");
	become(f, "bob", "registry:catalog:*");
	check(f, NEVER, GET, "/v2/_catalog");
}

/* Who may not read a repository learns nothing of what is in it, by any way. */
static void mount__no_oracle(void **state)
{
	struct fixture *f = *state;
	char d[DIGEST_TEXT_SIZE];

	digest(span_of("hello"), DIGEST_SHA256, d);
	assert_int_equal(
		ask(f, POST(span_of("hello")), "/v2/zeta/x/blobs/uploads/?digest=%s", d), 201);
	open_matrix(f, true);
	become(f, "alice", NULL);
	assert_int_equal(
		ask(f, POST(NOTHING), "/v2/team/x/blobs/uploads/?mount=%s&from=zeta/x", d), 202);
	assert_int_equal(ask(f, POST(NOTHING), "/v2/team/x/blobs/uploads/?mount=%s", d), 202);
	check(f, NEVER, GET, "/v2/zeta/x/tags/list");
	check(f, NEVER, GET, "/v2/zeta/y/tags/list");
}

static void base__says_whether_to_log_in(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, GET, "/v2/"), 200);
	open_matrix(f, false);
	become(f, "", NULL);
	assert_int_equal(ask(f, GET, "/v2/"), 401);
	assert_string_equal(header(f, "WWW-Authenticate"),
		"Bearer realm=\"http://registry.local/token\",service=\"svc\"");
	become(f, "", "repository:open/x:pull");
	assert_int_equal(ask(f, GET, "/v2/"), 200);
	become(f, "carol", NULL);
	assert_int_equal(ask(f, GET, "/v2/"), 200);
}

static const struct {
	const char *header, *words;
} bad_logins[] = {
	{ "Basic YWxpY2U6d3Jvbmc=", "wrong user or password" }, /* alice:wrong */
	{ "Basic bm9ib2R5OmFsaWNl", "wrong user or password" }, /* nobody:alice */
	{ "Basic OmFsaWNl", "wrong user or password" }, /* :alice */
	{ "Basic !", "can not be read" },
	{ "Basic", "neither Basic nor Bearer" },
	{ "Basic YWxpY2U=", "can not be read" }, /* alice */
	{ "Basic AAA6AAA=", "can not be read" },
	{ "Digest x", "neither Basic nor Bearer" },
	{ "Bearer x", "not one of ours" },
	{ "Bearer ", "not one of ours" },
	{ "Bearer a.b.c", "not one of ours" },
	{ "", "neither Basic nor Bearer" },
};

static void logins__refused(void **state)
{
	struct fixture *f = *state;
	const char *why;

	open_matrix(f, true);
	for (size_t i = 0; i < ARRAY_SIZE(bad_logins); i++) {
		enum auth_answer answer =
			auth_identify(f->auth, bad_logins[i].header, NULL, &f->who, &why);

		if (answer == AUTH_LATER) {
			auth_verify(f->auth, bad_logins[i].header);
			answer = auth_identify(f->auth, bad_logins[i].header, NULL, &f->who, &why);
		}
		if (answer != AUTH_REFUSED || !strstr(why, bad_logins[i].words))
			fail_msg("%s: %d %s", bad_logins[i].header, (int)answer, why);
		assert_string_equal(f->who.name, "");
	}
	/* podman without a login */
	assert_int_equal(auth_identify(f->auth, "Basic Og==", NULL, &f->who, &why), AUTH_OK);
	assert_string_equal(f->who.name, "");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, asker_setup, asker_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pinned__tags_are_not_moved_by_any_name),
		TEST(pinned__comes_before_what_was_pushed_bare),
		TEST(matrix__by_password),
		TEST(matrix__by_token),
		TEST(token__only_its_scope),
		TEST(push_only__tells_nothing),
		TEST(keep__is_private_where_a_login_is_needed),
		TEST(hidden__is_401_until_somebody_is_known),
		TEST(catalog__shows_what_may_be_pulled),
		TEST(catalog__a_token_stands_for_its_user),
		TEST(mount__no_oracle),
		TEST(base__says_whether_to_log_in),
		TEST(logins__refused),
	};

	return cmocka_run_group_tests_name("registry/rights", tests, NULL, NULL);
}
