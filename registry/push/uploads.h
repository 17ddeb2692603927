/*
 * Upload sessions (distribution-spec, "Pushing Blobs"): bytes on their way in, between requests.
 *
 * A session belongs to its repository and to the user that began it; its id is 128 random bits. One request
 * at a time takes it and gives it back at its end. Its bytes are in an unnamed file: whatever ends the
 * process ends them too, so nothing is left behind, and a client whose session is gone (404) begins again.
 * The last UPLOADS_ENDED_MAX finished ones are remembered for ten minutes, so that a PUT that is sent again
 * because its answer was lost is answered again.
 *
 * Safe from any thread; all calls but those that say so are quick enough for a loop. Times are clock_ms().
 */
#ifndef MOAT_UPLOADS_H
#define MOAT_UPLOADS_H

#include "registry/access/repo_names.h"
#include "registry/api/route.h"
#include "registry/push/jobs.h"
#include "storage/store_write.h"

#define UPLOAD_USER_MAX 64 /* bytes of a user's name */
#define UPLOADS_ENDED_MAX 1024 /* finished sessions that are remembered */
#define UPLOADS_EVICT_MS 60000 /* idle for less, a session does not make room for another */

struct upload {
	char id[SESSION_ID_SIZE];
	char repo[NAME_MAX_BYTES + 1]; /* stored name of the target */
	char user[UPLOAD_USER_MAX + 1]; /* "": anonymous */

	/* Of the request that has taken it. */
	struct blob_writer *writer; /* NULL before the first byte */
	enum digest_alg alg; /* hashes the bytes as they come */
	uint64_t offset; /* bytes of earlier requests, which stay */

	/* Of the table, under its lock. */
	LIST_ENTRY(upload) entry;
	bool taken;
	int64_t touched_ms; /* when it was given back last */
	uint64_t staged; /* offset when it was given back last */
	struct job release; /* after it left the table */
};

struct uploads_limits {
	unsigned total, each; /* sessions at once, of all users and of one */
	unsigned expiry_seconds; /* of an idle session */
};

struct uploads;

/* jobs: release the bytes of evicted and expired sessions; outlive every other call but uploads_free().
 * Never fails. */
struct uploads *uploads_new(const struct uploads_limits *limits, struct jobs *jobs);

/* Free all sessions, for AUTO; none may be taken. May block: releases their bytes. */
void uploads_free(struct uploads **u);

enum uploads_answer {
	UPLOADS_OK,
	UPLOADS_FULL, /* as many as there may be */
	UPLOADS_UNKNOWN, /* it never was, is over, or belongs to another user or repository */
	UPLOADS_TAKEN, /* another request has it */
	UPLOADS_ENDED /* it became *digest; nothing is taken */
};

/*
 * Begin a session, taken. At a limit the one that has been idle longest, for UPLOADS_EVICT_MS at least, is
 * evicted to make room: clients that left without a word must not keep others out.
 *
 * repo, user: copied.
 * Returns UPLOADS_OK with *out, for uploads_give(), _end() or _drop(); or UPLOADS_FULL.
 */
MUST enum uploads_answer uploads_begin(struct uploads *u, const char *repo, const char *user,
	enum digest_alg alg, int64_t now_ms, struct upload **out);

/* Take a session for a request. Returns UPLOADS_OK with *out; UPLOADS_ENDED with *digest; UPLOADS_UNKNOWN or
 * UPLOADS_TAKEN. */
MUST enum uploads_answer uploads_take(struct uploads *u, const char *id, const char *repo,
	const char *user, int64_t now_ms, struct upload **out, struct digest *digest);

/* Read where a session goes on; its idle time begins again. Returns UPLOADS_OK with *offset, UPLOADS_UNKNOWN or
 * UPLOADS_TAKEN. */
MUST enum uploads_answer uploads_read(struct uploads *u, const char *id, const char *repo,
	const char *user, int64_t now_ms, uint64_t *offset);

/* Give a session back: *up becomes NULL, and up->offset is where the next request goes on. */
void uploads_give(struct uploads *u, struct upload **up, int64_t now_ms);

/* Finish a session that became the blob d; up->writer was handed over before. *up becomes NULL. */
void uploads_end(struct uploads *u, struct upload **up, const struct digest *d, int64_t now_ms);

/* Forget a session and its bytes. *up becomes NULL. May block: not on a loop. */
void uploads_drop(struct uploads *u, struct upload **up);
/* The same on a loop: a worker releases the bytes. */
void uploads_drop_later(struct uploads *u, struct upload **up);

/* Forget sessions that have been idle for too long; a worker releases their bytes. */
void uploads_expire(struct uploads *u, int64_t now_ms);

/* Sessions that are not finished. */
unsigned uploads_open(struct uploads *u);

/* Bytes of those sessions, without those of requests that are under way. */
uint64_t uploads_staged(struct uploads *u);

#endif
