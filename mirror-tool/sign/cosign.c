/*
 * cosign's two signature forms. Signed bytes are judged as they came; must never parse before a
 * signature holds, and never accept one whose meaning it did not check.
 */
#include "mirror-tool/sign/cosign.h"

#include "storage/base/base64.h"
#include "storage/base/tree.h"
#include "storage/oci/ref.h"
#include "storage/base/banned.h"

#define SIGNATURE_KEY "dev.cosignproject.cosign/signature"
#define PAYLOAD_TYPE "cosign container image signature"
#define INTOTO_TYPE "application/vnd.in-toto+json"
#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define PREDICATE_TYPE "https://sigstore.dev/cosign/sign/v1"
#define PUBLIC_KEY_KEY "vnd.moat.public-key" /* for people with openssl; nobody trusts it */

void cosign_signature_release(struct cosign_signature *s)
{
	buf_release(&s->blob);
	buf_release(&s->config);
	buf_release(&s->manifest);
}

/* --- building ------------------------------------------------------------------------------ */

static void sha256_text(struct span bytes, char text[DIGEST_TEXT_SIZE])
{
	struct digest d;

	digest_of(&d, DIGEST_SHA256, bytes);
	digest_text(&d, text);
}

static int sign_base64(const struct sign_key *k, struct span bytes, struct buf *out, struct err *e)
{
	AUTO(buf_release) struct buf der = BUF_INIT;

	if (sign_bytes(k, bytes, &der, e) < 0)
		return -1;
	base64_encode(out, buf_span(&der));
	return 0;
}

/* As Go's json.Marshal writes it: verifiers of other projects compare nothing, but expect this. */
static void write_payload(struct buf *out, const struct cosign_claim *claim)
{
	char digest[DIGEST_TEXT_SIZE];

	buf_str(out, "{\"critical\":{\"identity\":{\"docker-reference\":");
	json_quote(out, claim->reference, true);
	buf_printf(out, "},\"image\":{\"docker-manifest-digest\":\"%s\"},\"type\":\"%s\"},",
		digest_text(&claim->digest, digest), PAYLOAD_TYPE);
	buf_str(out, "\"optional\":null}");
}

static void write_legacy_config(struct buf *out, const char *payload_digest)
{
	buf_printf(out,
		"{\"architecture\":\"\",\"created\":\"0001-01-01T00:00:00Z\","
		"\"history\":[{\"created\":\"0001-01-01T00:00:00Z\"}],\"os\":\"\","
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]},\"config\":{}}",
		payload_digest);
}

/* "vnd.moat.public-key":"PEM", so that a medium can offer moat.pub. */
static int write_public_key(const struct sign_key *k, struct buf *out, struct err *e)
{
	AUTO(buf_release) struct buf pem = BUF_INIT;

	if (sign_key_write_public(k, &pem, e) < 0)
		return -1;
	buf_str(out, "\"" PUBLIC_KEY_KEY "\":");
	json_quote(out, pem.data, false);
	return 0;
}

static int write_legacy_manifest(struct cosign_signature *s, const struct sign_key *k,
	const char *payload_digest, const char *signature, struct err *e)
{
	char config_digest[DIGEST_TEXT_SIZE];

	sha256_text(buf_span(&s->config), config_digest);
	buf_printf(&s->manifest,
		"{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":{\"mediaType\":\"%s\","
		"\"size\":%zu,\"digest\":\"%s\"},\"layers\":[{\"mediaType\":\"%s\",\"size\":%zu,"
		"\"digest\":\"%s\",\"annotations\":{\"%s\":\"%s\"}}],\"annotations\":{",
		MEDIA_OCI_MANIFEST, MEDIA_OCI_CONFIG, s->config.len, config_digest,
		MEDIA_COSIGN_PAYLOAD, s->blob.len, payload_digest, SIGNATURE_KEY, signature);
	if (write_public_key(k, &s->manifest, e) < 0)
		return -1;
	buf_str(&s->manifest, "}}");
	return 0;
}

int cosign_sign_legacy(const struct sign_key *k, const struct cosign_claim *claim,
	struct cosign_signature *out, struct err *e)
{
	AUTO(buf_release) struct buf signature = BUF_INIT;
	char payload_digest[DIGEST_TEXT_SIZE];

	write_payload(&out->blob, claim);
	if (sign_base64(k, buf_span(&out->blob), &signature, e) < 0)
		return -1;
	sha256_text(buf_span(&out->blob), payload_digest);
	write_legacy_config(&out->config, payload_digest);
	return write_legacy_manifest(out, k, payload_digest, signature.data, e);
}

static void write_statement(struct buf *out, const struct digest *d)
{
	char hex[DIGEST_HEX_SIZE];

	buf_printf(out,
		"{\"_type\":\"%s\",\"subject\":[{\"digest\":{\"sha256\":\"%s\"}}],"
		"\"predicateType\":\"%s\",\"predicate\":{}}",
		STATEMENT_TYPE, digest_hex(d, hex), PREDICATE_TYPE);
}

/* DSSE's pre-authentication encoding: what is really signed. */
static void write_pae(struct buf *out, struct span payload)
{
	buf_printf(out, "DSSEv1 %zu %s %zu ", strlen(INTOTO_TYPE), INTOTO_TYPE, payload.len);
	buf_add(out, payload.data, payload.len);
}

static void write_hint(struct buf *out, const struct digest *key)
{
	base64_encode(out, (struct span){ (const char *)key->bytes, digest_len(key) });
}

static int write_bundle(
	const struct sign_key *k, const struct digest *d, struct buf *out, struct err *e)
{
	AUTO(buf_release) struct buf statement = BUF_INIT;
	AUTO(buf_release) struct buf pae = BUF_INIT;

	write_statement(&statement, d);
	write_pae(&pae, buf_span(&statement));
	buf_printf(out,
		"{\"mediaType\":\"%s\",\"verificationMaterial\":{\"publicKey\":{\"hint\":\"",
		MEDIA_SIGSTORE_BUNDLE);
	write_hint(out, sign_key_id(k));
	buf_str(out, "\"}},\"dsseEnvelope\":{\"payload\":\"");
	base64_encode(out, buf_span(&statement));
	buf_printf(out, "\",\"payloadType\":\"%s\",\"signatures\":[{\"sig\":\"", INTOTO_TYPE);
	if (sign_base64(k, buf_span(&pae), out, e) < 0)
		return -1;
	buf_str(out, "\"}]}}");
	return 0;
}

int cosign_sign_bundle(const struct sign_key *k, const struct cosign_claim *claim,
	uint64_t subject_size, const char *created, struct cosign_signature *out, struct err *e)
{
	char empty[DIGEST_TEXT_SIZE], blob[DIGEST_TEXT_SIZE], subject[DIGEST_TEXT_SIZE];

	if (write_bundle(k, &claim->digest, &out->blob, e) < 0)
		return -1;
	buf_str(&out->config, "{}");
	sha256_text(buf_span(&out->blob), blob);
	buf_printf(&out->manifest,
		"{\"schemaVersion\":2,\"mediaType\":\"%s\",\"artifactType\":\"%s\","
		"\"config\":{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":2},"
		"\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}],"
		"\"subject\":{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%llu},"
		"\"annotations\":{\"org.opencontainers.image.created\":\"%s\","
		"\"dev.sigstore.bundle.content\":\"dsse-envelope\","
		"\"dev.sigstore.bundle.predicateType\":\"%s\",",
		MEDIA_OCI_MANIFEST, MEDIA_SIGSTORE_BUNDLE, MEDIA_OCI_EMPTY,
		digest_text(&digest_empty_json, empty), MEDIA_SIGSTORE_BUNDLE, blob, out->blob.len,
		MEDIA_OCI_INDEX, digest_text(&claim->digest, subject),
		(unsigned long long)subject_size, created, PREDICATE_TYPE);
	if (write_public_key(k, &out->manifest, e) < 0)
		return -1;
	buf_str(&out->manifest, "}}");
	return 0;
}

/* --- judging: shared ------------------------------------------------------------------------- */

/* Whatever went wrong in there, the verdict is "not trusted". */
static int untrusted(struct err *e)
{
	if (e->code == ERR_INPUT)
		e->code = ERR_UNTRUSTED;
	return -1;
}

/* The trusted key that made this signature (base64) of these bytes. */
static int find_signer(struct span bytes, struct span signature, const struct trust *trust,
	const struct verify_key **by, struct err *e)
{
	AUTO(buf_release) struct buf der = BUF_INIT;

	if (signature.len > 4 * SIGNATURE_MAX)
		return err_set(e, ERR_UNTRUSTED, "a signature of %zu bytes", signature.len);
	if (base64_decode(&der, signature, e) < 0) {
		err_ctx(e, "signature");
		return untrusted(e);
	}
	for (size_t i = 0; i < trust->count; i++) {
		if (!verify_bytes(trust->keys[i], bytes, buf_span(&der)))
			continue;
		*by = trust->keys[i];
		return 0;
	}
	return err_set(e, ERR_UNTRUSTED, "not signed by a trusted key");
}

/* The string at map.key must be exactly `want`. */
static int expect(const struct doc *d, const struct node *map, const char *key, const char *want,
	struct err *e)
{
	const char *text;

	if (node_string(d, map, key, REQUIRED, &text, e) < 0)
		return -1;
	if (strcmp(text, want) != 0)
		return node_err(d, map, e, "%s is \"%.200s\", not \"%s\"", key, text, want);
	return 0;
}

/* --- judging: legacy ------------------------------------------------------------------------- */

static int check_optional(const struct doc *d, struct err *e)
{
	const struct node *optional = node_get(d->root, "optional");
	const char *creator;
	int64_t timestamp;

	if (!optional)
		return node_err(d, d->root, e, "\"optional\" is missing");
	if (optional->kind == NODE_NULL)
		return 0;
	if (optional->kind != NODE_MAP)
		return node_err(d, optional, e, "neither an object nor null");
	if (node_string(d, optional, "creator", OPTIONAL, &creator, e) < 0)
		return -1;
	return node_int(d, optional, "timestamp", OPTIONAL, INT64_MIN, INT64_MAX, &timestamp, e) < 0
		       ? -1
		       : 0;
}

/* cosign signs images as host/repository, with a tag or without; Docker Hub has several hosts. */
static int expect_repository(
	const struct doc *d, const struct node *identity, const char *repository, struct err *e)
{
	char name[REF_TEXT_SIZE];
	const char *have = NULL;
	struct ref r;

	if (node_string(d, identity, "docker-reference", REQUIRED, &have, e) < 0)
		return -1;
	if (ref_parse(&r, span_of(have), e) == 0 && strcmp(ref_name(&r, name), repository) == 0)
		return 0;
	return node_err(d, node_get(identity, "docker-reference"), e,
		"docker-reference is %.200s, not in %s", have, repository);
}

static int check_critical(const struct doc *d, const struct cosign_claim *claim, struct err *e)
{
	static const char *const critical_keys[] = { "identity", "image", "type", NULL };
	static const char *const identity_keys[] = { "docker-reference", NULL };
	static const char *const image_keys[] = { "docker-manifest-digest", NULL };
	const struct node *critical, *identity, *image;
	char digest[DIGEST_TEXT_SIZE];

	if (node_map(d, d->root, "critical", REQUIRED, &critical, e) < 0 ||
		node_only(d, critical, critical_keys, e) < 0 ||
		node_map(d, critical, "identity", REQUIRED, &identity, e) < 0 ||
		node_only(d, identity, identity_keys, e) < 0 ||
		node_map(d, critical, "image", REQUIRED, &image, e) < 0 ||
		node_only(d, image, image_keys, e) < 0)
		return -1;
	if (expect(d, critical, "type", PAYLOAD_TYPE, e) < 0 ||
		expect(d, image, "docker-manifest-digest", digest_text(&claim->digest, digest), e) <
			0)
		return -1;
	if (claim->reference)
		return expect(d, identity, "docker-reference", claim->reference, e);
	return expect_repository(d, identity, claim->repository, e);
}

static int check_payload(struct span payload, const struct cosign_claim *claim, struct err *e)
{
	static const char *const keys[] = { "critical", "optional", NULL };
	AUTO(doc_release) struct doc d = DOC_INIT;

	if (json_parse(&d, "payload", payload, COSIGN_BLOB_MAX, e) < 0)
		return -1;
	if (d.root->kind != NODE_MAP)
		return node_err(&d, d.root, e, "not an object");
	if (node_only(&d, d.root, keys, e) < 0 || check_critical(&d, claim, e) < 0)
		return -1;
	return check_optional(&d, e);
}

int cosign_verify_payload(struct span payload, struct span signature,
	const struct cosign_claim *claim, const struct trust *trust, const struct verify_key **by,
	struct err *e)
{
	const struct verify_key *signer;

	if (find_signer(payload, signature, trust, &signer, e) < 0)
		return -1;
	if (check_payload(payload, claim, e) < 0)
		return untrusted(e);
	*by = signer;
	return 0;
}

/* --- judging: bundle ------------------------------------------------------------------------- */

static int check_subject(const struct doc *d, const struct cosign_claim *claim, struct err *e)
{
	const struct node *subjects, *digest;
	char hex[DIGEST_HEX_SIZE];

	if (node_list(d, d->root, "subject", REQUIRED, &subjects, e) < 0)
		return -1;
	if (subjects->count != 1 || subjects->first->kind != NODE_MAP)
		return node_err(d, subjects, e, "not exactly one subject");
	if (node_map(d, subjects->first, "digest", REQUIRED, &digest, e) < 0)
		return -1;
	return expect(d, digest, "sha256", digest_hex(&claim->digest, hex), e);
}

static int check_statement(struct span statement, const struct cosign_claim *claim, struct err *e)
{
	AUTO(doc_release) struct doc d = DOC_INIT;

	if (json_parse(&d, "statement", statement, COSIGN_BLOB_MAX, e) < 0)
		return -1;
	if (d.root->kind != NODE_MAP)
		return node_err(&d, d.root, e, "not an object");
	if (expect(&d, d.root, "_type", STATEMENT_TYPE, e) < 0 ||
		expect(&d, d.root, "predicateType", PREDICATE_TYPE, e) < 0)
		return -1;
	return check_subject(&d, claim, e);
}

/* A key id, where there is one, must be the signer's: a mixed-up bundle is refused. */
static int check_key_name(const struct doc *d, const struct node *map, const char *key,
	const struct verify_key *signer, struct err *e)
{
	AUTO(buf_release) struct buf hint = BUF_INIT;
	const char *text;
	int rc = node_string(d, map, key, OPTIONAL, &text, e);

	if (rc < 0 || (rc == 1 && *text == '\0'))
		return rc < 0 ? -1 : 0;
	write_hint(&hint, verify_key_id(signer));
	if (rc == 1 && strcmp(text, hint.data) != 0)
		return node_err(d, map, e, "%s names another key than the one that signed", key);
	return 0;
}

static int verify_envelope(const struct doc *d, const struct node *envelope,
	const struct cosign_claim *claim, const struct trust *trust,
	const struct verify_key **signer, struct err *e)
{
	AUTO(buf_release) struct buf statement = BUF_INIT;
	AUTO(buf_release) struct buf pae = BUF_INIT;
	const struct node *signatures;
	const char *payload, *sig;

	if (expect(d, envelope, "payloadType", INTOTO_TYPE, e) < 0 ||
		node_string(d, envelope, "payload", REQUIRED, &payload, e) < 0 ||
		node_list(d, envelope, "signatures", REQUIRED, &signatures, e) < 0)
		return -1;
	if (signatures->count != 1 || signatures->first->kind != NODE_MAP)
		return node_err(d, signatures, e, "not exactly one signature");
	if (node_string(d, signatures->first, "sig", REQUIRED, &sig, e) < 0)
		return -1;
	if (base64_decode(&statement, span_of(payload), e) < 0)
		return err_ctx(e, "bundle: payload");
	write_pae(&pae, buf_span(&statement));
	if (find_signer(buf_span(&pae), span_of(sig), trust, signer, e) < 0 ||
		check_key_name(d, signatures->first, "keyid", *signer, e) < 0)
		return -1;
	return check_statement(buf_span(&statement), claim, e);
}

static int check_message_digest(
	const struct doc *d, const struct node *message, struct span bytes, struct err *e)
{
	AUTO(buf_release) struct buf want = BUF_INIT;
	const struct node *digest;
	struct digest have;
	const char *text;

	if (node_map(d, message, "messageDigest", REQUIRED, &digest, e) < 0 ||
		expect(d, digest, "algorithm", "SHA2_256", e) < 0 ||
		node_string(d, digest, "digest", REQUIRED, &text, e) < 0)
		return -1;
	if (base64_decode(&want, span_of(text), e) < 0)
		return err_ctx(e, "bundle: messageDigest");
	digest_of(&have, DIGEST_SHA256, bytes);
	if (want.len != digest_len(&have) || memcmp(want.data, have.bytes, want.len) != 0)
		return node_err(d, digest, e, "the digest of something else");
	return 0;
}

/* `cosign sign-blob`: the set index itself is the message. */
static int verify_message(const struct doc *d, const struct node *message,
	const struct cosign_claim *claim, const struct trust *trust,
	const struct verify_key **signer, struct err *e)
{
	const char *sig;

	if (!claim->bytes.data)
		return node_err(d, message, e, "a message signature; the message is not at hand");
	if (check_message_digest(d, message, claim->bytes, e) < 0 ||
		node_string(d, message, "signature", REQUIRED, &sig, e) < 0)
		return -1;
	return find_signer(claim->bytes, span_of(sig), trust, signer, e);
}

static int verify_parsed_bundle(const struct doc *d, const struct cosign_claim *claim,
	const struct trust *trust, const struct verify_key **signer, struct err *e)
{
	const struct node *material, *key, *envelope = NULL, *message = NULL;

	if (d->root->kind != NODE_MAP)
		return node_err(d, d->root, e, "not an object");
	if (expect(d, d->root, "mediaType", MEDIA_SIGSTORE_BUNDLE, e) < 0 ||
		node_map(d, d->root, "verificationMaterial", REQUIRED, &material, e) < 0)
		return -1;
	if (!node_get(material, "publicKey"))
		return node_err(d, material, e, "no publicKey: keyless signatures are not trusted");
	if (node_map(d, material, "publicKey", REQUIRED, &key, e) < 0 ||
		node_map(d, d->root, "dsseEnvelope", OPTIONAL, &envelope, e) < 0 ||
		node_map(d, d->root, "messageSignature", OPTIONAL, &message, e) < 0)
		return -1;
	if (!envelope == !message)
		return node_err(d, d->root, e, "not exactly one of dsseEnvelope, messageSignature");
	if (envelope ? verify_envelope(d, envelope, claim, trust, signer, e) < 0
		     : verify_message(d, message, claim, trust, signer, e) < 0)
		return -1;
	return check_key_name(d, key, "hint", *signer, e);
}

int cosign_verify_bundle(struct span bundle, const struct cosign_claim *claim,
	const struct trust *trust, const struct verify_key **by, struct err *e)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	const struct verify_key *signer = NULL;

	if (json_parse(&d, "bundle", bundle, COSIGN_BLOB_MAX, e) < 0 ||
		verify_parsed_bundle(&d, claim, trust, &signer, e) < 0)
		return untrusted(e);
	*by = signer;
	return 0;
}

/* --- judging: manifests ---------------------------------------------------------------------- */

/* Where blobs come from, and what must hold: on its way through this section. */
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

/* One layer a signer: one that holds is enough. */
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

static int try_bundle(const struct trial *t, const struct manifest *m, const struct verify_key **by,
	struct err *e)
{
	AUTO(buf_release) struct buf bundle = BUF_INIT;

	if (!m->has_subject || !digest_eq(&m->subject.digest, &t->claim->digest))
		return err_set(e, ERR_UNTRUSTED, "its subject is something else");
	if (m->count != 1 || strcmp(m->items[0].media_type, MEDIA_SIGSTORE_BUNDLE) != 0)
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
		return untrusted(e);
	if (m.kind != MEDIA_IMAGE)
		return err_set(e, ERR_UNTRUSTED, "not an image manifest");
	if (m.artifact_type && strcmp(m.artifact_type, MEDIA_SIGSTORE_BUNDLE) == 0)
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
