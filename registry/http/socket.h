/* Sockets: where the server listens, and how far a transfer got. Safe from any thread, but for
 * socket_inherited(). */
#ifndef MOAT_SOCKET_H
#define MOAT_SOCKET_H

#include <stdint.h>

#include "registry/ops/address.h"

/* Open a listening, non-blocking socket: the descriptor, or -1 with e. */
MUST int socket_listen(const struct address *a, struct err *e);
/* What a listening socket (opened or inherited) is bound to. */
MUST int socket_address(int fd, struct address *a, struct err *e);

/* Take over the sockets that systemd opened (sd_listen_fds(3)): the first descriptor in *first. Returns how
 * many, 0 when not activated that way; cleans the environment. */
int socket_inherited(int *first);

/* Has the peer closed its side, and was all read that it sent? */
bool socket_is_over(int fd);
/* Are there bytes to read? */
bool socket_has_bytes(int fd);

/* Bytes that the peer has acknowledged since a TCP connection began; UINT64_MAX when not known. */
uint64_t socket_acked(int fd);
/* Bytes that the peer has read at least, of those written to a Unix socket, which acknowledges nothing: what
 * waits in it counts with the kernel's overhead. */
uint64_t socket_taken(int fd, uint64_t written);

#endif
