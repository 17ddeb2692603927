/*
 * Write a sealed set into the store, sign it in both of cosign's forms and activate it. Must make
 * the blobs durable before the set is accepted.
 */
#include "mirror-tool/media/signatures.h"
#include "mirror-tool/sign/cosign.h"
#include "mirror-tool/seal/seal.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define SIGNATURES_MAX 64

/* The signatures of the set: those it has, and ours. */
struct signatures {
	struct set_signature *items;
	size_t count;
};

static void signatures_free(struct signatures *s)
{
	free(s->items);
}

static int put(struct store *s, struct blob_batch *batch, const struct buf *bytes, const char *what,
	struct err *e)
{
	struct digest got;

	return blob_put(s, batch, buf_span(bytes), &got, e) < 0 ? err_ctx(e, "%s", what) : 0;
}

static int put_set(struct seal *s, struct store *store, struct blob_batch *batch, struct err *e)
{
	AUTO(buf_release) struct buf empty = BUF_INIT;

	buf_str(&empty, "{}");
	if (put(store, batch, &empty, "empty config", e) < 0 ||
		put(store, batch, &s->lock.blob, "lock", e) < 0 ||
		put(store, batch, &s->lock.manifest, "lock", e) < 0 ||
		put(store, batch, &s->list.blob, "list", e) < 0 ||
		put(store, batch, &s->list.manifest, "list", e) < 0 ||
		put(store, batch, &s->contents.blob, "inventory", e) < 0 ||
		put(store, batch, &s->contents.manifest, "inventory", e) < 0)
		return -1;
	return put(store, batch, &s->index, "set", e);
}

/* --- signing --------------------------------------------------------------------------------- */

static int from_store(
	void *ctx, const struct digest *d, uint64_t size, struct buf *out, struct err *e)
{
	(void)size;
	return blob_read(ctx, d, COSIGN_BLOB_MAX, out, e);
}

static int read_signatures(
	struct store *store, const struct digest *set, struct signatures *out, struct err *e)
{
	AUTO(mem_free) struct set_signature *have = NULL;
	size_t count = 0;

	if (set_signatures(store, set, &have, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		*VEC_PUSH(out->items, out->count) = have[i];
	return 0;
}

/* Does one of the set's signatures hold under this key? 1, 0, -1. */
static int signed_already(struct store *store, const struct signatures *have,
	const struct cosign_claim *claim, const struct sign_key *k, struct err *e)
{
	AUTO(trust_release) struct trust own = TRUST_INIT;
	AUTO(buf_release) struct buf pem = BUF_INIT;

	if (sign_key_write_public(k, &pem, e) < 0 || trust_add(&own, "key", buf_span(&pem), e) < 0)
		return -1;
	for (size_t i = 0; i < have->count; i++) {
		AUTO(buf_release) struct buf manifest = BUF_INIT;
		const struct verify_key *by;
		char name[DIGEST_TEXT_SIZE];
		struct err why = ERR_INIT;

		if (blob_read(store, &have->items[i].digest, MANIFEST_MAX, &manifest, e) < 0)
			return -1;
		digest_text(&have->items[i].digest, name);
		if (cosign_verify(name, buf_span(&manifest), claim, &own, from_store, store, &by,
			    &why) == 0)
			return 1;
	}
	return 0;
}

/* Put the manifest of a signature, joined with those of the set under its tag. */
static int put_manifest(struct store *store, struct blob_batch *batch,
	const struct cosign_claim *claim, struct span manifest, struct set_signature *item,
	struct err *e)
{
	struct digest own;

	digest_of(&own, DIGEST_SHA256, manifest);
	item->digest = own;
	if (signature_join(store, batch, &claim->digest, item, manifest, e) < 0)
		return -1;
	return digest_eq(&own, &item->digest) ? blob_put(store, batch, manifest, &own, e) : 0;
}

static int add_signature(struct store *store, struct blob_batch *batch,
	const struct cosign_claim *claim, const struct cosign_signature *sig, const char *tag,
	struct signatures *to, struct err *e)
{
	struct set_signature item = { .media_type = MEDIA_OCI_MANIFEST };

	if (to->count == SIGNATURES_MAX)
		return err_set(e, ERR_INPUT, "the set has %d signatures already", SIGNATURES_MAX);
	if (put(store, batch, &sig->blob, "signature", e) < 0 ||
		put(store, batch, &sig->config, "signature", e) < 0)
		return -1;
	snprintf(item.tag, sizeof(item.tag), "%s", tag);
	if (put_manifest(store, batch, claim, buf_span(&sig->manifest), &item, e) < 0)
		return -1;
	*VEC_PUSH(to->items, to->count) = item;
	return 0;
}

static int sign(struct seal *s, struct store *store, struct blob_batch *batch,
	const struct cosign_claim *claim, const struct sign_key *k, struct signatures *to,
	struct err *e)
{
	AUTO(cosign_signature_release) struct cosign_signature legacy = COSIGN_SIGNATURE_INIT;
	AUTO(cosign_signature_release) struct cosign_signature bundle = COSIGN_SIGNATURE_INIT;
	char tag[REF_TAG_MAX + 1];

	if (cosign_sign_legacy(k, claim, &legacy, e) < 0 ||
		cosign_sign_bundle(k, claim, s->index.len, s->set.created, &bundle, e) < 0)
		return -1;
	ref_fallback_tag(&s->digest, ".sig", tag);
	if (add_signature(store, batch, claim, &legacy, tag, to, e) < 0)
		return -1;
	return add_signature(store, batch, claim, &bundle, "", to, e);
}

static int accept_set(
	struct seal *s, struct store *store, const struct signatures *sigs, struct err *e)
{
	struct set_offer offer = { .digest = &s->digest,
		.signatures = sigs->items,
		.signature_count = sigs->count,
		.take = s->take,
		.take_count = s->take_count,
		.activate = true,
		.keep_owners = true,
		.successor = true };

	return set_accept(store, &offer, &s->changes, e);
}

int seal_commit(struct seal *s, struct store *store, const struct sign_key *k, bool *signed_now,
	struct err *e)
{
	AUTO(batch_free) struct blob_batch *batch = batch_new(store);
	AUTO(signatures_free) struct signatures sigs = { NULL, 0 };
	struct cosign_claim claim = { .digest = s->digest, .audit_head = s->audit_head };
	char reference[REF_TEXT_SIZE];
	struct ref own;
	int rc = 0;

	set_ref(&s->set, &own);
	claim.reference = ref_text(&own, reference);
	if (s->again && read_signatures(store, &s->digest, &sigs, e) < 0)
		return -1;
	if (s->again)
		rc = signed_already(store, &sigs, &claim, k, e);
	if (rc < 0 || put_set(s, store, batch, e) < 0)
		return -1;
	*signed_now = rc == 0;
	if (*signed_now && sign(s, store, batch, &claim, k, &sigs, e) < 0)
		return -1;
	if (batch_flush(batch, e) < 0)
		return -1;
	return accept_set(s, store, &sigs, e);
}
