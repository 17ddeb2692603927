/* OpenSSL under the fake upstream. */
#include "fake_tls.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

static int accept_any(int ok, X509_STORE_CTX *ctx)
{
	(void)ok;
	(void)ctx;
	return 1;
}

static void *tls_open(void *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

static long tls_read(void *conn, void *data, size_t len)
{
	return SSL_read(conn, data, (int)len);
}

static long tls_write(void *conn, const void *data, size_t len)
{
	return SSL_write(conn, data, (int)len);
}

static bool tls_has_client_cert(void *conn)
{
	return SSL_get0_peer_certificate(conn) != NULL;
}

static void tls_close(void *conn)
{
	SSL_free(conn);
}

struct fake_wire fake_tls(const char *cert, const char *key, const char *client_ca)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (SSL_CTX_use_certificate_file(ctx, cert, SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
		(client_ca && SSL_CTX_load_verify_locations(ctx, client_ca, NULL) != 1)) {
		fprintf(stderr, "fake_tls: %s %s\n", cert, key);
		abort();
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (client_ca ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
		client_ca ? NULL : accept_any);
	return (struct fake_wire){ tls_open, tls_read, tls_write, tls_has_client_cert, tls_close,
		ctx };
}

void fake_tls_free(struct fake_wire *wire)
{
	SSL_CTX_free(wire->ctx);
	wire->ctx = NULL;
}
