/*
 * The check of what is served: a thread that looks at the file of every blob, and reads the bytes of those
 * that were not read for long, were written to, or failed when a client asked for them. It reads slowly, at
 * the lowest priority, and leaves the page cache as it was.
 *
 * A blob that proves bad is not served from then on; the log says which images need it. A server that writes
 * moves it to quarantine; one that only reads leaves a mark for the next writer (storage/store.h). It is
 * served again as soon as good bytes are there.
 *
 * Functions may be called from any thread unless they say otherwise.
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

/* How a server that writes records findings. Called on the check's thread only. */
struct mender {
	/* Record a good finding, soon; quarantine a bad file. 1; 0 when another file is there now; -1 with
	 * e. */
	int (*apply)(struct mender *m, const struct finding *f, struct err *e);
	/* Record now what was put off. */
	void (*flush)(struct mender *m);
};

struct checker_config {
	const char *store; /* directory */
	const struct check_clock *clock; /* of the throttle; NULL: the machine's */
	struct mender *mender; /* NULL: this server only reads */
	void (*changed)(void *ctx); /* other blobs are served from now on: drop what is cached */
	void *ctx;
	uint64_t rate; /* bytes a second; 0: read suspects only */
	unsigned cpu; /* percent of one processor, at least 1 */
	int64_t every; /* seconds after which a blob's bytes are read again */
};

/* Open the store and start the thread. The configuration is copied, not what it points to. */
MUST int checker_new(struct checker **c, const struct checker_config *config, struct err *e);
void checker_stop(struct checker *c); /* end the thread */
void checker_free(struct checker **c);

/* Must this blob not be served, as it is bad? Quick. c NULL: nothing is checked. */
bool checker_blocks(struct checker *c, const struct digest *d);
/* Was it bad once in this process? A file that was opened before may be the bad one. */
bool checker_was_bad(struct checker *c, const struct digest *d);
void checker_suspect(struct checker *c, const struct digest *d); /* read it soon */

/*
 * Is this blob to be read before it is served first? So where no mark can be left, as what proved bad would
 * be served again after a restart. True: it was not read yet; wait for it with checker_await(): done() is
 * called once, on the check's thread, in checker_stop() or at once, and the waiter is the caller's again.
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
/* What the check has found so far. */
void checker_counts(struct checker *c, struct check_counts *out);

#endif
