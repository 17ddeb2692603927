/* A server that runs on loopback, for tests that speak to it byte by byte. */
#ifndef MOAT_TEST_RUNNING_H
#define MOAT_TEST_RUNNING_H

#include "registry/http/server.h"
#include "registry/http/socket.h"

struct running {
	struct repo_names names;
	struct cache *cache;
	struct auth *auth; /* NULL: anyone may do anything */
	struct log_file *log; /* NULL: off */
	struct server *server;
	int listener;
	uint16_t port;
};

/* Two threads, and limits that no test meets by chance; it only reads. */
extern const struct server_config running_usual;

void running_prepare(struct running *r);
/* Over what prepare made, and auth and log if they were opened; on the listener, if there is one already. */
void running_start(struct running *r, const char *store, struct server_config config);
void running_end(struct running *r);

#endif
