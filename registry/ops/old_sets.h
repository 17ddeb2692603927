/* Active sets that should be replaced: expired, or older than the operator wants. They are served on. */
#ifndef MOAT_OLD_SETS_H
#define MOAT_OLD_SETS_H

#include "storage/store.h"

/* Append a line for each, as "set platform 1 expired at 2026-11-29T00:00:00Z". warn_age: seconds since the set was
 * sealed, 0: only expiry counts. now: seconds since the epoch. Cheap. Thread: that of the store's handle. */
MUST int old_sets_text(
	struct store *s, int64_t warn_age, int64_t now, struct buf *out, struct err *e);

/* Seconds since it was sealed, or accepted where that is not known. */
int64_t old_set_age(const struct set_info *set, int64_t now);

/* What was said last, and when. */
struct old_sets_said {
	struct buf text;
	int64_t at_ms;
};

/* What the log was told of them. One thread. */
struct old_sets {
	const char *path; /* of the store; borrowed */
	int64_t warn_age; /* as of old_sets_text() */
	/* Private. */
	struct store *store;
	struct old_sets_said sets, failure;
};
#define OLD_SETS_INIT(path, warn_age)                                                              \
	{                                                                                          \
		path, warn_age, NULL, { BUF_INIT, 0 },                                             \
		{                                                                                  \
			BUF_INIT, 0                                                                \
		}                                                                                  \
	}
void old_sets_release(struct old_sets *o); /* for AUTO */

/*
 * Look, and append what the log should be told now, a line each: what old_sets_text() says, when that changed, and once
 * a day; why it could not be looked at, once for each reason, and once a day.
 *
 * now:    seconds since the epoch.
 * now_ms: of the monotonic clock.
 */
void old_sets_news(struct old_sets *o, int64_t now, int64_t now_ms, struct buf *out);

#endif
