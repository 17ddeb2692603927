/*
 * moatd's part of the store's audit log (storage/audit/audit.h). Changes are recorded before they are made, a group of
 * them with one append. Requests that were denied are counted by client, and a summary of each is written once a minute:
 * whoever sends them sets neither the speed nor the size of the log, and their requests wait for nothing.
 */
#ifndef MOAT_TRAIL_H
#define MOAT_TRAIL_H

#include "registry/ops/address.h"
#include "storage/audit/audit.h"

#define DENIED_CLIENTS_MAX 16 /* of a minute that are named; the others are counted together */
#define DENIED_SECONDS 60 /* from the first of them to the summary */
#define DENIED_TEXT_MAX 256 /* bytes of an account or repository in a summary */

struct trail;

/* Open the log of a store: before the sandbox, which leaves only its folder for writing. Fails as audit_open(). */
MUST int trail_open(struct trail **t, const char *store, struct err *e);

/* Start the thread that writes summaries; behind the sandbox. ERR_FULL: no thread. */
MUST int trail_start(struct trail *t, struct err *e);

/* Write what was counted, end the thread, and close. For AUTO. */
void trail_close(struct trail **t);

/* audit_append(), from any thread, one at a time. Waits for the disk. */
MUST int trail_append(struct trail *t, const struct audit_record records[], size_t count,
	uint64_t *seq, struct err *e);

/* A request that was denied. Text is borrowed for the call; "" none. */
struct denied_request {
	const struct address *peer;
	const char *account; /* the user that it named */
	const char *action; /* "pull", "push", ...: a constant */
	const char *repo;
};
/* Count it. From any thread; never waits for the disk. */
void trail_denied(struct trail *t, const struct denied_request *q);

#endif
