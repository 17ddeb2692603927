/*
 * Judge cosign's legacy payload. Must never parse it before a signature holds, or accept one whose
 * meaning was not checked.
 */
#include "mirror-tool/sign/cosign_private.h"

#include "storage/base/base64.h"
#include "storage/oci/ref.h"
#include "storage/base/banned.h"

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
	if (cosign_expect(d, critical, "type", PAYLOAD_TYPE, e) < 0 ||
		cosign_expect(d, image, "docker-manifest-digest",
			digest_text(&claim->digest, digest), e) < 0)
		return -1;
	if (claim->reference)
		return cosign_expect(d, identity, "docker-reference", claim->reference, e);
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
	AUTO(buf_release) struct buf der = BUF_INIT;
	const struct verify_key *signer;

	if (signature.len > 4 * SIGNATURE_MAX)
		return err_set(e, ERR_UNTRUSTED, "a signature of %zu bytes", signature.len);
	if (base64_decode(&der, signature, e) < 0) {
		err_ctx(e, "signature");
		return cosign_untrusted(e);
	}
	if (cosign_find_signer(payload, buf_span(&der), trust, &signer, e) < 0)
		return -1;
	if (check_payload(payload, claim, e) < 0)
		return cosign_untrusted(e);
	*by = signer;
	return 0;
}

void cosign_raise_head(const struct node *map, struct audit_head *head)
{
	const struct node *said = node_get(map, COSIGN_AUDIT_HEAD);
	struct audit_head found;
	struct err ignored = ERR_INIT;

	if (said && said->kind == NODE_STRING &&
		audit_head_parse(&found, span_of(said->text), &ignored) == 0 &&
		found.seq > head->seq)
		*head = found;
}

void cosign_payload_head(struct span payload, struct audit_head *head)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	struct err ignored = ERR_INIT;

	if (json_parse(&d, "payload", payload, COSIGN_BLOB_MAX, &ignored) == 0)
		cosign_raise_head(node_get(d.root, "optional"), head);
}
