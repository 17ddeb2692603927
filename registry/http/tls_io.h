/*
 * What a TLS session reads from and writes to, below the HTTP library. That reads the socket and writes it
 * by GnuTLS, and knows neither when a handshake waits for its client nor that the head of an answer could
 * go with its body. One thread a session.
 */
#ifndef MOAT_TLS_IO_H
#define MOAT_TLS_IO_H

#include <stdbool.h>

#include "storage/base/buf.h"

struct tls_io {
	int fd;
	bool over; /* the client's Finished came: from here on the library knows what is ready */
	bool joins; /* what is written next waits for what is written behind it: see tls_io_join() */
	struct buf pending; /* what waits */
	void *credentials; /* that the session presents: see tls_forget() */
	/* The library tries again at once, a core long, when a handshake waits for its client; so it is told
	 * here, in the middle of a read, and the connection can be held. */
	void (*starved)(struct tls_io *io);
};

/* Of a new session. `io`, with fd and starved set, lives as long as the session. */
void tls_io_begin(struct tls_io *io, void *session);

/* An answer is about to be written whose body follows its head without a wait: they leave in one call, and
 * the client wakes once. */
void tls_io_join(struct tls_io *io);

/* The answer is over, also half written: nothing is left waiting. */
void tls_io_flush(struct tls_io *io);
void tls_io_release(struct tls_io *io);

#endif
