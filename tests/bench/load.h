#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

/* What the command line asks for; the modes print one line of JSON each and return the exit status. */
struct options {
	uint16_t port;
	unsigned conns; /* get, tags: connections; storm: nodes */
	unsigned width; /* storm: layers that a node fetches at once */
	unsigned seconds; /* get: how long */
	unsigned chunk_mib; /* push: size of a PATCH; 0: one PUT with the whole blob */
	unsigned from; /* tags: the first number; list: numbers are below it */
	unsigned count; /* tags, list: how many */
	bool tls;
	bool resume; /* tls: connections after the first resume by ticket, each node for itself */
	bool head;
	bool close; /* one connection a request */
	char **rest;
};

/* Closed loop: every connection asks for rest[0] again as soon as it has been answered. SIGTERM ends it before its time. */
int mode_get(const struct options *o);

/*
 * Nodes that pull one image at the same instant, as containerd does. rest[0] is a plan: lines
 * "METHOD PATH"; those before the first empty line are done in order on one connection, those
 * after it are shared by `width` connections of the node.
 */
int mode_storm(const struct options *o);

/* Push one blob: rest[] is a repository, a file and its digest. */
int mode_push(const struct options *o);

/*
 * What a client with one kept-alive connection sends to push many images; rest[0] is a file of lines
 *   blob REPOSITORY DIGEST FILE FROM       FROM: a repository to mount it from, or -
 *   manifest REPOSITORY REFERENCE FILE MEDIA-TYPE
 */
int mode_plan(const struct options *o);

/*
 * Put a manifest under many tags: rest[] is a path, a media type and a file. Eight '@' in the path
 * and in the file stand for the number, so that manifests may differ too.
 */
int mode_tags(const struct options *o);

/* GET rest[0] over and over on one connection; chunked answers are understood. With --from eight '@' in it stand for a
 * number below that, another one each time. */
int mode_list(const struct options *o);

/* Start the command rest[], measure until GET /v2/ answers 200, stop it. */
int mode_first(const struct options *o);

/* Run the command rest[] to its end: wall, CPU and peak RSS of it and of its children. */
int mode_spent(const struct options *o);

#endif
