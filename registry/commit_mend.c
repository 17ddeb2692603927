/* What the check finds, made a state of the store. Must never hold the committer up for longer than a row. */
#include "registry/commit_mend.h"

#include <stdlib.h>

#include "registry/commit.h"
#include "storage/store_write.h"
#include "storage/base/banned.h"

struct mender {
	struct store *store;
	struct committer *committer;
};

int mender_new(struct mender **out, const char *store, struct committer *c, struct err *e)
{
	AUTO(mender_free) struct mender *m = mem_alloc(sizeof(*m));

	m->committer = c;
	if (store_open(&m->store, store, STORE_WRITE, e) < 0)
		return -1;
	store_set_care(m->store, &(struct store_care){ .operation = "check of moatd" });
	*out = STEAL(m);
	return 0;
}

int mender_settle(struct mender *m, const struct finding *f, struct err *e)
{
	int rc;

	committer_hold(m->committer);
	rc = blob_settle(m->store, f, e);
	committer_go(m->committer);
	return rc;
}

void mender_flush(struct mender *m)
{
	committer_hold(m->committer);
	store_remember(m->store);
	committer_go(m->committer);
}

void mender_free(struct mender **m)
{
	if (!*m)
		return;
	store_close(&(*m)->store);
	free(*m);
	*m = NULL;
}
