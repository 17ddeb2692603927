/* Rules for sending credentials, and the texts of the token protocol. Pure; auth.c has the flow. */
#ifndef MOAT_UPSTREAM_TOKEN_H
#define MOAT_UPSTREAM_TOKEN_H

#include "mirror-tool/upstream/creds.h"
#include "mirror-tool/upstream/url.h"

#define TOKEN_BODY_MAX (1u << 20)
#define TOKEN_SECONDS 60 /* life of a token that states none */
#define TOKEN_SKEW 10 /* seconds that it is replaced early */
#define TOKEN_LEAST 5 /* seconds that any token is used */

/*
 * May this realm be asked for a token of `registry`, with credentials or without?
 *
 * allowed: the realm's host is in the user's list for this registry. Without credentials any https
 * realm will do that is not a private address (other than the registry's own host). With
 * credentials it must share the registry's registrable domain, or be allowed. Plain http only at
 * the host of a registry that is itself reached by plain http, or when allowed.
 */
MUST int realm_check(const struct url *registry, const struct url *realm, bool allowed,
	bool with_credentials, struct err *e);

/* scope: words separated by spaces become one parameter each. */
void token_query(struct buf *out, const char *service, const char *scope);
void token_form(struct buf *out, const char *identity, const char *service, const char *scope);

/* The token and the seconds that it may be used; heap text in *value. ERR_INPUT. */
MUST int token_parse(struct span body, char **value, int64_t *seconds, struct err *e);

void basic_header(struct buf *out, const struct credential *c); /* "Basic ..." */

#endif
