/*
 * Remember passwords that were checked lately, so that bcrypt runs once in a while: right ones for minutes,
 * wrong ones for seconds. Stored is a keyed hash of the login, with a random key that is nowhere else; the
 * room is fixed, and what is forgotten first makes way. Safe from any thread.
 *
 * It belongs to one state of the users: a new state begins with an empty one, and a check that began before
 * ends in the old one.
 */
#ifndef MOAT_PASSWORDS_H
#define MOAT_PASSWORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/err.h"

#define PASSWORDS_MAX 1024
#define PASSWORD_RIGHT_SECONDS 300
#define PASSWORD_WRONG_SECONDS 5

struct passwords;

/* With a random key. ERR_IO: there is no randomness. */
MUST int passwords_new(struct passwords **p, struct err *e);
void passwords_free(struct passwords **p); /* for AUTO; wipes */

/* Look up a login: 1 right, 0 wrong, -1 not known. login: name and password as they came. now: seconds of a
 * clock that only goes forward. */
int passwords_recall(struct passwords *p, const char *login, int64_t now);
/* Remember whether a login was right. */
void passwords_remember(struct passwords *p, const char *login, bool right, int64_t now);

#endif
