#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

/* What the command line asks for; the modes print one line of JSON each and return the exit status. */
struct options {
	uint16_t port;
	unsigned conns; /* get: connections; storm: nodes */
	unsigned width; /* storm: layers that a node fetches at once */
	unsigned seconds; /* get: how long */
	bool head;
	bool close; /* one connection a request */
	char **rest;
};

/* Closed loop: every connection asks for rest[0] again as soon as it has been answered. */
int mode_get(const struct options *o);

/*
 * Nodes that pull one image at the same instant, as containerd does. rest[0] is a plan: lines
 * "METHOD PATH"; those before the first empty line are done in order on one connection, those
 * after it are shared by `width` connections of the node.
 */
int mode_storm(const struct options *o);

/* Start the command rest[], measure until GET /v2/ answers 200, stop it. */
int mode_first(const struct options *o);

/* Run the command rest[] to its end: wall, CPU and peak RSS of it and of its children. */
int mode_spent(const struct options *o);

#endif
