/* What a test of TLS needs beside the server: a certificate in files, and clients. */
#ifndef MOAT_TEST_TLS_CLIENT_H
#define MOAT_TEST_TLS_CLIENT_H

#include <openssl/ssl.h>

/* Clients of one kind. */
struct tls_client {
	SSL_CTX *ctx; /* NULL: plain */
	SSL_SESSION *session; /* to resume; NULL: a whole handshake */
};

/* A self-signed ECDSA certificate and its key (PEM), for servers and for a client called node-7. */
void tls_client_certificate(const char *cert, const char *key);
/* Of this pair, which it frees. */
void tls_client_certificate_of(EVP_PKEY *pair, const char *cert, const char *key);

/* One that speaks this version only (TLS1_2_VERSION, TLS1_3_VERSION), and trusts whatever it meets. */
void tls_client_open(struct tls_client *c, int version);
/* Shown when the server asks for it. */
void tls_client_present(struct tls_client *c, const char *cert, const char *key);
void tls_client_close(struct tls_client *c);

/* A session on a connected socket, not begun yet. */
SSL *tls_client_session(const struct tls_client *c, int fd);

#endif
