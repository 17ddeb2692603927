/*
 * The check of what is served: a thread that looks at every blob's file, and reads the bytes of those that
 * were not read for long, were written to, or failed when they were asked for. It reads slowly, at the
 * lowest priority, and leaves the page cache as it was.
 *
 * What proves bad is not served from then on, and told in the log with what needs it. A server that writes
 * takes it to quarantine; one that only reads leaves a mark for the next writer (storage/store.h). It is served
 * again as soon as good bytes are there.
 */
#ifndef MOAT_CHECK_H
#define MOAT_CHECK_H

#include "storage/store.h"

struct checker;

/* Another clock than the machine's, for tests. Called on the check's thread. */
struct check_clock {
	int64_t (*now_us)(void *ctx);
	int64_t (*cpu_us)(void *ctx); /* of the check's thread */
	void (*rest)(void *ctx, int64_t us); /* may end early */
	void *ctx;
};

/* How a server that writes keeps what is found; called on the check's thread. */
struct mender {
	/* Record a good finding, soon; quarantine a bad file. 1; 0 another file is there; -1. */
	int (*apply)(struct mender *m, const struct finding *f, struct err *e);
	/* Record now what is still to be. */
	void (*flush)(struct mender *m);
};

struct checker_config {
	const char *store; /* directory */
	const struct check_clock *clock; /* of the pace; NULL: the machine's */
	struct mender *mender; /* NULL: this server only reads */
	void (*changed)(void *ctx); /* other blobs are served from now on: caches are stale */
	void *ctx;
	uint64_t rate; /* bytes a second; 0: only what is in doubt is read */
	unsigned cpu; /* percent of one processor, at least 1 */
	int64_t every; /* seconds after which a blob's bytes are read again */
};

MUST int checker_new(struct checker **c, const struct checker_config *config, struct err *e);
void checker_stop(struct checker *c); /* ends the thread */
void checker_free(struct checker **c);

/* Any thread; quick. NULL: nothing is checked. */
bool checker_blocks(struct checker *c, const struct digest *d); /* it is bad: do not serve it */
/* It was bad once, in this process: a file that was opened before may be the bad one. */
bool checker_was_bad(struct checker *c, const struct digest *d);
void checker_suspect(struct checker *c, const struct digest *d); /* look at it soon */

/*
 * Where not even a mark can be left, what proved bad would be served again after a restart: so each file is
 * read before it is served first. True: this one was not yet. Then wait for it: done is called once, on the
 * check's thread or in checker_stop(), and the waiter is the caller's again.
 */
bool checker_unsure(struct checker *c, const struct digest *d);
struct check_waiter {
	struct check_waiter *next;
	struct digest digest;
	void (*done)(struct check_waiter *w);
};
void checker_await(struct checker *c, struct check_waiter *w);

struct check_counts {
	uint64_t blobs, bytes; /* read so far */
	unsigned bad; /* now */
	int64_t pass; /* every blob was read since then, seconds since the epoch; 0 not known */
};
void checker_counts(struct checker *c, struct check_counts *out);

#endif
