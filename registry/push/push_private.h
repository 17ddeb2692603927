/* What push.c and the handlers share. Other files may not include it. */
#ifndef MOAT_PUSH_PART
#error "push_private.h is for the files of push/ only: include push.h"
#endif
#ifndef MOAT_PUSH_PRIVATE_H
#define MOAT_PUSH_PRIVATE_H

#include <pthread.h>

#include "registry/push/push.h"

/* What became of a step of a handler. */
enum push_outcome {
	PUSH_FAILED = -1, /* with e: of ours or the store's; push.c makes the reply */
	PUSH_ANSWERED, /* the reply is there */
	PUSH_GOES_ON /* begin: take the body; run: apply the change; a check: all is well */
};

struct push_handler {
	/* On the loop; must be quick. s: the loop's. */
	enum push_outcome (*begin)(struct context *s, struct push *p, struct err *e);
	/* On a worker, with the whole body in. NULL: the change was complete after begin(). */
	enum push_outcome (*run)(struct push *p, struct err *e);
	/* On the committer's thread, must be quick: change.commit has its result. Never PUSH_GOES_ON. */
	enum push_outcome (*done)(struct push *p, struct err *e);
};

/* Which thread a push belongs to: the picture in push.h. */
enum push_state {
	PUSH_RECEIVING, /* the loop */
	PUSH_WRITING, /* the loop and a worker, each at its chunk */
	PUSH_FULL, /* a worker; the connection is paused */
	PUSH_ENDING, /* a worker, then the committer; the connection is paused */
	PUSH_ABANDONED, /* a worker, which undoes and frees it */
	PUSH_DONE /* the loop */
};

#define CHUNK_SIZE (128u << 10) /* bytes of a body that go from a loop to a worker at a time */

struct chunk {
	char *data; /* CHUNK_SIZE; NULL before it is needed */
	size_t len;
};

/* How it moves between the threads; push.c alone looks at it. */
struct push_flow {
	struct waker waker;
	struct job job; /* of the worker's next step */
	struct chunk chunks[2];
	struct chunk *filling; /* the loop's; in PUSH_ENDING the worker's */
	struct chunk *writing; /* the worker's; swapped by the loop in PUSH_RECEIVING */
	pthread_mutex_t lock; /* of the state */
	enum push_state state;
};

enum push_body_kind {
	PUSH_BODY_NONE, /* what comes is thrown away */
	PUSH_BODY_MEMORY, /* into body.bytes, at most MANIFEST_MAX */
	PUSH_BODY_UPLOAD /* into session.upload */
};

enum push_excess {
	PUSH_FITS,
	PUSH_TOO_LARGE, /* the body passed its limit; the rest is thrown away */
	PUSH_OVER_QUOTA, /* it passed what its repository may still link; the same */
	PUSH_TOO_MANY /* the bodies of all passed theirs; the same */
};

/* The loop's while it receives, then the worker's. */
struct push_body {
	enum push_body_kind kind; /* set by begin() */
	enum push_excess excess;
	uint64_t received; /* bytes */
	uint64_t linked; /* of the repository, when there is a quota and begin() looked */
	bool again; /* then, too: it says that it is a blob that the repository links already */
	struct buf bytes;
};

/* Set by begin(), then the worker's: it writes while the body comes. */
struct push_session {
	struct upload *upload; /* taken; NULL: none, or given back */
	char id[SESSION_ID_SIZE]; /* also after it was given back */
	bool temporary; /* no client knows its id: it ends with this request */
};

/* Set by begin() or run(), then the committer's. */
struct push_change {
	struct commit commit;
	struct manifest manifest;
	char *from; /* of a mount: the source, as the store names it */
	const char *tags[ROUTE_TAGS_MAX], *names[CANDIDATES_MAX]; /* of commit.change */
};

/* What the audit log is told of the change, before it is made. */
struct push_record {
	char peer[ADDRESS_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];
	struct buf tags; /* with a space between */
	struct log_field facts[8];
};

/* Parts of what push_service counts, given back at the end. */
struct push_reserved {
	uint64_t memory; /* by the loop while it receives, then by the worker */
	uint64_t disk; /* by begin(), then by the worker */
};

struct push {
	/* Set by push_new(), then only read. */
	struct push_service *service;
	struct push_target target;
	struct quota *quota; /* of the target; NULL: none */
	struct request request;
	char user[UPLOAD_USER_MAX + 1]; /* "": anonymous */
	int64_t now_ms; /* when it began: sessions are stamped with it */

	struct push_body body;
	struct push_session session;
	struct push_change change;
	struct push_reserved reserved;
	struct push_record record; /* set when the change goes to the committer */

	/* Of the thread that runs the handler, and of the loop when it is done. */
	struct reply reply;
	struct err failed; /* for the log; ERR_OK */

	struct push_flow flow;
};

/* --- for handlers ---------------------------------------------------------------------------- */

/* Answer with an error of the specification (reply_error()). Returns PUSH_ANSWERED. */
enum push_outcome push_error(
	struct push *p, unsigned status, const char *code, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Answer what the committer refused or failed at, by e's code; absent_code: for ERR_ABSENT. Returns
 * PUSH_ANSWERED. */
enum push_outcome push_refuse(struct push *p, const char *absent_code, const struct err *e);

/* Give the session back, or end it when it is temporary. May block for a temporary one with bytes. */
void push_give_back(struct push *p);

/* The same without the bytes that this request brought. On a worker. */
void push_rewind(struct push *p);

/* May the repository link so many bytes more? Returns PUSH_GOES_ON, also when the request names a blob that it links already;
 * PUSH_ANSWERED: a 403; or PUSH_FAILED with e. What others bring meanwhile is judged when the change is made. */
MUST enum push_outcome push_check_quota(
	struct push *p, struct store *s, uint64_t more, struct err *e);
/* Answer that the quota does not allow `more` bytes beside the `used` ones. Returns PUSH_ANSWERED. */
enum push_outcome push_over_quota(struct push *p, uint64_t used, uint64_t more);

/* Reserve disk for the body beside the bodies of others, above the floor. Returns PUSH_GOES_ON; PUSH_ANSWERED:
 * a 507, there is no room; or PUSH_FAILED with e: ERR_IO. */
MUST enum push_outcome push_reserve(struct push *p, struct store *s, struct err *e);

#endif
