/* Promises: what a client is told is here, and will rely on, is touched before it is told. */
#include <stdlib.h>

#include "registry/push/push.h"
#include "storage/base/banned.h"

struct promise {
	struct commit commit;
	struct waker waker;
};

static void done(struct commit *c)
{
	struct promise *p = CONTAINER_OF(c, struct promise, commit);
	struct waker waker = p->waker;

	free(p);
	waker.wake(waker.ctx);
}

void promise_begin(struct push_service *service, const struct digest *d, const struct waker *waker)
{
	struct promise *p = mem_alloc(sizeof(*p));

	p->waker = *waker;
	p->commit.change = (struct change){ .kind = CHANGE_TOUCH, .repo = "", .digest = *d };
	p->commit.done = done;
	waker->pause(waker->ctx);
	committer_add(service->committer, &p->commit);
}
