#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <openssl/ssl.h>

/*
 * TLS of the clients, the same for every server that is measured: 1.3, X25519, AES-128-GCM. The
 * certificate is not looked at. Exits when OpenSSL refuses.
 */
SSL_CTX *tls_new(void);

/*
 * A session that will connect on fd. With a ticket it resumes what *ticket holds (NULL: nothing yet) and
 * leaves there the last that the server gave; without one every handshake is a full one.
 */
SSL *tls_open(SSL_CTX *tls, int fd, SSL_SESSION **ticket);

/* Free a session, whose ticket stays good. Returns 1 when it was resumed, else 0. */
unsigned tls_close(SSL *session);

#endif
