/* The facade: headers to people, people to answers. The hashes were made by Apache's htpasswd -B. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "registry/access/auth.h"
#include "registry/access/passwords.h"
#include "registry/api/context.h"
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

/* --- headers -------------------------------------------------------------------------------- */

static const struct {
	const char *authorization, *certificate;
	enum auth_answer answer;
	const char *name; /* or, where refused, words of the reason */
} headers[] = {
	{ NULL, NULL, AUTH_OK, "" },
	{ NULL, "carol", AUTH_OK, "carol" },
	{ NULL, "Carol Smith", AUTH_OK, "" }, /* no name that rules could mean */
	{ "Basic Og==", NULL, AUTH_OK, "" }, /* podman without a login */
	{ "Basic YWxpY2U6c2VjcmV0", NULL, AUTH_OK, "alice" },
	{ "basic YWxpY2U6c2VjcmV0", NULL, AUTH_OK, "alice" },
	{ "Basic  YWxpY2U6c2VjcmV0", NULL, AUTH_OK, "alice" },
	{ "Basic YWxpY2U6c2VjcmV0", "carol", AUTH_OK, "alice" },
	{ "Basic YWxpY2U6d3Jvbmc=", NULL, AUTH_REFUSED, "wrong user or password" },
	{ "Basic YWxpY2U6d3Jvbmc=", "carol", AUTH_REFUSED, "wrong user or password" },
	{ "Basic bm9ib2R5OnNlY3JldA==", NULL, AUTH_REFUSED, "wrong user or password" },
	{ "Basic OnNlY3JldA==", NULL, AUTH_REFUSED, "wrong user or password" }, /* :secret */
	{ "Basic YWxpY2U6", NULL, AUTH_REFUSED, "wrong user or password" }, /* alice: */
	{ "Basic YWxpY2U=", NULL, AUTH_REFUSED, "can not be read" }, /* no colon */
	{ "Basic YWxpY2U6c2VjcmV0=", NULL, AUTH_REFUSED, "can not be read" },
	{ "Basic YWxpY2U6c2VjcmV0 ", NULL, AUTH_REFUSED, "can not be read" },
	{ "Basic YWxpY2U6c2VjcmV", NULL, AUTH_REFUSED, "can not be read" },
	{ "Basic YWxpY2U6c2VjcmV0AA==", NULL, AUTH_REFUSED, "can not be read" }, /* a NUL */
	{ "Basic YWxpY2U6c2VjcmV1\n", NULL, AUTH_REFUSED, "can not be read" },
	{ "Basic ", NULL, AUTH_REFUSED, "can not be read" },
	{ "Basic", NULL, AUTH_REFUSED, "neither" },
	{ "", NULL, AUTH_REFUSED, "neither" },
	{ "Negotiate abc", "carol", AUTH_REFUSED, "neither" },
	{ "Digest username=alice", NULL, AUTH_REFUSED, "neither" },
	{ "BasicYWxpY2U6c2VjcmV0", NULL, AUTH_REFUSED, "neither" },
	{ "Bearer ", NULL, AUTH_REFUSED, "not one of ours" },
	{ "Bearer a.b.c", "carol", AUTH_REFUSED, "not one of ours" },
};

static void auth_identify__table(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		enum auth_answer got =
			identify(f, headers[i].authorization, headers[i].certificate);

		if (got != headers[i].answer)
			fail_msg("\"%s\": %d, %s", headers[i].authorization, (int)got, f->why);
		if (got == AUTH_OK)
			assert_string_equal(f->who.name, headers[i].name);
		else if (!strstr(f->why, headers[i].name) || *f->who.name)
			fail_msg("\"%s\": %s", headers[i].authorization, f->why);
	}
}

static void auth_identify__a_login_too_long(void **state)
{
	struct fixture *f = *state;
	char login[2000] = "alice:";
	AUTO(mem_free) char *header = NULL;

	memset(login + 6, 'x', sizeof(login) - 7);
	header = basic(login);
	assert_int_equal(identify(f, header, NULL), AUTH_REFUSED);
}

/* bcrypt is for auth_verify() alone: a login that was not seen is answered later, for ever. */
static void auth_identify__never_checks_a_password(void **state)
{
	struct fixture *f = *state;
	AUTO(mem_free) char *right = basic("alice:secret"), *wrong = basic("alice:no");

	for (int i = 0; i < 3; i++)
		assert_int_equal(auth_identify(f->auth, right, NULL, &f->who, &f->why), AUTH_LATER);
	auth_verify(f->auth, wrong);
	assert_int_equal(auth_identify(f->auth, right, NULL, &f->who, &f->why), AUTH_LATER);
	assert_int_equal(auth_identify(f->auth, wrong, NULL, &f->who, &f->why), AUTH_REFUSED);
	auth_verify(f->auth, right);
	assert_int_equal(auth_identify(f->auth, right, NULL, &f->who, &f->why), AUTH_OK);
}

static void auth_identify__certificates_only_when_told(void **state)
{
	struct fixture *f = *state;
	struct err e;

	auth_close(&f->auth);
	assert_ok(auth_open(&f->auth, &(struct auth_config){ .service = "svc" }, &e));
	assert_int_equal(identify(f, NULL, "carol"), AUTH_OK);
	assert_string_equal(f->who.name, "");
}

/* --- passwords that are remembered ------------------------------------------------------------ */

static void passwords__are_forgotten(void **state)
{
	AUTO(passwords_free) struct passwords *p = NULL;
	struct err e;

	(void)state;
	assert_ok(passwords_new(&p, &e));
	assert_int_equal(passwords_recall(p, "a", 100), -1);
	passwords_remember(p, "a", true, 100);
	passwords_remember(p, "b", false, 100);
	assert_int_equal(passwords_recall(p, "a", 100 + PASSWORD_RIGHT_SECONDS - 1), 1);
	assert_int_equal(passwords_recall(p, "a", 100 + PASSWORD_RIGHT_SECONDS), -1);
	assert_int_equal(passwords_recall(p, "b", 100 + PASSWORD_WRONG_SECONDS - 1), 0);
	assert_int_equal(passwords_recall(p, "b", 100 + PASSWORD_WRONG_SECONDS), -1);
	passwords_remember(p, "a", false, 101); /* in its own place */
	assert_int_equal(passwords_recall(p, "a", 101), 0);
}

static void passwords__a_flood_of_wrong_ones_leaves_the_right(void **state)
{
	AUTO(passwords_free) struct passwords *p = NULL;
	char login[16];
	struct err e;

	(void)state;
	assert_ok(passwords_new(&p, &e));
	passwords_remember(p, "right", true, 100);
	for (int i = 0; i < 10 * PASSWORDS_MAX; i++) {
		snprintf(login, sizeof(login), "%d", i);
		passwords_remember(p, login, false, 101);
	}
	assert_int_equal(passwords_recall(p, "right", 102), 1);
}

/* --- reloading -------------------------------------------------------------------------------- */

static void auth_reload__revokes_at_once(void **state)
{
	struct fixture *f = *state;
	AUTO(mem_free) char *bob = basic("bob:hunter2"), *token = NULL;
	struct err e;

	log_in(f, "bob:hunter2");
	token = bearer(f, "scope=repository:team/app:pull");
	assert_int_equal(identify(f, token, NULL), AUTH_OK);
	assert_true(auth_may(f->auth, &f->who, "team/app", "team/app", ACTION_PULL));
	write_file(f, "rules", "- {repositories: [x], users: [\"*\"], actions: [pull]}\n");
	assert_ok(auth_reload(f->auth, &e));
	assert_int_equal(identify(f, token, NULL), AUTH_OK); /* still bob, who may nothing */
	assert_false(auth_may(f->auth, &f->who, "team/app", "team/app", ACTION_PULL));
	write_file(f, "users", NO_BOB);
	assert_ok(auth_reload(f->auth, &e));
	assert_int_equal(identify(f, token, NULL), AUTH_REFUSED);
	assert_non_null(strstr(f->why, "user is gone"));
	assert_int_equal(identify(f, bob, NULL), AUTH_REFUSED);
}

static void auth_reload__keeps_the_old_when_it_fails(void **state)
{
	struct fixture *f = *state;
	struct err e;

	write_file(f, "users", "alice:plain\n");
	assert_err(auth_reload(f->auth, &e), ERR_INPUT, "users:1");
	write_file(f, "users", USERS);
	write_file(f, "rules", "- nonsense\n");
	assert_err(auth_reload(f->auth, &e), ERR_INPUT, "rules:1");
	log_in(f, "bob:hunter2");
	assert_true(auth_may(f->auth, &f->who, "team/app", "team/app", ACTION_PULL));
}

struct race {
	struct auth *auth;
	const char *bob;
	_Atomic(bool) over;
};

static void *keep_logging_in(void *arg)
{
	struct race *r = arg;
	struct who w = { .name = "" };
	const char *why;

	while (!r->over) {
		auth_verify(r->auth, r->bob);
		(void)!auth_identify(r->auth, r->bob, NULL, &w, &why);
		(void)auth_may(r->auth, &w, "team/app", "team/app", ACTION_PULL);
		who_release(&w);
	}
	return NULL;
}

/* A check that began before the reload ends after it: what it found must not be believed then. */
static void auth_reload__beats_checks_on_their_way(void **state)
{
	struct fixture *f = *state;
	AUTO(mem_free) char *bob = basic("bob:hunter2");
	struct race race = { .auth = f->auth, .bob = bob };
	pthread_t threads[2];
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, keep_logging_in, &race), 0);
	for (int i = 0; i < 40; i++) {
		write_file(f, "users", USERS);
		assert_ok(auth_reload(f->auth, &e));
		write_file(f, "users", NO_BOB);
		assert_ok(auth_reload(f->auth, &e));
		for (int k = 0; k < 200; k++)
			if (auth_identify(f->auth, bob, NULL, &f->who, &f->why) == AUTH_OK)
				fail_msg("bob is in, after reload %d", i);
	}
	race.over = true;
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
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
	struct context context = { .auth = f->auth };
	struct request q = { .method = METHOD_GET,
		.route = { .kind = ROUTE_TOKEN,
			.query = span_of("scope=repository:team/app:push") },
		.who = &f->who,
		.host = "h" };
	AUTO(mem_free) char *narrow = NULL;
	AUTO(reply_release) struct reply r;
	struct err e = ERR_INIT;

	reply_init(&r);
	log_in(f, "alice:secret");
	assert_int_equal(get_token(&context, &q, &r, &e), 0);
	assert_int_equal(r.status, 200);
	assert_string_equal(reply_get(&r, "Cache-Control"), "no-store");
	narrow = bearer(f, "scope=repository:team/app:pull");
	assert_int_equal(identify(f, narrow, NULL), AUTH_OK);
	reply_release(&r);
	reply_init(&r);
	assert_int_equal(get_token(&context, &q, &r, &e), 0);
	assert_int_equal(r.status, 401);
	assert_string_equal(reply_get(&r, "WWW-Authenticate"), "Basic realm=\"moat\"");
	assert_null(strstr(r.bytes.data, "access_token"));
}

/* Whom only a certificate names has a token while it is shown beside it, and nobody else has. */
static void auth_token__of_a_certificate(void **state)
{
	struct fixture *f = *state;
	AUTO(mem_free) char *token = NULL;

	assert_int_equal(identify(f, NULL, "carol"), AUTH_OK);
	token = bearer(f, "scope=repository:team/app:pull,push");
	assert_int_equal(identify(f, token, "carol"), AUTH_OK);
	assert_string_equal(f->who.name, "carol");
	assert_true(auth_may(f->auth, &f->who, "team/app", "team/app", ACTION_PUSH));
	assert_int_equal(identify(f, token, NULL), AUTH_REFUSED);
	assert_int_equal(identify(f, token, "dave"), AUTH_REFUSED);
	assert_string_equal(f->who.name, "");
}

static const struct {
	const char *login, *query;
	const char *access; /* of the claims */
} scopes[] = {
	{ ":", "scope=repository:docker.io/x:pull,push", "docker.io/x:pull" },
	{ ":", "scope=repository:x:pull", "x:pull" }, /* docker.io/x */
	{ ":", "scope=repository:x:push", "" },
	{ ":", "scope=registry:catalog:*", "" },
	{ "alice:secret", "scope=registry:catalog:*", "catalog:*" },
	{ "bob:hunter2", "scope=repository:team/app:pull,push,delete", "team/app:pull" },
	{ "alice:secret", "scope=repository:team/app:*", "team/app:pull,push,delete" },
	{ "alice:secret", "scope=repository:team/a:pull&scope=repository:team/b:push",
		"team/a:pull team/b:push" },
	{ "alice:secret", "scope=repository:team/a:pull+repository:team/b:push",
		"team/a:pull team/b:push" },
	{ "alice:secret", "scope=repository%3Ateam%2Fa%3Apull%2Cpush", "team/a:pull,push" },
	{ "alice:secret", "scope=repository:team/a:pull,fly", "team/a:pull" },
	/* what is none is left out */
	{ "alice:secret", "scope=repository:Team/a:pull", "" },
	{ "alice:secret", "scope=repository:../x:pull", "" },
	{ "alice:secret", "scope=repository:team/a", "" },
	{ "alice:secret", "scope=repository:team/a:", "" },
	{ "alice:secret", "scope=plugin:team/a:pull", "" },
	{ "alice:secret", "scope=::", "" },
	{ "alice:secret", "scope=", "" },
	{ "alice:secret", "scope", "" },
	{ "alice:secret", "", "" },
	{ "alice:secret",
		"account=%C3%BC&client_id=%zz&offline_token=true&service=svc&"
		"scope=repository:team/a:pull",
		"team/a:pull" },
};

static void access_text(const struct who *w, struct buf *out)
{
	for (size_t i = 0; w->grants && i < w->grants->count; i++) {
		const struct grant *g = &w->grants->items[i];

		buf_printf(out, "%s%s:%s%s%s%s", i ? " " : "", *g->name ? g->name : "catalog",
			g->actions & ACTION_CATALOG ? "*" : "",
			g->actions & ACTION_PULL ? "pull," : "",
			g->actions & ACTION_PUSH ? "push," : "",
			g->actions & ACTION_DELETE ? "delete," : "");
		if (out->data[out->len - 1] == ',')
			buf_cut(out, out->len - 1);
	}
}

static void auth_token__grants_what_may_be_had(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(scopes); i++) {
		AUTO(buf_release) struct buf got = BUF_INIT;
		AUTO(mem_free) char *token = NULL;

		log_in(f, scopes[i].login);
		token = bearer(f, scopes[i].query);
		assert_int_equal(identify(f, token, NULL), AUTH_OK);
		access_text(&f->who, &got);
		if (strcmp(got.data, scopes[i].access) != 0)
			fail_msg("%s: \"%s\"", scopes[i].query, got.data);
	}
}

static void auth_token__refuses(void **state)
{
	static const char *const bad[] = { "scope=%", "scope=%4", "scope=%zz", "scope=a%00",
		"scope=a%0a", "scope=%C3%BC" };
	struct fixture *f = *state;
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO(buf_release) struct buf json = BUF_INIT;

		assert_err(auth_token(f->auth, &f->who, span_of(bad[i]), &json, &e), ERR_INPUT,
			"can not be read");
		assert_int_equal(json.len, 0);
	}
}

static void auth_token__is_never_too_long_to_be_taken(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_release) struct buf query = BUF_INIT;
	AUTO(mem_free) char *token = NULL;

	for (int i = 0; i < 2 * GRANTS_MAX; i++)
		buf_printf(&query, "scope=repository:team/%0240d:pull&", i);
	log_in(f, "alice:secret");
	token = bearer(f, query.data);
	assert_int_equal(identify(f, token, NULL), AUTH_OK);
	assert_true(f->who.grants->count > 10 && f->who.grants->count <= GRANTS_MAX);
}

/* Also those that are not granted cost a walk through all rules. */
static void auth_token__looks_at_so_many_scopes(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_release) struct buf query = BUF_INIT;
	AUTO(mem_free) char *token = NULL;

	for (int i = 0; i < GRANTS_MAX; i++)
		buf_printf(&query, "scope=repository:nobody/%d:push&", i);
	buf_str(&query, "scope=repository:team/app:pull");
	log_in(f, "bob:hunter2");
	token = bearer(f, query.data);
	assert_int_equal(identify(f, token, NULL), AUTH_OK);
	assert_true(!f->who.grants || f->who.grants->count == 0);
}

/* As docker and containerd read it. */
static void auth_token__reply(void **state)
{
	struct fixture *f = *state;
	AUTO(buf_release) struct buf json = BUF_INIT;
	AUTO(doc_release) struct doc d = DOC_INIT;
	const char *token, *access_token, *issued;
	int64_t seconds;
	struct tm tm;
	struct err e;

	log_in(f, "alice:secret");
	assert_ok(auth_token(f->auth, &f->who, span_of(""), &json, &e));
	assert_ok(json_parse(&d, "reply", buf_span(&json), json.len, &e));
	assert_ok(node_string(&d, d.root, "token", REQUIRED, &token, &e));
	assert_ok(node_string(&d, d.root, "access_token", REQUIRED, &access_token, &e));
	assert_ok(node_string(&d, d.root, "issued_at", REQUIRED, &issued, &e));
	assert_ok(node_int(&d, d.root, "expires_in", REQUIRED, 60, 86400, &seconds, &e));
	assert_string_equal(token, access_token);
	assert_non_null(strptime(issued, "%Y-%m-%dT%H:%M:%SZ", &tm));
}

/* --- who may what ----------------------------------------------------------------------------- */

static const struct {
	const char *login, *repo;
	unsigned may;
} matrix[] = {
	{ ":", "docker.io/library/nginx", ACTION_PULL },
	{ ":", "team/app", 0 },
	{ ":", "other", 0 },
	{ "alice:secret", "docker.io/library/nginx", ACTION_PULL },
	{ "alice:secret", "team/app", ACTION_PULL | ACTION_PUSH | ACTION_DELETE },
	{ "alice:secret", "team/x/y", ACTION_PULL | ACTION_PUSH | ACTION_DELETE },
	{ "alice:secret", "other", 0 },
	{ "bob:hunter2", "docker.io/library/nginx", ACTION_PULL },
	{ "bob:hunter2", "team/app", ACTION_PULL },
	{ "bob:hunter2", "team/x/y", 0 },
};

/* By password, by a token of all, by a token of nothing (then it is as nobody), by one of another path. */
static void auth_may__matrix(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(matrix); i++) {
		AUTO(mem_free)
		char *query = mem_printf("scope=repository:%s:*", matrix[i].repo);
		AUTO(mem_free) char *all = NULL, *none = NULL, *other = NULL;
		char *tokens[4] = { NULL };

		log_in(f, matrix[i].login);
		tokens[1] = all = bearer(f, query);
		tokens[2] = none = bearer(f, "");
		tokens[3] = other = bearer(f, "scope=repository:team/another:*");
		for (unsigned how = 0; how < ARRAY_SIZE(tokens); how++) {
			unsigned anyone = strncmp(matrix[i].repo, "docker.io/", 10) == 0;
			unsigned want = how < 2 ? matrix[i].may : anyone * ACTION_PULL;

			if (how > 0)
				assert_int_equal(identify(f, tokens[how], NULL), AUTH_OK);
			for (unsigned bit = ACTION_PULL; bit <= ACTION_DELETE; bit <<= 1)
				if (auth_may(f->auth, &f->who, matrix[i].repo, matrix[i].repo,
					    (enum action)bit) != ((want & bit) != 0))
					fail_msg("%s %s by %u: action %u", matrix[i].login,
						matrix[i].repo, how, bit);
		}
	}
}

/* The path that a token speaks of does not open a repository that the rules keep shut. */
static void auth_may__rules_speak_of_the_stored_name(void **state)
{
	struct fixture *f = *state;
	AUTO(mem_free) char *token = NULL;

	log_in(f, "bob:hunter2");
	token = bearer(f, "scope=repository:app:pull"); /* team/app, if team were a host */
	assert_int_equal(identify(f, token, NULL), AUTH_OK);
	assert_true(auth_may(f->auth, &f->who, "app", "team/app", ACTION_PULL));
	assert_false(auth_may(f->auth, &f->who, "app", "app", ACTION_PULL));
	assert_false(auth_may(f->auth, &f->who, "app", "team/secret", ACTION_PULL));
}

/* --- challenges ------------------------------------------------------------------------------- */

#define REALM "Bearer realm=\"https://reg.corp:5000/token\",service=\"svc\""

static const struct {
	const char *host, *path;
	unsigned actions;
	const char *want;
} challenges[] = {
	{ "reg.corp:5000", "", 0, REALM },
	{ "reg.corp:5000", "team/app", ACTION_PULL, REALM ",scope=\"repository:team/app:pull\"" },
	{ "reg.corp:5000", "team/app", ACTION_PULL | ACTION_PUSH,
		REALM ",scope=\"repository:team/app:pull,push\"" },
	{ "reg.corp:5000", "team/app", ACTION_PULL | ACTION_DELETE,
		REALM ",scope=\"repository:team/app:pull,delete\"" },
	{ "reg.corp:5000", "", ACTION_CATALOG, REALM ",scope=\"registry:catalog:*\"" },
	{ "[::1]:5000", "", 0, "Bearer realm=\"https://[::1]:5000/token\",service=\"svc\"" },
	/* not a host: nothing of it comes back */
	{ NULL, "", 0, "Bearer realm=\"https://localhost/token\",service=\"svc\"" },
	{ "", "", 0, "Bearer realm=\"https://localhost/token\",service=\"svc\"" },
	{ "a\",b=\"", "", 0, "Bearer realm=\"https://localhost/token\",service=\"svc\"" },
	{ "a/b", "", 0, "Bearer realm=\"https://localhost/token\",service=\"svc\"" },
	{ "a\r\nX: y", "", 0, "Bearer realm=\"https://localhost/token\",service=\"svc\"" },
	{ "user@a", "", 0, "Bearer realm=\"https://localhost/token\",service=\"svc\"" },
	{ "reg.corp:5000", NULL, 0, "Basic realm=\"moat\"" },
};

static void challenge_is(
	struct fixture *f, const char *host, const char *path, unsigned actions, const char *want)
{
	AUTO(buf_release) struct buf value = BUF_INIT;

	auth_challenge(f->auth, &f->who, host, true, path, actions, &value);
	assert_string_equal(value.data, want);
}

static void auth_challenge__table(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(challenges); i++)
		challenge_is(f, challenges[i].host, challenges[i].path, challenges[i].actions,
			challenges[i].want);
}

static void auth_challenge__says_what_was_wrong_with_a_token(void **state)
{
	struct fixture *f = *state;
	AUTO(mem_free) char *token = NULL;

	assert_int_equal(identify(f, "Bearer x", NULL), AUTH_REFUSED);
	challenge_is(f, "reg.corp:5000", "", 0, REALM ",error=\"invalid_token\"");
	log_in(f, "alice:secret");
	token = bearer(f, "");
	assert_int_equal(identify(f, token, NULL), AUTH_OK);
	challenge_is(f, "reg.corp:5000", "a", ACTION_PULL,
		REALM ",scope=\"repository:a:pull\",error=\"insufficient_scope\"");
	open_with(f, USERS, RULES, true);
	challenge_is(f, "reg.corp:5000", "a", ACTION_PULL, "Basic realm=\"moat\"");
}

static void auth_open__refuses(void **state)
{
	static const struct auth_config bad[] = {
		{ .service = "" },
		{ .service = "a b" },
		{ .service = "a\"" },
		{ .service = "a\\" },
		{ .service = "a\n" },
		{ .realm = "reg.corp/token" },
		{ .realm = "https://reg.corp/token\",x=\"" },
		{ .realm = "https://reg.corp/\r\nX: y" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		AUTO(auth_close) struct auth *a = NULL;

		assert_err(auth_open(&a, &bad[i], &e), ERR_INPUT,
			bad[i].service ? "token-service: " : "token-realm: ");
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(auth_identify__table),
		T(auth_identify__a_login_too_long),
		T(auth_identify__never_checks_a_password),
		T(auth_identify__certificates_only_when_told),
		cmocka_unit_test(passwords__are_forgotten),
		cmocka_unit_test(passwords__a_flood_of_wrong_ones_leaves_the_right),
		T(auth_reload__revokes_at_once),
		T(auth_reload__keeps_the_old_when_it_fails),
		T(auth_reload__beats_checks_on_their_way),
		T(auth_token__does_not_buy_another),
		T(auth_token__of_a_certificate),
		T(auth_token__grants_what_may_be_had),
		T(auth_token__refuses),
		T(auth_token__is_never_too_long_to_be_taken),
		T(auth_token__looks_at_so_many_scopes),
		T(auth_token__reply),
		T(auth_may__matrix),
		T(auth_may__rules_speak_of_the_stored_name),
		T(auth_challenge__table),
		T(auth_challenge__says_what_was_wrong_with_a_token),
		T(auth_open__refuses),
		T(get_token__answers_a_token_with_basic),
	};

	return cmocka_run_group_tests_name("registry/auth", tests, NULL, NULL);
}
