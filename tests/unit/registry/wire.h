/* A client of raw bytes, or of raw bytes in TLS: what it sends is exactly what the test says. Waits at
 * most 20 s for an answer, then the test fails. */
#ifndef MOAT_TEST_WIRE_H
#define MOAT_TEST_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/buf.h"
#include "tls_client.h"

struct wire {
	int fd;
	SSL *ssl; /* NULL: plain */
	struct buf in; /* received, not yet read */
};

struct answer {
	unsigned status; /* 0: the connection was closed instead */
	struct buf head; /* status line and headers, CRLF each */
	struct buf body;
};
#define ANSWER_INIT                                                                                \
	{                                                                                          \
		.head = BUF_INIT, .body = BUF_INIT                                                 \
	}
void answer_release(struct answer *a);
/* The value of a header as a string that the next call overwrites; "" when absent. */
const char *answer_get(const struct answer *a, const char *name);

struct wire wire_open(uint16_t port);
/* From this address of the loopback device (host byte order). */
struct wire wire_open_from(uint32_t host, uint16_t port);
/* The same in TLS, if the client is one of it. No fd: the handshake failed. */
struct wire wire_open_as(const struct tls_client *c, uint16_t port);
void wire_close(struct wire *w);
void wire_send(struct wire *w, const void *data, size_t len);
void wire_str(struct wire *w, const char *text);
/* Read one answer; `head`: to a HEAD, which has no body. */
void wire_read(struct wire *w, bool head, struct answer *a);
/* The same for threads of a test, which can not fail it: NULL, or what went wrong. */
const char *wire_try(struct wire *w, bool head, struct answer *a);
/* Wait for the first byte of an answer, and leave it. False: the connection was closed instead. */
bool wire_has_begun(struct wire *w);
/* Whether the peer closes the connection, with nothing more to read. */
bool wire_is_closed(struct wire *w);
/* Whether another request on this connection is answered. */
bool wire_is_open(struct wire *w);

#endif
