/*
 * The storm: N nodes pull the same image at the same instant.
 *
 * Each node does what containerd was seen to do: HEAD of the tag, GET of the manifest and of the
 * config on one connection, then the layers three at a time on as many connections.
 */
#include "tests/bench/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "tests/bench/hist.h"
#include "tests/bench/http.h"

enum { BATCH = 512, PLAN_MAX = 1024, SILENCE_MS = 60000 };

struct plan {
	struct http_request requests[PLAN_MAX];
	unsigned serial; /* the first so many are done in order */
	unsigned count;
};

struct storm {
	struct http_target target;
	struct plan plan;
	struct hist nodes;
	uint64_t requests, errors;
	unsigned width, running;
};

struct node {
	struct storm *storm;
	struct http_conn *conns; /* storm->width of them */
	SSL_SESSION *ticket; /* the last that one of them was given */
	unsigned next, done;
	uint64_t started_ns;
};

static int plan_read(struct plan *p, const char *path, uint16_t port, bool close)
{
	char line[1024], method[8], target[1000];
	FILE *f = fopen(path, "r");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f) && p->count < PLAN_MAX) {
		if (line[0] == '\n')
			p->serial = p->count;
		else if (sscanf(line, "%7s %999s", method, target) == 2)
			p->requests[p->count++] = http_request_new(method, target, port, close);
	}
	fclose(f);
	if (!p->serial)
		p->serial = p->count;
	return p->count ? 0 : -1;
}

static void node_over(struct node *n)
{
	hist_add(&n->storm->nodes, now_ns() - n->started_ns);
	for (unsigned i = 0; i < n->storm->width; i++)
		http_close(&n->conns[i]);
	n->storm->running--;
}

static void node_failed(struct node *n)
{
	n->storm->errors++;
	node_over(n);
}

static bool node_issue(struct node *n, struct http_conn *c)
{
	return http_issue(c, &n->storm->plan.requests[n->next++]) != HTTP_FAILED;
}

/* One answer is complete: what the node asks for next, and on which connections. */
static bool node_goes_on(struct node *n, struct http_conn *c)
{
	const struct plan *p = &n->storm->plan;

	if (n->next < p->serial || n->done > p->serial)
		return n->next == p->count || node_issue(n, c);
	for (unsigned i = 0; i < n->storm->width && n->next < p->count; i++)
		if (!node_issue(n, &n->conns[i]))
			return false;
	return true;
}

static void step(struct http_conn *c)
{
	struct node *n = c->owner;
	enum http_state state;

	if (!c->request) {
		http_close(c); /* the node is over, or the server left an idle connection */
		return;
	}
	state = http_advance(c);
	if (state == HTTP_WAITING)
		return;
	if (state == HTTP_FAILED) {
		node_failed(n);
		return;
	}
	n->storm->requests++;
	n->done++;
	if (n->done == n->storm->plan.count)
		node_over(n);
	else if (!node_goes_on(n, c))
		node_failed(n);
}

static struct node *node_new(struct storm *s, unsigned number, bool resume)
{
	struct node *n = calloc(1, sizeof(*n));

	if (!n || !(n->conns = calloc(s->width, sizeof(*n->conns))))
		exit(1);
	n->storm = s;
	for (unsigned i = 0; i < s->width; i++) {
		n->conns[i] = (struct http_conn){ .target = &s->target, .fd = -1, .owner = n };
		n->conns[i].source = 0x0201 + number % 250 + (number / 250 << 8);
		n->conns[i].ticket = resume ? &n->ticket : NULL;
	}
	return n;
}

static void run(struct storm *s, struct node **nodes)
{
	struct epoll_event ready[BATCH];
	unsigned count = s->running;

	for (unsigned i = 0; i < count; i++) {
		nodes[i]->started_ns = now_ns();
		if (!node_issue(nodes[i], &nodes[i]->conns[0]))
			node_failed(nodes[i]);
	}
	while (s->running) {
		int n = epoll_wait(s->target.epoll, ready, BATCH, SILENCE_MS);

		if (n == 0) {
			s->errors += s->running; /* silence: nobody is served any more */
			return;
		}
		for (int i = 0; i < n; i++)
			step(ready[i].data.ptr);
	}
}

int mode_storm(const struct options *o)
{
	struct storm *s = calloc(1, sizeof(*s));
	struct node **nodes = calloc(o->conns, sizeof(struct node *));
	uint64_t start;

	if (!s || !nodes || plan_read(&s->plan, o->rest[0], o->port, o->close) < 0)
		return 1;
	s->target = http_target_open(o->port, o->tls);
	s->width = o->width;
	s->running = o->conns;
	for (unsigned i = 0; i < o->conns; i++)
		nodes[i] = node_new(s, i, o->resume);
	start = now_ns();
	run(s, nodes);
	printf("{\"nodes\": %u, \"requests\": %lu, \"errors\": %lu, \"bytes\": %lu, "
	       "\"connects\": %lu, \"wall_s\": %.4f, \"node_p50_s\": %.4f, \"node_p99_s\": %.4f, "
	       "\"node_max_s\": %.4f, \"resumed\": %lu, \"client_cpu_s\": %.3f}\n",
		o->conns, s->requests, s->errors, s->target.bytes, s->target.connects,
		(double)(now_ns() - start) / 1e9, (double)hist_quantile(&s->nodes, 0.5) / 1e9,
		(double)hist_quantile(&s->nodes, 0.99) / 1e9, (double)s->nodes.max_ns / 1e9,
		s->target.resumed, (double)clock() / CLOCKS_PER_SEC);
	return s->errors ? 1 : 0;
}
