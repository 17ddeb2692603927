/*
 * A request that changes the store, on its way through the threads.
 *
 *	loop      begin:  who, where, is there room? Perhaps the answer already.
 *	loop      take:   bytes of the body; chunks of them go to
 *	worker            hashing and writing, while the loop receives the next chunk
 *	worker    run:    what takes long: verify, fsync, read JSON
 *	committer         the change itself, in a group with others'
 *	committer done:   the reply
 *	loop              sends it
 *
 * The loop never waits: where it would have to, the connection is paused, and woken by the thread
 * that it waits for. Handlers (put_*, upload_*, delete_*) fill a table of three functions and know
 * nothing of this.
 */
#ifndef MOAT_PUSH_H
#define MOAT_PUSH_H

#include <pthread.h>

#include "registry/api/context.h"
#include "registry/api/reply.h"
#include "registry/push/commit.h"
#include "registry/push/jobs.h"
#include "registry/push/uploads.h"

#define BODIES_MAX                                                                                 \
	(256u << 20) /* bytes of manifests that are being pushed, of all clients, read or not */
#define CHUNK_SIZE (128u << 10) /* of a body, from a loop to a worker */

enum body_want {
	BODY_NONE, /* what comes is thrown away */
	BODY_MEMORY, /* push.body, at most MANIFEST_MAX bytes */
	BODY_UPLOAD /* into push.upload */
};

enum push_step {
	PUSH_ANSWERED, /* the reply is there */
	PUSH_GOES_ON /* begin: the body is wanted; run: the change is to be applied */
};

struct push;

struct push_handler {
	/* On the loop; must be quick. -1 with e: the store failed. */
	int (*begin)(struct context *s, struct push *p, enum push_step *step, struct err *e);
	/* On a worker, with the whole body in. NULL: the change was complete after begin. */
	int (*run)(struct push *p, enum push_step *step, struct err *e);
	/* On the committer's thread: p->commit.change has its result; fill the reply. */
	int (*done)(struct push *p, struct err *e);
};

extern const struct push_handler upload_start, upload_status, upload_patch, upload_put,
	upload_cancel, put_manifest, delete_manifest, delete_blob;

/* What all pushes share. */
struct push_service {
	struct committer *committer;
	struct jobs *jobs;
	struct uploads *uploads;
	uint64_t upload_max; /* bytes of one blob */
	uint64_t free_floor; /* bytes that stay free in the store's file system */
	bool strict; /* a manifest whose blobs are not there is refused */
	bool deletes;
	_Atomic uint64_t held; /* bytes of the bodies in memory */
	_Atomic uint64_t coming; /* bytes that bodies have room for and that are not written yet */
};

/* How to stop and go on with the connection. pause() is called on the loop's thread only. */
struct waker {
	void (*pause)(void *ctx);
	void (*wake)(void *ctx); /* from any thread, once for each pause */
	void *ctx;
};

struct chunk {
	char *data; /* CHUNK_SIZE, NULL before it is needed */
	size_t len;
};

struct push {
	const struct push_handler *handler;
	struct push_service *shared;
	struct request
		request; /* its text lives until the reply is sent, its route as long as this */
	bool repos_all; /* the caller may pull each repository that the path may mean */
	char who[UPLOAD_USER_MAX + 1];
	char repo[NAME_MAX_BYTES + 1]; /* the target, as the store names it */
	struct candidates aliases; /* every stored name that the path may mean */
	struct reply reply;
	struct err failed; /* for the log; ERR_OK */

	/* The handler's. */
	enum body_want want;
	struct buf body;
	size_t held; /* of shared->held */
	uint64_t coming; /* of shared->coming */
	struct upload *upload; /* taken */
	char *from; /* of a mount: the source, as the store names it */
	char session[SESSION_ID_SIZE]; /* its id, also after it was given back */
	uint64_t received; /* bytes of the body */
	bool unannounced; /* nobody was told of that session: it ends with this request */
	bool too_large; /* the body passed its limit; the rest is thrown away */
	bool too_many; /* the bodies of all passed theirs; the same */
	struct manifest manifest;
	const char *tags[ROUTE_TAGS_MAX], *names[CANDIDATES_MAX]; /* of the change */
	struct commit commit;

	/* The machine's (push.c). */
	struct waker waker;
	struct job job;
	pthread_mutex_t lock; /* of what is below */
	struct chunk chunks[2];
	unsigned filling; /* which one the loop fills */
	bool busy; /* a worker is at the other one */
	bool paused; /* the connection waits for us */
	bool ended; /* no more bytes come: run what is left, then the handler */
	bool gone; /* the client left: undo */
	bool answered;
	int64_t now_ms; /* when it began; what sessions are stamped with */
};

/*
 * Begin. q is copied, its text borrowed until push_free(). Never NULL; look at
 * push_answered() next.
 */
struct push *push_new(struct context *s, struct push_service *shared, const struct request *q,
	const char *repo, const struct candidates *aliases, const struct push_handler *handler,
	const struct waker *waker);

/* Some bytes of the body: how many were taken. Fewer than given: the connection was paused. */
size_t push_take(struct push *p, const void *data, size_t len);

/* The body is whole, and the answer not there yet: the connection is paused until it is. */
void push_end(struct push *p);

bool push_answered(struct push *p);

/* The request is over: free it. When it was not answered the client has left, and what it did is
 * undone first, by another thread if need be. */
void push_free(struct push **p);

/* --- for handlers ---------------------------------------------------------------------------- */

/* The session, sealed or not, back to the table; the same without what this request brought; the reply's
 * headers of a session. */
void push_give_back(struct push *p);
void push_rewind(struct push *p);
void push_session_headers(struct push *p, uint64_t offset);

/* Is there room above the floor for the body, beside those of others that are still coming? 1, and it is
 * kept for this one; 0 and the reply is a 507. */
MUST int push_room(struct push *p, struct store *s, struct err *e);

/* The committer refused or failed: the reply for what e says, by the codes of the spec. */
void push_refused(struct push *p, const char *absent_code, const struct err *e);

#endif
