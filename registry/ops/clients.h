/*
 * How many connections each client holds, over all threads: one cannot take them all. A client is an IPv4
 * address or an IPv6 network of 64 bits, of which one machine may have any number of addresses; all
 * local sockets are one. Safe from any thread.
 */
#ifndef MOAT_CLIENTS_H
#define MOAT_CLIENTS_H

#include "registry/ops/address.h"

struct clients;
struct client; /* one with at least one connection, or whose last password was wrong */

/* total and each: most connections at once, of all clients and of one. */
struct clients *clients_new(unsigned total, unsigned each);
void clients_free(struct clients **c);

enum clients_answer { CLIENT_OK, CLIENT_TOO_MANY, CLIENTS_FULL };

/* A connection came; on CLIENT_OK *client is to be given back when it goes. */
MUST enum clients_answer clients_enter(
	struct clients *c, const struct address *a, struct client **client);
unsigned clients_count(struct clients *c); /* connections now */
void clients_leave(struct clients *c, struct client **client);

/* Was the last password that came from it wrong? Remembered for a while after its last connection. */
void client_judge(struct client *client, bool suspect);
bool client_is_suspect(const struct client *client);

#endif
