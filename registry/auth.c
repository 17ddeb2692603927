/*
 * Identities and decisions. Passwords that were right are remembered as a keyed hash, so that bcrypt
 * runs once in a while and never on a loop; wrong ones too, for a moment, so that a client that tries
 * again and again costs little. Must never keep a password, and never put one into a message.
 */
#include "registry/auth.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "storage/base/base64.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

#define REMEMBERED 1024 /* passwords */
#define WAYS 4
#define RIGHT_SECONDS 300
#define WRONG_SECONDS 5
#define MAC_SIZE 32
#define LOGIN_MAX 1024 /* bytes of NAME:PASSWORD */
#define QUERY_SCOPES_MAX GRANTS_MAX

struct remembered {
	unsigned char mac[MAC_SIZE];
	int64_t until; /* seconds of the monotonic clock; 0 free */
	bool right;
};

struct auth {
	char *users_path, *access_path, *service, *realm;
	bool certificates, basic, push;
	int64_t token_seconds;
	struct token_key token_key;
	unsigned char memory_key[MAC_SIZE];

	pthread_rwlock_t lock; /* of users and rules, against a reload */
	struct users *users; /* NULL none */
	struct access *access;
	_Atomic(bool) open;

	pthread_mutex_t memory_lock;
	struct remembered memory[REMEMBERED];
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

static int read_files(struct auth *a, struct users **users, struct access **access, struct err *e)
{
	if (a->users_path && users_read(users, a->users_path, e) < 0)
		return -1;
	if (a->access_path)
		return access_read(access, a->access_path, e);
	*access = access_default(a->users_path || a->certificates);
	return 0;
}

/* What was revoked counts at once: nothing is remembered. */
static void exchange(struct auth *a, struct users **users, struct access **access)
{
	struct users *old_users = a->users;
	struct access *old_access = a->access;

	pthread_rwlock_wrlock(&a->lock);
	a->users = STEAL(*users);
	a->access = STEAL(*access);
	a->open = access_is_open(a->access);
	pthread_rwlock_unlock(&a->lock);
	users_free(&old_users);
	access_free(&old_access);
	pthread_mutex_lock(&a->memory_lock);
	memset(a->memory, 0, sizeof(a->memory));
	pthread_mutex_unlock(&a->memory_lock);
}

int auth_reload(struct auth *a, struct err *e)
{
	AUTO(users_free) struct users *users = NULL;
	AUTO(access_free) struct access *access = NULL;

	if (read_files(a, &users, &access, e) < 0)
		return -1;
	exchange(a, &users, &access);
	return 0;
}

static char *copy(const char *text)
{
	return text ? mem_strdup(text) : NULL;
}

int auth_open(struct auth **out, const struct auth_config *c, struct err *e)
{
	AUTO(auth_close) struct auth *a = mem_alloc(sizeof(*a));

	pthread_rwlock_init(&a->lock, NULL);
	pthread_mutex_init(&a->memory_lock, NULL);
	a->users_path = copy(c->users);
	a->access_path = copy(c->access);
	a->service = mem_strdup(c->service ? c->service : "moatd");
	a->realm = copy(c->realm);
	a->certificates = c->certificates;
	a->basic = c->basic;
	a->push = c->push;
	a->token_seconds = c->token_seconds;
	if (RAND_bytes(a->memory_key, sizeof(a->memory_key)) != 1)
		return err_set(e, ERR_IO, "no random bytes");
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
	users_free(&a->users);
	access_free(&a->access);
	pthread_rwlock_destroy(&a->lock);
	pthread_mutex_destroy(&a->memory_lock);
	free(a->users_path);
	free(a->access_path);
	free(a->service);
	free(a->realm);
	explicit_bzero(a, sizeof(*a));
	free(a);
}

bool auth_is_open(struct auth *a)
{
	_Atomic(bool) open;

	pthread_rwlock_rdlock(&a->lock);
	open = a->open;
	pthread_rwlock_unlock(&a->lock);
	return open;
}

bool auth_wants_login(struct auth *a)
{
	return a->users_path && (a->push || !auth_is_open(a));
}

/* --- passwords ------------------------------------------------------------------------------- */

/* NAME:PASSWORD of a Basic login; it is wiped by whoever asked. False: it is none. */
static bool read_basic(const char *value, struct buf *login, char **name, char **password)
{
	struct err e;
	char *colon;

	if (strlen(value) > 2 * LOGIN_MAX || base64_decode(login, span_of(value), &e) < 0 ||
		login->len == 0 || login->len > LOGIN_MAX || memchr(login->data, 0, login->len))
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

static void mac_of(struct auth *a, const char *value, unsigned char mac[MAC_SIZE])
{
	if (!HMAC(EVP_sha256(), a->memory_key, sizeof(a->memory_key), (const unsigned char *)value,
		    strlen(value), mac, NULL))
		BUG("no HMAC");
}

static struct remembered *set_of(struct auth *a, const unsigned char mac[MAC_SIZE])
{
	size_t set = ((size_t)mac[0] << 8 | mac[1]) % (REMEMBERED / WAYS);

	return &a->memory[set * WAYS];
}

/* 1 right, 0 wrong, -1 not remembered. */
static int recall(struct auth *a, const unsigned char mac[MAC_SIZE])
{
	struct remembered *set = set_of(a, mac);
	int64_t now = seconds(CLOCK_MONOTONIC);
	int found = -1;

	pthread_mutex_lock(&a->memory_lock);
	for (int i = 0; i < WAYS; i++)
		if (set[i].until > now && CRYPTO_memcmp(set[i].mac, mac, MAC_SIZE) == 0)
			found = set[i].right;
	pthread_mutex_unlock(&a->memory_lock);
	return found;
}

/* In the place of its like, or of what is forgotten first. */
static void remember(struct auth *a, const unsigned char mac[MAC_SIZE], bool right)
{
	struct remembered *set = set_of(a, mac), *place = set;

	pthread_mutex_lock(&a->memory_lock);
	for (int i = 1; i < WAYS; i++)
		if (set[i].until < place->until)
			place = &set[i];
	for (int i = 0; i < WAYS; i++)
		if (memcmp(set[i].mac, mac, MAC_SIZE) == 0)
			place = &set[i];
	memcpy(place->mac, mac, MAC_SIZE);
	place->until = seconds(CLOCK_MONOTONIC) + (right ? RIGHT_SECONDS : WRONG_SECONDS);
	place->right = right;
	pthread_mutex_unlock(&a->memory_lock);
}

/* The part of the header behind the scheme, when it is this one. */
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
	const char *value = value_of(authorization, "Basic");
	AUTO(wipe) struct buf login = BUF_INIT;
	unsigned char mac[MAC_SIZE];
	char *name, *password;
	bool right;

	if (!value || !read_basic(value, &login, &name, &password))
		return;
	pthread_rwlock_rdlock(&a->lock);
	right = a->users && users_check(a->users, name, password);
	pthread_rwlock_unlock(&a->lock);
	mac_of(a, value, mac);
	remember(a, mac, right);
}

/* --- who asks -------------------------------------------------------------------------------- */

static bool has_user(struct auth *a, const char *name)
{
	bool has;

	pthread_rwlock_rdlock(&a->lock);
	has = a->users && users_has(a->users, name);
	pthread_rwlock_unlock(&a->lock);
	return has;
}

static enum auth_answer by_password(
	struct auth *a, const char *value, struct who *w, const char **why)
{
	AUTO(wipe) struct buf login = BUF_INIT;
	unsigned char mac[MAC_SIZE];
	char *name, *password;

	*why = "the login can not be read";
	if (!read_basic(value, &login, &name, &password))
		return AUTH_REFUSED;
	if (!*name && !*password)
		return AUTH_OK;
	*why = "wrong user or password";
	if (!a->users_path || !user_name_is_valid(name))
		return AUTH_REFUSED;
	mac_of(a, value, mac);
	switch (recall(a, mac)) {
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

static enum auth_answer by_token(struct auth *a, const char *value, struct who *w, const char **why)
{
	struct grants *grants;

	w->bad_token = true;
	if (token_read(&a->token_key, a->service, span_of(value), seconds(CLOCK_REALTIME), w->name,
		    &grants, why) < 0)
		return AUTH_REFUSED;
	if (*w->name && !has_user(a, w->name)) {
		free(grants);
		w->name[0] = '\0';
		*why = "the token is of somebody who is no user any more";
		return AUTH_REFUSED;
	}
	w->bad_token = false;
	w->by_token = true;
	w->grants = grants;
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
		return by_token(a, value, w, why);
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
	bool may;

	pthread_rwlock_rdlock(&a->lock);
	may = access_may(a->access, "", repo, action);
	if (!may && *w->name && (!w->by_token || granted(w, path, action)))
		may = access_may(a->access, w->name, repo, action);
	pthread_rwlock_unlock(&a->lock);
	return may;
}

bool auth_may_list(struct auth *a, const struct who *w)
{
	bool may;

	pthread_rwlock_rdlock(&a->lock);
	may = access_may(a->access, "", NULL, ACTION_CATALOG);
	if (!may && *w->name && (!w->by_token || granted(w, "", ACTION_CATALOG)))
		may = access_may(a->access, w->name, NULL, ACTION_CATALOG);
	pthread_rwlock_unlock(&a->lock);
	return may;
}

/* --- challenges ------------------------------------------------------------------------------ */

/* The name that the client calls us by, if it is one. */
static bool is_host(const char *host)
{
	size_t len = host ? strlen(host) : 0;

	for (size_t i = 0; i < len; i++)
		if (!(host[i] >= 'a' && host[i] <= 'z') && !(host[i] >= 'A' && host[i] <= 'Z') &&
			!(host[i] >= '0' && host[i] <= '9') && !strchr(".:-_[]", host[i]))
			return false;
	return len > 0 && len <= REF_HOST_MAX;
}

static void add_scope(struct buf *value, const char *path, unsigned actions)
{
	if (actions & ACTION_CATALOG) {
		buf_str(value, ",scope=\"registry:catalog:*\"");
		return;
	}
	if (!*path || !actions)
		return;
	buf_printf(value, ",scope=\"repository:%s:", path);
	buf_str(value, "pull");
	if (actions & ACTION_PUSH)
		buf_str(value, ",push");
	if (actions & ACTION_DELETE)
		buf_str(value, ",delete");
	buf_char(value, '"');
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
	add_scope(value, path, actions);
	if (w->bad_token)
		buf_str(value, ",error=\"invalid_token\"");
	else if (w->by_token)
		buf_str(value, ",error=\"insufficient_scope\"");
}

/* --- the token service ----------------------------------------------------------------------- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A value of a form, decoded; -1: not one. */
static int form_value(struct span raw, struct buf *out)
{
	for (size_t i = 0; i < raw.len; i++) {
		int c = (unsigned char)raw.data[i];

		if (c == '+')
			c = ' ';
		if (c == '%') {
			if (raw.len - i < 3 || hex(raw.data[i + 1]) < 0 || hex(raw.data[i + 2]) < 0)
				return -1;
			c = hex(raw.data[i + 1]) * 16 + hex(raw.data[i + 2]);
			i += 2;
		}
		if (c < ' ' || c >= 0x7f)
			return -1;
		buf_char(out, (char)c);
	}
	return 0;
}

static unsigned actions_of(struct span list)
{
	unsigned actions = 0;

	while (list.len > 0) {
		struct span word = span_until(&list, ',');

		if (span_is(word, "pull"))
			actions |= ACTION_PULL;
		else if (span_is(word, "push"))
			actions |= ACTION_PUSH;
		else if (span_is(word, "delete"))
			actions |= ACTION_DELETE;
		else if (span_is(word, "*"))
			actions |= ACTION_PULL | ACTION_PUSH | ACTION_DELETE;
	}
	return actions;
}

/* What of it may be had: rules are asked again at each use, so a name that may stand for a repository
 * of several hosts is granted for the best of them. */
static unsigned allowed(struct auth *a, const struct who *w, const char *path, unsigned actions)
{
	static const enum action each[] = { ACTION_PULL, ACTION_PUSH, ACTION_DELETE };
	unsigned good = 0;

	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < ARRAY_SIZE(each); i++)
		if ((actions & each[i]) && access_may_somewhere(a->access, w->name, path, each[i]))
			good |= each[i];
	pthread_rwlock_unlock(&a->lock);
	return good;
}

static bool could(struct auth *a, const struct who *w, const char *path, unsigned actions)
{
	unsigned wanted = actions & (ACTION_PULL | ACTION_PUSH | ACTION_DELETE);
	bool list;

	if (!(actions & ACTION_CATALOG))
		return allowed(a, w, path, wanted) == wanted;
	pthread_rwlock_rdlock(&a->lock);
	list = access_may(a->access, w->name, NULL, ACTION_CATALOG);
	pthread_rwlock_unlock(&a->lock);
	return list;
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

/* TYPE:NAME:ACTIONS, where NAME may hold a ':'. What we do not know is left out, not refused. */
static void add_grant(struct auth *a, const struct who *w, struct span scope, struct grants *grants)
{
	struct span rest = scope;
	struct span type = span_until(&rest, ':');
	const char *colon = rest.len ? memrchr(rest.data, ':', rest.len) : NULL;
	struct grant *g = &grants->items[grants->count];
	struct span name, list;

	if (!colon || grants->count == GRANTS_MAX)
		return;
	name = (struct span){ rest.data, (size_t)(colon - rest.data) };
	list = (struct span){ colon + 1, rest.len - name.len - 1 };
	if (span_is(type, "registry") && span_is(name, "catalog") && auth_may_list(a, w)) {
		g->actions = ACTION_CATALOG;
		grants->count++;
		return;
	}
	if (!span_is(type, "repository") || !ref_is_repo(name))
		return;
	memcpy(g->name, name.data, name.len);
	g->actions = allowed(a, w, g->name, actions_of(list));
	if (g->actions)
		grants->count++;
	else
		g->name[0] = '\0';
}

static int read_query(struct auth *a, const struct who *w, struct span query, struct grants *grants,
	struct err *e)
{
	while (query.len > 0) {
		struct span value = span_until(&query, '&');
		struct span key = span_until(&value, '=');
		AUTO(buf_release) struct buf text = BUF_INIT;
		struct span scopes;

		if (form_value(value, &text) < 0)
			return err_set(e, ERR_INPUT, "the query can not be read");
		scopes = buf_span(&text);
		if (!span_is(key, "scope"))
			continue;
		while (scopes.len > 0)
			add_grant(a, w, span_until(&scopes, ' '), grants);
	}
	return 0;
}

int auth_token(
	struct auth *a, const struct who *w, struct span query, struct buf *json, struct err *e)
{
	AUTO(mem_free)
	struct grants *grants =
		mem_alloc(sizeof(*grants) + QUERY_SCOPES_MAX * sizeof(grants->items[0]));
	AUTO(buf_release) struct buf token = BUF_INIT;
	int64_t now = seconds(CLOCK_REALTIME);
	char issued[32];
	struct tm tm;

	if (w->by_token || w->bad_token)
		return err_set(e, ERR_DENIED, "a token can not ask for another one: log in");
	if (read_query(a, w, query, grants, e) < 0)
		return -1;
	token_make(&a->token_key, a->service, w->name, grants, now, a->token_seconds, &token);
	gmtime_r(&now, &tm);
	strftime(issued, sizeof(issued), "%Y-%m-%dT%H:%M:%SZ", &tm);
	buf_printf(json,
		"{\"token\":\"%s\",\"access_token\":\"%s\",\"expires_in\":%lld,\"issued_at\":\"%"
		"s\"}",
		token.data, token.data, (long long)a->token_seconds, issued);
	return 0;
}
