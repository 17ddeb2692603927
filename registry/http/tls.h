/* The server's certificate, and its exchange while running. This, tls_io.h and tls_key.h are all that
 * uses gnutls. */
#ifndef MOAT_TLS_H
#define MOAT_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "storage/base/err.h"

struct tls_io;

/* No ChaCha20 (eight times slower here than AES-GCM with its instructions), nothing below 1.2, and no key
 * exchange by RSA itself: it keeps no secret for later, and our key only signs. */
#define TLS_PRIORITIES                                                                             \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-CHACHA20-POLY1305:-AES-128-CCM:"         \
	"-AES-256-CCM:%SERVER_PRECEDENCE"

/* Read certificate chain and key (PEM). Again: the next handshakes use what is in the files now;
 * on failure the old ones stay. One server a process. */
MUST int tls_load(const char *cert, const char *key, struct err *e);
void tls_unload(void);

/* Certificates of these authorities (PEM) are asked for from clients, and accepted as their names. */
MUST int tls_load_client_ca(const char *path, struct err *e);
const char *tls_client_ca(void); /* the PEM text, NULL none */

/* The common name of the client's verified certificate: true and the name. A session without one, or
 * with one that does not verify, has no name. */
bool tls_peer_name(void *session, char *name, size_t size);

/* A gnutls_certificate_retrieve_function2, for the HTTP library. What a session gets is held until
 * tls_forget(), however often others are loaded meanwhile. */
typedef void tls_callback_fn(void);
tls_callback_fn *tls_callback(void);

/* The session is over. Any thread. */
void tls_forget(struct tls_io *io);

/* A new session: may it resume by ticket (a full handshake costs four times as much), and is a
 * certificate asked for. */
void tls_prepare(void *session);

#endif
