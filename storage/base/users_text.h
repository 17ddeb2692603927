/*
 * A line of the file of users: NAME:BCRYPT-HASH, as `htpasswd -B` writes it. moatd reads such files,
 * `moat user` writes them. Pure.
 */
#ifndef MOAT_USERS_TEXT_H
#define MOAT_USERS_TEXT_H

#include <stdbool.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"

#define USER_NAME_MAX 64
#define USERS_MAX 10000
#define USERS_BYTES_MAX (1u << 20)
#define USER_ANYONE "anyone" /* a word of the rules, so no user's name */
#define USER_HASH_LEN 60
#define BCRYPT_COST_MIN 4 /* less does not exist */
#define BCRYPT_COST_MAX                                                                            \
	14 /* about a second of a core; a higher one lets clients burn CPU by logging in */

/* Letters, digits and `._@-`, up to USER_NAME_MAX: fit for headers, logs and rules. */
bool user_name_is_valid(const char *name);
/* And not a word of the rules; ERR_INPUT says what a name is. */
MUST int user_name_check(const char *name, struct err *e);

struct user_line {
	char name[USER_NAME_MAX + 1];
	char hash[USER_HASH_LEN + 1];
};

/* line: without its newline. 1, 0 a comment or blank, -1 (ERR_INPUT, without file and line). */
MUST int user_line_parse(struct user_line *out, struct span line, struct err *e);

#endif
