/*
 * The closed loop: N connections, one request in flight on each.
 *
 * After the time asked for nothing new is asked, and what is in flight may finish, for as long
 * again: requests and the server's work for them are both counted. Large bodies may stay unfinished
 * even so; bytes are counted as they arrive.
 */
#include "tests/bench/load.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "tests/bench/hist.h"
#include "tests/bench/http.h"

enum { BATCH = 512, SOURCES = 250, FAILURES_MAX = 10000 };

struct loop {
	struct http_target target;
	struct http_request request;
	struct http_conn *conns;
	SSL_SESSION **tickets; /* one a connection */
	struct hist whole, first; /* to the last byte, to the first */
	uint64_t errors;
	uint64_t until_ns; /* no request is issued after this */
	unsigned running; /* connections with a request in flight */
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void again(struct loop *l, struct http_conn *c)
{
	while (!stopped && now_ns() < l->until_ns && l->errors < FAILURES_MAX) {
		if (http_issue(c, &l->request) == HTTP_WAITING)
			return;
		l->errors++;
	}
	l->running--;
}

static void step(struct loop *l, struct http_conn *c)
{
	bool begun = c->first_ns != 0;
	enum http_state state = http_advance(c);

	if (!begun && c->first_ns)
		hist_add(&l->first, c->first_ns - c->asked_ns);
	if (state == HTTP_WAITING)
		return;
	if (state == HTTP_FAILED)
		l->errors++;
	else
		hist_add(&l->whole, now_ns() - c->asked_ns);
	again(l, c);
}

static void run(struct loop *l, uint64_t limit)
{
	struct epoll_event ready[BATCH];

	while (l->running && now_ns() < limit) {
		int n = epoll_wait(l->target.epoll, ready, BATCH, 100);

		for (int i = 0; i < n; i++) {
			struct http_conn *c = ready[i].data.ptr;

			if (c->request)
				step(l, c);
			else
				http_close(c);
		}
	}
}

static void print_result(const struct loop *l, double wall, double cpu)
{
	printf("{\"requests\": %lu, \"errors\": %lu, \"bytes\": %lu, \"connects\": %lu, "
	       "\"wall_s\": %.4f, \"rps\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
	       "\"max_us\": %.1f, \"first_p99_us\": %.1f, \"resumed\": %lu, \"client_cpu_s\": "
	       "%.3f}\n",
		l->whole.count, l->errors, l->target.bytes, l->target.connects, wall,
		(double)l->whole.count / wall, (double)hist_quantile(&l->whole, 0.5) / 1e3,
		(double)hist_quantile(&l->whole, 0.99) / 1e3, (double)l->whole.max_ns / 1e3,
		(double)hist_quantile(&l->first, 0.99) / 1e3, l->target.resumed, cpu);
}

int mode_get(const struct options *o)
{
	struct loop *l = calloc(1, sizeof(*l));
	uint64_t start;

	if (!l || !(l->conns = calloc(o->conns, sizeof(*l->conns))) ||
		!(l->tickets = calloc(o->conns, sizeof(SSL_SESSION *))))
		return 1;
	l->target = http_target_open(o->port, o->tls);
	l->request = http_request_new(o->head ? "HEAD" : "GET", o->rest[0], o->port, o->close);
	l->running = o->conns;
	signal(SIGTERM, stop);
	start = now_ns();
	l->until_ns = start + o->seconds * 1000000000ull;
	for (unsigned i = 0; i < o->conns; i++) {
		l->conns[i] = (struct http_conn){ .target = &l->target, .fd = -1 };
		l->conns[i].source = 0x0100 + 1 + i % SOURCES;
		l->conns[i].ticket = o->resume ? &l->tickets[i] : NULL;
		again(l, &l->conns[i]);
	}
	run(l, start + 2 * o->seconds * 1000000000ull);
	print_result(l, (double)(now_ns() - start) / 1e9, (double)clock() / CLOCKS_PER_SEC);
	return l->errors ? 1 : 0;
}
