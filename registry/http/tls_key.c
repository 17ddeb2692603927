/* Sign by OpenSSL for GnuTLS. Must never write a key, and never decrypt with one. */
#include "registry/http/tls_key.h"

#include <gnutls/gnutls.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "storage/base/banned.h"

enum padding { PADDING_NONE, PADDING_PKCS1, PADDING_PSS };

/* The algorithms that handshakes of TLS 1.2 and 1.3 ask for. RSA_RAW: GnuTLS has put the digest's name before
 * it. */
static const struct algorithm {
	gnutls_sign_algorithm_t id;
	int kind; /* of key */
	enum padding padding;
	const EVP_MD *(*md)(void); /* NULL: none */
} algorithms[] = {
	{ GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, EVP_PKEY_RSA, PADDING_PSS, EVP_sha256 },
	{ GNUTLS_SIGN_RSA_PSS_RSAE_SHA384, EVP_PKEY_RSA, PADDING_PSS, EVP_sha384 },
	{ GNUTLS_SIGN_RSA_PSS_RSAE_SHA512, EVP_PKEY_RSA, PADDING_PSS, EVP_sha512 },
	{ GNUTLS_SIGN_RSA_SHA256, EVP_PKEY_RSA, PADDING_PKCS1, EVP_sha256 },
	{ GNUTLS_SIGN_RSA_SHA384, EVP_PKEY_RSA, PADDING_PKCS1, EVP_sha384 },
	{ GNUTLS_SIGN_RSA_SHA512, EVP_PKEY_RSA, PADDING_PKCS1, EVP_sha512 },
	{ GNUTLS_SIGN_RSA_RAW, EVP_PKEY_RSA, PADDING_PKCS1, NULL },
	{ GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, EVP_PKEY_EC, PADDING_NONE, EVP_sha256 },
	{ GNUTLS_SIGN_ECDSA_SECP384R1_SHA384, EVP_PKEY_EC, PADDING_NONE, EVP_sha384 },
	{ GNUTLS_SIGN_ECDSA_SECP521R1_SHA512, EVP_PKEY_EC, PADDING_NONE, EVP_sha512 },
	{ GNUTLS_SIGN_ECDSA_SHA256, EVP_PKEY_EC, PADDING_NONE, EVP_sha256 },
	{ GNUTLS_SIGN_ECDSA_SHA384, EVP_PKEY_EC, PADDING_NONE, EVP_sha384 },
	{ GNUTLS_SIGN_ECDSA_SHA512, EVP_PKEY_EC, PADDING_NONE, EVP_sha512 },
};

static const struct algorithm *find(gnutls_sign_algorithm_t id, const EVP_PKEY *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (algorithms[i].id == id && algorithms[i].kind == EVP_PKEY_get_base_id(key))
			return &algorithms[i];
	return NULL;
}

static bool prepare(EVP_PKEY_CTX *ctx, const struct algorithm *a)
{
	if (EVP_PKEY_sign_init(ctx) <= 0)
		return false;
	if (a->padding == PADDING_PKCS1 &&
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) <= 0)
		return false;
	if (a->padding == PADDING_PSS &&
		(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) <= 0 ||
			EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) <= 0))
		return false;
	return !a->md || EVP_PKEY_CTX_set_signature_md(ctx, a->md()) > 0;
}

/* Sign; GnuTLS frees the signature. */
static bool sign(EVP_PKEY *key, const struct algorithm *a, const gnutls_datum_t *hash,
	gnutls_datum_t *signature)
{
	size_t size = (size_t)EVP_PKEY_get_size(key);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool done = ctx && prepare(ctx, a);

	signature->data = done ? gnutls_malloc(size) : NULL;
	done = signature->data &&
	       EVP_PKEY_sign(ctx, signature->data, &size, hash->data, hash->size) > 0;
	signature->size = (unsigned)size;
	if (!done) {
		gnutls_free(signature->data);
		signature->data = NULL;
		ERR_clear_error();
	}
	EVP_PKEY_CTX_free(ctx);
	return done;
}

static int on_sign(gnutls_privkey_t key, gnutls_sign_algorithm_t id, void *ours, unsigned flags,
	const gnutls_datum_t *hash, gnutls_datum_t *signature)
{
	const struct algorithm *a = find(id, ours);

	(void)key, (void)flags;
	if (!a)
		return GNUTLS_E_UNSUPPORTED_SIGNATURE_ALGORITHM;
	return sign(ours, a, hash, signature) ? 0 : GNUTLS_E_PK_SIGN_FAILED;
}

static int on_info(gnutls_privkey_t key, unsigned flags, void *ours)
{
	(void)key;
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO)
		return EVP_PKEY_get_base_id(ours) == EVP_PKEY_RSA ? GNUTLS_PK_RSA : GNUTLS_PK_ECDSA;
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS)
		return EVP_PKEY_get_bits(ours);
	if (flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO)
		return find((gnutls_sign_algorithm_t)GNUTLS_FLAGS_TO_SIGN_ALGO(flags), ours) !=
		       NULL;
	return flags & GNUTLS_PRIVKEY_INFO_SIGN_ALGO ? 0 : -1; /* prefer none */
}

static void on_deinit(gnutls_privkey_t key, void *ours)
{
	(void)key;
	EVP_PKEY_free(ours);
}

static int no_passphrase(char *text, int size, int writing, void *ctx)
{
	(void)text, (void)size, (void)writing, (void)ctx;
	return 0;
}

static EVP_PKEY *read_key(struct span pem)
{
	BIO *in = BIO_new_mem_buf(pem.data, (int)pem.len);
	EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;
	int kind = key ? EVP_PKEY_get_base_id(key) : 0;

	BIO_free(in);
	ERR_clear_error();
	if (kind == EVP_PKEY_RSA || kind == EVP_PKEY_EC)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

void tls_key_hasten(gnutls_privkey_t *key, struct span pem)
{
	EVP_PKEY *ours = read_key(pem);
	gnutls_privkey_t hastened = NULL;

	if (!ours || gnutls_privkey_init(&hastened) < 0) {
		EVP_PKEY_free(ours);
		return;
	}
	if (gnutls_privkey_import_ext4(hastened, ours, NULL, on_sign, NULL, on_deinit, on_info, 0) <
		0) {
		EVP_PKEY_free(ours);
		gnutls_privkey_deinit(hastened);
		return;
	}
	gnutls_privkey_deinit(*key);
	*key = hastened;
}
