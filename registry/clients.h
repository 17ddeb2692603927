/* How many connections each address holds, over all threads: one client can not take them all. */
#ifndef MOAT_CLIENTS_H
#define MOAT_CLIENTS_H

#include "registry/socket.h"

struct clients;
struct client; /* one address with at least one connection */

/* total and each: most connections at once, of all clients and of one address. */
struct clients *clients_new(unsigned total, unsigned each);
void clients_free(struct clients **c);

enum clients_answer { CLIENT_OK, CLIENT_TOO_MANY, CLIENTS_FULL };

/* A connection came; on CLIENT_OK *client is to be given back when it goes. */
MUST enum clients_answer clients_enter(
	struct clients *c, const struct address *a, struct client **client);
unsigned clients_count(struct clients *c); /* connections now */
void clients_leave(struct clients *c, struct client **client);

#endif
