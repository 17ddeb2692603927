/* Active sets that should be replaced. Decides nothing about what is served. */
#include "registry/ops/old_sets.h"

#include <time.h>

#include "storage/base/banned.h"

#define DAY_SECONDS 86400

struct listing {
	int64_t warn_age;
	struct buf *out;
};

bool old_set_expired(const struct set_info *set)
{
	return set->expires && (int64_t)time(NULL) > set->expires;
}

int64_t old_set_age(const struct set_info *set)
{
	int64_t since = set->created ? set->created : set->accepted;
	int64_t age = (int64_t)time(NULL) - since;

	return age > 0 ? age : 0;
}

static int add_set(void *ctx, const struct set_info *set, struct err *e)
{
	const struct listing *l = ctx;
	char text[CLOCK_TEXT_SIZE];
	int64_t age = old_set_age(set);

	(void)e;
	if (old_set_expired(set))
		buf_printf(l->out, "set %s %s expired at %s\n", set->name, set->version,
			clock_text(set->expires, text));
	if (l->warn_age && age > l->warn_age)
		buf_printf(l->out, "set %s %s is %lld days old\n", set->name, set->version,
			(long long)(age / DAY_SECONDS));
	return 0;
}

int old_sets_text(struct store *s, int64_t warn_age, struct buf *out, struct err *e)
{
	struct listing l = { warn_age, out };

	return list_active_sets(s, add_set, &l, e);
}
