/* What the upload handlers share: how a blob is finished, and how it is answered. */
#ifndef MOAT_UPLOAD_REPLY_H
#define MOAT_UPLOAD_REPLY_H

#include "registry/push/push.h"

/* 201 with the blob's place. Returns 0. */
int upload_created(struct push *p, const struct digest *d);

/* 413. Returns 0. */
int upload_too_large(struct push *p);

/* On a worker: the bytes of the session must be ?digest=; the change follows. Those of another blob
 * end the session: 400. */
MUST int upload_seal(struct push *p, enum push_step *step, struct err *e);

/* After the change. */
MUST int upload_done(struct push *p);

/* What went wrong with the bytes of this request, if anything did: the session is as it was before
 * it, and the reply is there. 1 all is well, 0 answered. */
int upload_check(struct push *p);

#endif
