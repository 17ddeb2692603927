/*
 * Reads and writes of a TLS session, below the HTTP library. That reads and writes the socket by GnuTLS, and
 * knows neither when a handshake waits for its client nor that the head of an answer could go with its body.
 * One thread a session.
 */
#ifndef MOAT_TLS_IO_H
#define MOAT_TLS_IO_H

#include <stdbool.h>

#include "storage/base/buf.h"

struct tls_io {
	int fd;
	bool over; /* the client's Finished came: from then on the library knows what is ready */
	bool joins; /* what is written next waits for what is written behind it: see tls_io_join() */
	struct buf pending; /* the head that waits */
	void *credentials; /* of the session: see tls_forget() */
	/* Called in the middle of a read when a handshake waits for its client, so that the connection can be
	 * held: the library would try again at once, a core long. */
	void (*starved)(struct tls_io *io);
};

/* Begin a session. `io`, with fd and starved set, lives as long as the session. */
void tls_io_begin(struct tls_io *io, void *session);

/* Join what is written next with what is written behind it: the head of an answer with its body, when that
 * follows without a wait. They leave in one call, and the client wakes once. */
void tls_io_join(struct tls_io *io);

/* End an answer, perhaps half written: nothing is left waiting. */
void tls_io_flush(struct tls_io *io);
/* Free what it owns; the session is over. */
void tls_io_release(struct tls_io *io);

#endif
