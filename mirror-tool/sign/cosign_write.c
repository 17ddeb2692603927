/*
 * Build cosign's two signature forms over the digest of a set. Must write no keyid: cosign compares
 * it with a fingerprint of another kind, and no reader may decide by it.
 */
#include "mirror-tool/sign/cosign_private.h"

#include "storage/base/base64.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

void cosign_signature_release(struct cosign_signature *s)
{
	buf_release(&s->blob);
	buf_release(&s->config);
	buf_release(&s->manifest);
}

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

/* Write what is said beside the claim, as an object. */
static void write_note(struct buf *out, const struct cosign_claim *claim)
{
	buf_char(out, '{');
	if (claim->audit_head) {
		buf_str(out, "\"" COSIGN_AUDIT_HEAD "\":");
		json_quote(out, claim->audit_head, true);
	}
	buf_char(out, '}');
}

/* Write JSON as Go's json.Marshal does: other verifiers expect this form. */
static void write_payload(struct buf *out, const struct cosign_claim *claim)
{
	char digest[DIGEST_TEXT_SIZE];

	buf_str(out, "{\"critical\":{\"identity\":{\"docker-reference\":");
	json_quote(out, claim->reference, true);
	buf_printf(out, "},\"image\":{\"docker-manifest-digest\":\"%s\"},\"type\":\"%s\"},",
		digest_text(&claim->digest, digest), PAYLOAD_TYPE);
	buf_str(out, "\"optional\":");
	if (claim->audit_head)
		write_note(out, claim);
	else
		buf_str(out, "null");
	buf_char(out, '}');
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
	buf_str(out, "\"" COSIGN_PUBLIC_KEY "\":");
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

/* --- joining --------------------------------------------------------------------------------- */

static bool same_layer(const struct descriptor *a, const struct descriptor *b)
{
	const char *x = annotation_get(&a->annotations, SIGNATURE_KEY);
	const char *y = annotation_get(&b->annotations, SIGNATURE_KEY);

	return digest_eq(&a->digest, &b->digest) && x && y && strcmp(x, y) == 0;
}

static bool has_layer(const struct manifest *m, const struct descriptor *layer)
{
	for (size_t i = 0; i < m->count; i++)
		if (same_layer(&m->items[i], layer))
			return true;
	return false;
}

/* Add the layers of `m` that `to` does not have. */
static void add_layers(struct manifest *to, const struct manifest *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (!has_layer(to, &m->items[i]))
			to->items[to->count++] = m->items[i];
}

/* Join the public keys of a with those that only b has. */
static void join_keys(struct buf *out, const struct manifest *a, const struct manifest *b)
{
	const char *x = annotation_get(&a->annotations, COSIGN_PUBLIC_KEY);
	const char *y = annotation_get(&b->annotations, COSIGN_PUBLIC_KEY);

	buf_str(out, x ? x : "");
	if (y && (!x || !strstr(x, y)))
		buf_str(out, y);
}

void cosign_write_legacy(struct buf *out, const struct manifest *m, const struct descriptor *config,
	const char *keys)
{
	struct annotation note = { COSIGN_PUBLIC_KEY, keys };

	buf_str(out, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"config\":");
	descriptor_write(out, config);
	buf_str(out, ",\"layers\":[");
	for (size_t i = 0; i < m->count; i++) {
		buf_str(out, i ? "," : "");
		descriptor_write(out, &m->items[i]);
	}
	buf_str(out, "]");
	if (*keys) {
		buf_str(out, ",\"annotations\":");
		annotations_write(out, &(struct annotations){ &note, 1 });
	}
	buf_char(out, '}');
}

int cosign_join_legacy(struct span a, struct span b, struct buf *out, struct err *e)
{
	AUTO(manifest_release) struct manifest x = MANIFEST_INIT;
	AUTO(manifest_release) struct manifest y = MANIFEST_INIT;
	AUTO(mem_free) struct descriptor *layers = NULL;
	AUTO(buf_release) struct buf keys = BUF_INIT;
	struct manifest both;

	if (manifest_parse(&x, "signature", NULL, a, e) < 0 ||
		manifest_parse(&y, "signature", NULL, b, e) < 0)
		return -1;
	if (!x.has_config && !y.has_config)
		return err_set(e, ERR_INPUT, "a signature's manifest without a config");
	layers = mem_alloc((x.count + y.count + 1) * sizeof(*layers));
	both = (struct manifest){ .items = layers };
	add_layers(&both, &x);
	add_layers(&both, &y);
	if (both.count == x.count)
		return 0;
	if (both.count > COSIGN_LAYERS_MAX)
		return err_set(
			e, ERR_INPUT, "more than %d signatures under one tag", COSIGN_LAYERS_MAX);
	join_keys(&keys, &x, &y);
	cosign_write_legacy(out, &both, x.has_config ? &x.config : &y.config, keys.data);
	if (out->len > MANIFEST_MAX)
		return err_set(e, ERR_INPUT,
			"the signatures under one tag have %zu bytes, at most %u may be read",
			out->len, MANIFEST_MAX);
	return 1;
}

/* --- bundles --------------------------------------------------------------------------------- */

static void write_statement(struct buf *out, const struct cosign_claim *claim)
{
	char hex[DIGEST_HEX_SIZE];

	buf_printf(out,
		"{\"_type\":\"%s\",\"subject\":[{\"digest\":{\"sha256\":\"%s\"}}],"
		"\"predicateType\":\"%s\",\"predicate\":",
		STATEMENT_TYPE, digest_hex(&claim->digest, hex), PREDICATE_TYPE);
	write_note(out, claim);
	buf_char(out, '}');
}

static void write_hint(struct buf *out, const struct digest *key)
{
	base64_encode(out, (struct span){ (const char *)key->bytes, digest_len(key) });
}

static int write_bundle(
	const struct sign_key *k, const struct cosign_claim *claim, struct buf *out, struct err *e)
{
	AUTO(buf_release) struct buf statement = BUF_INIT;
	AUTO(buf_release) struct buf pae = BUF_INIT;

	write_statement(&statement, claim);
	cosign_write_pae(&pae, buf_span(&statement));
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

	if (write_bundle(k, claim, &out->blob, e) < 0)
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
		"\"" KEY_BUNDLE_PREDICATE "\":\"%s\",",
		MEDIA_OCI_MANIFEST, MEDIA_SIGSTORE_BUNDLE, MEDIA_OCI_EMPTY,
		digest_text(&digest_empty_json, empty), MEDIA_SIGSTORE_BUNDLE, blob, out->blob.len,
		MEDIA_OCI_INDEX, digest_text(&claim->digest, subject),
		(unsigned long long)subject_size, created, PREDICATE_TYPE);
	if (write_public_key(k, &out->manifest, e) < 0)
		return -1;
	buf_str(&out->manifest, "}}");
	return 0;
}
