#ifndef BENCH_API_H
#define BENCH_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One kept-alive HTTP/1.1 connection of a client that pushes: blocking, plain, loopback. Bodies go
 * out by sendfile or one send, answers' bodies are dropped, so that the client costs little.
 */
struct api {
	uint16_t port;
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

struct api api_new(uint16_t port);

/*
 * Send a request and read its answer; connects first when need be. headers are complete lines or "".
 * Returns 0 and the answer in a->status, a->location; -1 when there was no whole answer (a is closed
 * then; nothing is sent twice).
 */
int api_call(struct api *a, const char *method, const char *path, const char *headers,
	const struct api_body *body);

void api_close(struct api *a);

#endif
