/* Shared by the files that build and judge cosign's forms; for sign/cosign*.c only. */
#ifndef MOAT_COSIGN_PRIVATE_H
#define MOAT_COSIGN_PRIVATE_H

#include "mirror-tool/sign/cosign.h"
#include "storage/base/tree.h"

#define SIGNATURE_KEY "dev.cosignproject.cosign/signature"
#define PAYLOAD_TYPE "cosign container image signature"
#define INTOTO_TYPE "application/vnd.in-toto+json"
#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define STATEMENT_TYPE_OLD "https://in-toto.io/Statement/v0.1" /* cosign attest writes it */
#define PREDICATE_TYPE "https://sigstore.dev/cosign/sign/v1"

/* Append a legacy manifest of the layers of m. keys: PEM of those that signed them, or "". */
void cosign_write_legacy(struct buf *out, const struct manifest *m, const struct descriptor *config,
	const char *keys);

/* Append DSSE's pre-authentication encoding of an in-toto payload: what is really signed. */
void cosign_write_pae(struct buf *out, struct span payload);

/* Find the trusted key that made this signature (DER) of these bytes. ERR_UNTRUSTED: none did. */
MUST int cosign_find_signer(struct span bytes, struct span der, const struct trust *trust,
	const struct verify_key **by, struct err *e);

/* Raise *head to what signed bytes say: a payload, or the predicate of a bundle. They were judged before. */
void cosign_payload_head(struct span payload, struct audit_head *head);
void cosign_bundle_head(struct span bundle, struct audit_head *head);
/* The same of the map that may say it; NULL: it does not. */
void cosign_raise_head(const struct node *map, struct audit_head *head);

/* Turn ERR_INPUT into ERR_UNTRUSTED: a signature that cannot be read does not count. Returns -1. */
int cosign_untrusted(struct err *e);

/* Require the string at map.key to be `want`. */
MUST int cosign_expect(const struct doc *d, const struct node *map, const char *key,
	const char *want, struct err *e);

#endif
