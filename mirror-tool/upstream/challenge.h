/*
 * `WWW-Authenticate` (RFC 9110 11.6.1): several challenges in one value, quoted strings with commas
 * and escapes, bare tokens, schemes and keys in any case. Pure, fuzzed, hostile input.
 */
#ifndef MOAT_UPSTREAM_CHALLENGE_H
#define MOAT_UPSTREAM_CHALLENGE_H

#include "storage/base/buf.h"

#define CHALLENGE_VALUE_MAX 2047 /* bytes; a challenge with a longer value is ignored */

enum auth_kind { AUTH_NONE, AUTH_BASIC, AUTH_BEARER };

struct challenge {
	enum auth_kind kind;
	char realm[CHALLENGE_VALUE_MAX + 1]; /* Bearer: the token service's URL */
	char service[CHALLENGE_VALUE_MAX + 1];
	char scope[CHALLENGE_VALUE_MAX + 1];
	char error[CHALLENGE_VALUE_MAX + 1]; /* "insufficient_scope", "invalid_token" */
};

/* Choose the challenge to answer: the first Bearer with a realm, else the first Basic, else kind
 * AUTH_NONE. value: of several header lines, joined with ", ". */
void challenge_parse(struct challenge *c, struct span value);

#endif
