/* The ground under the store: its transactions, and what one statement answers. Knows nothing above it. */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include "storage/base/fault.h"
#include "storage/base/banned.h"

struct db *store_db(const struct store *s)
{
	return s->db;
}

int store_change(struct store *s, uint64_t *number, struct err *e)
{
	return db_change(s->db, number, e);
}

int store_free_bytes(struct store *s, uint64_t *bytes, struct err *e)
{
	return blobs_free_bytes(s->blobs, bytes, e);
}

int store_may_write(const struct store *s, struct err *e)
{
	if (s->mode == STORE_WRITE)
		return 0;
	return err_set(e, ERR_DENIED, "the store was opened for reading");
}

int tx_begin(struct store *s, struct store **tx, struct err *e)
{
	if (store_may_write(s, e) < 0 || fault("meta.begin", e) < 0 || db_begin(s->db, e) < 0)
		return -1;
	*tx = s;
	return 0;
}

int tx_commit(struct store **tx, struct err *e)
{
	struct store *s = *tx;

	if (fault("meta.commit", e) < 0)
		return -1;
	*tx = NULL;
	if (db_commit(s->db, e) < 0)
		return -1;
	return fault("meta.committed", e);
}

int tx_snapshot(struct store *s, struct store **tx, struct err *e)
{
	if (db_snapshot(s->db, e) < 0)
		return -1;
	*tx = s;
	return 0;
}

void tx_abort(struct store **tx)
{
	if (*tx)
		db_rollback((*tx)->db);
	*tx = NULL;
}
