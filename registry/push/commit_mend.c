/* Records what the check found. Must never hold the committer up for longer than a row. */
#include "registry/push/commit_mend.h"

#include <stdlib.h>

#include "registry/push/commit.h"
#include "storage/base/lock.h"
#include "storage/store_write.h"
#include "storage/base/banned.h"

struct store_mender {
	struct mender mender;
	struct store *store;
	struct committer *committer;
};

static struct store_mender *of_mender(struct mender *m)
{
	return CONTAINER_OF(m, struct store_mender, mender);
}

static int apply(struct mender *m, const struct finding *f, struct err *e)
{
	struct store_mender *own = of_mender(m);

	LOCK_SCOPE(committer_write_lock(own->committer));
	return blob_apply_finding(own->store, f, e);
}

static void flush(struct mender *m)
{
	struct store_mender *own = of_mender(m);

	LOCK_SCOPE(committer_write_lock(own->committer));
	store_record_findings(own->store);
}

int mender_new(struct mender **out, const char *store, struct committer *c, struct err *e)
{
	struct store_mender *own = mem_alloc(sizeof(*own));
	AUTO(mender_free) struct mender *m = &own->mender;

	own->mender = (struct mender){ apply, flush };
	own->committer = c;
	if (store_open(&own->store, store, STORE_WRITE, e) < 0)
		return -1;
	store_set_care(own->store, &(struct store_care){ .operation = "check of moatd" });
	*out = STEAL(m);
	return 0;
}

void mender_free(struct mender **m)
{
	struct store_mender *own;

	if (!*m)
		return;
	own = of_mender(STEAL(*m));
	store_close(&own->store);
	free(own);
}
