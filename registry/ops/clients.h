/*
 * Limit the connections of each client, over all threads, so that one cannot take them all. A client is an
 * IPv4 address or an IPv6 network of 64 bits, of which one machine may have any number of addresses; all
 * local sockets are one. Safe from any thread.
 */
#ifndef MOAT_CLIENTS_H
#define MOAT_CLIENTS_H

#include "registry/ops/address.h"

struct clients;
struct client; /* has a connection, or its last password was wrong */

/* total and each: most connections at once, of all clients and of one. */
struct clients *clients_new(unsigned total, unsigned each);
void clients_free(struct clients **c);

enum clients_answer { CLIENT_OK, CLIENT_TOO_MANY, CLIENTS_FULL };

/* Count a connection. On CLIENT_OK the caller gives *client back with clients_leave() when it ends. */
MUST enum clients_answer clients_enter(
	struct clients *c, const struct address *a, struct client **client);
unsigned clients_count(struct clients *c); /* connections now */
void clients_leave(struct clients *c, struct client **client);

/* Remember whether the last password of this client was wrong, for a while after its last connection, too. */
void client_judge(struct client *client, bool suspect);
bool client_is_suspect(const struct client *client);

#endif
