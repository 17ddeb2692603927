/*
 * Counters for Prometheus (text exposition format 0.0.4). Each loop counts into a shard of its own
 * with relaxed atomics, so counting takes no lock and shares no cache line; a scrape adds them up.
 */
#ifndef MOAT_METRICS_H
#define MOAT_METRICS_H

#include "storage/store.h"

struct metrics;
struct shard;

#define METRICS_ROUTES_MAX 16
#define METRICS_METHODS_MAX 8

/* The values of the labels `route` and `method`, by the numbers that requests are counted under. Few, and
 * constant: no client can add one. */
struct metrics_labels {
	const char *const *routes, *const *methods;
	unsigned route_count, method_count;
};

/* labels: borrowed, with its strings. */
struct metrics *metrics_new(unsigned shards, const struct metrics_labels *labels);
void metrics_free(struct metrics **m);
/* The shard of thread `index`, below `shards`. */
struct shard *metrics_shard(struct metrics *m, unsigned index);

/* Count a request that is over. route, method: numbers of the labels. status 0: it had no answer. sent,
 * received: bytes of bodies. On the shard's thread, as the next two. */
void metrics_request(struct shard *s, unsigned route, unsigned method, unsigned status,
	uint64_t sent, uint64_t received, int64_t microseconds);
/* Count a connection that was turned away. */
void metrics_refused(struct shard *s, bool too_many_of_one);

/* Count a pause in accepting, as no descriptor is free. */
void metrics_paused(struct shard *s);

/* Resident bytes of this process; 0 when not known. Any thread, as all that follow. */
uint64_t metrics_resident(const struct metrics *m);

/* Open files; 0 when not known. */
uint64_t metrics_files(struct metrics *m);
/* When metrics_new() was called, seconds since the epoch. */
double metrics_started(const struct metrics *m);

/* Get the totals of the store, counted at most once a minute, as that reads every row. Other callers get the
 * last ones meanwhile. -1 with e: the store failed. */
MUST int metrics_totals(struct metrics *m, struct store *s, int64_t now_ms,
	struct store_totals *out, struct err *e);

/* Append all counters, as text. */
void metrics_write(const struct metrics *m, struct buf *out);

/* Append one number with its help, in the same format. type: "gauge" or "counter". */
void metrics_number(
	struct buf *out, const char *name, const char *type, const char *help, double value);

#endif
