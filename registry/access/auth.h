/*
 * Identify the caller of a request, and decide what it may do: users (htpasswd), certificates, tokens, rules.
 * The one place that handlers ask. Safe from any thread; users and rules are exchanged while all of them run.
 */
#ifndef MOAT_AUTH_H
#define MOAT_AUTH_H

#include "registry/access/access.h"
#include "registry/access/htpasswd.h"
#include "registry/access/token.h"

#define AUTH_NAME_MAX USER_NAME_MAX

struct auth;

struct who {
	char name[AUTH_NAME_MAX + 1]; /* "": no login */
	bool by_token;
	bool bad_token; /* a token was shown that is not valid */
	struct grants *grants; /* of the token; NULL otherwise */
};
/* Free what it owns; it is no login afterwards. */
void who_release(struct who *w);

struct auth_config {
	const char *users; /* htpasswd file; NULL none */
	const char *access; /* rules; NULL: the default ones (access.h) */
	bool certificates; /* the names of verified client certificates are users */
	bool basic; /* offer Basic instead of Bearer */
	bool push; /* a login is of use, whatever the rules say of reading */
	const char *service; /* of tokens */
	const char *realm; /* URL of the token service; NULL: the Host of the request, /token */
	const char *token_key; /* file; NULL: random */
	int64_t token_seconds; /* less than 60 is 60 */
};

/* Open it; the strings are copied. ERR_INPUT: a service or realm that cannot stand in a header, a file. */
MUST int auth_open(struct auth **a, const struct auth_config *c, struct err *e);
/* Read users and rules again; on failure the old ones stay. */
MUST int auth_reload(struct auth *a, struct err *e);
void auth_close(struct auth **a); /* for AUTO */

/* May anyone pull and list everything? Then readers need not be identified. */
bool auth_is_open(struct auth *a);
/* Shall /v2/ ask callers without a login to log in, as it is of use? */
bool auth_wants_login(struct auth *a);

enum auth_answer {
	AUTH_OK,
	/* A password not seen lately: auth_verify() on a thread that may take a second, then again. */
	AUTH_LATER,
	AUTH_REFUSED
};

/*
 * Identify the caller; never blocks. authorization: the header, NULL none; certificate: name of a verified
 * client certificate, NULL none. w is filled on AUTH_OK; why: on AUTH_REFUSED, a constant. An empty name with
 * an empty password is no login (podman sends that).
 */
MUST enum auth_answer auth_identify(struct auth *a, const char *authorization,
	const char *certificate, struct who *w, const char **why);
/* Check the password, and remember the answer for a while. May take a second. */
void auth_verify(struct auth *a, const char *authorization);

/* May the caller perform `action`? path: the repository as the request calls it, which tokens are made for;
 * repo: its stored name, which the rules are made for. Both are asked each time, so that what is revoked is
 * revoked at once. */
bool auth_may(struct auth *a, const struct who *w, const char *path, const char *repo,
	enum action action);
/* Could another login help? So without one, or with a token that lacks the scope though the rules let its
 * user do all of `actions` to some repository that the path may mean. */
bool auth_login_helps(struct auth *a, const struct who *w, const char *path, unsigned actions);
/* May the caller list repositories? */
bool auth_may_list(struct auth *a, const struct who *w);
/* May a list of repositories name this one? Only the rules of pulling decide: a token that may list stands
 * for its user here, as no client can ask for a scope of each name beforehand. */
bool auth_may_see(struct auth *a, const struct who *w, const char *repo);

/* Append the value of WWW-Authenticate. host: the Host header, not trusted; path "" and actions 0: no scope;
 * path NULL: at the token service itself. */
void auth_challenge(struct auth *a, const struct who *w, const char *host, bool tls,
	const char *path, unsigned actions, struct buf *value);

/*
 * Append the answer of the token service to a query, as JSON. ERR_INPUT: the query cannot be read;
 * ERR_DENIED: the caller has shown a token. Tokens are given for logins only, or the narrowest one would buy
 * any other, without end.
 */
MUST int auth_token(
	struct auth *a, const struct who *w, struct span query, struct buf *json, struct err *e);

#endif
