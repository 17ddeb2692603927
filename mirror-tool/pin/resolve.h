/*
 * From a list to a lock: every tag, glob and range becomes digests, platforms and attachments.
 * docs/man/moat.yaml.5 says what is held; this is the code for it.
 */
#ifndef MOAT_RESOLVE_H
#define MOAT_RESOLVE_H

#include "mirror-tool/list/failures.h"
#include "mirror-tool/list/list.h"
#include "mirror-tool/list/lock.h"
#include "mirror-tool/source/session.h"

/*
 * Ask for everything that the list wants, and add a pin to `lock` for each item that was found.
 * What was not is in `failures`, with the reference (or name and pattern) and the reason; the codes
 * ERR_ABSENT and ERR_INCOMPLETE say that upstream has no such tag, or not all its platforms.
 *
 * Returns 0 even when items failed; -1 when the session could not go on.
 */
MUST int resolve_list(struct session *s, const struct list *list, struct lock *lock,
	struct failures *failures, struct err *e);

#endif
