/* Moving one tag. Pins of sets are not touched here: they change with their set (set.c). */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include "storage/base/fault.h"
#include "storage/base/banned.h"

static int move(
	struct store *s, const char *repo, const char *tag, const struct digest *d, struct err *e)
{
	struct manifest_info info;
	struct blob_row row;
	int64_t repo_id = 0;
	int rc = META(s, manifest_by_digest, repo, d, &info, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT, "no such manifest in the repository");
	if (rc < 0 || META(s, blob_get, d, &row, e) < 0 ||
		META(s, repo_make, repo, &repo_id, e) < 0 || fault("tag.row", e) < 0)
		return -1;
	return META(s, tag_put, repo_id, tag, row.id, e);
}

int tag_put(
	struct store *s, const char *repo, const char *tag, const struct digest *d, struct err *e)
{
	AUTO(tx_abort) struct store *tx = NULL;

	if (ref_check_tag(span_of(tag), e) < 0 || tx_begin(s, &tx, e) < 0)
		return -1;
	if (move(s, repo, tag, d, e) < 0)
		return err_ctx(e, "%s:%s", repo, tag);
	s->names_changed = true;
	return tx_commit(&tx, e);
}
