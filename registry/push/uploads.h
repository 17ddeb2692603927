/*
 * Upload sessions (distribution-spec, "Pushing Blobs"): bytes on their way in, between requests.
 *
 * A session is bound to its repository and to who began it; its id is 128 random bits. It is taken
 * by one request at a time and given back at its end. Its bytes are in an unnamed file: whatever
 * ends the process ends them too, so nothing is ever left behind, and a client whose session is gone
 * (404) begins again. The last UPLOADS_ENDED_MAX finished ones are remembered for ten minutes, so that
 * a PUT that is sent again because its answer was lost is answered again.
 *
 * Safe from any thread.
 */
#ifndef MOAT_UPLOADS_H
#define MOAT_UPLOADS_H

#include "registry/access/names.h"
#include "registry/api/route.h"
#include "registry/push/jobs.h"
#include "storage/store_write.h"

#define UPLOAD_WHO_MAX 64
#define UPLOADS_ENDED_MAX 1024

struct upload {
	char id[SESSION_ID_SIZE];
	char repo[NAME_MAX_BYTES + 1]; /* stored name of the target */
	char who[UPLOAD_WHO_MAX + 1]; /* "" anyone */

	/* Of whoever has taken it. */
	struct blob_writer *writer; /* NULL before the first byte */
	enum digest_alg alg; /* to hash with while the bytes come */
	uint64_t offset; /* bytes that are in for good */

	/* Of the table. */
	struct upload *next;
	bool taken;
	int64_t touched_ms;
	uint64_t staged; /* offset when it was given back */
};

struct uploads_limits {
	unsigned total, each; /* sessions at once, in all and of one user */
	unsigned expiry_seconds; /* of an idle session */
};

struct uploads;
struct uploads *uploads_new(const struct uploads_limits *limits);
void uploads_free(struct uploads **u); /* for AUTO; none may be taken */

enum uploads_answer {
	UPLOADS_OK,
	UPLOADS_FULL, /* as many as there may be */
	UPLOADS_UNKNOWN, /* never was, is over, or is somebody else's */
	UPLOADS_TAKEN, /* another request is at it */
	UPLOADS_ENDED /* it became *digest; nothing is taken */
};

/* A new session, taken. When there are as many as there may be, the one that has been idle longest makes
 * room, if that is UPLOADS_ROOM_MS at least: clients that left without a word must not keep others out.
 * Its bytes go to *gone, for uploads_free_list() on a thread that may block; NULL otherwise. */
#define UPLOADS_ROOM_MS 60000
MUST enum uploads_answer uploads_begin(struct uploads *u, const char *repo, const char *who,
	enum digest_alg alg, int64_t now_ms, struct upload **out, struct upload **gone);

MUST enum uploads_answer uploads_take(struct uploads *u, const char *id, const char *repo,
	const char *who, int64_t now_ms, struct upload **out, struct digest *digest);

void uploads_give(struct uploads *u, struct upload **up, int64_t now_ms);
/* It became this blob; its writer was handed over. */
void uploads_end(struct uploads *u, struct upload **up, const struct digest *d, int64_t now_ms);
/* Forget it and its bytes. May take long for large ones: not on a loop. */
void uploads_drop(struct uploads *u, struct upload **up);

/* Take every expired session out of the table: a list, for uploads_free_list() on a thread that may
 * block. NULL when there is none. */
struct upload *uploads_expire(struct uploads *u, int64_t now_ms);
void uploads_free_list(struct upload *list);
void uploads_free_later(struct upload *list, struct jobs *jobs); /* by a worker */

unsigned uploads_open(struct uploads *u); /* sessions that are not finished */
/* Bytes of those sessions, without those of the requests that are at it. */
uint64_t uploads_staged(struct uploads *u);

#endif
