/*
 * The server's private key, with which OpenSSL signs handshakes: GnuTLS takes 5.5 times as long for RSA of
 * 2048 bits and 1.7 times for P-256. Any thread may use a key, several at once.
 */
#ifndef MOAT_TLS_KEY_H
#define MOAT_TLS_KEY_H

#include <gnutls/abstract.h>

#include "storage/base/buf.h"

/* Exchange a key that GnuTLS read from `pem` for one that signs by OpenSSL. It stays what it is when it is
 * neither RSA nor EC, or OpenSSL does not take it. */
void tls_key_hasten(gnutls_privkey_t *key, struct span pem);

#endif
