/*
 * Read one blob within the limits, judge it, and act on the finding. Must never serve again what was bad
 * before its bytes were read and were good.
 */
#include "registry/ops/check_private.h"

#include <time.h>

#include "storage/base/clock.h"
#include "storage/base/lock.h"
#include "storage/base/log.h"
#include "storage/base/banned.h"

#define KNOWN_MAX 100000 /* touched files that a reader remembers as good */
#define USERS_MAX 20 /* of a bad blob, in the log */

/* --- the throttle --------------------------------------------------------------------------------- */

static int64_t now_us(const struct checker *c)
{
	const struct check_clock *clock = c->config.clock;

	return clock ? clock->now_us(clock->ctx) : clock_us();
}

static int64_t cpu_us(const struct checker *c)
{
	const struct check_clock *clock = c->config.clock;
	struct timespec t;

	if (clock)
		return clock->cpu_us(clock->ctx);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void rest(struct checker *c, int64_t us)
{
	const struct check_clock *clock = c->config.clock;

	if (clock)
		clock->rest(clock->ctx, us);
	else
		check_nap(c, us);
}

static void begin_chunk(struct checker *c)
{
	c->chunk_us = now_us(c);
	c->chunk_cpu_us = cpu_us(c);
}

/* Rest after a chunk, until the rate and the share of the processor hold for it, from the chunk before.
 * Suspects are read at once, but their processor time counts; being woken for one does not end the rest of
 * another file early. */
static int rest_after_chunk(void *ctx, size_t bytes, struct err *e)
{
	struct checker *c = ctx;
	const struct throttle_limit limit = { c->config.rate, c->config.cpu };
	int64_t cpu, due, left;

	c->bytes += bytes;
	if (c->nested)
		return check_is_ending(c) ? err_set(e, ERR_BUSY, "the check ends") : 0;
	check_suspects(c);
	cpu = cpu_us(c);
	due = c->chunk_us + throttle_us(&limit, bytes, cpu - c->chunk_cpu_us);
	for (; !check_is_ending(c) && (left = due - now_us(c)) > 0; check_suspects(c))
		rest(c, left);
	c->chunk_us = now_us(c);
	c->chunk_cpu_us = cpu;
	return check_is_ending(c) ? err_set(e, ERR_BUSY, "the check ends") : 0;
}

/* --- findings ------------------------------------------------------------------------------------- */

static int add_user(void *ctx, const char *repo, const char *tag, struct err *e)
{
	struct buf *out = ctx;

	(void)e;
	buf_printf(out, "%s%s%s%s", out->len ? "," : "", repo, *tag ? ":" : "", tag);
	return 0;
}

static void users_of(struct checker *c, const struct digest *d, struct buf *out)
{
	struct err ignored = ERR_INIT;

	buf_str(out, "");
	if (blob_users(c->store, d, USERS_MAX, add_user, out, &ignored) < 0)
		buf_str(out, "?");
}

static int apply(struct checker *c, const struct finding *f, struct err *e)
{
	return c->config.mender->apply(c->config.mender, f, e);
}

/* Act on a bad finding; the word for the log. A file that is missing or cannot be read may come back, so
 * nothing is written. */
static const char *act(struct checker *c, const struct finding *f, struct err *e)
{
	bool stays = f->fault == BLOB_MISSING || f->fault == BLOB_UNREADABLE;

	if (stays || (!c->config.mender && !c->may_mark))
		return "not-served";
	if (c->config.mender && apply(c, f, e) < 0)
		return "failed";
	if (c->config.mender) {
		(void)check_set_standing(c, &f->digest, &f->file, STANDING_BAD);
		return "quarantined";
	}
	return mark_put(c->store, f, e) < 0 ? "failed" : "marked";
}

/* Block what would be served with bad bytes. A file that is missing, cannot be read or has lost its row is
 * not served anyway. */
static enum standing bad_standing(const struct finding *f)
{
	return f->fault == BLOB_BYTES || f->fault == BLOB_LENGTH ? STANDING_BLOCKED : STANDING_BAD;
}

static void found_bad(struct checker *c, const struct finding *f)
{
	AUTO(buf_release) struct buf users = BUF_INIT;
	char text[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;
	const char *action;

	if (check_set_standing(c, &f->digest, &f->file, bad_standing(f)) != STANDING_GOOD)
		return;
	users_of(c, &f->digest, &users);
	action = act(c, f, &e);
	log_fields(LOG_LINE_ERROR, "check.bad", { "digest", digest_text(&f->digest, text), 0 },
		{ "file", f->text, 0 }, { "action", action, 0 }, { "users", users.data, 0 },
		{ "error", e.text, 0 });
}

/* Remember a good file in memory, where no row can record it; of files that were touched only some. */
static void remember(struct checker *c, const struct finding *f)
{
	struct known *k;

	LOCK_SCOPE(&c->lock);
	k = digest_map_find(&c->known, &f->digest);
	if (!k && (c->first || (f->changed && c->known.count < KNOWN_MAX)))
		k = digest_map_add(&c->known, &f->digest, sizeof(*k));
	if (k)
		k->file = f->file;
}

static void found_good(struct checker *c, const struct finding *f)
{
	char text[DIGEST_TEXT_SIZE];
	struct err e = ERR_INIT;

	if (f->read && check_set_standing(c, &f->digest, &f->file, STANDING_GOOD) != STANDING_GOOD)
		log_fields(LOG_LINE_INFO, "check.good",
			{ "digest", digest_text(&f->digest, text), 0 });
	if (!f->read)
		return;
	c->blobs++;
	if (!c->config.mender)
		remember(c, f);
	else if (apply(c, f, &e) < 0)
		log_fields(LOG_LINE_ERROR, "check.failed", { "error", e.text, 0 });
}

/* Is this the file that was examined before? */
static bool is_known(struct checker *c, const struct finding *f, bool *bad)
{
	const struct known *k;
	bool known;

	LOCK_SCOPE(&c->lock);
	k = digest_map_find(&c->known, &f->digest);
	*bad = k && k->bad;
	known = k && k->file.stamp == f->file.stamp && k->file.size == f->file.size;
	return known;
}

static int examine(struct checker *c, const struct digest *d, enum blob_check how,
	struct finding *f, struct err *e)
{
	struct throttle throttle = { .read = rest_after_chunk, .ctx = c };

	if (!c->nested)
		begin_chunk(c);
	return blob_examine(c->store, d, how, &throttle, f, e);
}

/* The blob has no live row: its bytes are lost if a manifest or tag needs it. */
static void found_no_row(struct checker *c, const struct digest *d)
{
	AUTO(buf_release) struct buf users = BUF_INIT;

	users_of(c, d, &users);
	(void)check_set_standing(
		c, d, &(struct blob_file){ .size = 0 }, users.len ? STANDING_BAD : STANDING_GOOD);
}

void check_judge(struct checker *c, const struct digest *d, enum blob_check how)
{
	struct err e = ERR_INIT;
	struct finding f;
	bool bad = false;
	int rc = examine(c, d, BLOB_CHECK_LENGTH, &f, &e);

	if (rc > 0 && f.fault == BLOB_GOOD) {
		bool known = is_known(c, &f, &bad);

		if ((how != BLOB_CHECK_BYTES || bad) && known)
			return;
		if (how == BLOB_CHECK_BYTES || f.changed || bad)
			rc = examine(c, d, BLOB_CHECK_BYTES, &f, &e);
	}
	if (rc < 0 && !check_is_ending(c))
		log_fields(LOG_LINE_ERROR, "check.failed", { "error", e.text, 0 });
	if (rc > 0 && f.fault == BLOB_GOOD)
		found_good(c, &f);
	else if (rc > 0)
		found_bad(c, &f);
}

void check_judge_suspect(struct checker *c, const struct digest *d)
{
	struct err e = ERR_INIT;
	struct finding f;
	int rc = examine(c, d, BLOB_CHECK_LENGTH, &f, &e);

	if (rc == 0)
		found_no_row(c, d);
	else
		check_judge(c, d, BLOB_CHECK_BYTES);
}

void check_suspects(struct checker *c)
{
	struct digest d;

	c->nested = true;
	while (check_next_waiter(c, &d)) {
		if (checker_unsure(c, &d))
			check_judge_suspect(c, &d);
		check_tell(check_take_waiters(c, &d));
	}
	while (check_take_suspect(c, &d))
		check_judge_suspect(c, &d);
	c->nested = false;
}
