/*
 * Bearer tokens (distribution, "Token Authentication"): what a client may ask for, signed by us for
 * ourselves. No other service verifies them, so they are signed with a secret key (JWT, HS256); the
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

/* Read the key from a file of 32 to 64 bytes, or make a random one when path is NULL: then tokens end with
 * the process. ERR_INPUT names the file. */
MUST int token_key_read(struct token_key *k, const char *path, struct err *e);

/* Append a token. now: seconds since the epoch; seconds: how long it is valid. user "": no login. */
void token_make(const struct token_key *k, const char *service, const char *user,
	const struct grants *grants, int64_t now, int64_t seconds, struct buf *out);

/* Read a token. 0 with the user and the grants (heap, the caller's), or -1: forged, changed, of another
 * service, or expired; `why` says which, without a secret. */
MUST int token_read(const struct token_key *k, const char *service, struct span text, int64_t now,
	char user[USER_NAME_MAX + 1], struct grants **grants, const char **why);

#endif
