/* What the upload handlers share: how a blob is finished, and how it is answered. */
#ifndef MOAT_UPLOAD_REPLY_H
#define MOAT_UPLOAD_REPLY_H

#include "registry/push/push_private.h"

/* 201 with the blob's place. Returns PUSH_ANSWERED. */
enum push_outcome upload_created(struct push *p, const struct digest *d);

/* 413. Returns PUSH_ANSWERED. */
enum push_outcome upload_too_large(struct push *p);

/* Why a session cannot be used: `answer` is neither UPLOADS_OK nor UPLOADS_FULL. */
void upload_refuse(struct reply *r, enum uploads_answer answer);

/* The headers of an open session of the repository `name` (as the path has it), which goes on at `offset`. */
void upload_headers(struct reply *r, const char *name, const char *id, uint64_t offset);

/* On a worker: did the bytes of this request arrive whole? PUSH_GOES_ON; or PUSH_ANSWERED, with the session as
 * it was before. */
MUST enum push_outcome upload_check(struct push *p);

/* On a worker: make the change of the session's bytes, which must be ?digest=. Returns PUSH_GOES_ON;
 * PUSH_ANSWERED: they are another blob's (400) or the disk is full (507); or PUSH_FAILED with e: ERR_IO. But for
 * PUSH_GOES_ON and a failure to begin the file, the session ended. */
MUST enum push_outcome upload_seal(struct push *p, struct err *e);

/* After the change: end the session. Returns PUSH_ANSWERED. */
enum push_outcome upload_done(struct push *p);

#endif
