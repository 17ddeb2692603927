/*
 * Credentials of a registry: from auth.json or docker's config.json, or a credential helper.
 *
 * Files, first that knows the host wins: the one the user named; else $REGISTRY_AUTH_FILE,
 * $XDG_RUNTIME_DIR/containers/auth.json, $DOCKER_CONFIG/config.json (else ~/.docker/config.json).
 * In a file: credHelpers[host], auths[longest prefix of host/repo], credsStore. ~/.netrc is not
 * read. Helpers are run as `docker-credential-NAME get`, without a shell, for at most 30 s.
 */
#ifndef MOAT_UPSTREAM_CREDS_H
#define MOAT_UPSTREAM_CREDS_H

#include "storage/base/buf.h"
#include "storage/base/err.h"

#define CREDS_FILE_MAX (4u << 20) /* bytes of one file */
#define CREDS_VALUE_MAX (64u << 10) /* bytes of one user, password or token */
#define HELPER_OUTPUT_MAX (256u << 10)
#define HELPER_TIMEOUT_MS 30000

struct credential {
	char *user, *password; /* NULL when there is an identity token */
	char *identity; /* refresh token for the token service, or NULL */
};
#define CREDENTIAL_INIT                                                                            \
	{                                                                                          \
		.user = NULL                                                                       \
	}
void credential_release(struct credential *c); /* overwrites the secrets */

struct creds;

/* Open the credential files. authfile NULL: the usual places, of which any may be absent.
 * ERR_ABSENT: the file that the user named is not there; ERR_INPUT: not JSON, wrong types, a value
 * that is not base64 of user:password (the value itself is in no message). */
MUST int creds_open(struct creds **c, const char *authfile, struct err *e);
void creds_close(struct creds **c);

/* Find the credential of a repository. Returns 1 with *c, which the caller releases; 0 none; -1 a
 * helper failed. host: as in references ("docker.io"). Answers of helpers are cached. May block for
 * a helper. */
MUST int creds_find(
	struct creds *c, const char *host, const char *repo, struct credential *out, struct err *e);

#endif
