/*
 * cosign's two signature forms over the digest of a set, built and judged (pure: bytes in, bytes
 * or a verdict out).
 *
 * Legacy: a manifest under the tag `sha256-<hex>.sig`; its layer is a small JSON payload that names
 * the digest, its annotation the signature of the payload's bytes. cosign 2 and 3, podman, skopeo
 * and CRI-O read it. Bundle: a referrer of the set whose layer is a sigstore bundle v0.3 with a
 * DSSE envelope around an in-toto statement; cosign 3 prefers it. One key makes both.
 *
 * Judging takes the spellings that cosign takes (cosign_bundle.c) and is stricter where cosign leaves
 * a meaning open: it insists on the payload's type and reference, and on the predicate type
 * https://sigstore.dev/cosign/sign/v1, so that no attestation passes as a release. Names of keys in a
 * signature decide nothing. Nothing is parsed before its signature holds, nothing is re-serialised.
 */
#ifndef MOAT_COSIGN_H
#define MOAT_COSIGN_H

#include "mirror-tool/sign/sign.h"
#include "storage/audit/audit.h"
#include "storage/oci/manifest.h"

#define COSIGN_BLOB_MAX (64u << 10) /* bytes of a payload or bundle */
#define COSIGN_LAYERS_MAX 64 /* signatures in one legacy manifest */
#define MEDIA_COSIGN_PAYLOAD "application/vnd.dev.cosign.simplesigning.v1+json"
#define KEY_BUNDLE_PREDICATE "dev.sigstore.bundle.predicateType" /* annotation of its manifest */
#define MEDIA_SIGSTORE_BUNDLE "application/vnd.dev.sigstore.bundle.v0.3+json"
#define MEDIA_SIGSTORE_BUNDLE_OLD "application/vnd.dev.sigstore.bundle+json;version=0.3"

/* What a signature says beside the claim: the head of the audit log of the store that the set was signed in. In
 * "optional" of a payload, in the predicate of a bundle. Verifiers that do not know it pass over it. */
#define COSIGN_AUDIT_HEAD "vnd.moat.audit-head"

/* Annotation of a signature's manifest: the PEM of its public keys, for people with openssl. No verifier
 * believes it. */
#define COSIGN_PUBLIC_KEY "vnd.moat.public-key"

/* What must have been signed. */
struct cosign_claim {
	struct digest digest; /* of the set index (sha256) */
	const char *reference; /* moat.local/set/NAME:VERSION, exactly; or NULL: */
	const char *repository; /* host/repository that a payload's reference must be in */
	struct span bytes; /* the set index itself; only for bundles that sign a message */
	const char *
		audit_head; /* said beside it when it is signed: audit_head_text(), or NULL; never judged */
};

/* --- building ------------------------------------------------------------------------------ */

/* A signature's blobs: `blob` is the payload or the bundle, `config` the manifest's config. */
struct cosign_signature {
	struct buf blob, config, manifest;
};
#define COSIGN_SIGNATURE_INIT                                                                      \
	{                                                                                          \
		.blob = BUF_INIT, .config = BUF_INIT, .manifest = BUF_INIT                         \
	}
void cosign_signature_release(struct cosign_signature *s); /* for AUTO */

/* Sign a claim in the form of cosign before bundles: payload, config and manifest are appended to *out, which begins as
 * COSIGN_SIGNATURE_INIT and is to be released on failure too. Fails as sign_bytes() does. */
MUST int cosign_sign_legacy(const struct sign_key *k, const struct cosign_claim *claim,
	struct cosign_signature *out, struct err *e);

/* The same as a sigstore bundle that is a referrer of the set. subject_size: bytes of the set index; created: RFC 3339. */
MUST int cosign_sign_bundle(const struct sign_key *k, const struct cosign_claim *claim,
	uint64_t subject_size, const char *created, struct cosign_signature *out, struct err *e);

/*
 * Join two legacy manifests, as cosign does when a second key signs: the signatures of a, then those
 * of b that a lacks, as layers of one manifest (appended to out). Their order decides the digest.
 *
 * Returns: 1; 0 when a has all that b has, and nothing is appended; -1 ERR_INPUT unreadable, or more
 *          than COSIGN_LAYERS_MAX or MANIFEST_MAX bytes.
 */
MUST int cosign_join_legacy(struct span a, struct span b, struct buf *out, struct err *e);

/* --- judging ------------------------------------------------------------------------------- */

/* Is this the media type of a sigstore bundle, of any version and spelling? */
bool cosign_is_bundle_type(const char *media_type);

/* Append a blob that a signature manifest names (at most COSIGN_BLOB_MAX bytes; its digest is
 * checked by the caller of this function). 1, 0 absent, -1. */
typedef int cosign_blob_fn(
	void *ctx, const struct digest *d, uint64_t size, struct buf *out, struct err *e);

/*
 * Is this manifest, in either form, a signature of the claim by a trusted key?
 *
 * name:    of the manifest, for messages: its digest or tag.
 * Returns: 0 and *by (borrowed from trust); or -1 with ERR_UNTRUSTED and the reason: signed by a
 *          key that is not trusted, for another digest or reference, no signature at all;
 *          ERR_CORRUPT when a blob does not match its digest.
 */
MUST int cosign_verify(const char *name, struct span manifest, const struct cosign_claim *claim,
	const struct trust *trust, cosign_blob_fn *blob, void *ctx, const struct verify_key **by,
	struct err *e);

/*
 * Reduce a manifest to the signatures of the claim by trusted keys: cosign's legacy form may have
 * others besides.
 *
 * Returns: 1 with a manifest appended to out: the same bytes when all of it holds, else a legacy
 * one of the layers that hold, with the keys that made them; 0 nothing holds, or not all and there
 * is no config to rewrite it with; -1 ERR_IO.
 */
MUST int cosign_narrow(struct span manifest, const struct cosign_claim *claim,
	const struct trust *trust, cosign_blob_fn *blob, void *ctx, struct buf *out, struct err *e);

/* Raise *head to the latest that a signature of the claim by a trusted key in this manifest says. What does not hold says
 * nothing. */
void cosign_find_audit_head(struct span manifest, const struct cosign_claim *claim,
	const struct trust *trust, cosign_blob_fn *blob, void *ctx, struct audit_head *head);

/* The inner halves, on the bytes themselves; same results. signature: base64, as annotated. */
MUST int cosign_verify_payload(struct span payload, struct span signature,
	const struct cosign_claim *claim, const struct trust *trust, const struct verify_key **by,
	struct err *e);
MUST int cosign_verify_bundle(struct span bundle, const struct cosign_claim *claim,
	const struct trust *trust, const struct verify_key **by, struct err *e);

/* A candidate signature of a set, and what became of it. */
struct cosign_candidate {
	const char *name; /* for messages; borrowed */
	struct span manifest;
	const struct verify_key *by; /* result: NULL when it does not count */
};

/*
 * A set is trusted when one of the candidates holds. Judges all of them (see `by` of each, so that
 * only those that hold are kept).
 *
 * Returns: 0; or -1 with ERR_UNTRUSTED: "not signed", or the reason of the last candidate.
 */
MUST int cosign_verify_set(struct cosign_candidate candidates[], size_t count,
	const struct cosign_claim *claim, const struct trust *trust, cosign_blob_fn *blob,
	void *ctx, struct err *e);

#endif
