/*
 * Resolve a list: tags, globs and ranges become digests, platforms and attachments.
 * docs/man/moat.yaml.5 says what is held.
 */
#ifndef MOAT_RESOLVE_H
#define MOAT_RESOLVE_H

#include "mirror-tool/list/failures.h"
#include "mirror-tool/list/list.h"
#include "mirror-tool/list/lock.h"
#include "mirror-tool/source/session.h"

/*
 * Ask for everything that the list wants (or that list->only selects) and add a pin to `lock` for
 * each item that was found. The others are in `failures`, with the reference (or name and pattern)
 * and the reason; ERR_ABSENT and ERR_INCOMPLETE mean that upstream has no such tag, or not all
 * platforms.
 *
 * Returns 0 even when items failed; -1 when the session could not go on. Makes one run of the
 * session; one thread.
 */
MUST int resolve_list(struct session *s, const struct list *list, struct lock *lock,
	struct failures *failures, struct err *e);

#endif
