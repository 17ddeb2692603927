/*
 * Rules: which users may do what to which repositories (moat-access(5)). Rules only grant; what none grants
 * is denied. Pure, but for reading the file; a struct access may be asked from any thread.
 */
#ifndef MOAT_ACCESS_H
#define MOAT_ACCESS_H

#include <stdbool.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"

enum action { ACTION_PULL = 1, ACTION_PUSH = 2, ACTION_DELETE = 4, ACTION_CATALOG = 8 };
#define ACTIONS_ALL 15u

#define RULES_MAX 1000
#define RULE_WORDS_MAX 1000 /* repositories or users of one rule */
#define WORDS_MAX 10000 /* of all rules: each is matched at each request */
#define PATTERN_MAX 255

struct access;

/* Read the file of rules. ERR_INPUT names file and line. */
MUST int access_read(struct access **a, const char *path, struct err *e);
/* The rules without a file: anyone pulls and lists; users push and delete. logins false, so without users:
 * anyone may do all. */
struct access *access_default(bool logins);
void access_free(struct access **a); /* for AUTO */

/* May `user` perform `action` on `repo`? user "": a caller without a login. repo: as the store names it;
 * NULL: on any repository. The port of a host stands behind ':' or, as in the API, its lists and the audit
 * log, behind '-': a rule for either counts. */
bool access_may(const struct access *a, const char *user, const char *repo, enum action action);

/*
 * The same for any stored name that the path of a request may come to mean: itself, `HOST/path` for some
 * HOST, `HOST/library/path`, and these for what is behind its first component, which may be a host by another
 * name. For tokens only: it promises more than may be had, so access_may() is asked again.
 */
bool access_may_somewhere(
	const struct access *a, const char *user, const char *path, enum action action);

/* May anyone pull everything, and list it? */
bool access_is_open(const struct access *a);

/* Match a name: `*` is any run without '/', `**` any run at all. */
bool access_match(const char *pattern, const char *name);

#endif
