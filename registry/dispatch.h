/*
 * From a request to the handler of its route, and to its reply. One for each loop's thread.
 */
#ifndef MOAT_DISPATCH_H
#define MOAT_DISPATCH_H

#include "registry/api/context.h"

struct clients;
struct metrics;
struct metrics_labels;
struct push;
struct push_service;
struct fair_queue;
struct waker;

struct dispatch {
	struct context context; /* what handlers are given */
	struct push_service
		*push; /* shared; NULL, or without a committer: this server only reads */

	/* For metrics. */
	struct metrics *metrics; /* shared; NULL: not to be asked for */
	struct fair_queue *bodies;
	struct clients *clients;

	int64_t checked_ms; /* when store_change() was asked last */
	uint64_t change; /* what it said last */
};

/*
 * Begin a batch of requests. The cache is compared with the store again before it is used, at most once a
 * millisecond: a hit may be that much older than a commit of another process, until any thread has noticed
 * it. A thread that asked the store compares before its answer goes out, so that no client gets new and then
 * old (S4).
 */
void dispatch_refresh(struct dispatch *d, int64_t now_ms);

/* Answer a request that reads. Never fails: what the handler could not do becomes a reply, and `failed` says
 * what went wrong for the log, or ERR_OK. context.waits: answer it again when the check has read
 * context.wait_for; context.promises: dispatch_promise() first, and then again. */
void dispatch_read(struct dispatch *d, struct request *q, struct reply *r, struct err *failed);

/* Touch context.wait_for durably. The connection is paused until that is done, or failed: the caller answers then. */
void dispatch_promise(struct dispatch *d, const struct waker *waker);

/* Begin a request that may write: *push, or NULL with the reply that refuses it. */
void dispatch_write(struct dispatch *d, struct request *q, const struct waker *waker,
	struct push **push, struct reply *r, struct err *failed);

/* The names of routes and methods, by enum route_kind and enum method. */
extern const struct metrics_labels dispatch_labels;

/* get_metrics.c: GET /metrics. */
int get_metrics(struct dispatch *d, struct reply *r);

#endif
