/*
 * Users: a file of `NAME:BCRYPT-HASH` lines, as `htpasswd -B` writes it. Other kinds of hashes are
 * refused by their line: they can be guessed.
 */
#ifndef MOAT_HTPASSWD_H
#define MOAT_HTPASSWD_H

#include <stdbool.h>

#include "storage/base/err.h"

#define USER_NAME_MAX 64
#define USERS_MAX 10000
#define USERS_BYTES_MAX (1u << 20)
#define USER_ANYONE "anyone" /* a word of the rules, so no user's name */
#define BCRYPT_COST_MIN 4 /* less does not exist */
#define BCRYPT_COST_MAX 14 /* about a second of a core; more would be a way to keep us busy */

struct users;

/* ERR_INPUT names file and line. */
MUST int users_read(struct users **u, const char *path, struct err *e);
void users_free(struct users **u); /* for AUTO */

bool users_has(const struct users *u, const char *name);

/* Takes as long as bcrypt does (2 ms at the cost that htpasswd chooses, a second at the most); for a name
 * that nobody has as long as for some user's. Safe from any thread. */
bool users_check(const struct users *u, const char *name, const char *password);

/* Letters, digits and `._@-`, up to USER_NAME_MAX: fit for headers, logs and rules. */
bool user_name_is_valid(const char *name);

#endif
