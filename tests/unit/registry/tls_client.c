/* OpenSSL as a client: another library than the server's. */
#include "tls_client.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "storage/base/buf.h"
#include "tests/support/cm.h"

static void write_key(const char *path, EVP_PKEY *key)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
}

static void write_cert(const char *path, X509 *cert)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, cert), 1);
	fclose(f);
}

void tls_client_certificate(const char *cert, const char *key)
{
	tls_client_certificate_of(EVP_EC_gen("P-256"), cert, key);
}

void tls_client_certificate_of(EVP_PKEY *pair, const char *cert, const char *key)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	bool hashes = pair && EVP_PKEY_get_base_id(pair) == EVP_PKEY_ED25519;

	assert_non_null(pair);
	X509_set_version(x, 2); /* that is, 3 */
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)"node-7", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, pair);
	assert_true(X509_sign(x, pair, hashes ? NULL : EVP_sha256()) > 0);
	write_cert(cert, x);
	write_key(key, pair);
	X509_free(x);
	EVP_PKEY_free(pair);
}

void tls_client_open(struct tls_client *c, int version)
{
	*c = (struct tls_client){ .ctx = SSL_CTX_new(TLS_client_method()) };
	assert_non_null(c->ctx);
	SSL_CTX_set_min_proto_version(c->ctx, version);
	SSL_CTX_set_max_proto_version(c->ctx, version);
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_NONE, NULL);
}

void tls_client_present(struct tls_client *c, const char *cert, const char *key)
{
	assert_int_equal(SSL_CTX_use_certificate_file(c->ctx, cert, SSL_FILETYPE_PEM), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(c->ctx, key, SSL_FILETYPE_PEM), 1);
}

void tls_client_close(struct tls_client *c)
{
	SSL_SESSION_free(c->session);
	SSL_CTX_free(c->ctx);
	*c = (struct tls_client){ 0 };
}

SSL *tls_client_session(const struct tls_client *c, int fd)
{
	SSL *ssl = SSL_new(c->ctx);

	assert_non_null(ssl);
	if (c->session)
		SSL_set_session(ssl, c->session);
	SSL_set_fd(ssl, fd);
	return ssl;
}
