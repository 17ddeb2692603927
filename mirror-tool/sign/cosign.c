/*
 * Judge manifests that may be signatures in either of cosign's forms. Signed bytes are judged as
 * they came; the layers decide the form, as registries list artifact types differently.
 */
#include "mirror-tool/sign/cosign_private.h"

#include "storage/base/banned.h"

/* --- manifests ------------------------------------------------------------------------------- */

/* Source of blobs, and what must hold. */
struct trial {
	const struct cosign_claim *claim;
	const struct trust *trust;
	cosign_blob_fn *blob;
	void *ctx;
};

static int fetch(
	const struct trial *t, const struct descriptor *layer, struct buf *out, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];
	struct digest have;
	int rc;

	digest_text(&layer->digest, text);
	if (layer->size > COSIGN_BLOB_MAX)
		return err_set(e, ERR_UNTRUSTED, "%s: %llu bytes, more than a signature has", text,
			(unsigned long long)layer->size);
	rc = t->blob(t->ctx, &layer->digest, layer->size, out, e);
	if (rc <= 0)
		return rc < 0 ? -1 : err_set(e, ERR_UNTRUSTED, "%s is missing", text);
	digest_of(&have, layer->digest.alg, buf_span(out));
	if (out->len != layer->size || !digest_eq(&have, &layer->digest))
		return err_set(e, ERR_CORRUPT, "%s: the bytes have another digest", text);
	return 0;
}

static int try_payload(const struct trial *t, const struct descriptor *layer,
	const struct verify_key **by, struct err *e)
{
	const char *signature = annotation_get(&layer->annotations, SIGNATURE_KEY);
	AUTO(buf_release) struct buf payload = BUF_INIT;

	if (!signature)
		return err_set(e, ERR_UNTRUSTED, "a layer without %s", SIGNATURE_KEY);
	if (fetch(t, layer, &payload, e) < 0)
		return -1;
	return cosign_verify_payload(
		buf_span(&payload), span_of(signature), t->claim, t->trust, by, e);
}

/* Check the layers, one for each signer: one that holds is enough. */
static int try_legacy(const struct trial *t, const struct manifest *m, const struct verify_key **by,
	struct err *e)
{
	if (m->count > COSIGN_LAYERS_MAX)
		return err_set(e, ERR_UNTRUSTED, "%zu signatures in one manifest", m->count);
	err_set(e, ERR_UNTRUSTED, "no signature in it");
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->items[i].media_type, MEDIA_COSIGN_PAYLOAD) == 0 &&
			try_payload(t, &m->items[i], by, e) == 0)
			return 0;
	return -1;
}

/* Its layer tells: lists of referrers name the type differently. */
static bool is_bundle(const struct manifest *m)
{
	return m->kind == MEDIA_IMAGE && m->count > 0 &&
	       cosign_is_bundle_type(m->items[0].media_type);
}

/* Check a bundle. The statement names the subject; a manifest without one comes from a list under a
 * tag. */
static int try_bundle(const struct trial *t, const struct manifest *m, const struct verify_key **by,
	struct err *e)
{
	AUTO(buf_release) struct buf bundle = BUF_INIT;

	if (m->has_subject && !digest_eq(&m->subject.digest, &t->claim->digest))
		return err_set(e, ERR_UNTRUSTED, "its subject is something else");
	if (m->count != 1)
		return err_set(e, ERR_UNTRUSTED, "not exactly one bundle in it");
	if (fetch(t, &m->items[0], &bundle, e) < 0)
		return -1;
	return cosign_verify_bundle(buf_span(&bundle), t->claim, t->trust, by, e);
}

static int try_manifest(const struct trial *t, const char *name, struct span bytes,
	const struct verify_key **by, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;

	if (manifest_parse(&m, name, NULL, bytes, e) < 0)
		return cosign_untrusted(e);
	if (m.kind != MEDIA_IMAGE)
		return err_set(e, ERR_UNTRUSTED, "not an image manifest");
	if (is_bundle(&m))
		return try_bundle(t, &m, by, e);
	return try_legacy(t, &m, by, e);
}

int cosign_verify(const char *name, struct span manifest, const struct cosign_claim *claim,
	const struct trust *trust, cosign_blob_fn *blob, void *ctx, const struct verify_key **by,
	struct err *e)
{
	struct trial t = { claim, trust, blob, ctx };

	if (claim->digest.alg != DIGEST_SHA256)
		BUG("signatures are over sha256 digests");
	if (try_manifest(&t, name, manifest, by, e) < 0)
		return err_ctx(e, "signature %s", name);
	return 0;
}

/* --- what is said beside it ------------------------------------------------------------------- */

static void find_bundle_head(
	const struct trial *t, const struct manifest *m, struct audit_head *head)
{
	AUTO(buf_release) struct buf bundle = BUF_INIT;
	const struct verify_key *by;
	struct err ignored = ERR_INIT;

	if (try_bundle(t, m, &by, &ignored) == 0 && fetch(t, &m->items[0], &bundle, &ignored) == 0)
		cosign_bundle_head(buf_span(&bundle), head);
}

static void find_legacy_head(
	const struct trial *t, const struct manifest *m, struct audit_head *head)
{
	for (size_t i = 0; i < m->count && i < COSIGN_LAYERS_MAX; i++) {
		const struct descriptor *layer = &m->items[i];
		AUTO(buf_release) struct buf payload = BUF_INIT;
		const struct verify_key *by;
		struct err ignored = ERR_INIT;

		if (strcmp(layer->media_type, MEDIA_COSIGN_PAYLOAD) == 0 &&
			try_payload(t, layer, &by, &ignored) == 0 &&
			fetch(t, layer, &payload, &ignored) == 0)
			cosign_payload_head(buf_span(&payload), head);
	}
}

void cosign_find_audit_head(struct span manifest, const struct cosign_claim *claim,
	const struct trust *trust, cosign_blob_fn *blob, void *ctx, struct audit_head *head)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct trial t = { claim, trust, blob, ctx };
	struct err ignored = ERR_INIT;

	if (manifest_parse(&m, "signature", NULL, manifest, &ignored) < 0 || m.kind != MEDIA_IMAGE)
		return;
	if (is_bundle(&m))
		find_bundle_head(&t, &m, head);
	else
		find_legacy_head(&t, &m, head);
}

/* --- narrowing ------------------------------------------------------------------------------- */

/* Collect the keys that a narrowed manifest names, each once. */
static int add_key(const struct verify_key *by, struct buf *keys, struct err *e)
{
	AUTO(buf_release) struct buf pem = BUF_INIT;

	if (verify_key_write(by, &pem, e) < 0)
		return -1;
	if (!strstr(keys->data, pem.data))
		buf_add(keys, pem.data, pem.len);
	return 0;
}

/* Drop the layers of m that do not hold. */
static int narrow_layers(const struct trial *t, struct manifest *m, struct buf *keys, struct err *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->count; i++) {
		const struct verify_key *by;
		struct err why = ERR_INIT;

		if (strcmp(m->items[i].media_type, MEDIA_COSIGN_PAYLOAD) != 0 ||
			try_payload(t, &m->items[i], &by, &why) < 0)
			continue;
		if (add_key(by, keys, e) < 0)
			return -1;
		m->items[kept++] = m->items[i];
	}
	m->count = kept;
	return 0;
}

int cosign_narrow(struct span manifest, const struct cosign_claim *claim, const struct trust *trust,
	cosign_blob_fn *blob, void *ctx, struct buf *out, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(mem_free) struct descriptor *layers = NULL;
	AUTO(buf_release) struct buf keys = BUF_INIT;
	struct trial t = { claim, trust, blob, ctx };
	struct err why = ERR_INIT;
	const struct verify_key *by;
	struct manifest narrowed;

	if (try_manifest(&t, "signature", manifest, &by, &why) < 0)
		return 0;
	if (manifest_parse(&m, "signature", NULL, manifest, e) < 0)
		return -1;
	layers = mem_alloc((m.count + 1) * sizeof(*layers));
	memcpy(layers, m.items, m.count * sizeof(*layers));
	narrowed = (struct manifest){ .items = layers, .count = m.count };
	buf_str(&keys, "");
	if (!is_bundle(&m) && narrow_layers(&t, &narrowed, &keys, e) < 0)
		return -1;
	if (narrowed.count == m.count)
		buf_add(out, manifest.data, manifest.len);
	else if (m.has_config)
		cosign_write_legacy(out, &narrowed, &m.config, keys.data);
	else
		return 0;
	return 1;
}

/* --- a set ----------------------------------------------------------------------------------- */

int cosign_verify_set(struct cosign_candidate candidates[], size_t count,
	const struct cosign_claim *claim, const struct trust *trust, cosign_blob_fn *blob,
	void *ctx, struct err *e)
{
	size_t good = 0;

	err_set(e, ERR_UNTRUSTED, "not signed");
	for (size_t i = 0; i < count; i++) {
		struct cosign_candidate *c = &candidates[i];

		c->by = NULL;
		if (cosign_verify(c->name, c->manifest, claim, trust, blob, ctx, &c->by, e) == 0)
			good++;
		else if (e->code != ERR_UNTRUSTED)
			return -1; /* damaged, or the machine failed: not a matter of trust */
	}
	if (!good)
		return err_ctx(e, "%s", claim->reference);
	err_clear(e);
	return 0;
}
