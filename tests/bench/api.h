#ifndef BENCH_API_H
#define BENCH_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/load.h"
#include "tests/bench/tls.h"

/*
 * One HTTP/1.1 connection of a client that pushes: blocking, loopback. Plain bodies go out by sendfile or
 * one send, over TLS they are read and ciphered; answers' bodies are dropped, so that the client costs
 * little.
 */
struct api {
	const struct options *o; /* port, tls, resume, close */
	SSL_CTX *tls; /* NULL: plain */
	SSL *session; /* NULL: plain, or not connected */
	SSL_SESSION *ticket;
	uint64_t resumed; /* of the closed connections */
	int fd; /* -1: not connected */
	int status; /* of the last answer */
	uint64_t bytes; /* of the last answer's body */
	bool closing; /* the server closes after this answer */
	char location[2048]; /* of the last answer: path and query; "" when it had none */
	size_t have, used; /* of text[] */
	char text[16384];
};

/* What is sent; all zero is no body. */
struct api_body {
	const void *bytes; /* NULL: from the file */
	int file;
	uint64_t offset;
	uint64_t length;
};

/* o stays the caller's and outlives it. */
struct api api_new(const struct options *o);

/* Close the connection and forget its ticket. */
void api_release(struct api *a);

/*
 * Send a request and read its answer; connects first when need be. headers are complete lines or "".
 * Returns 0 and the answer in a->status, a->location; -1 when there was no whole answer (a is closed
 * then; nothing is sent twice).
 */
int api_call(struct api *a, const char *method, const char *path, const char *headers,
	const struct api_body *body);

#endif
