/*
 * Who asks, and what they may do: users (htpasswd), certificates, tokens, rules. The one place that
 * handlers ask. Safe from any thread; users and rules are exchanged while all of them run.
 */
#ifndef MOAT_AUTH_H
#define MOAT_AUTH_H

#include "registry/access/access.h"
#include "registry/access/htpasswd.h"
#include "registry/access/token.h"

#define AUTH_NAME_MAX USER_NAME_MAX
#define AUTHORIZATION_MAX (TOKEN_MAX + 16)

struct auth;

struct who {
	char name[AUTH_NAME_MAX + 1]; /* "" anyone */
	bool by_token;
	bool bad_token; /* one was shown that is no good */
	struct grants *grants; /* of the token; NULL otherwise */
};
void who_release(struct who *w);

struct auth_config {
	const char *users; /* htpasswd file; NULL none */
	const char *access; /* rules; NULL: the default ones (access.h) */
	bool certificates; /* the names of verified client certificates are users */
	bool basic; /* offer Basic instead of Bearer */
	bool push; /* there is something to log in for, whatever the rules say of reading */
	const char *service; /* of tokens */
	const char *realm; /* URL of the token service; NULL: what the client calls us, /token */
	const char *token_key; /* file; NULL: random */
	int64_t token_seconds; /* less than 60 is 60 */
};

/* The strings are copied. ERR_INPUT: a service or realm that has no place in a header, a file. */
MUST int auth_open(struct auth **a, const struct auth_config *c, struct err *e);
/* Users and rules again; on failure the old ones stay. */
MUST int auth_reload(struct auth *a, struct err *e);
void auth_close(struct auth **a); /* for AUTO */

/* Anyone may pull and list everything: readers need not be looked at. */
bool auth_is_open(struct auth *a);
/* Who has not logged in shall be told at /v2/ that it is of use. */
bool auth_wants_login(struct auth *a);

enum auth_answer {
	AUTH_OK,
	AUTH_LATER, /* a password that was not seen lately: auth_verify() on a thread that may take
		       a second, then again */
	AUTH_REFUSED
};

/*
 * Never blocks. authorization: the header, NULL none; certificate: name of a verified client
 * certificate, NULL none. w is filled on AUTH_OK; why: on AUTH_REFUSED, a constant.
 * An empty name with an empty password is anyone (podman sends that).
 */
MUST enum auth_answer auth_identify(struct auth *a, const char *authorization,
	const char *certificate, struct who *w, const char **why);
/* Checks the password, and remembers the answer for a while. */
void auth_verify(struct auth *a, const char *authorization);

/* path: what the request calls it, which a token speaks of; repo: the stored name, which the rules
 * speak of. Both are asked each time, so that what is revoked is revoked at once. */
bool auth_may(struct auth *a, const struct who *w, const char *path, const char *repo,
	enum action action);
/* Could another login than the one shown help? Nobody yet, or a token without that scope of a user whom
 * the rules let do all of `actions` to some repository that the path may mean. */
bool auth_login_helps(struct auth *a, const struct who *w, const char *path, unsigned actions);
bool auth_may_list(struct auth *a, const struct who *w);
/* May a list of repositories name this one? By the rules of pulling alone: a token that may list stands for
 * its user there, as no client can ask for a scope of each name beforehand. */
bool auth_may_see(struct auth *a, const struct who *w, const char *repo);

/* The value of WWW-Authenticate. host: the Host header, not trusted; path "" and actions 0: no scope;
 * path NULL: at the token service itself. */
void auth_challenge(struct auth *a, const struct who *w, const char *host, bool tls,
	const char *path, unsigned actions, struct buf *value);

/*
 * The answer of the token service to a query, as JSON. ERR_INPUT: the query is none; ERR_DENIED: who
 * asks has shown a token. Tokens come from logins only, or the narrowest one would buy any other, and
 * go on for ever.
 */
MUST int auth_token(
	struct auth *a, const struct who *w, struct span query, struct buf *json, struct err *e);

#endif
