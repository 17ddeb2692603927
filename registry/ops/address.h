/* The address of a socket, ours or a client's. Pure. */
#ifndef MOAT_ADDRESS_H
#define MOAT_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "storage/base/err.h"

#define ADDRESS_TEXT_SIZE 120 /* "[v6%scope]:port" or a path */

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};

/* Read "127.0.0.1:5000", "[::1]:5000", "localhost:5000" or ":5000" (every address). Numbers only, so that
 * no start depends on a resolver. ERR_INPUT. */
MUST int address_parse(struct address *a, const char *text, struct err *e);
/* Write it into `text`, and return that. */
const char *address_text(const struct address *a, char text[ADDRESS_TEXT_SIZE]);
/* The client whose address it is, without a port: of IPv6 the network of 64 bits, which is what one machine is given
 * (RFC 7421); "unix". */
const char *address_client(const struct address *a, char text[ADDRESS_TEXT_SIZE]);
/* Can only this machine reach it (loopback or a Unix socket)? */
bool address_is_local(const struct address *a);

#endif
