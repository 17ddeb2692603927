/* The facade: headers to people, people to answers. The hashes were made by Apache's htpasswd -B. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/auth.h"
#include "registry/site.h"
#include "storage/base/base64.h"
#include "storage/base/tree.h"
#include "tests/support/cm.h"
#include "tests/support/sandbox.h"

#define USERS                                                                                      \
	"alice:$2y$04$Tgfvk4ozZms4qlbfuW2FUe2SH7MCVQzGNGzuZoOeydncWBEoiqqYC\n" /* secret */        \
	"bob:$2y$04$2gBg/AeQfsaVqmWmKE/z1.cNb2IDAhO.Fvn2hVSBd9GAt3MSWfB9S\n" /* hunter2 */
#define NO_BOB "alice:$2y$04$Tgfvk4ozZms4qlbfuW2FUe2SH7MCVQzGNGzuZoOeydncWBEoiqqYC\n"
#define RULES                                                                                      \
	"- {repositories: [\"docker.io/**\"], users: [anyone], actions: [pull]}\n"                 \
	"- {repositories: [\"team/**\"], users: [alice, carol], actions: [pull, push, delete]}\n"  \
	"- {repositories: [\"team/app\"], users: [bob], actions: [pull]}\n"                        \
	"- {repositories: [\"**\"], users: [alice], actions: [catalog]}\n"

struct fixture {
	struct sandbox *sb;
	struct auth *auth;
	struct who who;
	const char *why;
};

static const char *write_file(struct fixture *f, const char *name, const char *text)
{
	const char *path = sandbox_path(f->sb, name);

	sandbox_write(path, text, strlen(text));
	return path;
}

static void open_with(struct fixture *f, const char *users, const char *rules, bool basic)
{
	struct err e;
	struct auth_config c = { .users = users ? write_file(f, "users", users) : NULL,
		.access = rules ? write_file(f, "rules", rules) : NULL,
		.certificates = true,
		.basic = basic,
		.push = true,
		.service = "svc",
		.token_seconds = 300 };

	auth_close(&f->auth);
	assert_ok(auth_open(&f->auth, &c, &e));
}

static int setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	void *sandbox = NULL;

	if (sandbox_setup(&sandbox) != 0)
		return -1;
	f->sb = sandbox;
	open_with(f, USERS, RULES, false);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *sandbox = f->sb;

	who_release(&f->who);
	auth_close(&f->auth);
	free(f);
	return sandbox_teardown(&sandbox);
}

/* "Basic ..." of NAME:PASSWORD. */
static char *basic(const char *login)
{
	AUTO(buf_release) struct buf b = BUF_INIT;

	buf_str(&b, "Basic ");
	base64_encode(&b, span_of(login));
	return buf_detach(&b);
}

/* As a server does: later is now. */
static enum auth_answer identify(struct fixture *f, const char *authorization, const char *cn)
{
	enum auth_answer answer = auth_identify(f->auth, authorization, cn, &f->who, &f->why);

	if (answer != AUTH_LATER)
		return answer;
	auth_verify(f->auth, authorization);
	return auth_identify(f->auth, authorization, cn, &f->who, &f->why);
}

static void log_in(struct fixture *f, const char *login)
{
	AUTO(mem_free) char *header = basic(login);

	assert_int_equal(identify(f, header, NULL), AUTH_OK);
}

/* "Bearer ..." for who is logged in now. */
static char *bearer(struct fixture *f, const char *query)
{
	AUTO(buf_release) struct buf json = BUF_INIT;
	AUTO(doc_release) struct doc d = DOC_INIT;
	const char *token = NULL;
	struct err e;

	assert_ok(auth_token(f->auth, &f->who, span_of(query), &json, &e));
	assert_ok(json_parse(&d, "reply", buf_span(&json), json.len, &e));
	assert_ok(node_string(&d, d.root, "token", REQUIRED, &token, &e));
	return mem_printf("Bearer %s", token);
}

/* --- tokens and the token service ------------------------------------------------------------ */

static void auth_token__does_not_buy_another(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_release) struct buf json = BUF_INIT;
	AUTO(mem_free) char *narrow = NULL;
	struct err e;

	log_in(f, "alice:secret");
	narrow = bearer(f, "scope=repository:team/app:pull");
	assert_int_equal(identify(f, narrow, NULL), AUTH_OK);
	assert_true(auth_may(f->auth, &f->who, "team/app", "team/app", ACTION_PULL));
	assert_false(auth_may(f->auth, &f->who, "team/app", "team/app", ACTION_PUSH));
	assert_err(
		auth_token(f->auth, &f->who, span_of("scope=repository:team/app:push"), &json, &e),
		ERR_DENIED, "log in");
	assert_int_equal(json.len, 0);
	assert_int_equal(identify(f, "Bearer junk", NULL), AUTH_REFUSED);
	assert_err(auth_token(f->auth, &f->who, span_of(""), &json, &e), ERR_DENIED, "log in");
}

static void get_token__answers_a_token_with_basic(void **state)
{
	struct fixture *f = *state;
	struct site site = { .auth = f->auth };
	struct route route = { .kind = ROUTE_TOKEN,
		.query = span_of("scope=repository:team/app:push") };
	struct request q = { .method = METHOD_GET, .route = &route, .who = &f->who, .host = "h" };
	AUTO(mem_free) char *narrow = NULL;
	AUTO(reply_release) struct reply r;
	struct err e = ERR_INIT;

	reply_init(&r);
	log_in(f, "alice:secret");
	assert_int_equal(get_token(&site, &q, &r, &e), 0);
	assert_int_equal(r.status, 200);
	assert_string_equal(reply_get(&r, "Cache-Control"), "no-store");
	narrow = bearer(f, "scope=repository:team/app:pull");
	assert_int_equal(identify(f, narrow, NULL), AUTH_OK);
	reply_release(&r);
	reply_init(&r);
	assert_int_equal(get_token(&site, &q, &r, &e), 0);
	assert_int_equal(r.status, 401);
	assert_string_equal(reply_get(&r, "WWW-Authenticate"), "Basic realm=\"moat\"");
	assert_null(strstr(r.bytes.data, "access_token"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(auth_token__does_not_buy_another),
		T(get_token__answers_a_token_with_basic),
	};

	return cmocka_run_group_tests_name("registry/auth", tests, NULL, NULL);
}
