/* What the check finds, made a state of the store. Must never hold the committer up for longer than a row. */
#include "registry/push/commit_mend.h"

#include <stdlib.h>

#include "registry/push/commit.h"
#include "storage/store_write.h"
#include "storage/base/banned.h"

struct writer {
	struct mender mender;
	struct store *store;
	struct committer *committer;
};

static int settle(struct mender *m, const struct finding *f, struct err *e)
{
	struct writer *w = CONTAINER_OF(m, struct writer, mender);
	int rc;

	committer_hold(w->committer);
	rc = blob_settle(w->store, f, e);
	committer_go(w->committer);
	return rc;
}

static void flush(struct mender *m)
{
	struct writer *w = CONTAINER_OF(m, struct writer, mender);

	committer_hold(w->committer);
	store_remember(w->store);
	committer_go(w->committer);
}

int mender_new(struct mender **out, const char *store, struct committer *c, struct err *e)
{
	struct writer *w = mem_alloc(sizeof(*w));
	AUTO(mender_free) struct mender *m = &w->mender;

	w->mender = (struct mender){ settle, flush };
	w->committer = c;
	if (store_open(&w->store, store, STORE_WRITE, e) < 0)
		return -1;
	store_set_care(w->store, &(struct store_care){ .operation = "check of moatd" });
	*out = STEAL(m);
	return 0;
}

void mender_free(struct mender **m)
{
	struct writer *w;

	if (!*m)
		return;
	w = CONTAINER_OF(STEAL(*m), struct writer, mender);
	store_close(&w->store);
	free(w);
}
