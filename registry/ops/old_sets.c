/* Active sets that should be replaced. Decides nothing about what is served. */
#include "registry/ops/old_sets.h"

#include "storage/base/banned.h"

#define DAY_SECONDS 86400
#define SAY_AGAIN_MS (DAY_SECONDS * 1000LL)

struct listing {
	int64_t warn_age, now;
	struct buf *out;
};

int64_t old_set_age(const struct set_info *set, int64_t now)
{
	int64_t age = now - (set->created ? set->created : set->accepted);

	return age > 0 ? age : 0;
}

static int add_set(void *ctx, const struct set_info *set, struct err *e)
{
	const struct listing *l = ctx;
	char text[CLOCK_TEXT_SIZE];
	int64_t age = old_set_age(set, l->now);

	(void)e;
	if (set_info_expired(set, l->now))
		buf_printf(l->out, "set %s %s expired at %s\n", set->name, set->version,
			clock_text(set->expires, text));
	if (l->warn_age && age > l->warn_age)
		buf_printf(l->out, "set %s %s is %lld days old\n", set->name, set->version,
			(long long)(age / DAY_SECONDS));
	return 0;
}

int old_sets_text(struct store *s, int64_t warn_age, int64_t now, struct buf *out, struct err *e)
{
	struct listing l = { warn_age, now, out };

	return list_active_sets(s, add_set, &l, e);
}

/* --- news ---------------------------------------------------------------------------------------- */

void old_sets_release(struct old_sets *o)
{
	store_close(&o->store);
	buf_release(&o->sets.text);
	buf_release(&o->failure.text);
}

static void say(struct old_sets_said *said, const char *text, int64_t now_ms, struct buf *out)
{
	if (said->text.data && strcmp(said->text.data, text) == 0 &&
		now_ms - said->at_ms < SAY_AGAIN_MS)
		return;
	buf_str(out, text);
	buf_clear(&said->text);
	buf_str(&said->text, text);
	said->at_ms = now_ms;
}

/* Opened anew after a failure. */
static int look(struct old_sets *o, int64_t now, struct buf *text, struct err *e)
{
	if ((o->store || store_open(&o->store, o->path, STORE_READ, e) == 0) &&
		old_sets_text(o->store, o->warn_age, now, text, e) == 0)
		return 0;
	store_close(&o->store);
	return -1;
}

void old_sets_news(struct old_sets *o, int64_t now, int64_t now_ms, struct buf *out)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	buf_str(&text, "");
	if (look(o, now, &text, &e) == 0) {
		say(&o->sets, text.data, now_ms, out);
		return;
	}
	buf_clear(&text);
	buf_printf(&text, "nobody can tell which sets are too old: %s\n", e.text);
	say(&o->failure, text.data, now_ms, out);
}
