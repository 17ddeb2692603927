/*
 * The HTTP server: threads, connections, deadlines. Only the files that include server_private.h use
 * libmicrohttpd.
 *
 * Every thread runs a loop of its own with its own connections, store handle and HTTP daemon, and accepts
 * from the shared listening sockets. What takes long is done by other threads (push/jobs.h, push/commit.h); a
 * connection that has to wait is suspended meanwhile. What is the same for all (names, cache, users, limits)
 * is borrowed from the caller, who keeps it until server_stop().
 */
#ifndef MOAT_SERVER_H
#define MOAT_SERVER_H

#include "registry/access/auth.h"
#include "registry/access/repo_names.h"
#include "registry/api/cache.h"
#include "registry/ops/access_log.h"
#include "registry/ops/clients.h"
#include "registry/ops/metrics.h"
#include "registry/ops/trail.h"
#include "registry/push/uploads.h"

/* Bytes a connection: request line and headers, answer's headers. A Range of zstd:chunked (22.5 kB)
 * fits with a token beside it. All of it is touched, as the library clears it between requests. */
#define REQUEST_POOL (26u << 10)

struct push_config {
	bool on;
	bool strict, deletes;
	uint64_t upload_max, free_floor; /* bytes */
	const struct quotas *quotas; /* borrowed */
	struct uploads_limits uploads;
};

struct server_config {
	const char *store; /* directory */
	const int *listeners; /* listening sockets, non-blocking; stay the caller's */
	unsigned listener_count;
	bool tls; /* tls_load() was called */
	unsigned threads; /* at least 1 */
	unsigned connections, connections_each; /* in all, of one address */
	unsigned header_seconds; /* until the request line and headers are in */
	unsigned idle_seconds; /* between requests */
	unsigned wait_seconds; /* for another thread or a turn; 0: 10 minutes */
	unsigned least_rate; /* bytes a second that a client must take or send */
	unsigned rate_window; /* ... over so many milliseconds; 0: 30 s */
	unsigned bodies; /* large answers that are sent at once; others wait for their turn */
	bool catalog;
	uint64_t check_rate; /* see check.h; check_cpu 0: nothing is checked */
	unsigned check_cpu;
	int64_t check_every;
	int64_t warn_age; /* seconds: see struct context */
	struct push_config push;
	const struct repo_names *names;
	struct cache *cache;
	struct auth *auth; /* NULL: anyone may do anything */
	struct metrics *metrics; /* NULL: not counted; else a shard for each thread */
	bool serve_metrics;
	struct log_file *log; /* the access log; NULL: off */
	struct log_file *audit; /* NULL: off */
	enum log_format format; /* of both */
	struct trail *trail; /* the part in the store's audit log; NULL: nothing is recorded */
};

struct server;

/* Open the store and start all threads. The configuration is copied, not what it points to. On failure
 * nothing runs. */
MUST int server_start(struct server **s, const struct server_config *config, struct err *e);

/* Take no new connections, finish the answers that are being sent, and close idle connections. Returns when
 * all are gone, or after that many seconds. */
void server_drain(struct server *s, unsigned seconds);

/* Cut what is left, finish what is being written, and end the threads. For AUTO. */
void server_stop(struct server **s);

#endif
