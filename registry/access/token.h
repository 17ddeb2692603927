/*
 * Bearer tokens (distribution, "Token Authentication"): what a client may ask for, signed by us for
 * ourselves. Nobody else verifies them, so they are signed with a secret key (JWT, HS256); the
 * algorithm is not negotiable: a token's header is ours byte for byte, or it is no token.
 */
#ifndef MOAT_TOKEN_H
#define MOAT_TOKEN_H

#include "registry/access/access.h"
#include "registry/access/htpasswd.h"
#include "storage/oci/ref.h"

#define TOKEN_MAX 8192 /* bytes of text */
#define GRANTS_MAX 32 /* scopes of one token */
#define TOKEN_KEY_MIN 32 /* bytes */

struct grant {
	char name[REF_REPO_MAX + 1]; /* path of a repository; "" the registry itself */
	unsigned actions; /* enum action */
};

struct grants {
	size_t count;
	struct grant items[];
};

struct token_key {
	unsigned char bytes[64];
	size_t len;
};

/* From a file of 32 to 64 bytes, or random when path is NULL: then tokens end with the process. */
MUST int token_key_read(struct token_key *k, const char *path, struct err *e);

/* now: seconds since the epoch. user "" for nobody in particular. Appends the text. */
void token_make(const struct token_key *k, const char *service, const char *user,
	const struct grants *grants, int64_t now, int64_t seconds, struct buf *out);

/* 0 with the user and the grants (heap, the caller's), or -1: not ours, changed, of another service, or
 * over; `why` says which, without a secret. */
MUST int token_read(const struct token_key *k, const char *service, struct span text, int64_t now,
	char user[USER_NAME_MAX + 1], struct grants **grants, const char **why);

#endif
