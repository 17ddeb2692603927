/*
 * Identify callers and decide what they may. Users, rules and remembered passwords are one state, which a
 * reload exchanges for another: a caller holds the one that was current when it asked, and no caller waits.
 * Must never keep a password, and never put one into a message.
 */
#include "registry/access/auth.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "registry/access/passwords.h"
#include "registry/access/scope.h"
#include "storage/base/base64.h"
#include "storage/base/clock.h"
#include "storage/base/lock.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

#define LOGIN_MAX 1024 /* bytes of NAME:PASSWORD */
#define SERVICE_MAX 128
#define REALM_MAX 512
#define TOKEN_SECONDS_MIN 60 /* clients reject less as a mistake */

struct state {
	_Atomic(unsigned) holders;
	struct users *users; /* NULL none */
	struct access *access;
	struct passwords *passwords;
};

struct auth {
	char *users_path, *access_path, *service, *realm;
	bool certificates, basic, push;
	int64_t token_seconds;
	struct token_key token_key;
	_Atomic(bool) open;

	pthread_mutex_t lock; /* of the pointer to the state, for as long as it takes to hold it */
	struct state *state;
};

void who_release(struct who *w)
{
	free(w->grants);
	*w = (struct who){ .name = "" };
}

static int64_t seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec;
}

/* --- opening --------------------------------------------------------------------------------- */

static void state_put(struct state **held)
{
	struct state *s = STEAL(*held);

	if (!s || atomic_fetch_sub(&s->holders, 1) > 1)
		return;
	users_free(&s->users);
	access_free(&s->access);
	passwords_free(&s->passwords);
	free(s);
}

/* Hold the current state until state_put(). */
static struct state *state_get(struct auth *a)
{
	struct state *s;

	LOCK_SCOPE(&a->lock);
	s = a->state;
	atomic_fetch_add(&s->holders, 1);
	return s;
}

static int state_read(const struct auth *a, struct state *s, struct err *e)
{
	if (passwords_new(&s->passwords, e) < 0 ||
		(a->users_path && users_read(&s->users, a->users_path, e) < 0))
		return -1;
	if (a->access_path)
		return access_read(&s->access, a->access_path, e);
	s->access = access_default(a->users_path || a->certificates);
	return 0;
}

/* Make *s the current state; *s is the one before. */
static void state_exchange(struct auth *a, struct state **s)
{
	struct state *old;

	LOCK_SCOPE(&a->lock);
	old = a->state;
	a->open = access_is_open((*s)->access);
	a->state = *s;
	*s = old;
}

/* Exchange the state, so that what was revoked counts at once: the new one remembers no password, and a check
 * that began before tells the old one only. */
int auth_reload(struct auth *a, struct err *e)
{
	AUTO(state_put) struct state *s = mem_alloc(sizeof(*s));

	s->holders = 1;
	if (state_read(a, s, e) < 0)
		return -1;
	state_exchange(a, &s);
	return 0;
}

static char *copy(const char *text)
{
	return text ? mem_strdup(text) : NULL;
}

/* Check what goes into a quoted string of a header as it is. */
static int check_text(const char *key, const char *text, size_t max, struct err *e)
{
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '"' || *p == '\\')
			return err_set(
				e, ERR_INPUT, "%s: a blank, quote, backslash or control byte", key);
	if (!*text || strlen(text) > max)
		return err_set(e, ERR_INPUT, "%s: 1 to %zu bytes", key, max);
	return 0;
}

static int check_config(const struct auth_config *c, struct err *e)
{
	if (c->service && check_text("token-service", c->service, SERVICE_MAX, e) < 0)
		return -1;
	if (!c->realm)
		return 0;
	if (strncmp(c->realm, "http://", 7) != 0 && strncmp(c->realm, "https://", 8) != 0)
		return err_set(e, ERR_INPUT, "token-realm: not a URL");
	return check_text("token-realm", c->realm, REALM_MAX, e);
}

int auth_open(struct auth **out, const struct auth_config *c, struct err *e)
{
	AUTO(auth_close) struct auth *a = mem_alloc(sizeof(*a));

	pthread_mutex_init(&a->lock, NULL);
	if (check_config(c, e) < 0)
		return -1;
	a->users_path = copy(c->users);
	a->access_path = copy(c->access);
	a->service = mem_strdup(c->service ? c->service : "moatd");
	a->realm = copy(c->realm);
	a->certificates = c->certificates;
	a->basic = c->basic;
	a->push = c->push;
	a->token_seconds =
		c->token_seconds < TOKEN_SECONDS_MIN ? TOKEN_SECONDS_MIN : c->token_seconds;
	if (token_key_read(&a->token_key, c->token_key, e) < 0 || auth_reload(a, e) < 0)
		return -1;
	*out = STEAL(a);
	return 0;
}

void auth_close(struct auth **out)
{
	struct auth *a = STEAL(*out);

	if (!a)
		return;
	state_put(&a->state);
	pthread_mutex_destroy(&a->lock);
	free(a->users_path);
	free(a->access_path);
	free(a->service);
	free(a->realm);
	explicit_bzero(a, sizeof(*a));
	free(a);
}

bool auth_is_open(struct auth *a)
{
	return a->open;
}

bool auth_wants_login(struct auth *a)
{
	return a->users_path && (a->push || !auth_is_open(a));
}

/* --- passwords ------------------------------------------------------------------------------- */

/* Decode NAME:PASSWORD of a Basic login, which the caller wipes. False: it is none. */
static bool read_basic(const char *value, struct buf *login, char **name, char **password)
{
	struct err e;
	char *colon;

	if (strlen(value) > 2 * LOGIN_MAX)
		return false;
	buf_reserve(login, strlen(value)); /* it must not move: the old bytes could not be wiped */
	if (base64_decode(login, span_of(value), &e) < 0 || login->len == 0 ||
		login->len > LOGIN_MAX || memchr(login->data, 0, login->len))
		return false;
	buf_char(login, '\0');
	colon = strchr(login->data, ':');
	if (!colon)
		return false;
	*colon = '\0';
	*name = login->data;
	*password = colon + 1;
	return true;
}

static void wipe(struct buf *b)
{
	if (b->len > 0)
		explicit_bzero(b->data, b->len);
	buf_release(b);
}

/* The part of the header behind `scheme`, or NULL when it has another one. */
static const char *value_of(const char *authorization, const char *scheme)
{
	size_t len = strlen(scheme);

	if (strncasecmp(authorization, scheme, len) != 0 || authorization[len] != ' ')
		return NULL;
	authorization += len;
	while (*authorization == ' ')
		authorization++;
	return authorization;
}

void auth_verify(struct auth *a, const char *authorization)
{
	AUTO(state_put) struct state *s = state_get(a);
	const char *value = value_of(authorization, "Basic");
	AUTO(wipe) struct buf login = BUF_INIT;
	char *name, *password;
	bool right;

	if (!value || !read_basic(value, &login, &name, &password))
		return;
	right = s->users && users_check(s->users, name, password);
	passwords_remember(s->passwords, value, right, seconds(CLOCK_MONOTONIC));
}

/* --- the caller ------------------------------------------------------------------------------- */

static enum auth_answer by_password(
	struct auth *a, const char *value, struct who *w, const char **why)
{
	AUTO(state_put) struct state *s = state_get(a);
	AUTO(wipe) struct buf login = BUF_INIT;
	char *name, *password;

	*why = "the login can not be read";
	if (!read_basic(value, &login, &name, &password))
		return AUTH_REFUSED;
	if (!*name && !*password)
		return AUTH_OK;
	*why = "wrong user or password";
	if (!s->users || !user_name_is_valid(name))
		return AUTH_REFUSED;
	switch (passwords_recall(s->passwords, value, seconds(CLOCK_MONOTONIC))) {
	case 1:
		break;
	case 0:
		return AUTH_REFUSED;
	default:
		return AUTH_LATER;
	}
	memcpy(w->name, name, strlen(name) + 1);
	return AUTH_OK;
}

/* Does the user of a token still exist: in the file, or as the certificate beside it says? */
static bool has_user(struct auth *a, const char *name, const char *certificate)
{
	AUTO(state_put) struct state *s = state_get(a);

	if (s->users && users_has(s->users, name))
		return true;
	return certificate && a->certificates && strcmp(certificate, name) == 0;
}

static enum auth_answer by_token(
	struct auth *a, const char *value, const char *certificate, struct who *w, const char **why)
{
	AUTO(mem_free) struct grants *grants = NULL;
	char name[AUTH_NAME_MAX + 1] = "";

	w->bad_token = true;
	if (token_read(&a->token_key, a->service, span_of(value), seconds(CLOCK_REALTIME), name,
		    &grants, why) < 0)
		return AUTH_REFUSED;
	*why = "the token's user is gone";
	if (*name && !has_user(a, name, certificate))
		return AUTH_REFUSED;
	memcpy(w->name, name, sizeof(name));
	w->bad_token = false;
	w->by_token = true;
	w->grants = STEAL(grants);
	*why = "";
	return AUTH_OK;
}

enum auth_answer auth_identify(struct auth *a, const char *authorization, const char *certificate,
	struct who *w, const char **why)
{
	const char *value;

	who_release(w);
	*why = "";
	if (!authorization) {
		if (certificate && a->certificates && user_name_is_valid(certificate))
			memcpy(w->name, certificate, strlen(certificate) + 1);
		return AUTH_OK;
	}
	if ((value = value_of(authorization, "Basic")))
		return by_password(a, value, w, why);
	if ((value = value_of(authorization, "Bearer")))
		return by_token(a, value, certificate, w, why);
	*why = "neither Basic nor Bearer";
	return AUTH_REFUSED;
}

/* --- what they may --------------------------------------------------------------------------- */

static bool granted(const struct who *w, const char *path, unsigned action)
{
	for (size_t i = 0; w->grants && i < w->grants->count; i++)
		if (strcmp(w->grants->items[i].name, path) == 0 &&
			(w->grants->items[i].actions & action))
			return true;
	return false;
}

bool auth_may(
	struct auth *a, const struct who *w, const char *path, const char *repo, enum action action)
{
	AUTO(state_put) struct state *s = state_get(a);
	bool may;

	may = access_may(s->access, "", repo, action);
	if (!may && *w->name && (!w->by_token || granted(w, path, action)))
		may = access_may(s->access, w->name, repo, action);
	return may;
}

bool auth_may_list(struct auth *a, const struct who *w)
{
	AUTO(state_put) struct state *s = state_get(a);
	bool may;

	may = access_may(s->access, "", NULL, ACTION_CATALOG);
	if (!may && *w->name && (!w->by_token || granted(w, "", ACTION_CATALOG)))
		may = access_may(s->access, w->name, NULL, ACTION_CATALOG);
	return may;
}

bool auth_may_see(struct auth *a, const struct who *w, const char *repo)
{
	AUTO(state_put) struct state *s = state_get(a);

	if (access_may(s->access, "", repo, ACTION_PULL))
		return true;
	return *w->name && (!w->by_token || granted(w, "", ACTION_CATALOG)) &&
	       access_may(s->access, w->name, repo, ACTION_PULL);
}

/* --- challenges ------------------------------------------------------------------------------ */

/* Is this Host header a host that may stand in a URL? */
static bool is_host(const char *host)
{
	size_t len = host ? strlen(host) : 0;

	for (size_t i = 0; i < len; i++)
		if (!(host[i] >= 'a' && host[i] <= 'z') && !(host[i] >= 'A' && host[i] <= 'Z') &&
			!(host[i] >= '0' && host[i] <= '9') && !strchr(".:-_[]", host[i]))
			return false;
	return len > 0 && len <= REF_HOST_MAX;
}

void auth_challenge(struct auth *a, const struct who *w, const char *host, bool tls,
	const char *path, unsigned actions, struct buf *value)
{
	if (a->basic || !path) {
		buf_str(value, "Basic realm=\"moat\"");
		return;
	}
	buf_str(value, "Bearer realm=\"");
	if (a->realm)
		buf_str(value, a->realm);
	else
		buf_printf(value, "%s://%s/token", tls ? "https" : "http",
			is_host(host) ? host : "localhost");
	buf_printf(value, "\",service=\"%s\"", a->service);
	scope_add(value, path, actions);
	if (w->bad_token)
		buf_str(value, ",error=\"invalid_token\"");
	else if (w->by_token)
		buf_str(value, ",error=\"insufficient_scope\"");
}

/* --- the token service ----------------------------------------------------------------------- */

/* Which of the actions to grant. The rules are asked again at each use, so a path that may mean repositories
 * of several hosts is granted for the best of them. */
static unsigned allowed(struct auth *a, const struct who *w, const char *path, unsigned actions)
{
	static const enum action each[] = { ACTION_PULL, ACTION_PUSH, ACTION_DELETE };
	AUTO(state_put) struct state *s = state_get(a);
	unsigned good = 0;

	for (size_t i = 0; i < ARRAY_SIZE(each); i++)
		if ((actions & each[i]) && access_may_somewhere(s->access, w->name, path, each[i]))
			good |= each[i];
	return good;
}

static bool could(struct auth *a, const struct who *w, const char *path, unsigned actions)
{
	AUTO(state_put) struct state *s = state_get(a);
	unsigned wanted = actions & (ACTION_PULL | ACTION_PUSH | ACTION_DELETE);

	if (!(actions & ACTION_CATALOG))
		return allowed(a, w, path, wanted) == wanted;
	return access_may(s->access, w->name, NULL, ACTION_CATALOG);
}

bool auth_login_helps(struct auth *a, const struct who *w, const char *path, unsigned actions)
{
	unsigned left = 0;

	if (!auth_wants_login(a) || !*w->name)
		return auth_wants_login(a);
	for (unsigned bit = 1; bit < ACTIONS_ALL; bit <<= 1)
		if ((actions & bit) && !granted(w, bit == ACTION_CATALOG ? "" : path, bit))
			left |= bit;
	return w->by_token && left && could(a, w, path, left);
}

struct asking {
	struct auth *auth;
	const struct who *who;
	struct grants *grants;
};

static void add_grant(void *ctx, struct span scope)
{
	struct asking *ask = ctx;
	struct grant *g = &ask->grants->items[ask->grants->count];

	*g = (struct grant){ .name = "" };
	if (!scope_read(scope, g))
		return;
	if (*g->name)
		g->actions = allowed(ask->auth, ask->who, g->name, g->actions);
	else if (!auth_may_list(ask->auth, ask->who))
		return;
	ask->grants->count += g->actions != 0;
}

/* Make a token of the grants. Leave out what has no room, as what may not be had: a token that is too long
 * would be refused. */
static void make_token(const struct auth *a, const struct who *w, struct grants *grants,
	int64_t now, struct buf *token)
{
	for (;;) {
		buf_clear(token);
		token_make(
			&a->token_key, a->service, w->name, grants, now, a->token_seconds, token);
		if (token->len <= TOKEN_MAX)
			return;
		if (grants->count == 0)
			BUG("a token of %zu bytes without a scope", token->len);
		grants->count--;
	}
}

int auth_token(
	struct auth *a, const struct who *w, struct span query, struct buf *json, struct err *e)
{
	AUTO(mem_free)
	struct grants *grants = mem_alloc(sizeof(*grants) + GRANTS_MAX * sizeof(grants->items[0]));
	AUTO(buf_release) struct buf token = BUF_INIT;
	int64_t now = seconds(CLOCK_REALTIME);
	char issued[CLOCK_TEXT_SIZE];

	if (w->by_token || w->bad_token)
		return err_set(e, ERR_DENIED, "a token can not ask for another one: log in");
	if (scope_each(query, GRANTS_MAX, add_grant, &(struct asking){ a, w, grants }) < 0)
		return err_set(e, ERR_INPUT, "the query can not be read");
	make_token(a, w, grants, now, &token);
	buf_printf(json,
		"{\"token\":\"%s\",\"access_token\":\"%s\",\"expires_in\":%lld,\"issued_at\":\"%"
		"s\"}",
		token.data, token.data, (long long)a->token_seconds, clock_text(now, issued));
	return 0;
}
