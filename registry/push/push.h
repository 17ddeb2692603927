/*
 * A push: a request that changes the store, on its way through the threads.
 *
 *	thread		state		what happens
 *	loop				push_new(), begin(): rights, session, room; perhaps the answer already
 *	loop		RECEIVING	push_take(): the body's bytes fill a chunk, which goes to
 *	worker		WRITING		hashing and writing, while the loop fills the other chunk
 *	worker		FULL		the same, and the other is full: the connection is paused
 *	loop		ENDING		push_end(): the body is in, the connection is paused until DONE
 *	worker		ENDING		run(): what takes long: verify, fsync, read JSON
 *	committer	ENDING		the change itself, in a group with others; done(): the reply
 *	loop		DONE		push_reply(): it is sent
 *	worker		ABANDONED	push_free() found it WRITING: the client left, all is undone
 *
 * The loop never waits: where it would have to, the connection is paused, and woken by the thread that it
 * waits for. Handlers (put_*, upload_*, delete_*) fill a table of three functions and know nothing of this:
 * push_private.h.
 *
 * All functions here: on the loop of the connection, but what a waker says.
 */
#ifndef MOAT_PUSH_H
#define MOAT_PUSH_H

#include "registry/access/quota.h"
#include "registry/api/context.h"
#include "registry/push/commit.h"
#include "registry/push/jobs.h"
#include "registry/push/uploads.h"

#define PUSH_MEMORY_MAX (256u << 20) /* bytes of all manifests that are being pushed, read or not */

/* What all pushes of a server share. Filled by its owner before the first push, and outlives the last. */
struct push_service {
	struct committer *committer; /* NULL: this server only reads */
	struct jobs *jobs;
	struct uploads *uploads;
	uint64_t upload_max; /* bytes of one blob */
	uint64_t free_floor; /* bytes that stay free in the store's file system */
	const struct quotas *quotas; /* borrowed; NULL: none */
	bool strict; /* refuse a manifest whose blobs are not there */
	bool deletes; /* may be asked for */
	bool recorded; /* the committer has an audit log */

	/* Reserved by pushes under way. */
	_Atomic uint64_t memory; /* bytes, of PUSH_MEMORY_MAX */
	_Atomic uint64_t disk; /* bytes of bodies that are not written yet */
};

/* How to stop and go on with the connection. */
struct waker {
	void (*pause)(void *ctx); /* on the loop */
	void (*wake)(void *ctx); /* from any thread, once for each pause */
	void *ctx;
};

struct push_handler;
extern const struct push_handler upload_start, upload_patch, upload_put, upload_cancel,
	put_manifest, delete_manifest, delete_blob;

/* What is to be done, and where. */
struct push_target {
	const struct push_handler *handler;
	char repo[NAME_MAX_BYTES + 1]; /* the repository, as the store names it */
	struct candidates aliases; /* every stored name that the path may mean */
	bool readable; /* the caller may pull each of them */
};

struct push;

/* Begin. q: copied, its text borrowed until push_free(), its route copied. Never NULL, never fails: what went
 * wrong is a reply; ask push_answered() next. */
struct push *push_new(struct context *s, struct push_service *service, const struct request *q,
	const struct push_target *target, const struct waker *waker);

/* Is there a reply? Then nothing more is to be taken, and push_reply() is next. */
bool push_answered(struct push *p);

/* Are bytes of the body of use? Else push_take() throws them away. */
bool push_wants_body(const struct push *p);

/* Take bytes of the body. Returns how many; fewer than len: the connection was paused. */
size_t push_take(struct push *p, const void *data, size_t len);

/* The body is whole. The connection is paused until there is a reply. */
void push_end(struct push *p);

/* Move the reply to *out, released before; *failed: what went wrong, for the log, or ERR_OK. */
void push_reply(struct push *p, struct reply *out, struct err *failed);

/* The request is over; *p becomes NULL. Without a reply the client has left, and what it did is undone first,
 * on another thread if need be. Not while the connection is paused. */
void push_free(struct push **p);

/* Touch a blob (store_write.h, CHANGE_TOUCH) that a client is going to be told of. Pauses, and wakes when it is durable, or
 * failed: without space nobody can push, and reading must go on. */
void promise_begin(struct push_service *service, const struct digest *d, const struct waker *waker);

/* GET or HEAD of an upload: where it goes on. repo: the target, as the store names it. Fills r; changes no
 * session but its idle time. */
void get_upload(
	struct push_service *service, const struct request *q, const char *repo, struct reply *r);

#endif
