/*
 * Users: a file of `NAME:BCRYPT-HASH` lines, as `htpasswd -B` writes it. Other kinds of hashes are
 * refused by their line: they can be guessed.
 */
#ifndef MOAT_HTPASSWD_H
#define MOAT_HTPASSWD_H

#include <stdbool.h>

#include "storage/base/users_text.h"

struct users;

/* Read the file. ERR_INPUT names file and line. */
MUST int users_read(struct users **u, const char *path, struct err *e);
void users_free(struct users **u); /* for AUTO */

/* Is there a user of that name? */
bool users_has(const struct users *u, const char *name);

/* Is this the password of that user? Takes as long as bcrypt does (2 ms at the cost that htpasswd chooses, a
 * second at most), for an unknown name, too. Safe from any thread. */
bool users_check(const struct users *u, const char *name, const char *password);

#endif
