/* The server's certificate, exchanged while it runs. Only tls*.c use gnutls. One server a process; any
 * thread, but for loading. */
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

/* Read certificate chain and key (PEM). Called again, the next handshakes use what is in the files now; on
 * failure the old ones stay. ERR_INPUT names the file. */
MUST int tls_load(const char *cert, const char *key, struct err *e);
/* Forget all certificates and keys, at the end. */
void tls_unload(void);

/* Ask clients for certificates of these authorities (PEM); they name users. ERR_INPUT names the file. */
MUST int tls_load_client_ca(const char *path, struct err *e);
const char *tls_client_ca(void); /* the PEM text, NULL none */

/* Get the common name of the client's verified certificate; false: the session has none that verifies. */
bool tls_peer_name(void *session, char *name, size_t size);

/* A gnutls_certificate_retrieve_function2, for the HTTP library. What a session gets stays valid until
 * tls_forget(), however often others are loaded meanwhile. */
typedef void tls_callback_fn(void);
tls_callback_fn *tls_callback(void);

/* Drop the credentials of a session that is over. */
void tls_forget(struct tls_io *io);

/* Prepare a new session: let it resume by ticket (a full handshake costs four times as much), and ask for a
 * certificate if there are authorities. */
void tls_prepare(void *session);

#endif
