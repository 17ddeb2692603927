/* `docker-credential-NAME get`: the protocol of docker's credential helpers, over pipes. */
#ifndef MOAT_UPSTREAM_HELPER_H
#define MOAT_UPSTREAM_HELPER_H

#include <stdbool.h>

#include "mirror-tool/upstream/creds.h"

bool helper_name_ok(const char *name); /* [A-Za-z0-9._-]+, not "." or ".." */

/* Ask for the credential of a server. Returns 1, 0 the helper has none, -1: it is not installed,
 * failed, took longer than HELPER_TIMEOUT_MS, or answered something else. Blocks. */
MUST int helper_get(const char *name, const char *server, struct credential *out, struct err *e);

#endif
