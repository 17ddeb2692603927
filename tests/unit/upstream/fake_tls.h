/* TLS for the fake upstream: a server certificate, and client certificates wanted or not. */
#ifndef MOAT_TEST_FAKE_TLS_H
#define MOAT_TEST_FAKE_TLS_H

#include "tests/support/fake_upstream.h"

/* cert, key: PEM files. client_ca: those who may connect, or NULL: everybody, but a certificate is
 * asked for. */
struct fake_wire fake_tls(const char *cert, const char *key, const char *client_ca);
void fake_tls_free(struct fake_wire *wire);

#endif
