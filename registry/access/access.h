/*
 * Rules: who may do what to which repositories (moat-access(5)). Rules only grant; what none grants is
 * denied. Pure, but for reading the file.
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
#define WORDS_MAX 10000 /* of all rules: each is looked at, at each request */
#define PATTERN_MAX 255

struct access;

/* ERR_INPUT names file and line. */
MUST int access_read(struct access **a, const char *path, struct err *e);
/* Without a file: anyone pulls and lists; who is logged in pushes and deletes; so does anyone when
 * there is nobody to log in. */
struct access *access_default(bool logins);
void access_free(struct access **a); /* for AUTO */

/* user "": nobody in particular. repo: as the store names it, NULL: any would do. A host's port stands
 * behind ':' or, as the API, its lists and the audit log have it, behind '-': a rule for either counts. */
bool access_may(const struct access *a, const char *user, const char *repo, enum action action);

/*
 * The same for whatever stored name the path of a request may come to mean: itself, `HOST/path` for some
 * HOST, `HOST/library/path`, and these for what is behind its first component, which may be a host by
 * another name. For promises only (a token): more than may be had, so access_may() is asked again.
 */
bool access_may_somewhere(
	const struct access *a, const char *user, const char *path, enum action action);

/* May anyone pull everything, and list it? */
bool access_is_open(const struct access *a);

/* `*` is any run without '/', `**` any run at all. */
bool access_match(const char *pattern, const char *name);

#endif
