/*
 * Who may send next: hosts take turns, small requests go before blobs, a host has its limit and its
 * pauses. Also the timers of repeated attempts, and the loop. Must never sleep while something
 * could be sent.
 */
#include "mirror-tool/upstream/exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "storage/base/clock.h"
#include "storage/base/banned.h"

#define IDLE_MS 500 /* how often `stop` is looked at */
#define PROGRESS_MS 100

void upstream_note(struct upstream *up, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	if (!up->options.note)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	up->options.note(up->options.ctx, text);
}

/* --- sites ----------------------------------------------------------------------------------- */

const struct upstream_host *host_settings(const struct upstream *up, const char *authority)
{
	for (size_t i = 0; i < up->host_count; i++) {
		if (ref_same_host(up->hosts[i].host, authority))
			return &up->hosts[i];
	}
	return NULL;
}

static struct site *site_new(struct upstream *up, const char *host)
{
	struct site *s = mem_alloc(sizeof(*s));

	s->host = mem_strdup(host);
	s->settings = host_settings(up, host);
	s->connections = UPSTREAM_CONNECTIONS;
	if (s->settings && s->settings->connections)
		s->connections = s->settings->connections;
	s->small.tail = &s->small.first;
	s->bulk.tail = &s->bulk.first;
	if (up->turn) {
		s->next = up->turn->next;
		up->turn->next = s;
	} else {
		s->next = up->turn = s;
	}
	return s;
}

void sites_init(struct upstream *up)
{
	up->nowhere = site_new(up, "");
}

void sites_free(struct upstream *up)
{
	struct site *s = up->turn, *next;

	do {
		next = s->next;
		url_release(&s->base);
		free(s->host);
		free(s);
		s = next;
	} while (s != up->turn);
	up->turn = NULL;
}

static struct site *site_find(struct upstream *up, const char *host)
{
	struct site *s = up->turn;

	do {
		if (strcmp(s->host, host) == 0)
			return s;
		s = s->next;
	} while (s != up->turn);
	return NULL;
}

struct site *site_for(struct upstream *up, const char *host, struct err *e)
{
	struct site *s = site_find(up, host);
	AUTO(mem_free) char *text = NULL;
	AUTO(url_release) struct url base = URL_INIT;
	const struct upstream_host *settings = host_settings(up, host);
	bool hub = strcmp(host, "docker.io") == 0;

	if (s)
		return s;
	text = mem_printf("%s://%s/", settings && settings->plain_http ? "http" : "https",
		hub ? "registry-1.docker.io" : host);
	if (url_parse(&base, NULL, span_of(text), e) < 0)
		return NULL;
	s = site_new(up, host);
	s->base = base;
	base = (struct url)URL_INIT;
	return s;
}

struct site *site_for_url(struct upstream *up, const struct url *u, struct err *e)
{
	char authority[URL_HOST_MAX + 8];
	const struct upstream_host *settings;

	url_authority(u, authority);
	settings = host_settings(up, authority);
	if (!u->https && !(settings && settings->plain_http)) {
		err_set(e, ERR_INPUT, "plain http to %s, which `registries:` does not allow",
			authority);
		return NULL;
	}
	return site_for(up, authority, e);
}

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
			exchange_start(x);
		else
			schedule_first(x);
	}
}

/* The next exchange that the site may send, or NULL. */
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
			exchange_start(x);
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
			tell_progress(up, up->progress_ms); /* the last word, due or not */
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
