/* Join signatures of a set that is held. Must never lose one that was there. */
#include "mirror-tool/media/signatures.h"

#include "mirror-tool/sign/cosign.h"
#include "storage/base/banned.h"

/* The manifest that is in the making. */
struct joined {
	struct store *store;
	struct buf bytes;
	bool is_new; /* it is in neither store nor batch */
};

static void joined_release(struct joined *j)
{
	buf_release(&j->bytes);
}

static int join_one(struct joined *j, const struct set_signature *have, struct set_signature *sig,
	struct err *e)
{
	AUTO(buf_release) struct buf there = BUF_INIT;
	AUTO(buf_release) struct buf both = BUF_INIT;
	int rc = blob_read(j->store, &have->digest, MANIFEST_MAX, &there, e);

	if (rc < 0 && err_is_loss(e->code))
		rc = blob_drop_bad(j->store, &have->digest, e);
	if (rc <= 0)
		return rc; /* it is lost: nothing to join with */
	rc = cosign_join_legacy(buf_span(&there), buf_span(&j->bytes), &both, e);
	if (rc < 0)
		return -1;
	buf_clear(&j->bytes);
	buf_str(&j->bytes, rc ? both.data : there.data);
	j->is_new = rc > 0;
	digest_of(&sig->digest, DIGEST_SHA256, buf_span(&j->bytes));
	return 0;
}

int signature_join(struct store *s, struct blob_batch *batch, const struct digest *set,
	struct set_signature *sig, struct span manifest, struct err *e)
{
	AUTO(mem_free) struct set_signature *have = NULL;
	AUTO(joined_release) struct joined j = { .store = s, .bytes = BUF_INIT };
	size_t count = 0;

	if (!*sig->tag || set_signatures(s, set, &have, &count, e) < 0)
		return *sig->tag ? -1 : 0;
	buf_add(&j.bytes, manifest.data, manifest.len);
	for (size_t i = 0; i < count; i++)
		if (strcmp(have[i].tag, sig->tag) == 0 &&
			!digest_eq(&have[i].digest, &sig->digest) &&
			join_one(&j, &have[i], sig, e) < 0)
			return err_ctx(e, "signatures under %s", sig->tag);
	return j.is_new ? blob_put(s, batch, buf_span(&j.bytes), &sig->digest, e) : 0;
}

int signature_merge(struct store *s, struct blob_batch *batch, const struct set_signature *have,
	struct set_signature *sig, struct err *e)
{
	AUTO(joined_release) struct joined j = { .store = s, .bytes = BUF_INIT };
	int rc = batch_flush(batch, e);

	if (rc == 0)
		rc = blob_read(s, &sig->digest, MANIFEST_MAX, &j.bytes, e);
	if (rc == 0)
		err_set(e, ERR_INCOMPLETE, "a signature is not held");
	if (rc <= 0 || join_one(&j, have, sig, e) < 0)
		return err_ctx(e, "signatures under %s", sig->tag);
	return j.is_new ? blob_put(s, batch, buf_span(&j.bytes), &sig->digest, e) : 0;
}
