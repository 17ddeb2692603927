/*
 * Keys and signatures by OpenSSL's EVP. Must never print a secret, or accept a key that cosign
 * would use in another way.
 */
#include "mirror-tool/sign/sign.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define PBKDF2_ROUNDS 600000 /* OWASP 2023 for HMAC-SHA-256 */
#define SALT_BYTES 16

struct sign_key {
	EVP_PKEY *pkey;
	struct digest id;
};

struct verify_key {
	EVP_PKEY *pkey;
	struct digest id;
	struct key_text text;
	char *name;
};

/* --- releasing what OpenSSL gave ------------------------------------------------------------- */

#define RELEASER(name, type, call)                                                                 \
	static void name(type **p)                                                                 \
	{                                                                                          \
		call(*p);                                                                          \
		*p = NULL;                                                                         \
	}
RELEASER(pkey_free, EVP_PKEY, EVP_PKEY_free)
RELEASER(bio_free, BIO, BIO_free_all)
RELEASER(ctx_free, EVP_MD_CTX, EVP_MD_CTX_free)
RELEASER(p8_free, PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)
RELEASER(sig_free, X509_SIG, X509_SIG_free)

/* One PEM block. */
struct pem_block {
	char *label;
	unsigned char *der;
	long len;
};

static void block_free(struct pem_block *b)
{
	OPENSSL_free(b->label);
	OPENSSL_clear_free(b->der, b->der ? (size_t)b->len : 0);
	*b = (struct pem_block){ NULL, NULL, 0 };
}

static int crypto_err(struct err *e, enum err_code code, const char *what)
{
	unsigned long n = ERR_peek_last_error();
	const char *reason = n ? ERR_reason_error_string(n) : NULL;

	ERR_clear_error();
	return err_set(e, code, "%s: %s", what, reason ? reason : "refused by OpenSSL");
}

/* Take the next PEM block: 1, 0 at the end. Text around blocks is skipped, as openssl does. */
static int next_block(BIO *in, struct pem_block *b)
{
	char *header = NULL;

	block_free(b);
	if (!PEM_read_bio(in, &b->label, &header, &b->der, &b->len)) {
		ERR_clear_error();
		return 0;
	}
	OPENSSL_free(header);
	return 1;
}

static BIO *bio_of(struct span text)
{
	return BIO_new_mem_buf(text.data, (int)text.len);
}

/* --- what a key is ----------------------------------------------------------------------- */

static int key_id(EVP_PKEY *pkey, struct digest *id, struct err *e)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(pkey, &der);

	if (len <= 0)
		return crypto_err(e, ERR_INPUT, "public key");
	digest_of(id, DIGEST_SHA256, (struct span){ (char *)der, (size_t)len });
	OPENSSL_free(der);
	return 0;
}

/* Accept P-256 only: with other curves cosign hashes differently for signing than for verifying. */
static int check_kind(const char *name, EVP_PKEY *pkey, struct err *e)
{
	char group[64] = "";
	size_t len;

	if (!EVP_PKEY_is_a(pkey, "EC"))
		return err_set(e, ERR_INPUT, "%s: an %s key; moat takes ECDSA P-256 keys", name,
			EVP_PKEY_get0_type_name(pkey));
	if (!EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) ||
		strcmp(group, "prime256v1") != 0)
		return err_set(e, ERR_INPUT, "%s: an EC key of %s; moat takes ECDSA P-256 keys",
			name, *group ? group : "another curve");
	return 0;
}

/* --- private keys -------------------------------------------------------------------------- */

static int wrap(struct sign_key **k, EVP_PKEY **pkey, struct err *e)
{
	struct digest id;

	if (key_id(*pkey, &id, e) < 0)
		return -1;
	*k = mem_alloc(sizeof(**k));
	(*k)->id = id;
	(*k)->pkey = STEAL(*pkey);
	return 0;
}

int sign_key_new(struct sign_key **k, struct err *e)
{
	AUTO(pkey_free) EVP_PKEY *pkey = EVP_EC_gen("P-256");

	if (!pkey)
		return crypto_err(e, ERR_IO, "make a key");
	return wrap(k, &pkey, e);
}

void sign_key_free(struct sign_key **k)
{
	if (!*k)
		return;
	EVP_PKEY_free((*k)->pkey);
	free(*k);
	*k = NULL;
}

static bool write_encrypted(BIO *out, PKCS8_PRIV_KEY_INFO *p8, const char *passphrase)
{
	AUTO(sig_free)
	X509_SIG *sealed = PKCS8_encrypt(-1, EVP_aes_256_cbc(), passphrase, (int)strlen(passphrase),
		NULL, SALT_BYTES, PBKDF2_ROUNDS, p8);

	return sealed && PEM_write_bio_PKCS8(out, sealed);
}

int sign_key_write(const struct sign_key *k, const char *passphrase, struct buf *pem, struct err *e)
{
	AUTO(bio_free) BIO *out = BIO_new(BIO_s_secmem());
	AUTO(p8_free) PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(k->pkey);
	char *text;
	long len;
	bool done;

	if (!out || !p8)
		return crypto_err(e, ERR_IO, "write the key");
	done = passphrase ? write_encrypted(out, p8, passphrase)
			  : PEM_write_bio_PKCS8_PRIV_KEY_INFO(out, p8);
	if (!done)
		return crypto_err(e, ERR_IO, "write the key");
	len = BIO_get_mem_data(out, &text);
	buf_add(pem, text, (size_t)len);
	return 0;
}

bool sign_key_is_encrypted(struct span pem)
{
	AUTO(bio_free) BIO *in = bio_of(pem);
	AUTO(block_free) struct pem_block b = { NULL, NULL, 0 };

	return in && next_block(in, &b) && strcmp(b.label, PEM_STRING_PKCS8) == 0;
}

static int decrypt(PKCS8_PRIV_KEY_INFO **p8, const char *name, const struct pem_block *b,
	const char *passphrase, struct err *e)
{
	const unsigned char *der = b->der;
	AUTO(sig_free) X509_SIG *sealed = d2i_X509_SIG(NULL, &der, b->len);

	if (!sealed)
		return crypto_err(e, ERR_INPUT, name);
	if (!passphrase)
		return err_set(e, ERR_INPUT,
			"%s: encrypted; give --passphrase-file or --passphrase-env", name);
	*p8 = PKCS8_decrypt(sealed, passphrase, (int)strlen(passphrase));
	ERR_clear_error();
	return *p8 ? 0 : err_set(e, ERR_INPUT, "%s: wrong passphrase", name);
}

static int unwrap(PKCS8_PRIV_KEY_INFO **p8, const char *name, const struct pem_block *b,
	const char *passphrase, struct err *e)
{
	const unsigned char *der = b->der;

	if (strcmp(b->label, PEM_STRING_PKCS8) == 0)
		return decrypt(p8, name, b, passphrase, e);
	if (strstr(b->label, "SIGSTORE") || strstr(b->label, "COSIGN"))
		return err_set(e, ERR_INPUT,
			"%s: cosign's own key format; make one with `moat key new` and give it to "
			"cosign by `cosign import-key-pair`",
			name);
	if (strcmp(b->label, PEM_STRING_PUBLIC) == 0)
		return err_set(e, ERR_INPUT, "%s: a public key, a private one is needed", name);
	if (strcmp(b->label, PEM_STRING_PKCS8INF) != 0)
		return err_set(e, ERR_INPUT,
			"%s: %s is not PKCS#8; convert it: openssl pkcs8 -topk8 -in %s", name,
			b->label, name);
	*p8 = d2i_PKCS8_PRIV_KEY_INFO(NULL, &der, b->len);
	return *p8 ? 0 : crypto_err(e, ERR_INPUT, name);
}

int sign_key_read(struct sign_key **k, const char *name, struct span pem, const char *passphrase,
	struct err *e)
{
	AUTO(bio_free) BIO *in = bio_of(pem);
	AUTO(block_free) struct pem_block b = { NULL, NULL, 0 };
	AUTO(p8_free) PKCS8_PRIV_KEY_INFO *p8 = NULL;
	AUTO(pkey_free) EVP_PKEY *pkey = NULL;

	if (!in || !next_block(in, &b))
		return err_set(e, ERR_INPUT, "%s: not a PEM file", name);
	if (unwrap(&p8, name, &b, passphrase, e) < 0)
		return -1;
	pkey = EVP_PKCS82PKEY(p8);
	if (!pkey)
		return crypto_err(e, ERR_INPUT, name);
	if (check_kind(name, pkey, e) < 0)
		return -1;
	return wrap(k, &pkey, e);
}

int sign_bytes(const struct sign_key *k, struct span bytes, struct buf *signature, struct err *e)
{
	AUTO(ctx_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char der[SIGNATURE_MAX];
	size_t len = sizeof(der);

	if (!ctx || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k->pkey) <= 0 ||
		EVP_DigestSign(ctx, der, &len, (const unsigned char *)bytes.data, bytes.len) <= 0)
		return crypto_err(e, ERR_IO, "sign");
	buf_add(signature, der, len);
	return 0;
}

static int write_public(EVP_PKEY *pkey, struct buf *pem, struct err *e)
{
	AUTO(bio_free) BIO *out = BIO_new(BIO_s_mem());
	char *text;
	long len;

	if (!out || !PEM_write_bio_PUBKEY(out, pkey))
		return crypto_err(e, ERR_IO, "write the public key");
	len = BIO_get_mem_data(out, &text);
	buf_add(pem, text, (size_t)len);
	return 0;
}

int sign_key_write_public(const struct sign_key *k, struct buf *pem, struct err *e)
{
	return write_public(k->pkey, pem, e);
}

const struct digest *sign_key_id(const struct sign_key *k)
{
	return &k->id;
}

/* --- public keys ------------------------------------------------------------------------- */

static void verify_key_free(struct verify_key *k)
{
	EVP_PKEY_free(k->pkey);
	key_text_release(&k->text);
	free(k->name);
	free(k);
}

static struct verify_key *find_key(const struct trust *t, const struct digest *id)
{
	for (size_t i = 0; i < t->count; i++)
		if (digest_eq(&t->keys[i]->id, id))
			return t->keys[i];
	return NULL;
}

static int add_block(struct trust *t, const char *name, const struct pem_block *b, struct err *e)
{
	const unsigned char *der = b->der;
	AUTO(pkey_free) EVP_PKEY *pkey = d2i_PUBKEY(NULL, &der, b->len);
	struct verify_key *k;
	struct digest id;

	if (!pkey)
		return crypto_err(e, ERR_INPUT, name);
	if (check_kind(name, pkey, e) < 0 || key_id(pkey, &id, e) < 0)
		return -1;
	if (find_key(t, &id))
		return 0;
	if (t->count == TRUST_KEYS_MAX)
		return err_set(e, ERR_INPUT, "%s: more than %d keys", name, TRUST_KEYS_MAX);
	k = mem_alloc(sizeof(*k));
	k->pkey = STEAL(pkey);
	k->id = id;
	k->text = (struct key_text)KEY_TEXT_INIT;
	k->name = mem_strdup(name);
	*VEC_PUSH(t->keys, t->count) = k;
	return 0;
}

int trust_add(struct trust *t, const char *name, struct span pem, struct err *e)
{
	AUTO(bio_free) BIO *in = bio_of(pem);
	AUTO(block_free) struct pem_block b = { NULL, NULL, 0 };
	size_t found = 0;

	for (; in && next_block(in, &b); found++) {
		if (strcmp(b.label, PEM_STRING_PUBLIC) != 0)
			return err_set(e, ERR_INPUT, "%s: holds a %s, a PUBLIC KEY is needed", name,
				b.label);
		if (add_block(t, name, &b, e) < 0)
			return -1;
	}
	return found ? 0 : err_set(e, ERR_INPUT, "%s: no PUBLIC KEY in it", name);
}

void trust_release(struct trust *t)
{
	for (size_t i = 0; i < t->count; i++)
		verify_key_free(t->keys[i]);
	free(t->keys);
	*t = (struct trust)TRUST_INIT;
}

const struct digest *verify_key_id(const struct verify_key *k)
{
	return &k->id;
}

const char *verify_key_name(const struct verify_key *k)
{
	return k->name;
}

struct key_text *verify_key_text(struct verify_key *k)
{
	return &k->text;
}

int verify_key_write(const struct verify_key *k, struct buf *pem, struct err *e)
{
	return write_public(k->pkey, pem, e);
}

int verify_bytes(const struct verify_key *k, struct span bytes, struct span signature)
{
	AUTO(ctx_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int rc = 0;

	if (ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, k->pkey) > 0)
		rc = EVP_DigestVerify(ctx, (const unsigned char *)signature.data, signature.len,
			(const unsigned char *)bytes.data, bytes.len);
	ERR_clear_error();
	return rc == 1;
}
