/* How a command opens the store. Must never write as root into the store of another user. */
#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror-tool/tool.h"
#include "storage/store_write.h"
#include "storage/base/banned.h"

/* Refuse root in the store of another user: that user could not write what root left there. */
int tool_store_owner(const struct tool *t, struct err *e)
{
	struct passwd *owner;
	struct stat st;

	if (geteuid() != 0 || stat(t->store, &st) < 0 || st.st_uid == 0)
		return 0;
	owner = getpwuid(st.st_uid);
	if (!owner)
		return err_set(e, ERR_INPUT,
			"%s belongs to user %u, who cannot write what root leaves there; run it as "
			"that user: setpriv "
			"--reuid %u --clear-groups moat %s ...",
			t->store, st.st_uid, st.st_uid, t->verb);
	return err_set(e, ERR_INPUT,
		"%s belongs to %s, who cannot write what root leaves there; run it as that user: "
		"runuser -u %s -- moat "
		"%s ...",
		t->store, owner->pw_name, owner->pw_name, t->verb);
}

int tool_store_there(const struct tool *t, const char *how, struct err *e)
{
	if (access(t->store, F_OK) == 0 || errno != ENOENT)
		return 0;
	return err_set(e, ERR_ABSENT, "%s: no store there; %s", t->store, how);
}

int tool_store_read(const struct tool *t, struct store **s, struct err *e)
{
	struct err why;
	int rc;

	if (tool_store_there(t, TOOL_STORE_MAKERS, e) < 0 ||
		store_open(s, t->store, STORE_READ, e) < 0)
		return -1;
	rc = store_is_current(*s, &why, e);
	if (rc == 0)
		tool_warn("%s: %s", t->store, why.text);
	return rc < 0 ? -1 : 0;
}

struct store *tool_store_beside(const struct tool *t)
{
	struct store *s = NULL;
	struct err ignored = ERR_INIT;

	if (access(t->store, F_OK) < 0 || store_open(&s, t->store, STORE_READ, &ignored) < 0)
		return NULL;
	return s;
}

/* A right is missing: say whose store it is, when it is another user's. Returns -1. */
static int name_owner(const struct tool *t, struct err *e)
{
	struct err why = *e;
	struct passwd *owner;
	struct stat st;

	if (e->code != ERR_RIGHTS || stat(t->store, &st) < 0 || st.st_uid == geteuid())
		return -1;
	owner = getpwuid(st.st_uid);
	if (!owner)
		return err_set(e, ERR_RIGHTS,
			"%s; the store belongs to user %u: run it as that user", why.text,
			st.st_uid);
	return err_set(e, ERR_RIGHTS, "%s; the store belongs to %s: run it as that user", why.text,
		owner->pw_name);
}

int tool_store_write(const struct tool *t, struct store **s, struct err *e)
{
	if (tool_store_owner(t, e) < 0)
		return -1;
	return store_open(s, t->store, STORE_WRITE, e) < 0 ? name_owner(t, e) : 0;
}

static void tell_bad(void *ctx, const struct finding *f, const char *where)
{
	char text[DIGEST_TEXT_SIZE];

	(void)ctx;
	tool_warn(
		"blob %s: its file %s; it is now quarantine/%s in the store, the reason beside it",
		digest_text(&f->digest, text), f->text, where);
}

void tool_store_care(const struct tool *t, struct store *s, bool check)
{
	store_set_care(
		s, &(struct store_care){ .operation = t->verb, .check = check, .found = tell_bad });
}
