/*
 * Keys and signatures: ECDSA over P-256 with SHA-256, the one kind that cosign, podman, skopeo,
 * CRI-O and plain openssl all take. The only user of EVP signatures in the project.
 *
 * Private keys are PKCS#8 PEM files, encrypted by PBES2 (PBKDF2 with HMAC-SHA-256, AES-256-CBC),
 * so that `openssl pkey` and `cosign import-key-pair` read them. A key is named by the digest of
 * its public half (SubjectPublicKeyInfo, DER).
 */
#ifndef MOAT_SIGN_H
#define MOAT_SIGN_H

#include "mirror-tool/sign/key_text.h"
#include "storage/base/buf.h"
#include "storage/base/err.h"
#include "storage/oci/digest.h"

#define KEY_FILE_MAX (16u << 10) /* bytes of a PEM file */
#define SIGNATURE_MAX 80 /* bytes of a DER signature: two integers of 33 bytes at most */
#define TRUST_KEYS_MAX 64
#define TRUST_DIR "/etc/moat/trust.d" /* *.pub: trusted when no key is named */

struct sign_key;

/* Make a key from OpenSSL's random bytes. ERR_IO when it makes none. */
MUST int sign_key_new(struct sign_key **k, struct err *e);
void sign_key_free(struct sign_key **k); /* for AUTO */

/* Append the key as PEM; passphrase NULL: not encrypted. */
MUST int sign_key_write(
	const struct sign_key *k, const char *passphrase, struct buf *pem, struct err *e);

/* Does this PEM need a passphrase? */
bool sign_key_is_encrypted(struct span pem);

/*
 * Read a private key.
 *
 * name:       of the file, for messages.
 * passphrase: NULL when there is none; not used when the key is not encrypted.
 * Fails:      ERR_INPUT no or wrong passphrase, or not a PKCS#8 P-256 key (what it is
 *             instead, and the openssl command that converts it).
 */
MUST int sign_key_read(struct sign_key **k, const char *name, struct span pem,
	const char *passphrase, struct err *e);

/* Append the DER signature of the bytes. */
MUST int sign_bytes(
	const struct sign_key *k, struct span bytes, struct buf *signature, struct err *e);

/* Append the public half as PEM. */
MUST int sign_key_write_public(const struct sign_key *k, struct buf *pem, struct err *e);

/* sha256 of the public half: the key's fingerprint. */
const struct digest *sign_key_id(const struct sign_key *k);

/* --- public keys ------------------------------------------------------------------------- */

struct verify_key;

/* Keys that are trusted, each once. A shallow copy may be narrowed by `set`; it is not released. */
struct trust {
	struct verify_key **keys;
	size_t count;
	bool strict; /* no set with excuses comes in, whatever key signed it */
	const char *set; /* only keys that may sign this set are asked; NULL: all. Borrowed */
	const char *const
		*new_signers; /* keys that may sign what others signed (signers.h); borrowed */
	size_t new_signer_count;
};
#define TRUST_INIT                                                                                 \
	{                                                                                          \
		.count = 0                                                                         \
	}

/* Every PUBLIC KEY block of the PEM text, whatever text is around; one without any is ERR_INPUT. */
MUST int trust_add(struct trust *t, const char *name, struct span pem, struct err *e);
MUST int trust_add_file(struct trust *t, const char *path, struct err *e);

/*
 * The keys that sets are judged by: the files named; when there are none, *.pub of TRUST_DIR. The
 * text in front of a key limits it (key_text.h).
 *
 * Fails: ERR_UNTRUSTED no key at all; ERR_INPUT a text that is wrong, that limits a file of several
 *        keys, or one key in two files with different texts.
 */
MUST int trust_load(struct trust *t, const char *const *paths, size_t count, struct err *e);
void trust_release(struct trust *t); /* for AUTO */

/* sha256 of the key: its fingerprint, as sign_key_id() has it. Of the key's life. */
const struct digest *verify_key_id(const struct verify_key *k);
const char *verify_key_name(const struct verify_key *k); /* the file it came from */
/* What the key may be used for: empty unless trust_load() read it. Of the key's life. */
struct key_text *verify_key_text(struct verify_key *k);

/* Append the key as PEM. */
MUST int verify_key_write(const struct verify_key *k, struct buf *pem, struct err *e);

/* Did this key sign these bytes? 1 yes, 0 no (also when the signature is no DER). */
MUST int verify_bytes(const struct verify_key *k, struct span bytes, struct span signature);

#endif
