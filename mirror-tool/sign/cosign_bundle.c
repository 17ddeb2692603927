/*
 * Judge sigstore bundles v0.3, as cosign reads them: fields by either of protobuf's names, bytes in
 * any base64, keyid and hint without effect. Stricter in one point: the predicate type must be that
 * of a signature. Must never read a statement before the signature of its envelope holds.
 */
#include "mirror-tool/sign/cosign_private.h"

#include "storage/base/base64.h"
#include "storage/base/banned.h"

#define BUNDLE_STEM "application/vnd.dev.sigstore.bundle"

bool cosign_is_bundle_type(const char *media_type)
{
	size_t len = strlen(BUNDLE_STEM);

	return strncmp(media_type, BUNDLE_STEM, len) == 0 &&
	       (media_type[len] == '.' || media_type[len] == '+');
}

/* --- protobuf's JSON ------------------------------------------------------------------------- */

/* Names of fields: in JSON or in the .proto. Both at once are one field twice. */
static const struct {
	const char *json, *proto;
} names[] = {
	{ "mediaType", "media_type" },
	{ "verificationMaterial", "verification_material" },
	{ "publicKey", "public_key" },
	{ "dsseEnvelope", "dsse_envelope" },
	{ "messageSignature", "message_signature" },
	{ "messageDigest", "message_digest" },
	{ "_type", "type" },
	{ "predicateType", "predicate_type" },
};

static const char *json_name(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i].proto, key) == 0)
			return names[i].json;
	return NULL;
}

/* Rename the fields of a map to their JSON names. */
static int use_json_names(const struct doc *d, struct node *map, struct err *e)
{
	for (struct node *n = map->first; n; n = n->next) {
		const char *name = json_name(n->key);

		if (name && node_get(map, name))
			return node_err(d, n, e, "the same field as %s", name);
		if (name)
			n->key = name;
	}
	return 0;
}

/* Parse an object and rename its fields and those of the objects in it. */
static int parse_proto(struct doc *d, const char *name, struct span bytes, struct err *e)
{
	if (json_parse(d, name, bytes, COSIGN_BLOB_MAX, e) < 0)
		return -1;
	if (d->root->kind != NODE_MAP)
		return node_err(d, d->root, e, "not an object");
	if (use_json_names(d, d->root, e) < 0)
		return -1;
	for (struct node *n = d->root->first; n; n = n->next)
		if (n->kind == NODE_MAP && use_json_names(d, n, e) < 0)
			return -1;
	return 0;
}

/* Decode bytes in the standard or the URL alphabet, with or without padding. */
static int get_bytes(const struct doc *d, const struct node *map, const char *key, struct buf *out,
	struct err *e)
{
	AUTO(buf_release) struct buf standard = BUF_INIT;
	const char *text;

	if (node_string(d, map, key, REQUIRED, &text, e) < 0)
		return -1;
	for (; *text; text++)
		buf_char(&standard, (char)(*text == '-' ? '+' : *text == '_' ? '/' : *text));
	while (standard.len % 4)
		buf_char(&standard, '=');
	if (base64_decode(out, buf_span(&standard), e) < 0)
		return err_ctx(e, "%s: %s", d->name, key);
	return 0;
}

static int find_signer(const struct doc *d, const struct node *map, const char *key,
	struct span bytes, const struct trust *trust, const struct verify_key **signer,
	struct err *e)
{
	AUTO(buf_release) struct buf der = BUF_INIT;

	if (get_bytes(d, map, key, &der, e) < 0)
		return -1;
	return cosign_find_signer(bytes, buf_span(&der), trust, signer, e);
}

/* --- statements ------------------------------------------------------------------------------ */

static int names_digest(
	const struct doc *d, const struct node *subject, const char *hex, struct err *e)
{
	const struct node *digest;
	const char *have;
	int rc;

	if (subject->kind != NODE_MAP)
		return node_err(d, subject, e, "not an object");
	rc = node_map(d, subject, "digest", OPTIONAL, &digest, e);
	if (rc > 0)
		rc = node_string(d, digest, "sha256", OPTIONAL, &have, e);
	return rc > 0 ? strcmp(have, hex) == 0 : rc;
}

/* Check that one of the subjects is what was signed. */
static int check_subject(const struct doc *d, const struct cosign_claim *claim, struct err *e)
{
	const struct node *subjects;
	char hex[DIGEST_HEX_SIZE];
	bool found = false;

	if (node_list(d, d->root, "subject", REQUIRED, &subjects, e) < 0)
		return -1;
	digest_hex(&claim->digest, hex);
	node_each(subject, subjects)
	{
		int rc = names_digest(d, subject, hex, e);

		if (rc < 0)
			return -1;
		found |= rc > 0;
	}
	return found ? 0 : node_err(d, subjects, e, "no subject is sha256:%s", hex);
}

static int check_type(const struct doc *d, struct err *e)
{
	const char *type;

	if (node_string(d, d->root, "_type", REQUIRED, &type, e) < 0)
		return -1;
	if (strcmp(type, STATEMENT_TYPE_OLD) == 0)
		return 0;
	return cosign_expect(d, d->root, "_type", STATEMENT_TYPE, e);
}

static int check_statement(struct span statement, const struct cosign_claim *claim, struct err *e)
{
	AUTO(doc_release) struct doc d = DOC_INIT;

	if (parse_proto(&d, "statement", statement, e) < 0 || check_type(&d, e) < 0 ||
		cosign_expect(&d, d.root, "predicateType", PREDICATE_TYPE, e) < 0)
		return -1;
	return check_subject(&d, claim, e);
}

/* --- the two kinds --------------------------------------------------------------------------- */

static int verify_envelope(const struct doc *d, const struct node *envelope,
	const struct cosign_claim *claim, const struct trust *trust,
	const struct verify_key **signer, struct err *e)
{
	AUTO(buf_release) struct buf statement = BUF_INIT;
	AUTO(buf_release) struct buf pae = BUF_INIT;
	const struct node *signatures;

	if (cosign_expect(d, envelope, "payloadType", INTOTO_TYPE, e) < 0 ||
		get_bytes(d, envelope, "payload", &statement, e) < 0 ||
		node_list(d, envelope, "signatures", REQUIRED, &signatures, e) < 0)
		return -1;
	if (signatures->count != 1 || signatures->first->kind != NODE_MAP)
		return node_err(d, signatures, e, "not exactly one signature");
	cosign_write_pae(&pae, buf_span(&statement));
	if (find_signer(d, signatures->first, "sig", buf_span(&pae), trust, signer, e) < 0)
		return -1;
	return check_statement(buf_span(&statement), claim, e);
}

static int check_message_digest(
	const struct doc *d, const struct node *message, struct span bytes, struct err *e)
{
	AUTO(buf_release) struct buf want = BUF_INIT;
	const struct node *digest;
	struct digest have;

	if (node_map(d, message, "messageDigest", REQUIRED, &digest, e) < 0 ||
		cosign_expect(d, digest, "algorithm", "SHA2_256", e) < 0 ||
		get_bytes(d, digest, "digest", &want, e) < 0)
		return -1;
	digest_of(&have, DIGEST_SHA256, bytes);
	if (want.len != digest_len(&have) || memcmp(want.data, have.bytes, want.len) != 0)
		return node_err(d, digest, e, "the digest is not that of the set");
	return 0;
}

/* Check a bundle of `cosign sign-blob`: the set index itself is the message. */
static int verify_message(const struct doc *d, const struct node *message,
	const struct cosign_claim *claim, const struct trust *trust,
	const struct verify_key **signer, struct err *e)
{
	if (!claim->bytes.data)
		return node_err(d, message, e, "a message signature; the message is not at hand");
	if (check_message_digest(d, message, claim->bytes, e) < 0)
		return -1;
	return find_signer(d, message, "signature", claim->bytes, trust, signer, e);
}

/* Accept v0.3 in both spellings. cosign ignores older ones when it looks for signatures. */
static int check_version(const struct doc *d, struct err *e)
{
	const char *type;

	if (node_string(d, d->root, "mediaType", REQUIRED, &type, e) < 0)
		return -1;
	if (strcmp(type, MEDIA_SIGSTORE_BUNDLE_OLD) == 0)
		return 0;
	return cosign_expect(d, d->root, "mediaType", MEDIA_SIGSTORE_BUNDLE, e);
}

static int verify_parsed(const struct doc *d, const struct cosign_claim *claim,
	const struct trust *trust, const struct verify_key **signer, struct err *e)
{
	const struct node *material, *key, *envelope = NULL, *message = NULL;

	if (check_version(d, e) < 0 ||
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
	return envelope ? verify_envelope(d, envelope, claim, trust, signer, e)
			: verify_message(d, message, claim, trust, signer, e);
}

int cosign_verify_bundle(struct span bundle, const struct cosign_claim *claim,
	const struct trust *trust, const struct verify_key **by, struct err *e)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	const struct verify_key *signer = NULL;

	if (parse_proto(&d, "bundle", bundle, e) < 0 ||
		verify_parsed(&d, claim, trust, &signer, e) < 0)
		return cosign_untrusted(e);
	*by = signer;
	return 0;
}

void cosign_bundle_head(struct span bundle, struct audit_head *head)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	AUTO(doc_release) struct doc said = DOC_INIT;
	AUTO(buf_release) struct buf statement = BUF_INIT;
	struct err ignored = ERR_INIT;
	const struct node *envelope;

	if (parse_proto(&d, "bundle", bundle, &ignored) == 0 &&
		node_map(&d, d.root, "dsseEnvelope", REQUIRED, &envelope, &ignored) > 0 &&
		get_bytes(&d, envelope, "payload", &statement, &ignored) == 0 &&
		parse_proto(&said, "statement", buf_span(&statement), &ignored) == 0)
		cosign_raise_head(node_get(said.root, "predicate"), head);
}
