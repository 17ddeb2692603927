/*
 * Schedule exchanges: hosts take turns, small requests go before blobs, a host has its limit and
 * its pauses. Also the timers of retries, and the loop. Must never sleep while something could be
 * sent.
 */
#include "mirror-tool/upstream/exchange.h"

#include "storage/base/clock.h"
#include "storage/base/banned.h"

#define IDLE_MS 500 /* how often `stop` is checked */
#define PROGRESS_MS 100

/* --- queues ----------------------------------------------------------------------------------- */

static struct queue *queue_of(struct exchange *x)
{
	return x->bulk ? &x->site->bulk : &x->site->small;
}

void schedule(struct exchange *x)
{
	struct queue *q = queue_of(x);

	x->link = NULL;
	*q->tail = x;
	q->tail = &x->link;
	x->up->count.waiting++;
}

void schedule_first(struct exchange *x)
{
	struct queue *q = queue_of(x);

	x->link = q->first;
	if (!q->first)
		q->tail = &x->link;
	q->first = x;
	x->up->count.waiting++;
}

static struct exchange *queue_take(struct queue *q)
{
	struct exchange *x = q->first;

	q->first = x->link;
	if (!q->first)
		q->tail = &q->first;
	x->link = NULL;
	x->up->count.waiting--;
	return x;
}

void schedule_enter(struct exchange *x)
{
	x->running = true;
	x->up->count.active++;
	if (x->internal)
		return;
	x->site->active++;
	x->site->bulk_active += x->bulk;
}

void schedule_leave(struct exchange *x)
{
	if (!x->running)
		return;
	x->running = false;
	x->up->count.active--;
	if (x->internal)
		return;
	x->site->active--;
	x->site->bulk_active -= x->bulk;
}

void schedule_at(struct exchange *x, int64_t due_ms)
{
	struct exchange **at = &x->up->timers;

	x->due_ms = due_ms;
	while (*at && (*at)->due_ms <= due_ms)
		at = &(*at)->link;
	x->link = *at;
	*at = x;
}

static void fire_timers(struct upstream *up, int64_t now)
{
	while (up->timers && up->timers->due_ms <= now) {
		struct exchange *x = up->timers;

		up->timers = x->link;
		if (x->internal)
			up->start(x);
		else
			schedule_first(x);
	}
}

/* Take the next exchange that the site may send, or NULL. */
static struct exchange *site_next(struct site *s, int64_t now)
{
	size_t bulk_max = s->connections - s->connections / 4;

	if (s->active >= s->connections || s->pause_until_ms > now)
		return NULL;
	if (s->small.first)
		return queue_take(&s->small);
	if (s->bulk.first && s->bulk_active < bulk_max)
		return queue_take(&s->bulk);
	return NULL;
}

static void send_all(struct upstream *up, int64_t now)
{
	struct site *idle_since = NULL;

	while (up->count.active < up->options.active_max && !up->abandoned) {
		struct site *s = up->turn;
		struct exchange *x = site_next(s, now);

		up->turn = s->next;
		if (x) {
			idle_since = NULL;
			up->start(x);
		} else if (idle_since == s) {
			return;
		} else if (!idle_since) {
			idle_since = s;
		}
	}
}

/* --- the loop ---------------------------------------------------------------------------------- */

static int wait_ms(const struct upstream *up, int64_t now)
{
	int64_t wait = IDLE_MS;
	const struct site *s = up->turn;

	if (up->timers && up->timers->due_ms - now < wait)
		wait = up->timers->due_ms - now;
	do {
		if (s->pause_until_ms > now && s->pause_until_ms - now < wait)
			wait = s->pause_until_ms - now;
		s = s->next;
	} while (s != up->turn);
	return wait < 0 ? 0 : (int)wait;
}

static void tell_progress(struct upstream *up, int64_t now)
{
	if (!up->options.progress || now < up->progress_ms)
		return;
	up->progress_ms = now + PROGRESS_MS;
	up->options.progress(up->options.ctx, &up->count);
}

int schedule_run(struct upstream *up, struct err *e)
{
	while (!up->abandoned) {
		int64_t now = clock_ms();

		fire_timers(up, now);
		send_all(up, now);
		if (up->options.stop && *up->options.stop)
			return err_set(e, ERR_BUSY, "interrupted");
		if (!up->count.active && !up->count.waiting && !up->timers) {
			tell_progress(up, up->progress_ms); /* the last report, due or not */
			return 0;
		}
		if (up->abandoned)
			break;
		if (http_step(up->http, wait_ms(up, now), e) < 0)
			return -1;
		tell_progress(up, now);
	}
	*e = up->why;
	return -1;
}
