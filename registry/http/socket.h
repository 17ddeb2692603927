/* Sockets: where we listen, how far a transfer got. */
#ifndef MOAT_SOCKET_H
#define MOAT_SOCKET_H

#include <stdint.h>

#include "registry/ops/address.h"

/* A listening, non-blocking socket, or -1. */
MUST int socket_listen(const struct address *a, struct err *e);
/* What a listening socket (ours or inherited) is bound to. */
MUST int socket_address(int fd, struct address *a, struct err *e);

/* Sockets that systemd opened for us (sd_listen_fds(3)): the first descriptor in *first. Returns
 * how many, 0 when not activated that way; the environment is cleaned. */
int socket_inherited(int *first);

/* Has the peer closed its side, and is all that it sent read? */
bool socket_is_over(int fd);
/* Did bytes come that are not read yet? */
bool socket_has_bytes(int fd);

/* Bytes the peer has acknowledged since a TCP connection began; UINT64_MAX when nobody knows. */
uint64_t socket_acked(int fd);
/* Of the bytes that were written to a Unix socket, which acknowledges nothing, how many its peer has read at
 * least: what waits in it counts with the kernel's overhead. */
uint64_t socket_taken(int fd, uint64_t written);

#endif
